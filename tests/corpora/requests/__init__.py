"""Requests: one module for each part of the message."""
