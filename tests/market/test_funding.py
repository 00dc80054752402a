"""The market for money: who asks, what investors bid, how rounds change cap tables, what corporates take for it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from sim.agents.lab import Lab, Sale
from sim.market import Market
from sim.markets import funding
from sim.parameters import Parameters
from sim.records import Records
from sim.scenario import Scenario
from tests.market.deals import events, long_run
from tests.market.worlds import Edit, altered, begin_quarter, differences, finish_quarter, off, put, run_of, steps

# Investors who agree: what is left of their values is what a lab is worth to anybody.
AGREED = (off("conviction", "herd", "mood"), put("capital", opinion=0.0, abroad=0.0, home=0.0, compute_sales=0.0))


def bidding(scenario: Scenario, *edits: Edit, quarters: int = 3, seed: int = 1) -> Market:
    """A market in which some quarters have passed and the next is done but for investors' rounds."""
    market = steps(Market(altered(scenario, *edits), seed, 200), quarters)
    begin_quarter(market, "investors_fund_labs")
    return market


def ask(market: Market, lab: Lab) -> funding.Ask:
    """A lab worth a billion asks for a hundred million."""
    return funding.Ask(lab, 1e8, 1e9, 4.0, 1e8)


# ---- whole runs, recomputed from the tables


@pytest.fixture(scope="module", params=[1, 2])
def whole(request: pytest.FixtureRequest) -> tuple[Market, Records]:
    """The baseline to 2030Q4 and what it leaves behind."""
    return long_run(request.param)


def test_cap_tables_follow_from_events_and_investments(whole: tuple[Market, Records]) -> None:
    """Every round, rescue and stock merger of a run, from the tables alone: stakes sum to 1 and post = pre + paid.

    Kills: equity not diluted, a buyer left out, a price that is not the round's, stakes of one quarter written down
    in another, credits that buy no shares.
    """
    tables = whole[1].tables()
    stakes = {key: g.set_index("holder").stake for key, g in tables["stakes"].groupby(["quarter", "lab"])}
    paid = {key: g.groupby("investor").amount_usd.sum() for key, g in tables["investments"].groupby(["quarter", "lab"])}
    marks = tables["labs"].set_index(["quarter", "lab"]).valuation_usd
    held = {lab.id: {lab.owner if lab.backed else "founders": 1.0} for lab in whole[0].roster}
    checked = set()
    for deal in events(whole[1], "round", "restructuring", "merger").itertuples():
        if deal.kind == "merger":
            if deal.cause.find("in shares") < 0:
                continue
            post, lab = marks[deal.quarter, deal.counterparty], deal.counterparty
            new = {holder: stake * deal.amount_usd for holder, stake in held[deal.lab].items()}
        else:
            lab, new = deal.lab, paid[deal.quarter, deal.lab].to_dict()
            post = deal.pre_money_usd + sum(new.values())
            assert deal.post_money_usd == pytest.approx(post, rel=1e-5)
            if deal.kind == "round":
                assert sum(new.values()) == pytest.approx(deal.amount_usd, rel=1e-9)
                assert deal.sold_fraction == pytest.approx(deal.amount_usd / post, rel=1e-5)
        old, part = held[lab], sum(new.values()) / post
        held[lab] = {name: old.get(name, 0.0) * (1.0 - part) + new.get(name, 0.0) / post for name in {*old, *new}}
        checked.add((deal.quarter, lab))
    assert len(checked) > 60
    assert checked <= set(stakes)
    last = {lab: quarter for quarter, lab in sorted(stakes) if len(stakes[quarter, lab])}
    for lab, quarter in last.items():
        found = stakes[quarter, lab].to_dict()
        assert found == pytest.approx(held[lab], rel=1e-3, abs=1e-6)  # prices are told with six digits
    for table in stakes.values():
        assert table.sum() == pytest.approx(1.0, abs=1e-12)
        assert (table > 0.0).all()


