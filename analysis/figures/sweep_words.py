"""What the figures of a sweep say in words: a measure's value, which of the runs are shown, how to make them again."""

from __future__ import annotations

import numpy as np

from analysis.compare import in_words
from analysis.figures.reading import dollars
from analysis.figures.sweep_data import View
from sim import __version__
from sim.sweep import Sweep
from sim.sweep.plan import counted


def amount(value: float, unit: str) -> str:
    """A measure's value in its unit, short."""
    if not np.isfinite(value):
        return "-"
    if unit == "0-1":
        return f"{100 * value:.0f} %"
    if "USD" in unit:
        return dollars(value)
    return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.3g}"


def caption(sweep: Sweep) -> str:
    """What it takes to make a figure of a sweep again, and which of its runs it shows."""
    names = ", ".join(map(scenario_words, sweep.scenarios[:4])) + (", …" if len(sweep.scenarios) > 4 else "")
    seeds = in_words(sweep.balance.replications)
    luck = (
        "the same at every point" if sweep.plan["common_random_numbers"] else "replications, other luck at each point"
    )
    return (
        f"Simulation: moatsim {__version__}, sweep “{sweep.title}” ({sweep.plan['design']} design, "
        f"{counted(len(sweep.points), 'point')}), {'scenarios' if len(sweep.scenarios) > 1 else 'scenario'} {names}; "
        f"{seeds}, {luck}. {_progress(sweep)}"
    ).strip()


def _progress(sweep: Sweep) -> str:
    """Which runs are shown, where it is not all of them."""
    if sweep.balance.runs == len(sweep.runs):
        return ""
    done = sweep.status.done
    state = (
        f"{done:,} of {counted(len(sweep.runs), 'run')} have ended" if done < len(sweep.runs) else "some runs failed"
    )
    return f"Partial sweep, {state}; shown: {sweep.balance.why}."


def scenario_words(name: str) -> str:
    """A scenario of a plan as a figure names it: a file without its ending."""
    return name.removesuffix(".toml")


def over_replications(seen: View) -> str:
    """What a point's value is made of."""
    count = len(seen.sweep.balance.replications)
    return f"median of {count} replications" if count > 1 else "one replication"


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[0].upper() + text[1:]
