"""Open or closed at each release: what a lab weighs, what binds it, and what is written down."""

from __future__ import annotations

import json
import math

import pytest

from sim.agents.lab import Lab
from sim.agents.openness import LicenceChoice, licence_for, may_open, next_run, weigh
from sim.economics.release import OpenOrClosed, chance_of_opening
from sim.market import Market
from sim.markets.menu import self_run
from sim.outlook import Outlook
from sim.parameters import REGIONS, Parameters
from sim.records import Records
from sim.scenario import Scenario
from sim.words import dollars
from tests.market.deals import distress, events, long_run, ready
from tests.market.worlds import Edit, altered, begin_quarter, finish_quarter, off, put, run_of, steps

BY_MONEY = put("release", creed=0.0, inertia=0.0, intensity=200.0)  # nothing but USD a year decides


def releasing(scenario: Scenario, *edits: Edit, quarters: int = 6) -> Market:
    """A market in which some quarters have passed and labs are about to release."""
    market = steps(Market(altered(scenario, *edits), 1, 200), quarters)
    begin_quarter(market, "labs_release_and_retire")
    return market


def complements(worth: float) -> Edit:
    """An edit: free models bring every parent this much a year, and labs of no parent nothing."""

    def edit(p: Parameters) -> None:
        for lab in p.labs.values():
            for tier in lab.tiers.values():
                tier.complement = worth if lab.parent else 0.0

    return edit


def licences(records: Records, labs: set[str]) -> set[bool]:
    """Whether what these labs serve in the last quarter is all open, all closed, or both, by tier."""
    table = records.tables()["labs"]
    last = table[(table.quarter == records.quarters[-1]) & table.lab.isin(labs) & (table.models_served > 0)]
    return {part.startswith("open") for policy in last.release_policy for part in policy.split("/") if part != "-"}


# ---- what is weighed


def test_the_lines_of_a_decision_by_hand(baseline: Scenario) -> None:
    """Kills: a line that is another's, margins before sales or applications, experience for what was never sold."""
    market = releasing(baseline, put("strategy", planning_interval=40))
    lab, p, o = market.lab["meta"], market.parameters, market.outlook
    capability = lab.best_capability + 0.3
    seen = weigh(market, lab, "flagship", capability)
    gap, rate = o.best - capability, lab.services_rate_as(lab.strategy)
    earned = o.earned(lab) / sum(
        o.earning(lab, tier, licence, o.gap(lab) + p.technology.small_lag * (tier == "small"), rate, p)
        for tier, licence in lab.stance.items()
    )
    known = min(3.0, earned)
    assert lab.stance["flagship"] != "closed"
    after = 1.0 - p.costs.sales_share - p.applications.part
    assert seen.open_margin == pytest.approx(after * known * o.earning(lab, "flagship", "open", gap, rate, p))
    assert seen.closed_margin == pytest.approx(
        after * min(1.0, known) * o.earning(lab, "flagship", "closed", gap, rate, p)
    )
    assert seen.talent == pytest.approx(p.release.talent_saving * lab.staff_spending)
    assert seen.community >= 0.0 and seen.harm >= 0.0
    assert 0.0 < seen.complement < lab.complement("flagship")


def test_a_complement_is_worth_less_when_others_open_models_are_as_good(baseline: Scenario) -> None:
    """Or when the next run costs more than it is worth. Kills: a constant worth, the lead over closed models."""
    market = releasing(baseline, complements(5e9))
    lab = market.lab["meta"]
    others = float(market.outlook.best_open[lab.position, 0])
    worth = [weigh(market, lab, "flagship", others + lead).complement for lead in (3.0, 0.0, -3.0)]
    assert worth[1] == pytest.approx(0.5 * lab.complement("flagship"))
    assert worth[0] > 0.99 * lab.complement("flagship") > 100.0 * worth[2]
    lab.plan.budget = 4.0 * lab.complement("flagship")
    assert weigh(market, lab, "flagship", others).complement == pytest.approx(worth[1] / 4.0)
    small = market.parameters.technology.small_serving_ratio
    assert next_run(market, lab, "small") == pytest.approx(small * lab.plan.budget)


