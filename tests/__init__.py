"""The tests; the folders mirror sidecar/ for levels 0 to 3."""
