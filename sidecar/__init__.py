"""Sidecar: a reverse-proxy security sidecar whose whole posture is one YAML policy."""

__version__ = "0.1.0"
