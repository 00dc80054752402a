"""The score table: each statistic on tables small enough to work out by hand."""

import math
import tomllib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import score
from analysis.score import Target, TargetError
from sim import load_scenario
from sim.records import COLUMNS, ShareKeys
from sim.runs.results import Run, RunInfo, ShareCube

QUARTERS = ("2023Q4", "2024Q1", "2024Q2", "2024Q3", "2024Q4", "2025Q1")
SEEDS = (3, 4)
KEYS = ShareKeys((("openness", "open"), ("openness", "closed")))


def table(rows):
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def result():
    """Two seeds; seed 4 is seed 3 shifted, so that a statistic that mixes seeds shows."""
    n = len(QUARTERS)
    market, labs, funding = [], [], []
    for seed, shift in zip(SEEDS, (0.0, 10.0), strict=True):
        for t, quarter in enumerate(QUARTERS):
            lag = math.nan if t == 2 else 2.0 * t + shift
            market.append({"replication": seed, "quarter": quarter, "flow": t + shift, "lag": lag, "fall": 16.0 / 2**t})
            funding.append({"replication": seed, "quarter": quarter, "open_share_of_private_funding": t / 10})
            for lab, (revenue, cost, ownership, status) in LABS.items():
                row = {"replication": seed, "quarter": quarter, "lab": lab, "status": status, "ownership": ownership}
                labs.append(row | {"revenue_usd": revenue * (t + 1), "cost_usd": cost + shift})
    shares = np.zeros((2, n, 2, 1, 2))
    shares[0, :, 0, 0, 0] = np.arange(n) / 10
    shares[1, :, 0, 0, 0] = np.arange(n) / 10 + 0.2
    shares[:, :, 1, 0, 0] = 0.9
    cube = ShareCube(shares, QUARTERS, ("enterprise", "all"), ("deployments",), KEYS)
    tables = {"market": table(market), "labs": table(labs), "funding": table(funding), "events": table([])}
    return Run(load_scenario("baseline"), SEEDS, tables, cube, RunInfo(enterprises=50))


# revenue per quarter index, cost per quarter, ownership, status; by revenue: a > b > c > d > e > f > g > h
LABS = {
    "a": (80.0, 100.0, "independent", "active"),
    "b": (70.0, 100.0, "giant", "active"),
    "c": (60.0, 100.0, "giant", "active"),
    "d": (50.0, 100.0, "independent", "active"),
    "e": (40.0, 100.0, "independent", "active"),
    "f": (5.0, 140.0, "independent", "active"),
    "g": (4.0, 70.0, "giant", "active"),
    "h": (2.0, 140.0, "independent", "active"),
    "i": (1.0, 9e9, "independent", "exited"),
}


def target(**changes):
    start = Target("group.name", "flow", 1.0, (0.0, 2.0), "point", ("2024Q4",), ("S0-01",))
    return replace(start, **changes)


YEAR = ("2024Q1", "2024Q2", "2024Q3", "2024Q4")


@pytest.mark.parametrize(
    ("statistic", "quarters", "expected"),
    [
        ("point", ("2024Q4",), 4 + 5),
        ("annualised", ("2024Q4",), 4 * (4 + 5)),
        ("calendar_year_sum", YEAR, 1 + 2 + 3 + 4 + 4 * 5),
        ("calendar_year_mean", YEAR, 2.5 + 5),
        ("mean", ("2023Q4", "2024Q1"), 0.5 + 5),
        ("run_maximum_median", YEAR, 4 + 5),
        ("run_minimum_median", YEAR, 1 + 5),
    ],
)
def test_statistics_of_a_column(result, statistic, quarters, expected):
    """Kills: a year of three quarters, a sum not annualised, the first quarter instead of the last, one seed alone."""
    assert score.simulated(result, target(statistic=statistic, quarters=quarters)) == pytest.approx(expected)


def test_extremes_are_medians_of_runs_not_means(result):
    """Kills: the ensemble mean of run maxima, where the header of targets.toml says median."""
    one = Run(result.scenario, (1, 2, 3), {"market": _maxima((1.0, 2.0, 60.0))}, result.cube, result.info)
    assert score.simulated(one, target(statistic="run_maximum_median", quarters=("2023Q4",))) == 2.0
    assert score.simulated(one, target(statistic="mean", quarters=("2023Q4",))) == 21.0


def _maxima(values):
    return table([{"replication": i + 1, "quarter": "2023Q4", "flow": value} for i, value in enumerate(values)])


def test_annual_factor_is_a_fall_per_year(result):
    """Halved every quarter is 16-fold a year. Kills: last over first, quarters taken for years, six for five steps."""
    found = score.simulated(result, target(measure="fall", statistic="annual_factor", quarters=QUARTERS))
    assert found == pytest.approx(16.0)


def test_median_leaves_out_quarters_without_a_value(result):
    """Kills: a median that turns nan, or counts the missing quarter as 0."""
    found = score.values_by_seed(result, target(measure="lag", statistic="median_over_quarters", quarters=YEAR))
    assert found == pytest.approx([6.0, 16.0])


