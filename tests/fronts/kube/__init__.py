"""The admission webhook, as API servers ask it."""
