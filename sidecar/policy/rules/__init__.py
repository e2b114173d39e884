"""Rules between the parts of a policy, by subject; `sidecar.policy.lint` lists them."""
