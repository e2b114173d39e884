"""Counters in memory and on Redis."""
