"""Figures of a run (lives, money), of comparisons (comparison), of sweeps (sweeps, phase_maps); what all share (canvas,
palette, reading, history); what those of sweeps show and say (sweep_data, sweep_words).
"""
