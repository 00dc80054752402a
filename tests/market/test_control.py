"""The market for control: sales of labs, their review, distress, and how a lab ends."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from sim.agents.lab import ACTIVE, EXITED, Lab, Sale
from sim.agents.strategy import gives_up
from sim.market import Market
from sim.markets import control, estate, merger_review
from sim.markets.rounds import hold_round
from sim.parameters import Parameters
from sim.population import NO_MODEL
from sim.records import LENSES, POPULATIONS, Records
from sim.scenario import Scenario
from tests.market.deals import EAGER, distress, events, long_run, payments, ready, review_by, sell
from tests.market.worlds import altered, begin_quarter, finish_quarter, off, put, run_of, steps

CHEAP = put("control", reservation=0.0)  # holders take anything: every able buyer makes an offer
NO_REVIEW = off("merger_review")
TEAMS_ONLY = off("mergers")
WHOLE_ONLY = off("acquihires")
POPULATIONS_ALL, API_SPEND = list(POPULATIONS).index("all"), LENSES.index("api_spend")
ALL_HARM = review_by(level=0.0, change=0.0, share=0.0)


def cash(market: Market, lab: Lab) -> float:
    return float(market.journal.cash[lab.account])


def rows_of(market: Market, ids: set[int]) -> np.ndarray:
    """Workloads that run one of these models."""
    w = market.population.workloads
    return np.flatnonzero(w.running & np.isin(w.model, list(ids)))


def sold_to_lab(scenario: Scenario, *edits: object, target: str = "cohere") -> tuple[Market, Lab, Lab]:
    """A market in which an independent lab is taken over by another for shares, and who is the buyer."""
    market = ready(scenario, CHEAP, WHOLE_ONLY, NO_REVIEW, put("control", appetite=0.0), *edits)
    lab = sell(market, target)
    assert lab.successor is not None
    return market, lab, lab.successor


# ---- teams


def test_a_licence_fee_goes_to_the_holders_by_stake(baseline: Scenario) -> None:
    """What is left of the lab's own cash too; the books of fund, treasury and register agree to the dollar.

    Kills: a fee to the lab, to founders alone, by the number of holders, paid by the giant's lab, proceeds not noted.
    """
    market = ready(baseline, EAGER, TEAMS_ONLY)
    lab, before = market.lab["inflection"], {x.id: x.proceeds for x in market.investor.values()}
    stakes, own = lab.stakes, cash(market, lab)
    assert len(stakes) > 3 and market.journal.debt(lab.account) == 0.0
    sell(market, lab.id)
    (deal,) = events(market, "acquihire").itertuples()
    fee = payments(market, "licence_fee")
    assert sum(fee.by_payee.values()) == pytest.approx(deal.amount_usd, rel=1e-12)
    assert fee.payers == {f"treasury:{deal.counterparty}"}
    for name, stake in stakes.items():
        if name in market.investor:
            due = stake * (deal.amount_usd + own)
            assert fee.by_payee[f"investor:{name}"] == pytest.approx(stake * deal.amount_usd, rel=1e-12)
            assert market.investor[name].proceeds - before[name] == pytest.approx(due, rel=1e-9)
    assert fee.by_payee["rest_of_world"] == pytest.approx(stakes["founders"] * deal.amount_usd, rel=1e-12)
    assert lab.stakes == {}
    assert cash(market, lab) == 0.0


def test_who_hires_a_team_pays_its_debts(baseline: Scenario) -> None:
    """In full, and so much less for the team. Kills: creditors who lose what holders are paid, debts paid twice."""
    fees = []
    for debt in (0.0, 200e6):
        market = ready(baseline, EAGER, TEAMS_ONLY)
        lab, cloud = market.lab["inflection"], market.account_of["cloud"]
        market.journal.owe("trade_debt", lab.account, cloud, debt)
        owed = market.journal.claims(lab.account)
        sell(market, lab.id)
        (deal,) = events(market, "acquihire").itertuples()
        treasury = market.account_of[f"treasury:{deal.counterparty}"]
        assert owed == pytest.approx({cloud: debt} if debt else {})
        assert market.journal.claims(lab.account) == market.journal.claims(treasury) == {}
        paid = payments(market, "debt_repayment")
        assert paid.by_payee.get("cloud", 0.0) == pytest.approx(debt)
        fees.append(deal.amount_usd)
    assert fees[0] - fees[1] == pytest.approx(market.parameters.control.seller_part * 200e6, rel=1e-6)


def test_what_a_team_knows_moves_with_it(baseline: Scenario) -> None:
    """Half of the lead over its new colleagues, and never less than they knew. Kills: all of it, a lead below zero."""
    market = ready(baseline, EAGER, TEAMS_ONLY, put("control", staff_knowledge=0.5))
    lab, buyer = market.lab["inflection"], market.lab["amazon"]
    for known, gained in ((buyer.knowledge + 0.4, 0.2), (buyer.knowledge - 0.4, 0.0)):
        before, lab.knowledge = buyer.knowledge, known
        estate.teach(market, lab, buyer)
        assert buyer.knowledge - before == pytest.approx(gained, abs=1e-12)
    lab.knowledge = 9.0
    before = {x.id: x.knowledge for x in market.roster}
    sell(market, lab.id)
    (deal,) = events(market, "acquihire").itertuples()
    learned = {x.id: x.knowledge for x in market.roster if x.knowledge != before[x.id]}
    assert learned == {deal.counterparty: pytest.approx((9.0 + before[deal.counterparty]) / 2.0, rel=1e-12)}


def test_a_giant_hires_one_team_a_quarter_and_the_best_payoff_goes_first(baseline: Scenario) -> None:
    """One giant, two teams: the dearer one. Kills: one buyer for all, first come first served, one team hired twice."""

    def one_giant(p: Parameters) -> None:
        for name, lab in p.labs.items():
            if lab.ownership == "giant" and name != "google":
                lab.ownership, lab.parent = "state", lab.parent

    market = ready(baseline, EAGER, TEAMS_ONLY, one_giant)
    targets = [market.lab["inflection"], market.lab["adept"]]
    offers = {lab.id: control.offers_for(market, lab, targets) for lab in targets}
    assert {name: [o.buyer.id for o in found] for name, found in offers.items()} == {
        "inflection": ["google"],
        "adept": ["google"],
    }
    best, other = sorted(offers, key=lambda name: -offers[name][0].payoff)
    market.lab[other].sale = Sale(market.quarter, "a test wants it")
    sell(market, best)
    assert events(market, "acquihire").lab.to_list() == [best]
    assert market.lab[other].status == ACTIVE


def test_a_giant_buys_nobody_beyond_its_reach(baseline: Scenario) -> None:
    """What counts is the lab's value, not the smaller fee. Kills: reach measured on the price, or not at all."""
    market = ready(baseline, EAGER, TEAMS_ONLY)
    lab = market.lab["inflection"]
    offers = control.offers_for(market, lab, [lab])
    assert len(offers) > 2
    assert max(offer.price for offer in offers) < 0.99 * lab.valuation
    market.parameters.control.reach = 0.99 * lab.valuation
    assert control.offers_for(market, lab, [lab]) == []


