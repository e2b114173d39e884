"""The state store in Redis or Valkey: several replicas; Sentinel and Cluster too."""
