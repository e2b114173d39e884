"""Level 2: pure functions and tables of what the field knows."""
