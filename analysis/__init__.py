"""Reading runs: the command line, figures and comparisons. Nothing in `sim` imports it."""
