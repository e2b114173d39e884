"""The demo: its service, its policy, its tour."""
