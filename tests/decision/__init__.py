"""The decision core, by values."""
