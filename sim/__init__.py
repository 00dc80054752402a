"""The market for foundation models as an agent-based simulation.

Names are loaded on first use, so that checking a scenario file does not wait for numpy, pandas and mesa.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.market import Market as Market
    from sim.runs import run as run
    from sim.runs.results import Run as Run
    from sim.runs.results import open_run as open_run
    from sim.scenario import Scenario as Scenario
    from sim.scenario import ScenarioError as ScenarioError
    from sim.scenario import load_scenario as load_scenario

__version__ = "0.1.0"

__all__ = ["Market", "Run", "Scenario", "ScenarioError", "__version__", "load_scenario", "open_run", "run"]

_HOMES = {
    "Market": "sim.market",
    "Run": "sim.runs.results",
    "open_run": "sim.runs.results",
    "run": "sim.runs",
    "Scenario": "sim.scenario",
    "ScenarioError": "sim.scenario",
    "load_scenario": "sim.scenario",
}


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name when the name is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
