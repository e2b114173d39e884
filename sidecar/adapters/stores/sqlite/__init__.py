"""The state store in a SQLite file: one machine, several processes, no server."""
