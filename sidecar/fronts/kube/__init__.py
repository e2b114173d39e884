"""The admission webhook: HTTPS for API servers, and a plain listener for probes and metrics."""
