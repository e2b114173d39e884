"""The examples, run as they are, on a real PostgreSQL."""
