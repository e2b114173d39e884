"""Answers of an upstream: heads, framing, and how messages end."""
