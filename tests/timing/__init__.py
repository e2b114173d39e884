"""Whether the time of an answer tells what was wrong: statistical, apart from the other tests."""
