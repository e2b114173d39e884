"""Level 2: conditions of routes in CEL, bounded before they run and while they do (AZ-6)."""
