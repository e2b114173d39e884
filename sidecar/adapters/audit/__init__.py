"""The audit trail: one JSON line for each exchange and each event (AU-1)."""
