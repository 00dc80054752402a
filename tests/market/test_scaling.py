"""Money has no size of its own: in another currency every decision is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from sim.market import Market
from sim.parameters import Parameters
from sim.records import COLUMNS, Records
from sim.scenario import Scenario
from tests.market.worlds import ROUNDING

RATE = 1024.0  # a power of two, so that sums and products keep their digits; logs and powers differ in the last one
TEXT = {"cause", "numbers", "counterparty"}  # money in words; a counterparty may be one of two equal bidders


def in_money(unit: object) -> bool:
    """Whether a number of this unit is an amount of money."""
    return isinstance(unit, str) and unit.removeprefix("2023 ").startswith("USD")


def exchange(value: object) -> None:
    """Multiply every amount of money in a section, and in those within it, in place and beyond bounds."""
    if isinstance(value, BaseModel):
        for name, declared in type(value).model_fields.items():
            extra = declared.json_schema_extra
            inner = getattr(value, name)
            if isinstance(extra, dict) and in_money(extra.get("unit")) and isinstance(inner, float):
                value.__dict__[name] = inner * RATE
            else:
                exchange(inner)
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            exchange(inner)


def exchanged(scenario: Scenario) -> Scenario:
    """The scenario in a currency of which a dollar buys `RATE` units."""
    parameters: Parameters = scenario.parameters.model_copy(deep=True)
    exchange(parameters)
    return replace(scenario, parameters=parameters)


@pytest.fixture(scope="module")
def abroad(baseline: Scenario) -> Records:
    """As `ten_quarters`, in the other currency."""
    return Market(exchanged(baseline), 1, 300, "2025Q2").run()


def test_money_is_declared_as_money(baseline: Scenario) -> None:
    """Every amount is found, those of lists and of tables by name too. Kills: a test that scales nothing."""
    before, after = baseline.parameters, exchanged(baseline).parameters
    assert after.labs["meta"].tiers["flagship"].complement == RATE * before.labs["meta"].tiers["flagship"].complement
    assert after.labs["openai"].rounds[0].amount == RATE * before.labs["openai"].rounds[0].amount
    assert after.investors["microsoft"].dry_powder == RATE * before.investors["microsoft"].dry_powder
    assert after.control.reach == RATE * before.control.reach
    assert after.technology.training_cost_growth == before.technology.training_cost_growth


def test_shares_do_not_depend_on_the_currency(abroad: Records, ten_quarters: Records) -> None:
    """All lenses and populations, to 1e-9. Kills: a price, a budget or a bid compared with a number of dollars."""
    np.testing.assert_allclose(abroad.shares, ten_quarters.shares, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("table", [name for name in COLUMNS if name != "shares"])
def test_amounts_are_exchanged_and_nothing_else_changes(table: str, abroad: Records, ten_quarters: Records) -> None:
    """Column by column by its unit, to 1e-6: same events, strategies, licences, rounds, buyers, stakes.

    Kills: a floor of a dollar that binds, a threshold in dollars that is no parameter, a column with the wrong unit.
    """
    here, there = ten_quarters.tables()[table], abroad.tables()[table]
    assert len(here) == len(there) > 0
    for column in COLUMNS[table]:
        if column.name in TEXT or column.name in ROUNDING:
            continue
        a, b = here[column.name], there[column.name]
        if column.kind == "text":
            assert list(a) == list(b), column.name
        else:
            rate = RATE if in_money(column.unit) else 1.0
            _same_numbers(column.name, a * rate, b, 1.0 if column.unit == "0-10,000" else 0.0)


def _same_numbers(name: str, expected: pd.Series, found: pd.Series, least: float) -> None:
    """`least` is the smallest size that counts as one: parts of a change of HHI may be nothing but rounding."""
    size = float(np.nanmax(np.abs(expected.replace([np.inf, -np.inf], np.nan)), initial=least))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * size, err_msg=name)
