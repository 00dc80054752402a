"""What the figures read from a run and how they put it: arrays by seed, names, money in words, the caption."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from analysis.figures.canvas import Floats
from sim import __version__, words
from sim.runs.results import Run


def seeds_of(result: Run, column: str, table: str = "market") -> Floats:
    """A column of the market as an array (quarter, seed)."""
    wide = result.table(table).pivot(index="quarter", columns="replication", values=column)
    return wide.reindex(index=list(result.quarters), columns=list(result.seeds)).to_numpy(dtype=np.float64)


def shares_of(result: Run, lens: str, by: str, population: str = "all") -> tuple[list[str], np.ndarray]:
    """Keys, and shares as an array (quarter, key, seed)."""
    wide = result.shares(lens, by, population)
    shape = (len(result.seeds), len(result.quarters), wide.shape[1])
    return list(wide.columns), np.moveaxis(wide.to_numpy(dtype=np.float64).reshape(shape), 0, 2)


def has_table(result: Run, name: str) -> bool:
    """Whether the run has this table; an earlier version may not have kept it."""
    try:
        result.table(name)
    except (KeyError, ValueError):
        return False
    return True


def table_or_empty(result: Run, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """A table of the run; one of these columns without a row when the run does not have it."""
    if has_table(result, name):
        return result.table(name)
    return pd.DataFrame({column: pd.Series(dtype=_dtype(column)) for column in columns})


def _dtype(column: str) -> str:
    if column == "replication":
        return "int64"
    return "float64" if column.endswith("_usd") or column == "stake" else "str"


def lab_names(result: Run) -> dict[str, str]:
    """The name for people of each lab id."""
    labs = result.table("labs")
    named = dict(zip(labs["lab"], labs["name"], strict=True))
    return {**named, "community": "old open weights", "other": "other labs"}


def caption(result: Run, drawn: int | None = None) -> str:
    """Scenario, seeds, version: what it takes to make the figure again. drawn: the one seed that the figure shows."""
    seeds = result.seeds
    if len(seeds) == 1:
        text = f"seed {seeds[0]}"
    elif list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        text = f"seeds {seeds[0]}-{seeds[-1]}"
    else:
        text = "seeds " + ", ".join(map(str, seeds))
    if drawn is not None and len(seeds) > 1:
        text = f"seed {drawn} drawn, of {text}"
    return f"Simulation: moatsim {__version__}, scenario “{result.scenario.title}” ({result.scenario.name}), {text}."


def percent(share: float) -> str:
    """A share in words of a headline."""
    return f"{100 * share:.0f} %"


def dollars(value: float, _position: object = None) -> str:
    """US dollars in words; an axis gives the position as well."""
    return words.dollars(value)


def percent_axis(axes: Axes) -> None:
    """Shares 0-1 as whole per cent on the vertical axis."""
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def in_words(count: int, noun: str) -> str:
    """A small number in words at the head of a sentence."""
    numbers = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
    return f"{numbers[count] if count < len(numbers) else count} {noun}{'s' if count > 1 else ''}"
