"""Level 4: what an operator does, the same from the command line and the admin API."""
