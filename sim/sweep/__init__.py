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

__all__ = ["Plan", "PlanError", "load_plan"]

_HOMES = {
    "Plan": "sim.sweep.plan",
    "PlanError": "sim.sweep.plan",
    "load_plan": "sim.sweep.plan",
}


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name when the name is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sim.sweep' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
