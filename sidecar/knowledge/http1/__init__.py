"""HTTP/1.1 without I/O: heads by C parsers, framing by a strict decoder of our own."""