def test_labs_are_not_sold_to_who_distrusts_them(baseline: Scenario) -> None:
    """Kills: distrust read one way only. Distrust of more than one half on either side ends talks."""
    for trusting, distrust in (("us", 0.9), ("us", 0.0), ("china", 0.9)):

        def trust(p: Parameters, home: str = trusting, much: float = distrust) -> None:
            for name, region in p.regions.items():
                region.distrust = dict.fromkeys(region.distrust, 0.0)
                region.distrust["china" if home == "us" else "us"] = much if name == home else 0.0

        market = ready(baseline, EAGER, TEAMS_ONLY, trust)
        lab = market.lab["inflection"]
        regions = {offer.buyer.parameters.region for offer in control.offers_for(market, lab, [lab])}
        assert ("china" in regions) == (distrust == 0.0)


# ---- customers and models of the dead


def test_customers_of_a_dead_closed_model_switch_in_the_next_quarters_market(baseline: Scenario) -> None:
    """Kills: closed weights that outlive their lab, customers who keep a vendor that is gone, a dead lab that sells."""
    market = ready(baseline, EAGER, TEAMS_ONLY, CHEAP)
    lab = market.lab["cohere"]
    closed = {m.id for m in lab.models if not m.is_open}
    orphans = rows_of(market, closed)
    assert orphans.size > 5
    sell(market, lab.id)
    assert events(market, "acquihire").lab.to_list() == ["cohere"]
    begin_quarter(market, "settle_invoices")
    w = market.population.workloads
    assert not rows_of(market, closed).size
    assert not (w.lab[w.running] == lab.position).any()
    assert (w.model[orphans] != NO_MODEL).mean() > 0.5, "most find another vendor at once"
    finish_quarter(market, "settle_invoices")
    assert lab.accounts.total_revenue == lab.accounts.total_cost == 0.0
    assert lab.seat_share == 0.0


def test_orphans_pay_no_switching_cost_for_what_they_did_not_leave(baseline: Scenario) -> None:
    """Kills: a dead vendor that still binds. All alive vendors are equally far from who has lost his."""
    market = ready(baseline, EAGER, TEAMS_ONLY, CHEAP)
    orphans = rows_of(market, {m.id for m in market.lab["cohere"].models if not m.is_open})
    sell(market, "cohere")
    begin_quarter(market, "enterprises_choose")
    market._end_unsold()
    assert (market.population.workloads.lab[orphans] == -1).all()


