"""The admin and health listeners: liveness, readiness, metrics, and the admin API."""
