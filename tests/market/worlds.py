"""Worlds for tests of the whole market: edited scenarios, markets stepped verb by verb, tables compared bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile

import numpy as np
import pandas as pd

from analysis.bench import VERBS
from sim.market import Market
from sim.parameters import Parameters
from sim.records import Records
from sim.scenario import Scenario

Edit = Callable[[Parameters], None]

# Sizes of rounding errors: they follow the order in which accounts were opened, and nothing follows them.
ROUNDING = ("identity_residual_usd", "identity_gate_usd")


def altered(scenario: Scenario, *edits: Edit) -> Scenario:
    """The scenario with its parameters changed, and validated as if they had stood in a file."""
    parameters = scenario.parameters.model_copy(deep=True)
    for edit in edits:
        edit(parameters)
    return replace(scenario, parameters=Parameters.model_validate(parameters.model_dump()))


def both(*edits: Edit) -> Edit:
    """One edit of several."""

    def edit(p: Parameters) -> None:
        for each in edits:
            each(p)

    return edit


def put(section: str, **values: object) -> Edit:
    """An edit that sets numbers of one section."""

    def edit(p: Parameters) -> None:
        for name, value in values.items():
            setattr(getattr(p, section), name, value)

    return edit


def put_each(table: str, **values: object) -> Edit:
    """An edit that sets the same numbers of every entry of a table: labs, segments, regions."""

    def edit(p: Parameters) -> None:
        for entry in getattr(p, table).values():
            for name, value in values.items():
                setattr(entry, name, value)

    return edit


def off(*switches: str) -> Edit:
    """An edit that switches mechanisms off."""
    return put("switches", **dict.fromkeys(switches, False))


def broke(lab_id: str, cash: float = 1.0) -> Edit:
    """An edit that leaves a lab with little cash, nobody to fund it, and bills far beyond its sales."""

    def edit(p: Parameters) -> None:
        lab = p.labs[lab_id]
        lab.cash, lab.rounds, lab.repeat_rounds = cash, [], False
        lab.research_budget = max(lab.research_budget, 2e8)

    return edit


def ghost(name: str) -> Edit:
    """An edit that adds a lab without money whose first model is due long after the end."""

    def edit(p: Parameters) -> None:
        lab = p.labs["cohere"].model_copy(deep=True)
        for tier in lab.tiers.values():
            tier.start = "2090Q1"
        lab.cash = lab.debt = lab.seats_initial = 0.0
        lab.entry, lab.rounds, lab.repeat_rounds, lab.revenue_share = "2023Q1", [], False, None
        p.labs = {**p.labs, name: lab}

    return edit


def run_of(scenario: Scenario, enterprises: int = 300, until: str = "2025Q2", seed: int = 1) -> Records:
    """What a run leaves behind."""
    return Market(scenario, seed, enterprises, until).run()


def begin_quarter(market: Market, until: str) -> None:
    """The verbs of a quarter that come before `until`."""
    for verb in takewhile(lambda name: name != until, VERBS):
        getattr(market, verb)()


def finish_quarter(market: Market, start: str) -> None:
    """The verbs of a quarter from `start` to the end."""
    for verb in VERBS[VERBS.index(start) :]:
        getattr(market, verb)()
    market.quarter += 1


def steps(market: Market, quarters: int) -> Market:
    """The market after some more quarters."""
    for _ in range(quarters):
        market.step()
    return market


def differences(a: Records, b: Records, without_lab: str = "") -> list[str]:
    """What is not the same bit by bit in two runs, as 'table.column'.

    `without_lab` leaves out the rows of a lab, or of all whose ids begin so where it ends in "_".
    """
    found = []
    tables = [{**r.tables(), "shares": r.share_table()} for r in (a, b)]
    for name, one in tables[0].items():
        x, y = (_without(frame, without_lab) for frame in (one, tables[1][name]))
        if x.shape != y.shape:
            found.append(f"{name}: {x.shape} rows and columns against {y.shape}")
            continue
        columns = [c for c in x.columns if c not in ROUNDING and not _same(x[c], y[c])]
        found += [f"{name}.{column}" for column in columns]
    return found


def _without(frame: pd.DataFrame, lab: str) -> pd.DataFrame:
    for column in {"lab", "key"} & set(frame.columns):
        names = frame[column].astype(str)
        frame = frame[~names.str.startswith(lab) if lab.endswith("_") else names != lab]
    return frame


def _same(x: pd.Series, y: pd.Series) -> bool:
    if isinstance(x.dtype, pd.CategoricalDtype):
        return bool((x.astype(str).to_numpy() == y.astype(str).to_numpy()).all())
    a, b = x.to_numpy(), y.to_numpy()
    return bool(np.all((a == b) | (pd.isna(a) & pd.isna(b))))