def test_open_weights_outlive_their_lab(baseline: Scenario) -> None:
    """They stay on the menu at hosts and in house, nobody sells them first-hand, and the dead lab earns nothing.

    Kills: weights that die with their lab, an API nobody runs, hosts that go on paying the dead.
    """
    market = ready(baseline, EAGER, TEAMS_ONLY, CHEAP, quarters=6, enterprises=300)
    lab = market.lab["mistral"]
    opened = {m.id for m in lab.models if m.is_open}
    users = rows_of(market, opened)
    assert users.size > 0
    sell(market, lab.id)
    assert lab.status == EXITED and lab.models == []
    for _ in range(3):
        market.step()
        usage = market.usage
        of_the_dead = np.flatnonzero(market.catalogue.lab[usage.model] == lab.position)
        assert of_the_dead.size > 0
        assert not usage.first_party[of_the_dead].any()
        assert not usage.services[of_the_dead].any()
        assert lab.accounts.total_revenue == 0.0
    assert opened <= {m.id for m in market.community_models}


# ---- takeovers


def test_a_takeover_moves_customers_models_money_and_people(baseline: Scenario) -> None:
    """Kills: customers who must choose anew, models or seats lost, cash or debts left behind, two owners."""
    market = ready(baseline, CHEAP, WHOLE_ONLY, NO_REVIEW, put("control", appetite=0.0))
    lab = market.lab["cohere"]
    market.journal.owe("trade_debt", lab.account, market.account_of["cloud"], 7e6)
    market.journal.grant_credit("investor:nvidia", lab.account, 3e6)
    market.register.issue(lab.id, 1e9, {"nvidia": 3e6})
    lab.seat_share = 0.03
    held = {
        x.id: (cash(market, x), market.journal.debt(x.account), market.journal.credit(x.account), x.seat_share)
        for x in market.roster
    }
    models, w = {m.id for m in lab.models}, market.population.workloads
    rows, running = rows_of(market, models), w.model.copy()
    sell(market, lab.id)
    buyer = lab.successor
    assert buyer is not None
    assert market.journal.debt(lab.account) == 0.0
    after = (
        cash(market, buyer),
        market.journal.debt(buyer.account),
        market.journal.credit(buyer.account),
        buyer.seat_share,
    )
    np.testing.assert_allclose(after, np.add(held[lab.id], held[buyer.id]), rtol=1e-12)
    assert (w.lab[rows] == buyer.position).all()
    assert (w.model == running).all()
    assert models <= {m.id for m in buyer.models}
    assert lab.owner == buyer.id
    assert market.labs and not lab.active


def test_customers_stay_with_the_buyer_without_switching_cost(baseline: Scenario) -> None:
    """Their model in its mode costs no switching, and a rival's costs all of it. Kills: an incumbent that is gone."""
    market, lab, buyer = sold_to_lab(baseline)
    begin_quarter(market, "enterprises_choose")
    w, menu = market.population.workloads, market.menu
    enterprises = list(market.enterprises)
    own = [m.id for m in buyer.models if m.lab == buyer.id]
    ids = np.array([m.id for m in market.catalogue.models])[menu.model]
    rows = [row for row in rows_of(market, set(own)) if row in set(np.flatnonzero(w.lab == buyer.position))]
    assert not (w.lab[w.running] == lab.position).any()
    for row in rows[:20]:
        buyer_of = enterprises[int(np.searchsorted(market.population.enterprises.slots, row, side="right")) - 1]
        same = [j for j in range(menu.size) if ids[j] == w.model[row] and menu.mode[j] == w.mode[row]]
        rival = [j for j in range(menu.size) if menu.lab[j] != buyer.position and menu.mode[j] == w.mode[row]]
        assert [buyer_of._switching(row, j, menu, 1.0) for j in same] == [0.0] * len(same)
        assert all(buyer_of._switching(row, j, menu, 1.0) > 0.0 for j in rival)


def test_a_price_in_shares_dilutes_the_buyer_and_pays_the_sellers(baseline: Scenario) -> None:
    """Holders of the target get price / (value + price) of the buyer by stake. Kills: cash, shares at another price."""
    market = ready(baseline, CHEAP, WHOLE_ONLY, NO_REVIEW, put("control", appetite=0.0))
    before = {lab.id: (lab.stakes, lab.valuation) for lab in market.roster}
    lab = sell(market, "cohere")
    buyer = lab.successor
    assert buyer is not None
    (deal,) = events(market, "merger").itertuples()
    old, worth = before[buyer.id]
    part = deal.amount_usd / (worth + deal.amount_usd)
    for holder, stake in buyer.stakes.items():
        given = old.get(holder, 0.0) * (1.0 - part) + before[lab.id][0].get(holder, 0.0) * part
        assert stake == pytest.approx(given, rel=1e-9)
    assert sum(buyer.stakes.values()) == pytest.approx(1.0, abs=1e-12)
    assert buyer.valuation == pytest.approx(worth + deal.amount_usd, rel=1e-12)
    assert payments(market, "purchase").by_payee == payments(market, "licence_fee").by_payee == {}


