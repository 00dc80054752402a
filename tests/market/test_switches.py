"""One switch for each mechanism: off is the same, bit by bit, as its strength at nought, and nothing else changes."""

import numpy as np
import pandas as pd
import pytest

from sim.market import Market
from sim.parameters import MODES, Parameters, Switches
from sim.records import LENSES, Records
from sim.scenario import Scenario
from tests.market.worlds import Edit, altered, both, broke, differences, off, put, put_each, run_of


def no_rounds(p: Parameters) -> None:
    """Nobody has dated rounds but those agreed before the start, and no schedule repeats."""
    for lab in p.labs.values():
        lab.rounds, lab.repeat_rounds = [r for r in lab.rounds if r.agreed], False


def no_agreed_rounds(p: Parameters) -> None:
    """Nothing was agreed before the start."""
    for lab in p.labs.values():
        lab.rounds = [r for r in lab.rounds if not r.agreed]


def cheap_training(p: Parameters) -> None:
    """A lab whose training dollar buys four times the compute."""
    p.labs["zhipu"].training_efficiency = 4.0


def no_credits(p: Parameters) -> None:
    """No round is paid in compute, now or on dates agreed."""
    p.capital.credit_part = 0.0
    for lab in p.labs.values():
        for held in lab.rounds:
            held.credit_share = 0.0


DATED = put("switches", exogenous_rounds=True, funding_market=False)
RESTLESS = put("strategy", giving_up_rate=5.0)  # founders who soon look for a buyer
# Where a mechanism seldom bites in ten quarters, or not in the baseline: a world in which it does.
WORLD: dict[str, Edit] = {
    "exogenous_rounds": DATED,
    "giving_up": RESTLESS,
    "withdrawals": put("technology", closed_life=2),
    "retirement": put("technology", closed_life=2),
    "trade_debt": both(put_each("labs", cash=1.0), off("giving_up", "acquihires", "mergers", "affordability")),
    "herd": put("capital", herd=0.5),
    "merger_review": both(
        RESTLESS, put_each("regions", merger_level=0.0, merger_change=0.0, merger_share=0.0, failing_firm=False)
    ),
    "efficiency_diffusion": cheap_training,
    "release_bar": put("technology", release_gain=0.5),
    "closing_down": both(RESTLESS, off("acquihires", "mergers"), put("control", patience=2)),
    "restructuring": both(
        put("control", distress_runway=0.5, rescue_years=0.1, survival=1.0),
        put("capital", inflow=0.0, ticket=0.1),
        off("acquihires", "mergers", "closing_down", "giving_up", "affordability", "founding", "strategy_choice"),
        off("release_choice", "free_users"),  # which are cut in distress
    ),
}
# What makes a mechanism idle without its switch.
IDLE: dict[str, Edit] = {
    "run_noise": put("technology", run_noise=0.0),
    "leakage": put("technology", private_leakage=0.0),
    "distillation": put("technology", distillation=0.0),
    "staff_moves": both(put("technology", staff_mobility=0.0), put("costs", hiring_years=0.0)),
    "open_bases": put("technology", base_delay=400),
    "efficiency_diffusion": put("technology", efficiency_diffusion=0.0),
    "release_bar": put("technology", release_gain=0.0),
    "community": put("technology", community_model_gain=0.0, community_knowledge_rate=0.0),
    "free_tier": put("pricing", free_tier_share=0.0),
    "nests": put("demand", dissimilarity=1.0),
    "persistent_tastes": put("demand", taste_openness=0.0, taste_vendor=0.0),
    "switching_costs": put("demand", switching_cost=0.0),
    "peers": put("demand", peers=0.0),
    "incidents": put("brand", incident_rate=0.0),
    "interface": put("demand", interface=0.0),
    "applications": put("applications", part=0.0, depreciation=0.0, rivalry=0.0, elasticity=1.0),  # 1: no rounding
    "dependence": put("demand", dependence=0.0),
    "assurance": put("demand", assurance=0.0),
    "privacy": put("demand", privacy=0.0),
    "operations": put("demand", operations=0.0),
    "customisation": put("demand", customisation=0.0),
    "control": put("demand", control=0.0),
    "stability": put("demand", stability=0.0),
    "latency": put("demand", latency=0.0),
    "strategic_open_lean": put("demand", strategic_open_lean=0.0),
    "transparency": put("demand", transparency=0.0),
    "commons": put("commons", maturing=0.0, feedback=0.0, customisation=0.0, language=0.0, new_uses=0.0),
    "new_uses": put("commons", new_uses=0.0),
    "integrators": put("demand", integrator_relief=0.0),
    "fine_tuning": put("demand", tuning_skill=0.0),
    "air_gap": put("demand", air_gap=1.0),
    "licence_risk": put("demand", licence_threshold=0.0, legal_risk=0.0),
    "withdrawals": put("demand", withdrawal=0.0),
    "origin": put("demand", origin_distrust=0.0, language_fit=0.0),
    "volatility": put("demand", volatility=0.0),
    "upgrades": put("demand", upgrade=0.0),
    "adoption": put("demand", innovation=0.0, imitation=0.0),
    "budget_growth": put("demand", budget_growth=0.0, budget_growth_floor=0.0),
    "usage_elasticity": put("demand", own_usage_elasticity=0.0),
    "diffusion": put("demand", talent_growth=0.0, tooling_growth=0.0),
    "seats": put("seats", market_initial=0.0),
    "free_users": put("seats", free_users_per_payer=0.0),
    "cloud_resale": put_each("labs", cloud_share=0.0),
    "services": both(
        put_each("labs", services_rate=0.0), put("strategy", services_rate=0.0), put("hosting", host_revenue_share=0.0)
    ),
    "exogenous_rounds": no_rounds,
    "specialities": put("technology", speciality_gain=0.0),
    "parent_transfers": put("funding", parent_cap=0.0),
    "revenue_shares": both(put_each("labs", revenue_share=None), put("capital", revenue_claim=0.0)),
    "compute_for_equity": both(no_credits, put("capital", tied_compute=0.0)),
    "conviction": put("capital", conviction=0.0),
    "herd": put("capital", herd=0.0),
    "standing": put("capital", standing=0.0),
    "mood": put("capital", mood_gain=0.0, mood_luck=0.0),
    "giving_up": put("strategy", giving_up_rate=0.0),
    "closing_down": put("control", patience=400),
    "restructuring": put("control", distress_runway=0.0),  # in its world distress has no other consequence
    "merger_review": put_each("regions", merger_level=1e4, merger_share=1.0),
    "founding": put("founding", places=0),
}
# Mechanisms without a strength of their own; each has a test below.
OTHERS = {
    "training",
    "public_knowledge",
    "retirement",
    "pricing",
    "hosting_fringe",
    "private_deployment",
    "self_hosting",
    "brand",
    "pilots",
    "trade_debt",
    "affordability",
    "funding_market",
    "strategy_choice",
    "release_choice",
    "acquihires",
    "mergers",
}


