"""Level 1: the policy language, from YAML text to frozen schema objects. Pure."""
