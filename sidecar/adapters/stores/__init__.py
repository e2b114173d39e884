"""State stores: memory, SQLite and Redis behind one set of ports."""
