"""Baseline before any fitting: patterns of 2023 and 2024 that every reading of the facts agrees on."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from sim.runs import run
from sim.runs.results import Run
from sim.scenario import Scenario


@pytest.fixture(scope="module")
def history(baseline: Scenario, sample: Callable[[int, int], int]) -> Run:
    """The shipped baseline until 2024Q4 at its full size: 50 seeds, 6 in the fast sample."""
    seeds = range(1, sample(50, 6) + 1)
    return run(baseline, seeds=seeds, until="2024Q4", enterprises=5_000)


def spread(values: pd.Series) -> str:
    """Median and 10-90 % as text."""
    return f"median {values.median():.4g}, 10-90 % {values.quantile(0.1):.4g} to {values.quantile(0.9):.4g}"


def by_year(history: Run, column: str, how: str) -> pd.DataFrame:
    """A market column by seed and year."""
    market = history.table("market")
    return market.groupby(["replication", market.quarter.str[:4]])[column].agg(how).unstack()


def test_the_record_of_training_cost_rises(history: Run) -> None:
    """From the end of 2023 to the end of 2024, in the median. Kills: labs that cannot afford to stay in the race."""
    years = by_year(history, "record_training_cost_usd", "last")
    growth = years["2024"] / years["2023"]
    assert growth.median() > 1.0, spread(growth)
    assert (growth >= 1.0).all()


def test_the_gap_in_elo_falls(history: Run) -> None:
    """Annual means of 2023 and 2024. Kills: no distillation, no diffusion, open labs that do not train."""
    years = by_year(history, "gap_elo", "mean")
    change = years["2024"] - years["2023"]
    assert change.median() < 0.0, spread(change)


@pytest.mark.parametrize("population", ["all", "enterprise"])
def test_openai_leads_deployments_in_2023(population: str, history: Run) -> None:
    """In every quarter of 2023, in the median. Kills: an installed base nobody uses, brand ignored."""
    shares = history.shares("deployments", "lab", population)
    lead = shares["openai"] - shares.drop(columns="openai").max(axis=1)
    for quarter in ("2023Q1", "2023Q2", "2023Q3", "2023Q4"):
        now = lead.xs(quarter, level="quarter")
        assert now.median() > 0.0, f"{quarter}: lead {spread(now)}"


@pytest.mark.parametrize("quarter", ["2024Q1", "2024Q2", "2024Q3", "2024Q4"])
def test_open_share_of_enterprise_deployments_in_2024(quarter: str, history: Run) -> None:
    """Between 8 and 35 %, in the median (S1-03 and surveys: 19 % in 2023). Kills: open wins or vanishes at once."""
    share = history.shares("deployments", "openness", "enterprise").xs(quarter, level="quarter")["open"]
    assert 0.08 < share.median() < 0.35, spread(share)
    assert np.isfinite(share).all()
