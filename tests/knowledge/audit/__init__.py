"""The chain of the audit trail, by values."""
