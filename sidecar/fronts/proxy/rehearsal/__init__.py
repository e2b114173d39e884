"""Requests that are decided as the proxy decides them, without a client and without an upstream."""
