"""The arithmetic of rate limits."""