def test_a_share_is_of_its_lens_key_and_population(result):
    """Kills: the other population, the wrong key."""
    wanted = target(measure="share", lens="deployments", by="openness", key="open", population="enterprise")
    assert score.simulated(result, wanted) == pytest.approx(0.4 + 0.1)
    assert score.simulated(result, replace(wanted, population="all")) == pytest.approx(0.9)
    with pytest.raises(TargetError, match="no openness 'ajar'"):
        score.simulated(result, replace(wanted, key="ajar"))


def test_funding_share_is_read_from_the_funding_table(result):
    """Kills: a measure of the funding table that is not found, or summed though it is cumulative."""
    wanted = target(measure="open_share_of_private_funding", statistic="cumulative_since_start_plus_initial_stock")
    assert score.simulated(result, wanted) == pytest.approx(0.4)


def test_a_lab_column_is_of_that_lab(result):
    """Kills: the first lab of the table, the sum over labs."""
    assert score.simulated(result, target(measure="revenue_usd", key="d")) == pytest.approx(50 * 5)


def test_yearly_loss_is_sum_over_sum(result):
    """a: revenue 80 x (2 + 3 + 4 + 5), cost 400. Kills: the mean of the quarters' ratios."""
    wanted = target(measure="loss_over_revenue", key="a", statistic="calendar_year_ratio", quarters=YEAR)
    revenue = 80 * 14
    assert score.values_by_seed(result, wanted) == pytest.approx([(400 - revenue) / revenue, (440 - revenue) / revenue])


def test_sub_scale_labs_are_independent_small_and_alive(result):
    """f and h: g is a giant's, e is fifth, i is gone. Kills: top five among independents only, exited labs counted."""
    small = score.subscale_labs(score.yearly_flows(result, YEAR))
    assert sorted(small["lab"]) == ["f", "f", "h", "h"]
    wanted = target(
        measure="loss_over_revenue", statistic="calendar_year_ratio_median", quarters=YEAR, population=score.SUBSCALE
    )
    ratios = [(560 / 70 - 1, 560 / 28 - 1), (600 / 70 - 1, 600 / 28 - 1)]
    assert score.values_by_seed(result, wanted) == pytest.approx([np.mean(pair) for pair in ratios])


def test_z_and_band():
    """z counts half bands; the band's ends are in. Kills: whole bands, a strict band, a sign turned round."""
    wanted = target(value=1.0, band=(0.5, 2.5))
    assert score.distance(wanted, 2.0) == pytest.approx(1.0)
    assert score.distance(wanted, 0.5) == pytest.approx(-0.5)


def test_table_passes_and_groups(result):
    """Kills: a group that passes with one target out of its band; nan that passes; a band whose end is out."""
    wanted = [
        target(name="one.low", quarters=("2023Q4",), band=(5.0, 6.0)),
        target(name="one.high", quarters=("2023Q4",), band=(5.1, 6.0)),
        target(name="two.only", quarters=("2023Q4",), band=(4.0, 5.0)),
        target(name="three.none", measure="lag", quarters=("2024Q2",), band=(-9e9, 9e9)),
    ]
    found = score.score(result, wanted)
    assert list(found.columns) == ["target", "measure", "value", "low", "high", "simulated", "z", "pass", "source"]
    assert list(found["pass"]) == [True, False, True, False]
    assert dict(score.groups(found)) == {"one": False, "two": True, "three": False}
    text = score.markdown(found)
    assert "2 of 4 targets in their band, 1 of 3 groups whole: two." in text
    assert "| three.none |" in text


def test_a_run_that_ends_too_early_is_refused(result):
    """Kills: a target scored on the last quarter there is."""
    with pytest.raises(TargetError, match="the run has no 2025Q2"):
        score.simulated(result, target(quarters=("2025Q2",)))


def test_an_unknown_measure_or_statistic_is_refused(result):
    """Kills: nan in silence for a slip in targets.toml."""
    with pytest.raises(TargetError, match="no table has a column 'flew'"):
        score.simulated(result, target(measure="flew"))
    with pytest.raises(TargetError, match="unknown statistic 'mode'"):
        score.simulated(result, target(statistic="mode"))


# ---- the shipped targets ----

SHIPPED = score.load_targets()


def test_every_target_of_the_file_is_read():
    """Kills: a reader that drops groups, years or ranges."""
    tree = tomllib.loads(score.TARGETS.read_text(encoding="utf-8"))
    assert [t.name for t in SHIPPED] == [f"{group}.{name}" for group, entries in tree.items() for name in entries]
    by_name = {t.name: t for t in SHIPPED}
    assert by_name["market_size.total_2023"].quarters == ("2023Q1", "2023Q2", "2023Q3", "2023Q4")
    assert len(by_name["price_per_capability.decline"].quarters) == 8
    assert by_name["lag.median"].band == (2.0, 9.0)


@pytest.mark.parametrize("wanted", SHIPPED, ids=lambda t: t.name)
def test_every_shipped_target_can_be_computed(several, wanted):
    """On tables of the shape a run leaves. Kills: a measure, key or statistic that the tables do not have."""
    assert score.values_by_seed(several, wanted).shape == (len(several.seeds),)


def test_labs_table_has_the_columns_of_the_ratios():
    """Kills: a renamed column that would end the yearly ratios."""
    declared = {column.name for column in COLUMNS["labs"]}
    assert {"revenue_usd", "cost_usd", "ownership", "status", *score.RATIOS} <= declared
