"""Figures of a run (lives, money), of comparisons (comparison) and of sweeps (sweeps, phase_maps); what they share (canvas,
palette, reading, history); what those of sweeps show and say (sweep_data, sweep_words).
"""
