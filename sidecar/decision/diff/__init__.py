"""What another policy changes: who gains, who loses, and what cannot be told (ADR 25)."""