def test_every_switch_is_tested_here() -> None:
    """Kills: a mechanism that comes without its test."""
    assert set(IDLE) | OTHERS == set(Switches.model_fields)
    assert not set(IDLE) & OTHERS


@pytest.mark.parametrize("name", IDLE)
def test_off_is_strength_nought_and_nothing_else(name: str, baseline: Scenario, ten_quarters: Records) -> None:
    """Ten quarters, all tables. Kills: a switch nobody reads, or that removes half or more than it says."""
    world = WORLD.get(name, both())
    switched = run_of(altered(baseline, world, off(name)))
    working = run_of(altered(baseline, world)) if name in WORLD else ten_quarters
    assert differences(working, switched) != []
    assert differences(run_of(altered(baseline, world, IDLE[name])), switched) == []


def table(scenario: Scenario, name: str, *edits: Edit) -> pd.DataFrame:
    """A table of a run of ten quarters of the edited scenario."""
    return run_of(altered(scenario, *edits)).tables()[name]


def mode_share(records: Records, mode: str) -> np.ndarray:
    """Share of a mode in all deployments, by quarter."""
    return records.shares[:, 0, LENSES.index("deployments"), records.keys.position("mode", mode)]


def test_training_off_keeps_the_first_catalogue(baseline: Scenario) -> None:
    """After the first quarter only founders release, in the quarter they enter. Kills: releases without training."""
    events = table(baseline, "events", off("training"))
    releases = events[(events.kind == "release") & (events.quarter > "2023Q1")]
    founded = events[events.kind == "entry"]
    assert len(founded) > 5
    assert set(zip(releases.lab, releases.quarter, strict=True)) <= set(zip(founded.lab, founded.quarter, strict=True))
    assert table(baseline, "market", off("training")).record_training_cost_usd.iloc[[0, -1]].nunique() == 1


def test_public_knowledge_off_is_no_absorption(dated_history: Scenario) -> None:
    """As with k_public = 0, but for the rounding of another formula (1e-9), which bids and founders would magnify."""
    switched, idle = (
        table(dated_history, "labs", edit)
        for edit in (off("public_knowledge"), put("technology", public_diffusion=0.0))
    )
    np.testing.assert_allclose(switched.knowledge_oom, idle.knowledge_oom, rtol=1e-9, atol=1e-12)
    assert not np.allclose(switched.knowledge_oom, table(dated_history, "labs").knowledge_oom, equal_nan=True)


