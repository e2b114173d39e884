"""Level 3: the decision core; steps, the list of steps, the runner. Pure."""
