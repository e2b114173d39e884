"""Counters of rate limits: in the memory of the process, and on Redis for all replicas."""