def test_a_price_in_cash_is_paid_by_stake(baseline: Scenario) -> None:
    """A giant buys. Kills: a price paid twice, to one holder, out of the lab's own cash, which comes with it."""
    market = ready(baseline, EAGER, CHEAP, WHOLE_ONLY, NO_REVIEW, put("control", buyer_size=1e2))
    lab = market.lab["cohere"]
    stakes, own = lab.stakes, cash(market, lab)
    with_buyers = {x.id: cash(market, x) for x in market.roster}
    sell(market, lab.id)
    (deal,) = events(market, "merger").itertuples()
    paid = payments(market, "purchase")
    assert sum(paid.by_payee.values()) == pytest.approx(deal.amount_usd, rel=1e-12)
    for name in set(stakes) & set(market.investor):
        assert paid.by_payee[f"investor:{name}"] == pytest.approx(stakes[name] * deal.amount_usd, rel=1e-12)
    assert cash(market, market.lab[deal.counterparty]) == pytest.approx(with_buyers[deal.counterparty] + own, rel=1e-12)
    assert lab.owner == market.lab[deal.counterparty].parameters.parent


def test_prices_are_bargained_between_reservation_and_worth(baseline: Scenario) -> None:
    """Kills: the buyer's worth paid in full, net cash counted twice, a distressed lab that still names its price."""
    market = ready(baseline, EAGER)
    c, lab = market.parameters.control, market.lab["inflection"]
    net, giant = cash(market, lab) - market.journal.debt(lab.account), market.lab["google"]
    offer = control.team_offer(market, lab, giant)
    team, least = (
        c.team_years * lab.staff_spending,
        c.reservation * max(lab.valuation, market.outlook.value(lab, market.parameters)),
    )
    assert offer is not None
    assert offer.price == pytest.approx(least + c.seller_part * (team - least), rel=1e-12)
    assert offer.payoff == pytest.approx(offer.price + net, rel=1e-12)
    lab.distressed = 2
    poor = control.team_offer(market, lab, giant)
    assert poor is not None
    assert poor.price == pytest.approx(c.seller_part * team, rel=1e-12)
    whole = control.purchase_offer(market, lab, giant, "purchase")
    assert whole is not None
    gain = market.parameters.capital.multiple_base * lab.revenue_rate + c.synergy * lab.plan.budget
    assert whole.price == pytest.approx(net + c.seller_part * gain, rel=1e-9)
    assert whole.payoff == whole.price


@pytest.mark.parametrize(
    "short", ["runway", "size", "distress"], ids=["too little runway", "too small", "in distress itself"]
)
def test_who_cannot_pay_in_shares_makes_no_offer(short: str, baseline: Scenario) -> None:
    """Kills: each condition on a buyer."""
    market = ready(baseline, CHEAP, WHOLE_ONLY, put("control", appetite=0.0))
    lab, buyer = market.lab["cohere"], market.lab["openai"]
    buyer.valuation = 10.0 * lab.valuation
    assert control.can_buy(market, lab, buyer)
    if short == "runway":
        distress(market, buyer.id, cash=1e6)
        buyer.round_failed = False
    elif short == "size":
        buyer.valuation = 3.9 * lab.valuation
    else:
        buyer.distressed = 1
    assert not control.can_buy(market, lab, buyer)
    assert buyer not in [offer.buyer for offer in control.offers_for(market, lab, [lab])]


# ---- review


def state(market: Market) -> tuple[object, ...]:
    """Everything a sale would change."""
    w = market.population.workloads
    return (
        market.journal.balances().to_numpy().tolist(),
        {lab.id: (lab.status, lab.owner, lab.stakes, lab.valuation, len(lab.models)) for lab in market.roster},
        w.lab.tobytes(),
        w.model.tobytes(),
    )


def test_a_blocked_deal_leaves_everything_as_it_was(baseline: Scenario) -> None:
    """Kills: a blocked deal done, half done, or not written down."""
    market = ready(baseline, CHEAP, WHOLE_ONLY, ALL_HARM, put("control", appetite=0.0))
    market.lab["cohere"].sale = Sale(market.quarter, "a test wants it")
    keep_rivals(market, market.lab["cohere"])
    before, offers = state(market), control.offers_for(market, market.lab["cohere"], [market.lab["cohere"]])
    assert len(offers) > 1
    control.sell_labs(market)
    assert state(market) == before
    found = events(market, "blocked_merger")
    assert sorted(found.counterparty) == sorted(offer.buyer.id for offer in offers)
    assert (found.amount_usd == 0.0).all()
    assert sorted(found.price_usd) == pytest.approx(sorted(offer.price for offer in offers), rel=1e-5)
    assert (found.hhi_after - found.hhi_before - found.hhi_change).abs().max() < 0.05, "six digits are told"
    assert (found.hhi_change > 0.0).all()
    assert control.offers_for(market, market.lab["cohere"], [market.lab["cohere"]]) == [], "who is refused stays away"


