"""Section 6 of the model: what must hold every quarter in every scenario, recomputed from the journal alone."""

import json
import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from sim.agents.lab import EXITED, Lab
from sim.market import Market
from sim.markets.menu import API, EDGE, HOSTED, PILOT, PRIVATE, SELF
from sim.population import EMPTY
from sim.records import LENSES, POPULATIONS, Records
from sim.scenario import load_scenario, shipped_scenarios
from tests.market.worlds import altered, broke

SHIPPED = [scenario.name for scenario in shipped_scenarios()]


@pytest.fixture(scope="module", params=SHIPPED)
def whole_run(request: pytest.FixtureRequest) -> Records:
    """A shipped scenario to its end with 200 enterprises; the market itself stops at a broken identity."""
    return Market(load_scenario(request.param), 1, 200).run()


def test_identities_hold_in_every_quarter_of_every_scenario(whole_run: Records) -> None:
    """Kills: a market that no longer audits itself (the residual would stay at its first value), a gate widened."""
    market = whole_run.tables()["market"]
    assert len(market) == len(whole_run.quarters)
    assert (market.identity_residual_usd <= market.identity_gate_usd).all()
    assert market.identity_residual_usd.nunique() > 1
    stock = market.total_lab_cash_usd.max() + market.total_spend_usd.max()
    assert (market.identity_gate_usd <= 1e-12 * 1e3 * stock).all()


def test_shares_sum_to_one_in_every_quarter_of_every_scenario(whole_run: Records) -> None:
    """Every lens, by and population; only adopters overlap. Kills: a key left out, a total over another population."""
    for by in dict(whole_run.keys.pairs):
        part = whole_run.shares[..., whole_run.keys.index(by)]
        total = part.sum(axis=3)
        assert np.nanmin(part) >= 0.0 and np.nanmax(part) <= 1.0 + 1e-12
        for lens, name in enumerate(LENSES):
            counted = np.isfinite(total[:, :, lens])
            assert counted[:, list(POPULATIONS).index("all")].all(), (by, name)
            if name != "adopters":
                np.testing.assert_allclose(total[:, :, lens][counted], 1.0, rtol=1e-12, err_msg=f"{by} {name}")