def test_retirement_off_serves_every_model_for_ever(dated_history: Scenario) -> None:
    """Models served = models released so far; with it some have gone by the tenth quarter. Kills: a life that ends."""

    def gone(records: Records) -> float:
        tables = records.tables()
        served = tables["labs"].query("quarter == '2025Q2'").models_served.sum()
        return float((tables["events"].kind == "release").sum() - served)

    assert gone(run_of(altered(dated_history, off("retirement")))) == 0
    assert gone(run_of(dated_history)) > 20


def test_pricing_off_keeps_the_first_mark_up(baseline: Scenario) -> None:
    """Price over serving cost of every closed flagship stays the initial one. Kills: prices that stand still."""
    labs = table(baseline, "labs", off("pricing"))
    always = labs.groupby("lab").release_policy.transform(lambda policy: policy.str.startswith("closed/").all())
    closed = labs[always & labs.flagship_price.notna()]
    assert len(closed) > 50
    ratio = closed.flagship_price / closed.flagship_serving_cost
    np.testing.assert_allclose(ratio, baseline.parameters.pricing.initial_markup, rtol=1e-9)


MODE_SWITCHES = {
    "hosting_fringe": {"hosted"},
    "private_deployment": {"private"},
    "self_hosting": {"self_hosted", "edge"},
}


@pytest.mark.parametrize("name", MODE_SWITCHES)
def test_a_mode_switched_off_is_not_chosen(name: str, baseline: Scenario, ten_quarters: Records) -> None:
    """From the first quarter on, and no other mode dies with it. Kills: first users who keep it."""
    switched = run_of(altered(baseline, off(name)))
    for mode in MODES:
        before, after = mode_share(ten_quarters, mode), mode_share(switched, mode)
        if mode in MODE_SWITCHES[name]:
            assert before.max() > 0.0
            assert (after == 0.0).all(), mode
        else:
            assert after.max() > 0.0, mode


def test_brand_off_is_blind_to_brands(baseline: Scenario) -> None:
    """Without brand and seats no share depends on what a lab is called; with it the famous one gains.

    Kills: a brand that still enters utility.
    """

    def famous(p: Parameters) -> None:
        p.labs["cohere"].brand = 8.0

    blind, blind_famous = (run_of(altered(baseline, off("brand", "seats", "interface"), *e)) for e in ((), (famous,)))
    assert np.array_equal(blind.shares, blind_famous.shares, equal_nan=True)
    lens, lab = LENSES.index("deployments"), blind.keys.position("lab", "cohere")
    seen, seen_famous = (run_of(altered(baseline, *e)).shares[-1, 0, lens, lab] for e in ((), (famous,)))
    assert seen_famous > seen + 0.1


def test_pilots_off_begins_in_production(baseline: Scenario, ten_quarters: Records) -> None:
    """No pilot ever; with it there are some in every quarter after the first."""
    assert (table(baseline, "market", off("pilots")).pilots == 0.0).all()
    assert (ten_quarters.tables()["market"].pilots[1:] > 0.0).all()


def quarters_alive(scenario: Scenario, lab: str, *edits: Edit) -> int:
    """Quarters until a lab is wound down."""
    market = Market(altered(scenario, *edits), 1, 60, "2032Q4")
    while market.quarter <= market.last_quarter and market.lab[lab].status != "exited":
        market.step()
    return market.quarter - market.first_quarter


def test_trade_debt_off_ends_at_the_first_shortfall(baseline: Scenario) -> None:
    """A lab without money dies at once without credit, later with it. Kills: a limit that is not one."""
    assert quarters_alive(baseline, "adept", broke("adept"), off("trade_debt"), put_entry("adept")) == 1
    assert 1 < quarters_alive(baseline, "adept", broke("adept"), put_entry("adept")) < 20


def put_entry(lab: str) -> Edit:
    """An edit by which a lab is there from the start."""

    def edit(p: Parameters) -> None:
        p.labs[lab].entry = "2023Q1"
        for tier in p.labs[lab].tiers.values():
            tier.start = "2023Q1"

    return edit


