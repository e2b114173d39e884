"""How often is too often: the arithmetic of rate limits."""
