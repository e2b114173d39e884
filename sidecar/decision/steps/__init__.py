"""The steps, one file each, in the order of `sidecar.decision.pipeline`."""
