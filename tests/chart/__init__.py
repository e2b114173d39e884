"""The chart: what it renders, refuses and promises."""