def test_rounds_keep_to_their_terms(whole: tuple[Market, Records]) -> None:
    """No more than asked for or than may be sold, no less than fills it; who asks is short of runway.

    Kills: largest dilution, least fill or runway trigger ignored, agreed rounds held to them too.
    """
    market, records = whole
    c, rounds = market.parameters.capital, events(records, "round", "failed_round")
    asked = rounds[rounds.ask_usd.notna()]
    held, failed = asked[asked.kind == "round"], asked[asked.kind == "failed_round"]
    assert len(held) > 60 and len(failed) > 3
    assert (held.amount_usd <= held.ask_usd * (1 + 1e-5)).all()
    assert (held.amount_usd >= c.smallest_fill * held.ask_usd * (1 - 1e-5)).all()
    assert (held.sold_fraction <= c.largest_dilution * (1 + 1e-5)).all()
    assert (asked.planned_runway_quarters < 4.0 * c.runway_trigger + 1e-5).all()
    assert (failed.amount_usd == 0.0).all()
    agreed = {(r.quarter, lab.id) for lab in market.roster for r in lab.parameters.rounds if r.agreed}
    told = rounds[rounds.ask_usd.isna()]
    assert set(zip(told.quarter, told.lab, strict=True)) == agreed
    at = {q: i for i, q in enumerate(records.quarters)}
    for _, mine in asked[~asked.lab.str.startswith("entrant")].groupby("lab"):
        assert np.diff([at[q] for q in mine.quarter]).min(initial=99) >= c.between_rounds


def test_totals_of_funding_by_creed_are_sums_of_investments(whole: tuple[Market, Records]) -> None:
    """By the lab's stated creed, the initial stock included. Kills: labs by licence, compute credits left out."""
    market, records = whole
    tables = records.tables()
    made = tables["investments"]
    f, total = market.parameters.funding, tables["funding"].iloc[-1]
    assert set(made.creed) == {"open", "closed"}
    for creed, stock in (("open", f.initial_open_stock), ("closed", f.initial_closed_stock)):
        so_far = stock + made[made.creed == creed].amount_usd.sum()
        assert total[f"cumulative_{creed}_usd"] == pytest.approx(so_far, rel=1e-9)
    both = total.cumulative_open_usd + total.cumulative_closed_usd
    assert total.open_share_of_private_funding == pytest.approx(total.cumulative_open_usd / both, rel=1e-12)
    assert all(market.lab[row.lab].parameters.creed == row.creed for row in made.itertuples())


def test_corporates_pay_in_compute_and_nobody_else_does(whole: tuple[Market, Records]) -> None:
    """Each its own part of each investment of the market. Kills: credits of venture funds, credits in rescues."""
    market, records = whole
    made = records.tables()["investments"]
    agreed = {(r.quarter, lab.id) for lab in market.roster for r in lab.parameters.rounds if r.agreed}
    rescues = {(row.quarter, row.lab) for row in events(records, "restructuring").itertuples()}
    seen = set()
    for row in made.itertuples():
        if (row.quarter, row.lab) in agreed | rescues:
            continue
        part = market.parameters.capital.credit_part * market.investor[row.investor].parameters.pays_in_compute
        assert row.credit_usd == pytest.approx(part * row.amount_usd, rel=1e-12)
        seen.add(part > 0.0)
    assert seen == {True, False}


def test_promised_revenue_follows_stakes_bought_up_to_the_cap(whole: tuple[Market, Records]) -> None:
    """And is paid: the last quarter's shares are claims x revenue, but where a lab taken over since has changed them.

    Kills: no cap, claims of funds, no payment.
    """
    market, records = whole
    cap = market.parameters.capital.revenue_claim_cap
    for lab in market.roster:
        assert sum(lab.claims.values()) <= cap + 1e-12
        assert all(market.investor[name].has_compute for name in lab.claims)
    last = records.tables()["labs"].query(f"quarter == '{records.quarters[-1]}'").set_index("lab")
    grown = set(events(records, "merger").query(f"quarter == '{records.quarters[-1]}'").counterparty)
    promised = [x for x in market.active_labs if x.claims and x.last_round < market.quarter - 1 and x.id not in grown]
    assert promised
    for lab in promised:
        share = sum(lab.claims.values()) * last.revenue_usd[lab.id]
        assert last.revenue_share_usd[lab.id] == pytest.approx(share, rel=1e-9)


# ---- one round


