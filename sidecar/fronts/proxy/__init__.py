"""The proxy listener: bytes in, the decision core, bytes out."""
