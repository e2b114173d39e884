"""Level 0: values, ports, and the tables of refusals and controls. Pure."""
