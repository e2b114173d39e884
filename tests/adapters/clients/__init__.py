"""Calls of our own, against real servers that behave badly."""
