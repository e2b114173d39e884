"""The schema of the policy: one class per section, frozen, unknown keys refused."""
