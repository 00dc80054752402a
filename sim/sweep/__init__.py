"""Sweeps: many runs of one plan, kept safe on disk and read back as tables.

Names are loaded on first use, so that reading a sweep's status does not wait for scipy and mesa.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.sweep.plan import Plan as Plan
    from sim.sweep.plan import PlanError as PlanError
    from sim.sweep.plan import load_plan as load_plan
    from sim.sweep.reading import Sweep as Sweep
    from sim.sweep.reading import open_sweep as open_sweep
    from sim.sweep.runner import Progress as Progress
    from sim.sweep.runner import SweepReport as SweepReport
    from sim.sweep.runner import retry_sweep as retry_sweep
    from sim.sweep.runner import run_sweep as run_sweep
    from sim.sweep.store import SweepError as SweepError

__all__ = [
    "Plan",
    "PlanError",
    "Progress",
    "Sweep",
    "SweepError",
    "SweepReport",
    "load_plan",
    "open_sweep",
    "retry_sweep",
    "run_sweep",
]

_HOMES = {
    "Plan": "sim.sweep.plan",
    "PlanError": "sim.sweep.plan",
    "Sweep": "sim.sweep.reading",
    "open_sweep": "sim.sweep.reading",
    "Progress": "sim.sweep.runner",
    "SweepError": "sim.sweep.store",
    "SweepReport": "sim.sweep.runner",
    "load_plan": "sim.sweep.plan",
    "retry_sweep": "sim.sweep.runner",
    "run_sweep": "sim.sweep.runner",
}


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name when the name is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sim.sweep' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
