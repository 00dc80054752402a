"""Dated changes of parameters: when they begin, what they leave behind, how they overlap, what is written down."""

import dataclasses

import numpy as np
import pytest

from sim.market import Market
from sim.markets.founding import PLACE
from sim.parameters import Parameters, Shock
from sim.scenario import Scenario
from sim.shocks import Calendar, ShockError, shock_faults, value_at
from tests.market.worlds import altered, differences, run_of, steps

GROWTH = "technology.training_cost_growth"


def shock(quarter: str, key: str = GROWTH, **change: object) -> Shock:
    """A shock as it would stand in a file."""
    return Shock.model_validate(
        {"quarter": quarter, "key": key, "title": "test", "source": "assumption: test", **change}
    )


def with_shocks(scenario: Scenario, *shocks: Shock) -> Scenario:
    """The scenario with these shocks and no others."""

    def edit(p: Parameters) -> None:
        p.shocks = list(shocks)

    return altered(scenario, edit)


def path(scenario: Scenario, *shocks: Shock, key: str = GROWTH) -> list[object]:
    """A number's value in each of the first eight quarters of the market."""
    market = Market(with_shocks(scenario, *shocks), 1, 60, "2024Q4")
    seen = []
    while market.quarter <= market.last_quarter:
        market.open_books()
        market.apply_shocks_and_advance_trends()
        seen.append(value_at(market.parameters, key))
        market.quarter += 1
    return seen


