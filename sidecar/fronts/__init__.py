"""Level 5: where bytes enter and leave; no front knows another."""
