"""What the ledger says of a sale reads true: each sentence against its numbers, its numbers against the tables."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest

from sim.market import Market
from sim.quarters import quarter_label, quarter_number
from sim.records import Records
from sim.words import dollars
from tests.market.deals import events, long_run

GAVE_UP = re.compile(r"founders saw (\d+)% of the price of the race within reach, (\d+)% of last quarter's cost")
SINCE = re.compile(r"for sale since (\d{4}Q\d), when (.*?); (?!expected)")


@pytest.fixture(scope="module", params=[1, 2])
def whole(request: pytest.FixtureRequest) -> tuple[Market, Records]:
    """The baseline to 2030Q4 and what it leaves behind."""
    return long_run(request.param)


def before(quarter: str) -> str:
    return quarter_label(quarter_number(quarter) - 1)


def decisions(records: Records) -> pd.DataFrame:
    """The events in which a lab decided to stop."""
    pivots = events(records, "pivot")
    return pivots[pivots.cause.str.contains("-> stop: ")]


def test_a_sale_names_the_quarter_and_the_reason_of_its_decision(whole: tuple[Market, Records]) -> None:
    """Every lab sold by choice decided so in an event of the quarter that the sale names, and had not gone on since.

    Kills: reasons without a date, those of an earlier decision, a decision that is not in the ledger.
    """
    records, checked = whole[1], 0
    pivots = events(records, "pivot")
    for sale in events(records, "acquihire", "merger").itertuples():
        since = SINCE.match(sale.cause)
        if since is None:
            assert sale.cause.startswith("in distress for ") and sale.quarters_in_distress > 1
            continue
        quarter, why = since.groups()
        mine = pivots[(pivots.lab == sale.lab) & (pivots.quarter <= sale.quarter)]
        decided = mine[(mine.quarter == quarter) & mine.cause.str.contains("-> stop")]
        assert len(decided) == 1
        later = mine[mine.index > decided.index[0]]
        assert not later.cause.str.startswith("stop -> ").any()
        if "founders" in why:
            assert why in decided.cause.iloc[0]
        else:
            worth = decided.filter(like="_usd_per_year").iloc[0].drop("inertia_usd_per_year")
            named = re.search(r"its best strategy, (\w+), was", why)
            assert dollars(abs(worth[f"{named.group(1)}_usd_per_year"])) in why if named else worth.isna().all()
        checked += 1
    assert checked > 3


def test_founders_give_up_on_what_the_tables_show(whole: tuple[Market, Records]) -> None:
    """What they saw of their accounts is the quarter before the decision. Kills: accounts of another quarter."""
    labs, checked = whole[1].tables()["labs"].set_index(["quarter", "lab"]), 0
    for row in decisions(whole[1]).itertuples():
        told = GAVE_UP.search(row.cause)
        if told is None:
            continue
        seen = labs.loc[before(row.quarter), row.lab]
        cover = seen.revenue_usd / seen.cost_usd
        assert row.revenue_over_cost == pytest.approx(cover, rel=1e-5)
        assert told.groups() == (f"{100 * row.run_share_of_race:.0f}", f"{100 * cover:.0f}")
        checked += 1
    assert checked > 3


def test_the_table_of_labs_follows_the_turns_that_are_told(whole: tuple[Market, Records]) -> None:
    """From a turn on, the strategy is what the lab turned to, `stop` for one that looks for a buyer, also when it ends.

    Kills: the old strategy of a lab for sale, one that comes back with its end, a turn a quarter late.
    """
    told = events(whole[1], "pivot", "restructuring")
    labs, stopped = whole[1].tables()["labs"].query("status != 'not_entered'"), 0
    for lab, rows in labs.groupby("lab"):
        strategy, for_sale = rows.strategy.iloc[0] if lab.startswith("entrant_") else None, False
        strategy = strategy or whole[0].lab[lab].parameters.strategy
        for row in rows.itertuples():
            for turn in told[(told.lab == lab) & (told.quarter == row.quarter)].itertuples():
                turned = re.match(r"(\w+) -> (\w+)", turn.cause)
                for_sale = turned.group(2) == "stop" or for_sale and turned.group(1) != "stop" if turned else False
                strategy = turned.group(2) if turned and turned.group(2) != "stop" else strategy
            assert row.strategy == ("stop" if for_sale else strategy), (lab, row.quarter)
            stopped += for_sale
    assert stopped > 20 and (labs.query("status == 'exited'").strategy == "stop").any()


def test_a_turn_is_told_with_the_worth_of_each_strategy_and_its_chance(whole: tuple[Market, Records]) -> None:
    """Sentence and numbers agree, what is out of reach has no number, and stopping is chosen against the best worth.

    Kills: a chance that is not the logit's, reasons of a lab that stops other than its numbers.
    """
    intensity, checked = whole[0].parameters.strategy.intensity, 0
    strategies = ("frontier", "follower", "specialist", "services")
    for row in events(whole[1], "pivot").to_dict("records"):
        if "expected a year of" not in row["cause"]:
            continue
        held, chosen = row["cause"].split(": ")[0].split(" -> ")
        worth = {name: row[f"{name}_usd_per_year"] for name in strategies}
        for name, value in worth.items():
            nearly = ("out of reach",) if math.isnan(value) else {dollars(value * x) for x in (1.0 - 5e-6, 1.0 + 5e-6)}
            assert any(f"{name} {said}" in row["cause"] for said in nearly)  # six digits may round across three
        if held != "stop" and "stopping nothing" in row["cause"]:
            worth = {n: v - row["inertia_usd_per_year"] * (n != held) for n, v in worth.items() if not math.isnan(v)}
            worth["stop"] = 0.0
            scale = max(abs(v) for v in worth.values()) or 1.0
            weight = {n: math.exp(intensity * v / scale) for n, v in worth.items()}
            assert row["chosen_probability"] == pytest.approx(weight[chosen] / sum(weight.values()), rel=1e-3)
            checked += 1
    assert checked > 10
