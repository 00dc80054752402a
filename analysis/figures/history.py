"""What figures of one history share: lives of labs, rows of a page, names of who holds shares.

A life, a runway and a cap table belong to one history, so figures of them show the first seed and say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

import pandas as pd

from analysis.figures.reading import lab_names
from sim.runs.results import Run

MOST_ROWS = 60  # labs in a figure with a row for each
OTHERS = "other investors"
NAME_LETTERS = 32  # of an investor; what goes beyond is cut off


def first_history(result: Run, table: str) -> pd.DataFrame:
    """The rows of the first seed."""
    rows = result.table(table)
    return rows[rows["replication"] == result.seeds[0]]


@dataclass(frozen=True)
class Life:
    """A lab's life in one seed, as positions of quarters: entered (first quarter not `not_entered`), exited or None."""

    lab: str
    entered: int
    exited: int | None
    strategies: tuple[str, ...]  # quarter by quarter from entry to exit or the end
    owned: bool  # by a parent or a state when it entered
    revenue: float  # USD over its life


def lives(labs: pd.DataFrame, quarters: Sequence[str]) -> list[Life]:
    """The lives of one seed's labs, in order of entry, the largest revenue first. labs: rows of one seed."""
    place = {quarter: i for i, quarter in enumerate(quarters)}
    found = []
    for lab, rows in labs[labs["status"] != "not_entered"].groupby("lab", sort=True):
        rows = rows.sort_values("quarter")
        gone = rows.loc[rows["status"] == "exited", "quarter"]
        exited = place[gone.iloc[0]] if len(gone) else None
        lived = rows[rows["status"] == "active"] if exited is None else rows[rows["quarter"] <= gone.iloc[0]]
        owned = rows["ownership"].iloc[0] != "independent"
        strategies = tuple(lived["strategy"])
        revenue = float(rows["revenue_usd"].sum())
        found.append(Life(str(lab), place[rows["quarter"].iloc[0]], exited, strategies, owned, revenue))
    return sorted(found, key=lambda life: (life.entered, -life.revenue, life.lab))


def shown_lives(everybody: list[Life]) -> list[Life]:
    """Not more than fit on a page: those of the largest revenue, in the order given."""
    kept = {life.lab for life in sorted(everybody, key=lambda life: -life.revenue)[:MOST_ROWS]}
    return [life for life in everybody if life.lab in kept]


def left_out(everybody: Sequence[Life], shown: Sequence[Life]) -> str:
    """The footnote's words on labs without a row; empty when all have one."""
    hidden = len(everybody) - len(shown)
    return f"Not shown: the {hidden} lab{'s' if hidden > 1 else ''} of least revenue. " if hidden else ""


def row_height(rows: int) -> float:
    """Height of a page, inches, with a row for each lab."""
    return 2.2 + 0.165 * max(rows, 12)


def party_names(result: Run) -> dict[str, str]:
    """The name for people of each lab and each investor, cut when long; one that is both is called as its lab."""
    investors = result.scenario.parameters.investors.items()
    named = {key: shorten(investor.name, NAME_LETTERS, placeholder=" …") for key, investor in investors}
    return {**named, **lab_names(result)}


def holder_name(holder: str, names: Mapping[str, str]) -> str:
    """The name for people of an investor, owner or shareholder: its own, else its id made readable."""
    spelled = {"founders": "founders", "staff": "staff", OTHERS: OTHERS}
    return names.get(holder) or spelled.get(holder) or " ".join(w.capitalize() for w in holder.split("_"))
