"""The audit trail as arithmetic: how lines are chained, signed, and found whole (AU-6)."""