CASES: dict[str, tuple[list[Shock], list[float]]] = {
    "for good": ([shock("2023Q3", value=3.0)], [2.4] * 2 + [3.0] * 6),
    "passing value": ([shock("2023Q2", value=3.0, quarters=3)], [2.4] + [3.0] * 3 + [2.4] * 4),
    "passing factor": ([shock("2023Q2", factor=2.0, quarters=3)], [2.4] + [4.8] * 3 + [2.4] * 4),
    "one quarter": ([shock("2023Q1", factor=2.0, quarters=1)], [4.8] + [2.4] * 7),
    "overlapping factors": (
        [shock("2023Q2", factor=2.0, quarters=4), shock("2023Q4", factor=1.5, quarters=4)],
        [2.4, 4.8, 4.8, 7.2, 7.2, 3.6, 3.6, 2.4],
    ),
    "overlapping values": (
        [shock("2023Q2", value=5.0, quarters=4), shock("2023Q3", value=3.0, quarters=5)],
        [2.4, 5.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.4],
    ),
    "a factor on a dated value": (
        [shock("2023Q2", value=3.0), shock("2023Q3", factor=2.0, quarters=2)],
        [2.4, 3.0, 6.0, 6.0, 3.0, 3.0, 3.0, 3.0],
    ),
    "one ends as the next begins, in either order of the file": (
        [shock("2024Q1", value=3.5), shock("2023Q2", value=5.0, quarters=3)],
        [2.4] + [5.0] * 3 + [3.5] * 4,
    ),
    "the same crisis again and again": (
        [shock(f"{q}", factor=3.0, quarters=1) for q in ("2023Q1", "2023Q3", "2024Q1")],
        [7.2, 2.4, 7.2, 2.4, 7.2, 2.4, 2.4, 2.4],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_number_follows_its_shocks(case: str, baseline: Scenario) -> None:
    """Kills: an end a quarter early or late, an old value restored by the second, a value divided by a factor."""
    shocks, expected = CASES[case]
    assert path(baseline, *shocks) == pytest.approx(expected, rel=1e-12)
    assert path(baseline, *reversed(shocks)) == pytest.approx(expected, rel=1e-12)


def test_a_factor_of_zero_ends(baseline: Scenario) -> None:
    """Kills: the value restored by a division."""
    key = "technology.run_noise"
    noise = baseline.parameters.technology.run_noise
    assert path(baseline, shock("2023Q2", key, factor=0.0, quarters=2), key=key) == [noise, 0.0, 0.0] + [noise] * 5


def test_whole_numbers_stay_whole(baseline: Scenario) -> None:
    """Kills: 4.0 quarters, which strict types refuse a year later."""
    key = "technology.leak_delay"
    seen = path(baseline, shock("2023Q2", key, factor=2.0, quarters=2), key=key)
    assert seen == [2, 4, 4, 2, 2, 2, 2, 2]
    assert all(isinstance(value, int) for value in seen)


def test_a_shock_that_is_over_leaves_no_trace_in_the_parameters(baseline: Scenario) -> None:
    """After a passing shock every parameter is what it was; places for new labs are the market's own.

    Kills: a market that changes its scenario.
    """
    scenario = with_shocks(
        baseline, shock("2023Q2", factor=1.5, quarters=2), shock("2023Q3", "switches.peers", value=False, quarters=1)
    )
    market = steps(Market(scenario, 1, 60, "2024Q4"), 6)
    named = {name: market.parameters.labs[name] for name in scenario.parameters.labs}
    assert market.parameters.model_copy(update={"labs": named}) == scenario.parameters
    places = set(market.parameters.labs) - set(named)
    assert len(places) == scenario.parameters.founding.places
    assert all(name.startswith(PLACE) for name in places)
    assert scenario.parameters.technology.training_cost_growth == 2.4
    assert steps(Market(scenario, 1, 60, "2024Q4"), 2).parameters != scenario.parameters


def test_a_dated_change_of_growth_bends_the_path_and_never_jumps(baseline: Scenario) -> None:
    """X* before the change is the baseline's; after it, it grows at the new rate. Kills: X* = X0 g^t with today's g."""
    plain, bent = (
        run_of(s, 60, "2024Q4").tables()["market"].trend_training_cost_usd.to_numpy()
        for s in (with_shocks(baseline), with_shocks(baseline, shock("2024Q1", value=4.8)))
    )
    assert (bent[:4] == plain[:4]).all()
    assert bent[4:] == pytest.approx(plain[3] * 4.8 ** (0.25 * (1 + np.arange(4))), rel=1e-9)


def test_before_its_quarter_a_shock_changes_nothing(baseline: Scenario) -> None:
    """The first four quarters of a run with a crisis in 2024 are those without. Kills: labs who foresee it."""
    plain, crisis = (
        run_of(s, 100, "2023Q4")
        for s in (with_shocks(baseline), with_shocks(baseline, shock("2024Q1", "demand.switching_cost", value=0.0)))
    )
    assert differences(plain, crisis) == []
    longer = [
        run_of(s, 100, "2024Q2")
        for s in (with_shocks(baseline), with_shocks(baseline, shock("2024Q1", "demand.switching_cost", value=0.0)))
    ]
    assert differences(*longer) != []


def test_doing_nothing_is_the_baseline(baseline: Scenario) -> None:
    """A shock of factor 1 leaves all tables but its own event alone. Kills: a side effect of having a calendar."""
    plain, idle = (
        run_of(s, 100, "2024Q1") for s in (with_shocks(baseline), with_shocks(baseline, shock("2023Q2", factor=1.0)))
    )
    assert all(name.startswith("events") for name in differences(plain, idle))


def test_a_shock_on_an_unknown_key_names_the_nearest(baseline: Scenario) -> None:
    """At whichever part of the key the slip is. Kills: an error that leaves the user to search."""
    for wrong in ("technology.training_cost_grwth", "technolgy.training_cost_growth"):
        parameters = with_shocks(baseline, shock("2024Q1", wrong, factor=2.0)).parameters
        (_, reason), *more = shock_faults(parameters)
        assert more == [] and reason.endswith("does not exist; did you mean 'technology.training_cost_growth'?")


def test_the_end_of_a_shock_is_written_down(baseline: Scenario) -> None:
    """Of any number, and of a licence as an event of its lab. Kills: a change back that nobody is told of, or that
    passes for another beginning."""
    licence = "labs.meta.tiers.flagship.licence"
    scenario = with_shocks(
        baseline,
        shock("2023Q2", GROWTH, value=3.0, quarters=1),
        shock("2023Q3", GROWTH, factor=2.0, quarters=40),
        shock("2023Q3", licence, value="closed", quarters=2),
    )
    told = run_of(scenario, 60, "2024Q2").tables()["events"]
    told = told[told.kind.isin(["open", "paywall", "shock"]) & told.cause.str.endswith("test)")]
    assert list(zip(told.quarter, told.kind, told.cause, strict=True)) == [
        ("2023Q2", "shock", f"{GROWTH}: 2.4 -> 3.0 (test)"),
        ("2023Q3", "shock", f"{GROWTH}: 3.0 -> 4.8 (end of test)"),
        ("2023Q3", "shock", f"{GROWTH}: 3.0 -> 4.8 (test)"),
        ("2023Q3", "shock", f"{licence}: open_threshold -> closed (test)"),
        ("2023Q3", "paywall", "flagship: open_threshold -> closed (test)"),
        ("2024Q1", "shock", f"{licence}: closed -> open_threshold (end of test)"),
        ("2024Q1", "open", "flagship: closed -> open_threshold (end of test)"),
    ]
    assert list(told.what) == ["begins", "ends", "begins", "begins", "", "ends", ""]


def test_policies_are_written_down(baseline: Scenario) -> None:
    """A licence that opens, a flagship that goes behind a paywall, a small model that closes: events with cause.

    What a date has fixed stays so: these labs' other licence events are about other tiers. Kills: a change without an
    event, a choice at the next release that overrules it.
    """
    scenario = with_shocks(
        baseline,
        shock("2023Q2", "labs.openai.tiers.small.licence", value="open"),
        shock("2023Q3", "labs.meta.tiers.flagship.licence", value="closed"),
        shock("2023Q4", "labs.meta.tiers.small.licence", value="closed"),
        shock("2023Q4", GROWTH, value=3.0),
    )
    events = run_of(scenario, 60, "2024Q2").tables()["events"]
    changes = events[events.kind.isin(["open", "paywall", "close"])]
    decided = changes[~changes.cause.str.endswith("(test)")]
    assert "meta" not in set(decided.lab)
    assert not ((decided.lab == "openai") & decided.cause.str.startswith("small")).any()
    policy = changes[changes.cause.str.endswith("(test)")]
    assert list(zip(policy.quarter, policy.kind, policy.lab, strict=True)) == [
        ("2023Q2", "open", "openai"),
        ("2023Q3", "paywall", "meta"),
        ("2023Q4", "close", "meta"),
    ]
    shocks = events[events.kind == "shock"]
    assert list(shocks.quarter) == ["2023Q2", "2023Q3", "2023Q4", "2023Q4"]
    assert any(GROWTH in cause and "2.4" in cause and "3.0" in cause for cause in shocks.cause)


def test_a_new_licence_binds_new_releases_only(baseline: Scenario) -> None:
    """What is open stays open: weights on people's disks cannot be called back. Kills: a policy that closes them."""
    closed = {"value": "closed"}
    scenario = with_shocks(
        baseline,
        shock("2024Q1", "labs.meta.tiers.flagship.licence", **closed),
        shock("2024Q1", "labs.meta.tiers.small.licence", **closed),
    )
    market = Market(scenario, 1, 100, "2026Q4")
    start = market.first_quarter
    steps(market, 16)
    mine = [m for m in market.lab["meta"].models if m.born >= start + 4]
    assert mine and not any(m.is_open for m in mine)
    before = [
        m for m in [*market.lab["meta"].models, *market.community_models] if m.lab == "meta" and m.born < start + 4
    ]
    assert all(m.is_open for m in before)


REFUSED = {
    "no such key": shock("2023Q2", "technology.training_cost_grwth", value=3.0),
    "no such lab": shock("2023Q2", "labs.openia.cash", value=3.0),
    "out of bounds": shock("2023Q2", value=99.0),
    "factor on a text": shock("2023Q2", "labs.openai.region", factor=2.0),
    "factor on a switch": shock("2023Q2", "switches.peers", factor=2.0),
    "text for a number": shock("2023Q2", value="much"),
    "half a quarter": shock("2023Q2", "technology.leak_delay", factor=1.25),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nonsense_is_refused_before_the_first_quarter(case: str, baseline: Scenario) -> None:
    """Kills: a typo found in the thirtieth quarter, or never."""
    parameters = baseline.parameters.model_copy(update={"shocks": [REFUSED[case]]})
    with pytest.raises(ShockError, match=REFUSED[case].key.split(".")[0]):
        Calendar(parameters)
    with pytest.raises(ShockError):
        Market(dataclasses.replace(baseline, parameters=parameters), 1, 60, "2023Q1")