def test_the_next_best_offer_is_considered(baseline: Scenario) -> None:
    """Buyers who sell where the lab sells are blocked one after the other, until a team offer comes, or nobody.

    Kills: a lab that stays unsold once its best offer is blocked, a review of team hires.
    """

    def no_stranger(p: Parameters) -> None:
        p.labs["amazon"].ownership = "state"  # sells little, and would not be blocked

    for edits in ((), (off("acquihires"),), (TEAMS_ONLY,)):
        market = ready(baseline, EAGER, ALL_HARM, no_stranger, put("control", team_years=0.1), *edits)
        shares, lab = merger_review.regional_shares(market), market.lab["cohere"]
        lab.sale, lab.distressed = Sale(market.quarter, "a test wants it"), 2
        keep_rivals(market, lab)
        offers = control.offers_for(market, lab, [lab])
        offers.sort(key=lambda o: (-o.payoff, o.target.id, o.buyer.id, o.kind))
        free = [o.kind == "acquihire" or not rivals(market, shares, lab, o.buyer) for o in offers]
        first = free.index(True) if True in free else len(offers)
        assert (first > 0) is (edits != (TEAMS_ONLY,))
        control.sell_labs(market)
        assert events(market, "blocked_merger").counterparty.to_list() == [o.buyer.id for o in offers[:first]]
        done = events(market, "acquihire", "merger")
        assert done.counterparty.to_list() == [
            o.buyer.owner if o.kind == "acquihire" else o.buyer.id for o in offers[first : first + 1]
        ]
        finish_quarter(market, "check_identities")


def rivals(market: Market, shares: dict[str, np.ndarray], a: Lab, b: Lab) -> bool:
    """Whether both labs' owners sell in some region."""
    x, y = (merger_review.representatives(market)[lab.position] for lab in (a, b))
    return any(s[x] > 0.0 and s[y] > 0.0 for s in shares.values())


def keep_rivals(market: Market, lab: Lab) -> None:
    """Independent labs that sell nowhere where this one sells, whom no review would stop, do not bid for it."""
    shares = merger_review.regional_shares(market)
    lab.forbidden |= {x.id for x in market.roster if not x.backed and not rivals(market, shares, lab, x)}


def test_a_failing_firm_may_be_saved_by_anybody(baseline: Scenario) -> None:
    """Where the region accepts that defence, and only for a lab in distress. Kills: a defence for all, or for none."""
    for accepted, distressed, merged in ((True, 2, True), (True, 0, False), (False, 2, False)):
        market = ready(baseline, CHEAP, WHOLE_ONLY, review_by(0.0, 0.0, 0.0, accepted), put("control", appetite=0.0))
        lab = market.lab["cohere"]
        lab.sale, lab.distressed = Sale(market.quarter, "a test wants it"), distressed
        keep_rivals(market, lab)
        control.sell_labs(market)
        assert (lab.successor is not None) is merged, (accepted, distressed)
        assert events(market, "blocked_merger").empty is merged


def test_regions_review_what_is_sold_to_their_buyers(baseline: Scenario) -> None:
    """One region forbids all, where both sell there. Kills: world shares, the lab's home region, all regions."""

    def only(place: str) -> object:
        def edit(p: Parameters) -> None:
            for name, region in p.regions.items():
                strict = name == place
                region.merger_level, region.merger_change = (0.0, 0.0) if strict else (1e4, 1e4)
                region.merger_share, region.failing_firm = (0.0, False) if strict else (1.0, False)

        return edit

    verdicts = {}
    for place in ("us", "china"):
        market = ready(baseline, CHEAP, WHOLE_ONLY, only(place), put("control", appetite=0.0))
        shares = merger_review.regional_shares(market)
        for lab in (market.lab[name] for name in ("cohere", "ai21", "inflection")):
            for offer in control.offers_for(market, lab, [lab]):
                owner = merger_review.representatives(market)
                both = all(shares[place][owner[x.position]] > 0.0 for x in (lab, offer.buyer))
                verdicts[place, lab.id, offer.buyer.id] = merger_review.blocked(market, offer, shares), both
    assert {verdict for verdict, _ in verdicts.values()} == {True, False}
    assert all(verdict == both for verdict, both in verdicts.values()), verdicts


def test_the_screen_is_of_owners(baseline: Scenario) -> None:
    """Labs of one owner are one seller. Kills: a screen lab by lab, the community left out of the market."""
    market, lab, buyer = sold_to_lab(baseline)
    market.step()
    other = market.lab["ai21"]
    screen = merger_review.market_screen(market, other, buyer)
    row = market.records.tables()["market"].iloc[-1]
    assert screen.before == pytest.approx(row.hhi, rel=1e-12)
    assert lab.owner == buyer.id
    for shares in merger_review.regional_shares(market).values():
        assert shares.sum() == pytest.approx(1.0, abs=1e-12)


# ---- distress


def test_who_has_a_parent_never_gives_up(baseline: Scenario) -> None:
    """Kills: a subsidiary for sale. An independent lab in its place would be."""
    market = ready(baseline, put("strategy", giving_up_rate=20.0, safe_cover=0.0))
    market.parameters.switches.giving_up = True
    lab = market.lab["inflection"]
    lab.plan.capacity = market.lab["amazon"].plan.capacity = 0.0
    assert gives_up(market, lab) == 20.0
    assert gives_up(market, market.lab["amazon"]) == 0.0


