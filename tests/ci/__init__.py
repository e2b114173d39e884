"""What holds the house must itself be held."""
