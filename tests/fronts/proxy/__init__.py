"""The proxy: deadlines, sockets, pools."""
