"""Kubernetes manifests with the sidecar put into them, as pure functions."""
