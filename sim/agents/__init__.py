"""The agents: state and decisions, thin; formulas live in `sim.economics`."""
