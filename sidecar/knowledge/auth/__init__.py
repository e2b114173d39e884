"""Credentials: what proves a caller, as pure functions and tables."""
