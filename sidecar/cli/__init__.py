"""Level 7: the command line, words in, exit code out."""