def test_a_claim_is_a_part_of_the_stake_bought(baseline: Scenario) -> None:
    """0.4 x the stake of this round, no more than room is left. Kills: claims on old stakes, a cap for each backer."""
    market = bidding(baseline, put("capital", revenue_claim=0.4, revenue_claim_cap=0.25))
    lab = market.lab["cohere"]
    lab.claims = {"google": 0.2}
    before = lab.stakes
    market.register.issue(lab.id, 700.0, {"nvidia": 50.0, "a16z": 150.0, "microsoft": 100.0})
    funding.claim_revenue(market, lab, before)
    room = 0.25 - 0.2
    first = min(room, 0.4 * 0.1)  # microsoft: 100 of 1,000
    assert lab.claims == pytest.approx({"google": 0.2, "microsoft": first, "nvidia": min(room - first, 0.4 * 0.05)})


def test_pre_money_is_worth_less_what_is_asked_for(baseline: Scenario) -> None:
    """Where investors agree, the price of every round is that. Kills: a lab paid for money it does not have yet."""
    market = bidding(baseline, *AGREED, quarters=0)
    finish_quarter(market, "investors_fund_labs")
    steps(market, 6)
    rounds = events(market, "round", "failed_round")
    priced = rounds[rounds.ask_usd.notna() & rounds.pre_money_usd.notna()]
    assert len(priced) > 8
    np.testing.assert_allclose(priced.pre_money_usd, priced.worth_usd - priced.ask_usd, rtol=1e-4)


def test_backed_labs_ask_nobody(baseline: Scenario) -> None:
    """Kills: a subsidiary that sells shares, two rounds in a row, a lab that is sold and asks for money."""
    market = bidding(baseline, put("capital", runway_trigger=10.0), quarters=0)
    asking = {a.lab.id for a in funding.asks(market)}
    assert "ai21" in asking
    assert asking <= {lab.id for lab in market.active_labs if not lab.backed}
    market.lab["ai21"].last_ask = market.quarter - 1
    assert {a.lab.id for a in funding.asks(market)} == asking - {"ai21"}
    market.lab["stability"].sale = Sale(market.quarter, "a test wants it")
    assert {a.lab.id for a in funding.asks(market)} == asking - {"ai21", "stability"}, "who is for sale asks nobody"


def test_convinced_investors_put_more_into_their_camp(baseline: Scenario) -> None:
    """An open-minded fund's part for open labs rises with conviction, a closed-minded one's falls, a hedger's stays.

    Kills: conviction without effect, its sign, hedging ignored, money by head instead of by worth.
    """
    market, parts = bidding(baseline), []
    for name, thesis, hedging in (("a16z", 1.0, 0.0), ("khosla", -1.0, 0.0), ("sequoia", 1.0, 1.0)):
        mind = market.investor[name].parameters
        mind.thesis, mind.hedging = thesis, hedging
    wanted = [ask(market, lab) for lab in market.active_labs if not lab.backed]
    creed = np.array([a.lab.parameters.creed == "open" for a in wanted])
    assert 0 < creed.sum() < creed.size
    for weight in (0.0, 0.4, 0.8, 1.6):
        market.parameters.capital.conviction = weight
        offered = funding.bids(market, funding.values(market, wanted))
        whole = offered.sum(axis=1)  # nothing from an investor whose purse is spoken for
        share = offered[:, creed].sum(axis=1) / np.where(whole > 0.0, whole, np.nan)
        parts.append([float(share[list(market.investor).index(x)]) for x in ("a16z", "khosla", "sequoia")])
    opens, closes, hedges = np.array(parts).T
    assert (np.diff(opens) > 0.02).all()
    assert (np.diff(closes) < -0.02).all()
    assert np.ptp(hedges) < 1e-12


def test_founders_are_believed_in_for_what_they_built_before(baseline: Scenario) -> None:
    """Only the option on the race is worth more, by exp(weight x companies) at first and by less with the years.

    Kills: a name that multiplies revenue too, that never fades, that helps labs of unknown founders.
    """
    market = bidding(baseline, put("capital", standing=0.45, standing_life=4.0))
    lab, p, now = market.lab["cohere"], market.parameters, market.outlook
    plain = now.value(lab, p)
    option = now.option(now.gap(lab), now.run_share(lab), p)
    assert 0.0 < option < plain
    lab.parameters.founders_successes, lab.entry = 2, market.quarter
    assert now.value(lab, p) == pytest.approx(plain + option * (math.exp(0.9) - 1.0))
    lab.entry = market.quarter - 16
    assert now.value(lab, p) == pytest.approx(plain + option * (math.exp(0.9 / math.e) - 1.0))
    p.switches.standing = False
    assert now.value(lab, p) == plain


