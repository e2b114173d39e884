"""The fronts, on real sockets."""