def test_rivals_open_models_are_those_of_others(baseline: Scenario) -> None:
    """A lab's own open models are no rivals. Kills: a lead over oneself."""
    market = releasing(baseline)
    best = market.outlook.best_open
    for tier in range(2):
        owner = market.catalogue.is_open & (market.catalogue.tier == tier)
        for lab in market.roster:
            others = owner & (market.catalogue.lab != lab.position)
            expected = market.catalogue.capability[others].max(initial=-float("inf"))
            assert best[lab.position, tier] == expected


# ---- what is chosen


def choices(market: Market, lab: Lab, luck: float) -> tuple[str, LicenceChoice | None]:
    return licence_for(market, lab, "flagship", lab.best_capability, luck)


def test_the_draw_decides_with_the_chance_of_the_numbers(baseline: Scenario) -> None:
    """Just below the chance it is open, just above closed. Kills: a chance upside down, creed or habit of no effect."""
    market = releasing(baseline)
    r, seen_both = market.parameters.release, set()
    for lab in market.active_labs:
        _, seen = choices(market, lab, 0.0) if "flagship" in lab.stance else ("", None)
        if seen is None:
            continue
        creed = r.creed if lab.parameters.creed == "open" else -r.creed
        habit = r.inertia if lab.stance["flagship"] != "closed" else -r.inertia
        chance = chance_of_opening(seen.lines.of_opening, seen.lines.of_closing, r.intensity, creed, habit)
        assert (seen.creed, seen.inertia, seen.opening) == (creed, habit, chance)
        assert choices(market, lab, chance * (1.0 - 1e-9))[0] != "closed"
        assert choices(market, lab, chance)[0] == "closed"
        seen_both.add(chance > 0.5)
    assert seen_both == {True, False}


def test_who_opens_for_a_complement_keeps_a_threshold(baseline: Scenario) -> None:
    """Kills: a threshold for all, or none; a stated open licence that changes its name."""
    market = releasing(baseline, complements(1e12))
    for name, licence in (("google", "open_threshold"), ("openai", "open")):
        lab = market.lab[name]
        lab.stance["flagship"] = "closed"
        assert choices(market, lab, 0.0)[0] == licence
    for stated in ("open", "open_threshold"):
        market.lab["meta"].stance["flagship"] = stated
        assert choices(market, market.lab["meta"], 0.0)[0] == stated


def test_first_releases_and_decrees_follow_the_scenario(baseline: Scenario) -> None:
    """Kills: a choice where nothing is to choose."""
    market = releasing(baseline)
    lab = market.lab["openai"]
    lab.decreed.add("flagship")
    assert choices(market, lab, 0.0) == ("closed", None)
    lab.decreed.clear()
    assert choices(market, lab, 0.0)[0] != "closed"
    del lab.last_release["flagship"]
    assert choices(market, lab, 0.0) == ("closed", None)


@pytest.mark.parametrize("whose", ["region", "lab"])
def test_no_weights_above_a_ceiling(whose: str, baseline: Scenario) -> None:
    """The region's and the lab's own safety policy. Kills: one of the two, a ceiling below which nothing opens."""
    market = releasing(baseline)
    lab = market.lab["meta"]
    rules = market.parameters.regions["us"] if whose == "region" else lab.parameters
    rules.open_ceiling = lab.best_capability
    assert may_open(market, lab, lab.best_capability)
    assert not may_open(market, lab, lab.best_capability + 1e-9)
    assert choices(market, lab, 0.0)[0] != "closed"
    assert licence_for(market, lab, "flagship", lab.best_capability + 1e-9, 0.0) == ("closed", None)


# ---- whole runs


def test_parents_open_for_a_complement_and_close_without(baseline: Scenario) -> None:
    """By money alone. Kills: a complement that never reaches the licence, or is paid to who has no parent."""
    parents = {name for name, lab in baseline.parameters.labs.items() if lab.parent}
    rich = run_of(altered(baseline, BY_MONEY, complements(1e12)), 100, "2026Q4")
    assert licences(rich, parents) == {True}
    free = off("community")
    poor = altered(baseline, BY_MONEY, complements(0.0), free, put("release", talent_saving=0.0, harm_returned=0.0))
    assert False in licences(run_of(poor, 100, "2026Q4"), parents)