def test_distress_needs_a_failed_round_and_a_short_runway(baseline: Scenario) -> None:
    """And is counted in quarters. Kills: either alone, an old refusal, a count that never ends."""
    market = ready(baseline)
    lab = distress(market, "cohere", cash=1e6)
    assert lab.runway_quarters() < market.parameters.control.distress_runway
    for count in (1, 2):
        control.note_distress(market, lab)
        assert lab.distressed == count
    lab.last_ask = market.quarter - market.parameters.capital.between_rounds - 1
    control.note_distress(market, lab)
    assert lab.distressed == 0
    lab.last_ask, lab.round_failed = market.quarter, False
    control.note_distress(market, lab)
    assert lab.distressed == 0
    market.journal.pay("opening_balance", market.rest_of_world, lab.account, 1e12)
    lab.round_failed = True
    control.note_distress(market, lab)
    assert lab.distressed == 0


def test_a_restructured_lab_owes_less_and_belongs_to_who_saved_it(baseline: Scenario) -> None:
    """80 % forgiven; the holders put in the burn and the rest of the debt at 30 % of the value, in proportion.

    Kills: debt forgiven on one side, all of it or none, rescuers at full price, founders who keep their part.
    """
    market = ready(baseline, put("switches", restructuring=True), off("acquihires", "mergers"))
    lab = distress(market, "inflection", debt=40e6, cash=1.0)
    c, old = market.parameters.control, lab.stakes
    worth, burn = market.outlook.value(lab, market.parameters), 4.0 * lab.accounts.burn
    need, rescuers = c.rescue_years * burn + 0.2 * 40e6, {k: v for k, v in old.items() if k != "founders"}
    for name in rescuers:
        market.investor[name].uncalled = 1e12
    finish_quarter(market, "labs_change_hands")
    assert market.journal.debt(lab.account) == pytest.approx(0.2 * 40e6, rel=1e-9)
    assert cash(market, lab) == pytest.approx(need + 1.0, rel=1e-9)
    (deal,) = events(market, "restructuring").itertuples()
    assert deal.forgiven_usd == pytest.approx(0.8 * 40e6)
    assert deal.post_money_usd == pytest.approx(0.3 * worth + need, rel=1e-5)
    sold, whole = need / (0.3 * worth + need), sum(rescuers.values())
    for name, stake in old.items():
        bought = sold * rescuers.get(name, 0.0) / whole
        assert lab.stakes[name] == pytest.approx(stake * (1.0 - sold) + bought, rel=1e-9)
    assert lab.distressed == 0
    assert market.exits_and_rescues == 1


@pytest.mark.parametrize("why", ["no money", "an estate worth more", "a lab worth nothing", "no debt", "switched off"])
def test_nobody_is_rescued_against_the_numbers(why: str, baseline: Scenario) -> None:
    """Kills: each condition of a rescue. The lab, its debts and its holders stay as they were."""
    market = ready(baseline, put("switches", restructuring=why != "switched off"), off("acquihires", "mergers"))
    lab = distress(market, "inflection", debt=0.0 if why == "no debt" else 40e6, cash=1.0)
    for name in set(lab.stakes) - {"founders"}:
        market.investor[name].uncalled = 0.0 if why == "no money" else 1e12
        if why == "no money":
            account = market.investor[name].account
            market.journal.pay("fund_distribution", account, market.rest_of_world, float(market.journal.cash[account]))
    if why == "an estate worth more":
        market.journal.pay("opening_balance", market.rest_of_world, lab.account, 5e6)
    if why == "a lab worth nothing":
        market.parameters.capital.multiple_base = 0.1
        market.parameters.capital.option_gap_decay = 20.0
    debt, stakes = market.journal.debt(lab.account), lab.stakes
    control.restructure(market, lab)
    assert market.journal.debt(lab.account) == debt
    assert lab.stakes == stakes
    assert events(market, "restructuring").empty


def test_a_distressed_lab_cuts_back_to_something_cheaper(baseline: Scenario) -> None:
    """Half of the budget and of the clusters go, and the strategy is a cheaper one, once.

    Kills: a pivot up, no cut, a cut in every quarter of distress.
    """
    market = ready(baseline, put("switches", strategy_choice=True), off("acquihires", "mergers"))
    lab = distress(market, "inflection", cash=1.0)
    budget, capacity, before = lab.plan.budget, lab.plan.capacity, lab.strategy
    finish_quarter(market, "labs_change_hands")
    order = list(control.STRATEGIES)
    assert order.index(lab.strategy) > order.index(before)
    assert (lab.plan.budget, lab.plan.capacity) == (0.5 * budget, 0.5 * capacity)
    (pivot,) = events(market, "pivot", lab=lab.id).itertuples()
    assert pivot.cause.startswith(f"{before} -> {lab.strategy}")
    assert pivot.budget_usd_per_year == pytest.approx(0.5 * budget, rel=1e-5)
    market.quarter -= 1
    lab.strategy = before
    control.settle_control(market)
    assert (lab.distressed, lab.strategy, lab.plan.budget) == (2, before, 0.5 * budget)


# ---- the end


