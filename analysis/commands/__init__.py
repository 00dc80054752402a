"""The commands of `moatsim`, a module for each family; heavy modules are imported when one is called: `--help` is quick."""