def test_without_choice_licences_stay_as_stated(baseline: Scenario) -> None:
    """Kills: a switch that does nothing."""
    records = run_of(altered(baseline, off("release_choice")), 100, "2026Q4")
    dated = {s.quarter for s in baseline.parameters.shocks if s.key.endswith("licence")}
    assert set(events(records, "open", "close", "paywall").quarter) <= dated


def test_a_change_of_licence_is_told_with_what_was_weighed() -> None:
    """The lines in the ledger give the sums and the chance of its sentence. Kills: numbers the decision did not see."""
    market, records = long_run(1)
    told = events(records, "open", "close", "paywall")
    told = told[told.cause.str.contains("is worth")]
    assert len(told) > 2
    lines = [f"{name}_usd_per_year" for name in OpenOrClosed._fields]
    for row in told.to_dict("records"):
        seen = OpenOrClosed(**{name.removesuffix("_usd_per_year"): row[name] for name in lines})
        lean = row["creed_logit"], row["inertia_logit"]
        opened = chance_of_opening(seen.of_opening, seen.of_closing, market.parameters.release.intensity, *lean)
        chance = opened if row["kind"] == "open" else 1.0 - opened
        assert row["chosen_probability"] == pytest.approx(chance, abs=1e-4)
        assert f"open is worth {dollars(seen.of_opening)} " in row["cause"]
        assert f"closed {dollars(seen.of_closing)};" in row["cause"]
        assert row["cause"].endswith(f"a chance of {row['chosen_probability']:.0%}")
        assert (lean[1] > 0.0) == (row["kind"] != "open"), "habit holds to what was"


def test_a_lab_short_of_money_puts_its_flagship_behind_a_paywall(baseline: Scenario) -> None:
    """If closed weights would earn more today. Kills: a paywall whatever it earns, one for the small model."""
    for earns in (True, False):
        market = ready(baseline, put("switches", release_choice=True), off("acquihires", "mergers", "trade_debt"))
        market.parameters.switches.trade_debt = True
        lab = distress(market, "mistral", cash=1.0)
        lab.stance["flagship"], small = "open", lab.stance["small"]
        market.outlook.margin[0] *= [1.0, 0.0] if earns else [0.0, 1.0]
        market.outlook.running[:] = 0.0 if earns else 1e9
        finish_quarter(market, "labs_change_hands")
        assert (lab.stance["flagship"] == "closed") is earns
        assert lab.stance["small"] == small
        told = events(market, "paywall", lab=lab.id)
        assert len(told) == earns
        if earns:
            assert told.closed_usd_per_year[0] > told.open_usd_per_year[0]
            assert json.loads(market.records.tables()["events"].numbers.iloc[-1] or "{}") is not None


# ---- what labs believe of their reach


def test_labs_know_that_open_weights_pass_a_ban_and_soften_distrust(baseline: Scenario) -> None:
    """As buyers do: Chinese weights under a ban by Europe, the distrust of what runs in house, none with origin off.

    Kills: one reach for closed and open, a ban that binds weights others run, a switch that beliefs do not read.
    """
    market = releasing(baseline)
    lab, p, china = market.lab["deepseek"], market.parameters, REGIONS.index("china")

    def reach() -> list[float]:
        outlook = Outlook.of(market)
        pulls = [outlook.pull_of(lab, is_open, 0.0, p) / math.exp(lab.brand) for is_open in (False, True)]
        assert pulls == pytest.approx(outlook.reach[:, china].tolist(), rel=1e-12)
        return pulls

    closed, opened = reach()
    usage = market.usage
    used = market.catalogue.is_open[usage.model] & usage.production
    in_house = usage.tokens[used & self_run(usage.mode)].sum() / usage.tokens[used].sum()
    softened = 1.0 - in_house * (1.0 - p.demand.in_house_distrust)
    assert 0.0 < in_house < 1.0 and 1.0 - opened == pytest.approx((1.0 - closed) * softened, rel=1e-9)
    p.regions["eu"].banned = {"china": True}
    banned = reach()
    assert banned[0] < closed and banned[1] == opened
    p.switches.origin = False
    european = usage.api_spend[market.population.enterprises.region[usage.enterprise] == REGIONS.index("eu")].sum()
    assert reach() == pytest.approx([1.0 - european / usage.api_spend.sum(), 1.0], rel=1e-9)
