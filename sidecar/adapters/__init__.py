"""Level 3, beside the decision core: the ports of the outside world, implemented."""