@pytest.mark.parametrize("home", [0.0, 0.7])
def test_sovereigns_prefer_their_region(home: float, baseline: Scenario) -> None:
    """By exp(home), and nobody else does. Kills: a premium to all, to venture funds, or none."""
    market = bidding(baseline, put("capital", opinion=0.0, home=home), off("conviction", "herd", "compute_for_equity"))
    for region in market.parameters.regions.values():
        region.distrust = dict.fromkeys(region.distrust, 0.0)
    at_home, abroad = (ask(market, market.lab[name]) for name in ("aleph_alpha", "ai21"))
    worth = funding.values(market, [at_home, abroad])
    for i, investor in enumerate(market.investor.values()):
        premium = home if investor.id == "french_state" else 0.0
        assert worth[i, 0] / worth[i, 1] == pytest.approx(math.exp(premium), rel=1e-12)


def test_distrust_mood_and_herd_tilt_values(baseline: Scenario) -> None:
    """Kills: a discount at home, a mood for some, a herd that runs from a round nobody wanted."""
    market = bidding(baseline, put("capital", opinion=0.0, home=0.0, abroad=2.0, herd=0.1), off("conviction"))
    market.parameters.regions["us"].distrust["china"] = 0.5
    market.mood, lab = 0.3, market.lab["zhipu"]
    us = list(market.investor).index("a16z")
    for demand, crowd in ((10.0, 10.0**0.1), (0.1, 1.0)):
        lab.last_demand = demand
        value = funding.values(market, [ask(market, lab)])[us, 0]
        assert value == pytest.approx(1e9 * math.exp(0.3 - 2.0 * 0.5) * crowd, rel=1e-12)


def test_no_purse_is_overdrawn(baseline: Scenario) -> None:
    """What all bids of an investor cost it is its ticket of what is left, however many ask.

    Kills: a full ticket for each lab, credits reckoned at their list price.
    """
    market = bidding(baseline)
    wanted = [ask(market, lab) for lab in market.active_labs if not lab.backed]
    offered = funding.bids(market, funding.values(market, wanted)).sum(axis=1)
    ticket = market.parameters.capital.ticket
    margin = market.parameters.capital.credit_margin
    costs = np.array([1.0 - margin * i.parameters.pays_in_compute for i in market.investor.values()])
    assert set(costs.tolist()) > {1.0}
    expected = [i.dry_powder * i.parameters.risk_tolerance * ticket for i in market.investor.values()] / costs
    np.testing.assert_allclose(offered, expected, rtol=1e-12)


def test_uncalled_commitments_lapse_and_grow_with_the_industry(baseline: Scenario) -> None:
    """Kills: commitments for ever, an inflow that ignores revenue, climate or mood."""
    market = bidding(baseline)
    c, fund = market.parameters.capital, market.investor["thrive"]
    fund.uncalled, market.mood, c.climate = 1e9, 0.5, 0.1
    index = market.industry_revenue[-1] / market.industry_revenue[0]
    assert index > 1.05
    fresh = fund.parameters.dry_powder * c.inflow * 0.25 * index**c.inflow_elasticity * 0.1 * math.exp(0.5)
    funding.raise_commitments(market)
    assert fund.uncalled == pytest.approx(1e9 * math.exp(-0.25 / c.commitment_life) + fresh, rel=1e-12)


def test_a_round_moves_its_money(baseline: Scenario) -> None:
    """Cash, credits, calls and shares of each buyer. Kills: a call beyond need, credits paid in cash."""
    market = bidding(baseline)
    poor = market.investor["nvidia"]
    market.journal.pay("fund_distribution", poor.account, market.rest_of_world, poor.cash - 1e6)
    c, before = market.parameters.capital, {x.id: (x.cash, x.called) for x in market.investor.values()}
    lab = market.lab["cohere"]
    had = float(market.journal.cash[lab.account])
    wanted = funding.Ask(lab, 3e8, 2e9, 2.0, 1e8)
    paid = np.zeros(len(market.investor))
    names = list(market.investor)
    paid[names.index("nvidia")], paid[names.index("thrive")] = 2e8, 1e8
    funding.settle_round(market, wanted, funding.Cleared(1.7e9, paid, 2.0))
    credit = 2e8 * c.credit_part * market.investor["nvidia"].parameters.pays_in_compute
    assert market.journal.credit(lab.account) == pytest.approx(credit)
    assert market.journal.cash[lab.account] - had == pytest.approx(3e8 - credit)
    assert lab.stakes == pytest.approx({"founders": 1.7 / 2.0, "nvidia": 0.1, "thrive": 0.05})
    assert lab.valuation == pytest.approx(2e9)
    for name, cash in (("nvidia", 2e8 - credit), ("thrive", 1e8)):
        investor, (held, called) = market.investor[name], before[name]
        need = max(0.0, cash - held)
        assert investor.called - called == pytest.approx(need)
        assert investor.cash == pytest.approx(held + need - cash)
    assert lab.claims == pytest.approx({"nvidia": c.revenue_claim * 0.1})
    assert market.funding_so_far[lab.parameters.creed] >= 3e8


