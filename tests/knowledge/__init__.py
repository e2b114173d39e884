"""Level 2: pure functions and tables."""