def test_yardsticks_agree_where_they_must(whole_run: Records) -> None:
    """Regions and openness are sums of their crossing, concentration is that of the owners' shares.

    Not so for adopters, who overlap, and for the first vendor, which differs with what is called a vendor. Kills: a
    model booked under another region, the community counted as closed, concentration by lab or of another lens.
    """
    keys, shares = whole_run.keys, whole_run.shares
    for lens in (i for i, name in enumerate(LENSES) if name not in ("adopters", "primary_vendor")):
        region = shares[:, :, lens, keys.index("region")]
        both = shares[:, :, lens, keys.index("region_and_openness")]
        np.testing.assert_allclose(both[..., 0::2] + both[..., 1::2], region, atol=1e-12)
        np.testing.assert_allclose(
            both[..., 0::2].sum(axis=2), shares[:, :, lens, keys.position("openness", "open")], atol=1e-12
        )
    market = whole_run.tables()["market"]
    owners = shares[:, 0, LENSES.index("api_spend"), keys.index("owner")]
    np.testing.assert_allclose(market.hhi, 1e4 * (owners**2).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(market.cr1, owners.max(axis=1), rtol=1e-12)


@dataclass
class Audit:
    """What an outsider computes of each quarter of a small market while its books are open."""

    market: Market
    flows: list[pd.DataFrame] = field(default_factory=list)
    invoiced: list[dict[str, np.ndarray]] = field(default_factory=list)  # line -> USD by lab, price x quantity
    slots: list[tuple[float, float]] = field(default_factory=list)  # begun workloads, and those that run a model

    def quarter(self) -> None:
        self.market.step()
        quarter = self.market.quarter - 1
        self.flows.append(self.market.journal.flows(quarter))
        self.invoiced.append(_price_times_quantity(self.market))
        w = self.market.population.workloads
        begun = w.stage != EMPTY
        self.slots.append((float(w.weight[begun].sum()), float(w.weight[begun & (w.model >= 0)].sum())))


def _price_times_quantity(market: Market) -> dict[str, np.ndarray]:
    """Buyers' invoices of the quarter by line and lab: posted prices and listed costs times tokens, row by row."""
    u, c, p = market.usage, market.catalogue, market.parameters
    lab = c.lab[u.model]
    labs = len(market.roster) + 1
    price = c.price[u.model]
    elsewhere = np.array([m.serving / m.compute_cost for m in c.models])[u.model]  # without the home region's premium
    free = (u.kind == PILOT) & (c.tier[u.model] == 1)
    paid = np.where(free, 1.0 - p.pricing.free_tier_share, 1.0) * price * u.tokens
    resold = np.array([x.parameters.cloud_share for x in market.roster] + [0.0])[lab]
    amounts = {
        "api": np.where(u.mode == API, paid * (1.0 - resold), 0.0),
        "cloud_resale": np.where(u.mode == API, paid * resold, 0.0),
        "private_deployment": np.where(u.mode == PRIVATE, price * u.tokens, 0.0),
        "private_deployment_fee": np.where(u.mode == PRIVATE, price * u.tokens * p.hosting.private_fee, 0.0),
        "hosting": np.where(u.mode == HOSTED, elsewhere * (1.0 + p.hosting.host_margin) * u.tokens, 0.0),
    }
    return {line: np.bincount(lab, amount, labs) for line, amount in amounts.items()}


@pytest.fixture(scope="module", params=["baseline", "dated-history"])
def audited(request: pytest.FixtureRequest) -> Audit:
    """200 enterprises for twelve quarters; Stability has nothing and ends on the way, where nobody buys wound down."""
    audit = Audit(Market(altered(load_scenario(request.param), broke("stability")), 3, 200, "2025Q4"))
    audit.market.journal.detail = True
    while audit.market.quarter <= audit.market.last_quarter:
        audit.quarter()
    return audit


def _cash(flows: pd.DataFrame, purpose: str) -> pd.DataFrame:
    return flows[(flows.purpose == purpose) & (flows.ledger == "cash")]


def by_lab(audited: Audit, column: str) -> pd.DataFrame:
    """A column by quarter and lab, 0 for places that nobody has founded yet and that are in no table."""
    rows = audited.market.records.tables()["labs"].pivot(index="quarter", columns="lab", values=column)
    return rows.reindex(columns=[lab.id for lab in audited.market.roster]).fillna(0.0)


REVENUE = {
    "revenue_api_usd": "api",
    "revenue_private_usd": "private_deployment",
    "revenue_resale_usd": "cloud_remittance",
    "revenue_hosted_usd": "hosted_revenue_share",
    "revenue_services_usd": "services",
    "revenue_seats_usd": "seats",
}


def test_revenue_is_what_payers_paid(audited: Audit) -> None:
    """Lab by lab, line by line, quarter by quarter. Kills: revenue booked and not paid, paid elsewhere, paid twice."""
    labs = audited.market.records.tables()["labs"]
    for quarter, flows in zip(audited.market.records.quarters, audited.flows, strict=True):
        rows = labs[labs.quarter == quarter].set_index("lab")
        for column, purpose in REVENUE.items():
            paid = _cash(flows, purpose).groupby("payee").amount_usd.sum()
            paid.index = paid.index.str.removeprefix("lab:")
            np.testing.assert_allclose(rows[column], paid.reindex(rows.index, fill_value=0.0), rtol=1e-12, atol=1e-6)
        np.testing.assert_allclose(rows.revenue_usd, rows[list(REVENUE)].sum(axis=1), rtol=1e-12)


def test_buyers_pay_price_times_quantity(audited: Audit) -> None:
    """Invoices of each lab's first-party products, of hosts and clouds, from posted prices and tokens alone.

    Kills: yesterday's prices, a free tier that is billed, a year's tokens in a quarter, fees in the lab's revenue.
    """
    names = [f"lab:{lab.id}" for lab in audited.market.roster]
    for flows, expected in zip(audited.flows, audited.invoiced, strict=True):
        for line in ("api", "private_deployment"):
            paid = _cash(flows, line).groupby("payee").amount_usd.sum().reindex(names, fill_value=0.0)
            np.testing.assert_allclose(paid, expected[line][:-1], rtol=1e-9, err_msg=line)
        for line in ("cloud_resale", "private_deployment_fee", "hosting"):
            assert _cash(flows, line).amount_usd.sum() == pytest.approx(expected[line].sum(), rel=1e-9), line
        assert expected["api"].sum() > 0.0


def test_buyers_keep_no_money(audited: Audit) -> None:
    """Enterprises receive exactly what they spend. Kills: budgets that pile up or leak in the buyers' accounts."""
    for flows in audited.flows:
        cash = flows[flows.ledger == "cash"]
        buyer_in = cash[cash.payee.str.startswith("enterprise")].amount_usd.sum()
        buyer_out = cash[cash.payer.str.startswith("enterprise")].amount_usd.sum()
        assert buyer_in == pytest.approx(buyer_out, rel=1e-12)


def test_lab_cash_is_in_less_out(audited: Audit) -> None:
    """Closing cash of every lab from the rows of its account, none before it is founded.

    Kills: cash moved beside the journal, money for a lab that is in no table.
    """
    labs = by_lab(audited, "cash_usd")
    before = pd.Series(0.0, index=labs.columns)
    for quarter, flows in zip(audited.market.records.quarters, audited.flows, strict=True):
        cash = flows[flows.ledger == "cash"]
        got, paid = (cash.groupby(side).amount_usd.sum() for side in ("payee", "payer"))
        change = got.sub(paid, fill_value=0.0)
        change.index = change.index.str.removeprefix("lab:")
        expected = before + change.reindex(labs.columns, fill_value=0.0)
        np.testing.assert_allclose(labs.loc[quarter], expected, rtol=1e-12, atol=1e-3)
        assert (labs.loc[quarter] >= 0.0).all()
        before = labs.loc[quarter]


CREDIT_SIGNS = {
    "compute_credit_grant": 1.0,
    "compute_credit_received": 1.0,
    "compute_credit_used": -1.0,
    "compute_credit_transferred": -1.0,
    "compute_credit_lapsed": -1.0,
}


def test_compute_credits_roll_forward(audited: Audit) -> None:
    """Credits held = those before + granted - used, less those that end with their holder or go to who took it over.

    Kills: credits that are used twice or die at the quarter's end, that a buyer gets twice or not at all.
    """
    labs = by_lab(audited, "compute_credit_usd")
    before = pd.Series(0.0, index=labs.columns)
    granted = 0.0
    for quarter, flows in zip(audited.market.records.quarters, audited.flows, strict=True):
        change = pd.Series(0.0, index=labs.columns)
        for purpose, sign in CREDIT_SIGNS.items():
            rows = flows[(flows.purpose == purpose) & (flows.ledger == "credit")]
            held = rows.groupby(rows.payee.str.removeprefix("lab:")).amount_usd.sum()
            change += sign * held.reindex(labs.columns, fill_value=0.0)
            granted += held.sum() if purpose == "compute_credit_grant" else 0.0
        np.testing.assert_allclose(labs.loc[quarter], before + change, rtol=1e-12, atol=1e-3)
        before = labs.loc[quarter]
    assert granted > 0.0


def test_served_and_unserved_are_all(audited: Audit) -> None:
    """Workloads that run a model + those that found none = those begun. Kills: workloads lost between two models."""
    market = audited.market.records.tables()["market"]
    begun, running = np.array(audited.slots).T
    np.testing.assert_allclose(market.deployments + market.pilots, running, rtol=1e-12)
    np.testing.assert_allclose(running + market.unserved_workloads, begun, rtol=1e-12)


def issues(audited: Audit, lab: Lab) -> list[tuple[float, float]]:
    """(USD paid for new shares, post-money USD) of a lab's rounds and rescues, in order."""
    events = audited.market.records.tables()["events"]
    mine = events[(events.lab == lab.id) & events.kind.isin(["round", "restructuring"])]
    valued = audited.market.records.tables()["labs"].set_index(["lab", "quarter"]).valuation_usd
    bought = events[(events.counterparty == lab.id) & (events.kind == "merger")]  # for shares at another price
    found = []
    for row in mine.itertuples():
        numbers = json.loads(row.numbers)
        paid = row.amount_usd if row.kind == "round" else numbers["rescue_usd"]
        assert numbers["post_money_usd"] == pytest.approx(numbers["pre_money_usd"] + paid, rel=1e-5)  # six digits
        post = valued.get((lab.id, row.quarter), math.nan)  # none where it ended in the same quarter
        alone = (mine.quarter == row.quarter).sum() == 1 and row.quarter not in set(bought.quarter)
        once = alone and not math.isnan(post)
        if once:
            assert post == pytest.approx(numbers["post_money_usd"], rel=1e-5)
        found.append((paid, post if once else numbers["post_money_usd"]))
    return found


def test_cap_tables_sum_to_one_and_rounds_add_up(audited: Audit) -> None:
    """Stakes of an independent sum to 1; founders keep the product of 1 - amount/post, post = pre + amount.

    Kills: dilution by amount/pre, investors' stakes not diluted by later rounds, credits left out of the amount,
    shares in a lab that is no more.
    """
    tables = audited.market.records.tables()
    events, checked = tables["events"], 0
    paid_in_shares = set(events[events.kind == "merger"].counterparty)
    for lab in audited.market.roster:
        rounds = issues(audited, lab)
        if lab.status == EXITED:
            assert lab.stakes == {}
        elif lab.backed or not rounds:
            assert lab.backed or lab.stakes == {"founders": 1.0} or lab.id in paid_in_shares
        else:
            assert sum(lab.stakes.values()) == pytest.approx(1.0, abs=1e-12)
            kept = math.prod(1.0 - paid / post for paid, post in rounds)
            if lab.id not in paid_in_shares:  # whose founders are diluted by those too
                assert lab.stakes["founders"] == pytest.approx(kept, rel=1e-5)
                checked += 1
    assert checked > 3


def test_dated_rounds_are_held_as_stated(audited: Audit) -> None:
    """On a schedule, or agreed before the first quarter: amount and post-money value are the scenario's.

    Kills: a dated round held where a market for money sets the terms, one left out where none does.
    """
    market = audited.market
    tables = market.records.tables()
    valued = tables["labs"].set_index(["lab", "quarter"]).valuation_usd
    rounds = tables["events"].query("kind == 'round'")
    swaps = tables["events"].query("kind == 'merger'")  # a buyer's mark moves with the shares it pays
    swapped = set(zip(swaps.counterparty, swaps.quarter, strict=True))
    scheduled, held = market.parameters.switches.exogenous_rounds, 0
    for lab in market.roster:
        for dated in lab.parameters.rounds:
            there = (valued.index == (lab.id, dated.quarter)).any() and dated.quarter >= lab.parameters.entry
            alone = rounds[(rounds.lab == lab.id) & (rounds.quarter == dated.quarter)]
            if (scheduled or dated.agreed) and there and lab.status != EXITED:
                assert dated.amount in set(alone.amount_usd)
                if len(alone) == 1 and (lab.id, dated.quarter) not in swapped:
                    assert valued[lab.id, dated.quarter] == pytest.approx(dated.pre_money + dated.amount, rel=1e-12)
                    held += 1
            elif not scheduled:
                assert dated.amount not in set(alone.amount_usd)
    assert held > (5 if scheduled else 0)


def test_investors_paid_what_labs_raised(audited: Audit) -> None:
    """Cash and credits of investors = funding of labs, in all and by stake. Kills: money from nowhere in a round."""
    market = audited.market
    raised = market.records.tables()["labs"].funding_usd.sum()
    paid = sum(_cash(flows, "equity").amount_usd.sum() for flows in audited.flows)
    granted = sum(flows[flows.purpose == "compute_credit_grant"].amount_usd.sum() for flows in audited.flows)
    assert paid + granted == pytest.approx(raised, rel=1e-12)
    assert sum(x.invested for x in market.investor.values()) == pytest.approx(raised, rel=1e-12)
    for investor in market.investor.values():
        for lab_id, stake in investor.holdings.items():
            assert stake == market.lab[lab_id].stakes.get(investor.id)


def dead(audited: Audit) -> dict[str, int]:
    """Labs that are no more, and the position of the quarter in which each ended; Stability is one of them."""
    events = audited.market.records.tables()["events"]
    ends = events[events.kind.isin(["winddown", "acquihire", "merger"])]
    if audited.market.scenario_name == "dated-history":
        assert list(zip(ends.kind, ends.lab, strict=True)) == [("winddown", "stability")]
    found = {row.lab: audited.market.records.quarters.index(row.quarter) for row in ends.itertuples()}
    assert len(found) == len(ends)
    assert set(found) == {lab.id for lab in audited.market.roster if lab.status == EXITED}
    assert 0 < found["stability"] < len(audited.flows) - 2
    return found


def test_an_exited_lab_receives_and_pays_nothing(audited: Audit) -> None:
    """No row of any ledger names its account after the quarter of its exit, and none is left in it.

    Kills: revenue shares from hosts, services, rounds, seats or transfers that go on after the end.
    """
    labs = audited.market.records.tables()["labs"]
    for lab, exit_at in dead(audited).items():
        for flows in audited.flows[exit_at + 1 :]:
            assert not ((flows.payer == f"lab:{lab}") | (flows.payee == f"lab:{lab}")).any()
        later = labs[(labs.lab == lab) & (labs.quarter > audited.market.records.quarters[exit_at])]
        money = ["cash_usd", "debt_usd", "compute_credit_usd", "revenue_usd", "cost_usd", "funding_usd", "seat_share"]
        assert (later[money].fillna(0.0) == 0.0).all(axis=None), later[money].sum()
        assert (later.status == EXITED).all()


def test_an_estate_is_shared_out(audited: Audit) -> None:
    """Recovered + written off + taken over = what the lab owed at its end. Kills: claims that vanish or stay open."""
    settled = 0.0
    for lab, exit_at in dead(audited).items():
        flows = audited.flows[exit_at]
        owed = audited.market.journal.books(audited.market.first_quarter + exit_at).opening.debt
        account = audited.market.account_of[lab]
        before = sum(amount for (debtor, _), amount in owed.items() if debtor == account)
        debt = flows[(flows.ledger == "debt") & (flows.payer == f"lab:{lab}")]
        ends = ["debt_repayment", "estate", "write_off", "debt_relief", "debt_transferred"]
        reductions = debt.purpose.isin(ends)
        added, ended = (debt[rows].amount_usd.sum() for rows in (~reductions, reductions))
        assert before + added == pytest.approx(ended, rel=1e-9, abs=1e-3)
        settled += ended
    assert settled > 0.0


def test_fixed_costs_of_own_servers_are_paid(audited: Audit) -> None:
    """Self-hosting and the edge cost their users infrastructure, staff and integrators. Kills: free self-hosting."""
    usage = audited.market.usage
    own = (usage.mode == SELF) | (usage.mode == EDGE)
    assert own.any()
    assert (usage.own_running[own] > 0.0).all()
    assert (usage.own_running[~own] == 0.0).all()
    flows = audited.flows[-1]
    paid = sum(_cash(flows, line).amount_usd.sum() for line in ("infrastructure", "operations", "integration"))
    assert paid == pytest.approx(usage.own_running.sum(), rel=1e-12)
