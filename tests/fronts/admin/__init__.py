"""The admin and health listeners, on real sockets."""
