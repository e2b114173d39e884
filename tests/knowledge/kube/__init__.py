"""Manifests with the sidecar put into them: thirty of them, and what stands in the way."""