def test_a_failed_round_moves_nothing_and_is_told(baseline: Scenario) -> None:
    """Kills: shares for no money, a lab that asks again at once, an event without the numbers."""
    market = bidding(baseline)
    lab = market.lab["cohere"]
    before = market.journal.balances().to_numpy().tolist(), lab.stakes, lab.valuation
    funding.settle_round(market, ask(market, lab), funding.Cleared(5e8, np.zeros(len(market.investor)), 0.3))
    assert (market.journal.balances().to_numpy().tolist(), lab.stakes, lab.valuation) == before
    assert lab.round_failed
    assert funding.ask_of(market, lab) is None
    told = events(market, "failed_round", lab=lab.id).iloc[-1]
    assert (told.ask_usd, told.pre_money_usd, told.demand_over_ask) == (1e8, 5e8, 0.3)


# ---- the whole of it


def raised(scenario: Scenario, *edits: Edit) -> np.ndarray:
    """Money raised and failed rounds until 2026Q2, of three seeds each."""
    rows = []
    for seed in range(1, 4):
        tables = run_of(altered(scenario, *edits), 100, "2026Q2", seed).tables()
        rows.append([tables["market"].funding_usd.sum(), (tables["events"].kind == "failed_round").sum()])
    return np.array(rows, float)


def test_a_funding_winter_lowers_money_raised_and_fails_rounds(baseline: Scenario) -> None:
    """A tenth of the new commitments: every seed raises less than three quarters, and more rounds fail in all of them.

    Kills: a climate without effect, or one that works on mood alone. (Measured: about 30 % of the money.)
    """
    normal, winter = raised(baseline), raised(baseline, put("capital", climate=0.1))
    assert (winter[:, 0] < 0.75 * normal[:, 0]).all()
    assert (winter[:, 1] > normal[:, 1]).all()


def test_order_of_investors_and_labs_in_the_file_changes_nothing(baseline: Scenario) -> None:
    """With every deal of four years. Kills: bids, rounds, offers or purchases in order of the file."""

    def reversed_file(p: Parameters) -> None:
        p.labs = dict(reversed(p.labs.items()))
        p.investors = dict(reversed(p.investors.items()))
        p.regions = dict(reversed(p.regions.items()))

    one = run_of(baseline, 100, "2027Q2")
    assert len(events(one, "merger", "acquihire", "blocked_merger")) > 3
    assert differences(one, run_of(altered(baseline, reversed_file), 100, "2027Q2")) == []


def test_without_a_market_for_money_nobody_asks(baseline: Scenario) -> None:
    """Only rounds agreed before the start are held. Kills: a switch that does nothing, or that breaks a contract."""
    records = run_of(altered(baseline, off("funding_market")), 100, "2024Q4")
    told = events(records, "round", "failed_round")
    assert set(told.kind) == {"round"} and told.cause.str.startswith("agreed before the start").all()
    agreed = {(r.quarter, name) for name, lab in baseline.parameters.labs.items() for r in lab.rounds if r.agreed}
    assert set(zip(told.quarter, told.lab, strict=True)) == agreed
    made = records.tables()["investments"]
    assert set(zip(made.quarter, made.lab, strict=True)) == agreed


def test_numbers_of_an_event_are_json(baseline: Scenario) -> None:
    """Kills: text that no program can read, numbers that are not finite and would break strict readers."""
    found = run_of(baseline, 100, "2024Q4").tables()["events"]
    told = [json.loads(text, parse_constant=_refuse) for text in found.numbers if text]
    assert all(math.isfinite(value) for numbers in told for value in numbers.values())


def _refuse(name: str) -> float:
    raise AssertionError(f"{name} is no JSON")
