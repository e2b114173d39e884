"""Secrets at rest: what seals them, and where the key comes from."""
