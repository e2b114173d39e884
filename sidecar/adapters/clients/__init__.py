"""Calls of our own to others, each with a deadline."""