def test_affordability_off_follows_plans(dated_history: Scenario) -> None:
    """Without it a poor lab's budget climbs as fast as a rich one's, to its stated aim; with it, it is cut back."""

    def poor(p: Parameters) -> None:
        p.labs["cohere"].cash, p.labs["cohere"].rounds, p.labs["cohere"].repeat_rounds = 1e6, [], False
        p.costs.credit_floor = 1e10

    def budgets(*edits: Edit) -> pd.Series:
        labs = table(dated_history, "labs", *edits)
        return labs[labs.lab == "cohere"].budget_usd_per_year.reset_index(drop=True)

    prudent, bold, rich = budgets(poor), budgets(poor, off("affordability")), budgets(off("affordability"))
    np.testing.assert_allclose(bold, rich, rtol=1e-12)
    assert (prudent < bold).all()
    assert prudent.iloc[-1] < 0.5 * bold.iloc[-1]


def kinds(records: Records) -> dict[str, int]:
    """How often each kind of event happened."""
    return records.tables()["events"].kind.value_counts().to_dict()


def test_funding_market_off_raises_nothing(baseline: Scenario, ten_quarters: Records) -> None:
    """No round that was not agreed before the start, no new commitments, no marks; parents still pay. With it, rounds.

    Kills: agreed rounds that need the market, others held without one, purses that fill for nobody.
    """
    agreed = {(r.quarter, lab) for lab, x in baseline.parameters.labs.items() for r in x.rounds if r.agreed}
    kept = run_of(altered(baseline, off("funding_market"))).tables()["events"]
    kept = kept[kept.kind.isin(["round", "failed_round"])]
    assert set(zip(kept.quarter, kept.lab, strict=True)) == agreed != set()
    switched = run_of(altered(baseline, off("funding_market"), no_agreed_rounds))
    tables = switched.tables()
    assert not {"round", "failed_round"} & set(kinds(switched))
    assert (tables["funding"].funding_usd == 0.0).all()
    assert (tables["market"].investor_mood == 1.0).all()
    assert len(tables["investments"]) == 0
    with_claims = {x.revenue_share.investor for x in baseline.parameters.labs.values() if x.revenue_share}
    others = tables["investors"][~tables["investors"].investor.isin(with_claims)]
    assert (others.groupby("investor").dry_powder_usd.nunique() == 1).all()
    assert (tables["investors"].called_usd == 0.0).all()
    assert tables["labs"].valuation_usd.isna().all()
    assert tables["labs"].parent_transfer_usd.sum() > 0.0
    assert kinds(ten_quarters)["round"] > 10


def test_strategy_choice_off_keeps_strategies(baseline: Scenario, ten_quarters: Records) -> None:
    """Every lab is for ever what the scenario says and aims at its stated share of X*; with it some change.

    Founders may still give up, which is a mechanism of its own. Kills: a pivot in distress without choice, aims that
    follow the leader's run.
    """
    market = Market(altered(baseline, off("strategy_choice", "giving_up")), 1, 300, "2025Q2")
    records = market.run()
    assert "pivot" not in kinds(records)
    for lab in market.roster:
        assert lab.strategy == lab.parameters.strategy
        if lab.active and lab.entry < market.last_quarter:  # who has just entered has not planned yet
            stated = lab.parameters.target_share * market.trends.training_cost
            assert lab.target_run == pytest.approx(stated, rel=1e-12)
    assert (ten_quarters.tables()["labs"].groupby("lab").strategy.nunique() > 1).any()


def test_release_choice_off_keeps_licences(baseline: Scenario, ten_quarters: Records) -> None:
    """Every release and every lab in distress keeps to the stated licence; with it some labs open or close.

    Kills: a paywall in distress without choice, a first release that is weighed.
    """
    switched = run_of(altered(baseline, off("release_choice")))
    assert not {"open", "close", "paywall"} & set(kinds(switched))
    assert (switched.tables()["labs"].groupby("lab").release_policy.nunique() == 1).all()
    assert (ten_quarters.tables()["labs"].groupby("lab").release_policy.nunique() > 1).any()


SALES = {"acquihires": {"acquihire"}, "mergers": {"merger", "blocked_merger"}}


@pytest.mark.parametrize("name", SALES)
def test_a_way_of_selling_switched_off_is_not_taken(name: str, baseline: Scenario) -> None:
    """Where founders soon look for a buyer: no deal of this kind, the other one still; without both, no deal.

    Kills: a switch that ends both, or leaves purchases by giants or mergers for shares.
    """
    both_kinds = set().union(*SALES.values())
    working, switched, closed = (
        set(kinds(run_of(altered(baseline, RESTLESS, off(*names))))) & both_kinds
        for names in ((), (name,), tuple(SALES))
    )
    assert working >= {"acquihire", "merger"}
    assert switched
    assert not switched & SALES[name]
    assert not closed
