"""The commands of `moatsim`, a module for each family; heavy modules are imported in the call: `--help` must be quick."""
