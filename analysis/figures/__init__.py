"""Figures of runs, comparisons and sweeps, and what they share."""
