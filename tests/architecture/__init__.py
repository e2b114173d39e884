"""The law of the house that no linter knows: levels, purity, sizes, names, controls, reasons."""
