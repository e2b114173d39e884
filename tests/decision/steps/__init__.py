"""Each step alone, by values."""