def test_an_estate_is_settled_by_seniority(baseline: Scenario) -> None:
    """Wages before suppliers: 120 of cash, 80 owed to staff, 60 to the cloud; holders get nothing.

    Kills: equal ranks, suppliers first, holders before creditors, claims left open.
    """
    market = ready(baseline)
    lab = distress(market, "cohere", cash=120e6)
    journal, staff, cloud = market.journal, market.account_of["staff"], market.account_of["cloud"]
    journal.owe("trade_debt", lab.account, staff, 80e6)
    journal.owe("trade_debt", lab.account, cloud, 60e6)
    assert estate.wind_down(market, lab)[0] == pytest.approx(120e6, rel=1e-12)
    assert payments(market, "estate").by_payee == pytest.approx({"staff": 80e6, "cloud": 40e6})
    assert payments(market, "distribution").by_payee == {}
    written_off = journal.total("write_off", market.quarter)
    assert written_off == pytest.approx(20e6, rel=1e-9)
    finish_quarter(market, "check_identities")


def test_what_creditors_leave_goes_to_the_holders(baseline: Scenario) -> None:
    """200 of cash and 60 owed: 140 by stake. Kills: a surplus kept by the lab or by the first holder."""
    market = ready(baseline)
    lab = distress(market, "inflection", cash=200e6)
    market.journal.owe("trade_debt", lab.account, market.account_of["cloud"], 60e6)
    stakes = lab.stakes
    estate.wind_down(market, lab)
    paid = payments(market, "distribution").by_payee
    assert paid.pop("rest_of_world") == pytest.approx(stakes["founders"] * 140e6, rel=1e-9)
    assert paid == pytest.approx({f"investor:{k}": v * 140e6 for k, v in stakes.items() if k != "founders"})
    finish_quarter(market, "check_identities")


def test_a_lab_beyond_its_credit_is_wound_down(baseline: Scenario) -> None:
    """Kills: a limit nobody minds, a lab within it that ends, an event without its numbers."""
    market = ready(baseline, off("acquihires", "mergers"))
    limit = control.credit_limit(market, market.lab["cohere"])
    poor, poorer = distress(market, "cohere", debt=0.99 * limit), market.lab["ai21"]
    distress(market, "ai21", debt=1.01 * control.credit_limit(market, poorer))
    finish_quarter(market, "labs_change_hands")
    assert (poor.status, poorer.status) == (ACTIVE, EXITED)
    (end,) = events(market, "winddown").itertuples()
    assert (end.lab, end.recovered_usd) == ("ai21", 0.0)
    assert end.debt_usd > end.credit_limit_usd > 0.0


# ---- labs that nobody wants


def on_sale(market: Market, lab_id: str) -> Lab:
    """Put a lab that earns next to nothing up for sale and end the quarter."""
    lab = market.lab[lab_id]
    lab.accounts.revenue = {}
    return sell(market, lab_id)


def wait_unsold(market: Market, lab_id: str, quarters: int) -> Lab:
    """Some quarters more on sale, with sales that carry nothing."""
    for _ in range(quarters):
        begin_quarter(market, "labs_change_hands")
        on_sale(market, lab_id)
    return market.lab[lab_id]


def test_who_finds_no_buyer_winds_down_in_good_order(baseline: Scenario) -> None:
    """After `control.patience` quarters: creditors are whole, holders get what is left by stake, the ledger says so.

    Kills: a lab on sale for ever, one that ends a quarter early, cash that stays in a dead lab.
    """
    market = ready(baseline, off("acquihires", "mergers", "funding_market"))
    hold_round(market, market.lab["cohere"], 1e9, {"other_venture": 1e8}, {"other_venture": 0.0})
    lab = on_sale(market, "cohere")
    wait_unsold(market, "cohere", 2)
    assert (lab.status, lab.unsold) == (ACTIVE, 3)
    stake = lab.stakes["other_venture"]
    wait_unsold(market, "cohere", 1)
    assert lab.status == EXITED
    (end,) = events(market, "winddown", lab="cohere").itertuples()
    assert (end.lab, end.quarters_on_offer, end.revenue_over_cost) == ("cohere", 4.0, 0.0)
    assert (
        end.payoff_to_holders_usd == pytest.approx(end.cash_usd - end.debt_usd, rel=1e-5)
        and end.payoff_to_holders_usd > 0.0
    )
    paid = payments(market, "distribution").by_payee
    assert paid["investor:other_venture"] == pytest.approx(stake * end.payoff_to_holders_usd, rel=1e-5)
    assert sum(paid.values()) == pytest.approx(end.payoff_to_holders_usd, rel=1e-5)


