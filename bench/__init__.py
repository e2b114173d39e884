"""Measures the sidecar beside the proxies that it is compared with: `python -m bench`."""
