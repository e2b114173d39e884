"""The sidecar as a process or application, between real sockets."""
