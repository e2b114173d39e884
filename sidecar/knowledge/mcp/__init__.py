"""JSON-RPC of the Model Context Protocol: messages, reserved tokens, lists (RQ-6)."""
