"""The webhook before a real API server, and the recording of what such a server asks."""
