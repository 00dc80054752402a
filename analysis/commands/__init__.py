"""The commands of `moatsim`, a module for each family; they import heavy modules when called, for a quick `--help`."""