def test_new_money_and_second_thoughts_give_time(baseline: Scenario) -> None:
    """Off sale the clock stands, with a round it starts anew; who earns a quarter of its cost waits for ever.

    Kills: a clock that a planning round rewinds, one that runs on off sale, viable labs that close.
    """
    market = ready(baseline, off("acquihires", "mergers", "funding_market"))
    lab = on_sale(market, "cohere")
    begin_quarter(market, "labs_change_hands")
    lab.sale = None
    finish_quarter(market, "labs_change_hands")
    assert lab.unsold == 1
    wait_unsold(market, "cohere", 1)
    assert lab.unsold == 2
    hold_round(market, lab, 1e9, {"other_venture": 1e6}, {"other_venture": 0.0})
    assert lab.unsold == 0
    viable = market.lab["openai"]
    for _ in range(6):
        begin_quarter(market, "labs_change_hands")
        viable.sale = Sale(market.quarter, "a test wants it")
        finish_quarter(market, "labs_change_hands")
    assert viable.accounts.cover > 0.25
    assert (viable.status, viable.unsold) == (ACTIVE, 6)


# ---- whole runs


@pytest.fixture(scope="module", params=[1, 2])
def records(request: pytest.FixtureRequest) -> Records:
    """What the baseline to 2030Q4 leaves behind."""
    return long_run(request.param)[1]


def test_dead_labs_receive_and_pay_nothing(records: Records) -> None:
    """From the quarter after their end. Kills: any flow or stock that outlives a lab."""
    tables = records.tables()
    ends = events(records, "acquihire", "merger", "winddown").set_index("lab").quarter
    assert ends.index.is_unique and len(ends) > 5
    labs = tables["labs"]
    after = labs[labs.lab.isin(ends.index) & (labs.quarter > labs.lab.map(ends))]
    assert (after.status == EXITED).all()
    money = [c for c in labs if c.endswith("_usd") and c not in ("record_run_usd",)] + ["seat_share", "models_served"]
    assert (after[money].fillna(0.0) == 0.0).all(axis=None), after[money].abs().sum()
    later = tables["investments"].merge(ends.rename("end").reset_index(), on="lab")
    assert (later.quarter <= later.end).all()


def test_every_end_has_its_event_and_every_event_its_end(records: Records) -> None:
    """Kills: labs that vanish, ends told twice, buyers that are gone themselves."""
    labs = records.tables()["labs"]
    gone = set(labs[(labs.quarter == labs.quarter.iloc[-1]) & (labs.status == EXITED)].lab)
    told = Counter(events(records, "acquihire", "merger", "winddown").lab)
    assert told == Counter(gone)
    merged = events(records, "merger")
    ends = events(records, "acquihire", "merger", "winddown").set_index("lab").quarter
    bought_later = merged.counterparty.map(ends)
    assert (bought_later.isna() | (bought_later > merged.quarter)).all()


def test_the_hhi_told_of_a_deal_is_twice_the_product_of_shares(records: Records) -> None:
    """2 s_i s_j x 10,000 of API spend by owner in the deal's quarter; six digits are told.

    Kills: shares of another lens, of labs instead of owners, of the quarter before.
    """
    keys, quarters = records.keys, records.quarters
    share = records.shares[:, POPULATIONS_ALL, API_SPEND, keys.index("lab")]
    owners = records.tables()["labs"].pivot(index="quarter", columns="lab", values="owner")
    merged = events(records, "merger")
    assert len(merged) > 2
    for deal in merged.itertuples():
        at = quarters.index(deal.quarter)
        owner = {name: owners[name].iloc[at - 1] if name in owners else name for name in keys.keys("lab")}
        owned = {who: sum(share[at, i] for i, x in enumerate(owner.values()) if x == who) for who in owner.values()}
        product = owned[deal.lab] * owned[owner[deal.counterparty]]
        assert deal.hhi_change == pytest.approx(2e4 * product, rel=1e-5, abs=1e-12)


def test_exits_and_rescues_are_counted_by_their_definition(records: Records) -> None:
    """Independent and outside the top five by trailing-year revenue in the quarter of the event.

    Kills: giants or leaders counted, rescues forgotten, blocked deals counted.
    """
    tables = records.tables()
    labs, counted = tables["labs"], Counter()
    year = labs.pivot(index="quarter", columns="lab", values="revenue_usd").fillna(0.0).rolling(4, min_periods=1).sum()
    for row in events(records, "acquihire", "merger", "winddown", "restructuring").itertuples():
        sold = year.loc[row.quarter]
        top = sorted(sold.index, key=lambda name: (-sold[name], name))[:5]
        counted[row.quarter] += row.lab not in top
    expected = [float(counted[q]) for q in records.quarters]
    assert tables["market"].subscale_exits_and_rescues.to_list() == expected


def test_without_a_market_for_control_nobody_is_sold(baseline: Scenario) -> None:
    """Kills: a switch that does nothing."""
    closed = off("acquihires", "mergers", "restructuring", "giving_up", "founding")
    left = run_of(altered(baseline, closed), 200, "2027Q4")
    assert events(left, "acquihire", "merger", "restructuring", "blocked_merger").empty


def test_a_lab_nobody_may_buy_goes_on(baseline: Scenario) -> None:
    """Kills: a lab that ends because it is for sale."""
    market = ready(baseline, put("control", appetite=0.0), off("mergers"))
    lab = sell(market, "cohere")
    assert lab.status == ACTIVE
    steps(market, 1)
    assert isinstance(market.records.tables()["events"], pd.DataFrame)
    assert lab.status == ACTIVE
