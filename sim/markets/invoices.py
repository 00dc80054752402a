"""Who pays whom each quarter: buyers for what they use, labs for what they need; every payment is in the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.agents.lab import Lab
from sim.economics.adoption import free_offer
from sim.economics.applications import application_spending, capital_behind
from sim.economics.costs import seat_serving_cost
from sim.economics.finance import tied_parts
from sim.markets.funding import transfer
from sim.markets.menu import API, PRIVATE
from sim.markets.model_market import Usage
from sim.quarters import DT

if TYPE_CHECKING:
    from sim.market import Market

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUPPLIERS = ("cloud", "staff", "hosts", "integrators")
SOLD_DIRECTLY = ("api", "private_deployment", "services")  # buyers pay the lab
EARNED = (*SOLD_DIRECTLY, "cloud_resale", "hosting")  # of which labs see all or a share
SUPPLIER_OF = {
    "cloud_resale": "cloud",
    "private_deployment_fee": "cloud",
    "hosting": "hosts",
    "infrastructure": "cloud",
    "operations": "staff",
    "integration": "integrators",
}


def settle_usage(market: Market, usage: Usage) -> None:
    """Buyers receive their customers' money and pay every invoice of the quarter; hosts and clouds pass on shares."""
    _fund_buyers(market, usage)
    lines = _lines(market, usage)
    buyers = market.enterprise_accounts.take(usage.enterprise)
    market.journal.settle_all((line.purpose, buyers.take(line.rows), line.payee, line.amount) for line in lines)
    earned = {x.purpose: _by_lab(market, usage.lab.take(x.rows), x.amount) for x in lines if x.purpose in EARNED}
    for purpose in SOLD_DIRECTLY:
        _book(market, purpose, earned[purpose])
    hosting, switches = market.parameters.hosting, market.parameters.switches
    remitted = earned["cloud_resale"] * (1.0 - market.parameters.pricing.cloud_cut)
    _pass_on(market, "cloud_remittance", "cloud", remitted)
    shared = earned["hosting"] * hosting.host_revenue_share * switches.services
    _pass_on(market, "hosted_revenue_share", "hosts", shared)
    _note_serving(market, usage)


class _Line(NamedTuple):
    """One line of the buyers' invoices: rows of the usage that owe it, who is paid, USD of each."""

    purpose: str
    rows: Ints
    payee: NDArray[np.int32] | int
    amount: Floats


def _lines(market: Market, usage: Usage) -> list[_Line]:
    """Everything that buyers are billed for this quarter's usage, zeros left out; the labs' own lines go to labs."""
    private = np.where(usage.mode == PRIVATE, usage.first_party, 0.0)
    resale = _resold(market, usage)
    amounts = {
        "api": usage.first_party - resale - private,
        "private_deployment": private,
        "services": usage.services,
        "cloud_resale": resale,
        "private_deployment_fee": usage.fee,
        "hosting": usage.hosting,
        "infrastructure": usage.infrastructure,
        "operations": usage.operations,
        "integration": usage.integration,
    }
    lines = []
    for purpose, amount in amounts.items():
        rows = np.flatnonzero(amount > 0.0)
        supplier = SUPPLIER_OF.get(purpose)
        payee = market.account_of[supplier] if supplier else market.lab_accounts.take(usage.lab.take(rows))
        lines.append(_Line(purpose, rows, payee, amount.take(rows)))
    return lines


def _resold(market: Market, usage: Usage) -> Floats:
    """The part of API sales that goes through clouds, USD."""
    share = market.lab_column("cloud_share") * market.parameters.switches.cloud_resale
    return np.where(usage.mode == API, usage.first_party * share.take(usage.lab), 0.0)


def _fund_buyers(market: Market, usage: Usage) -> None:
    """The buyers' own customers pay for what they will spend: rest of the world -> enterprises."""
    need = np.asarray(np.bincount(usage.enterprise, usage.spend, market.enterprise_accounts.size), np.float64)
    market.journal.pay("customer_receipts", market.rest_of_world, market.enterprise_accounts, need)


def _note_serving(market: Market, usage: Usage) -> None:
    """What each lab's first-party tokens cost it to serve."""
    cost = usage.own_tokens * market.catalogue.serving.take(usage.model)
    by_lab = _by_lab(market, usage.lab, cost)
    for lab, amount in zip(market.roster, by_lab.tolist(), strict=False):
        lab.accounts.cost["serving"] = amount


def _by_lab(market: Market, lab: Ints, amount: Floats) -> Floats:
    """Sums by the labs' positions, the community last."""
    return np.asarray(np.bincount(lab, amount, market.lab_accounts.size), np.float64)


def _book(market: Market, line: str, amounts: Floats) -> None:
    for lab, amount in zip(market.roster, amounts.tolist(), strict=False):
        if amount:
            lab.accounts.revenue[line] = amount


def _pass_on(market: Market, purpose: str, payer: str, amounts: Floats) -> None:
    """A cloud or host passes a share on to labs that are there to receive it."""
    present = np.array([lab.active for lab in market.roster] + [False])
    received = np.where(present, amounts, 0.0)
    market.journal.settle(purpose, market.account_of[payer], market.lab_accounts, received)
    _book(market, purpose, received)


def settle_seats(market: Market) -> None:
    """Consumers and employees pay their subscriptions; serving them and free users costs a share of it."""
    if not market.parameters.switches.seats:
        return
    consumers, labs = market.account_of["consumers"], market.active_labs
    amounts = [market.trends.seat_market * lab.seat_share * DT for lab in labs]
    sellers, paid = np.array([lab.account for lab in labs], np.int32), np.array(amounts)
    market.journal.pay("consumer_receipts", market.rest_of_world, np.full(sellers.size, consumers, np.int32), paid)
    market.journal.settle("seats", consumers, sellers, paid)
    s = market.parameters.seats
    for lab, amount in zip(labs, amounts, strict=True):
        free = market.trends.seat_market * lab.free_use * DT * market.parameters.switches.free_users
        cost = seat_serving_cost(amount, free, s.serving_share, s.free_users_per_payer, s.free_serving_share)
        if amount > 0.0:
            lab.accounts.revenue["seats"] = amount
        if cost > 0.0:
            lab.accounts.cost["serving"] = lab.accounts.cost.get("serving", 0.0) + cost


def free_offers(market: Market) -> list[float]:
    """Free use that each active lab offers over the usual (0-1); a lab short of cash, with nobody to pay, cuts it."""
    enough = market.parameters.control.distress_runway * market.parameters.switches.free_users
    return [
        1.0 if market.transfer_cap(lab) > 0.0 else free_offer(lab.runway_quarters(), enough)
        for lab in market.active_labs
    ]


def settle_lab(market: Market, lab: Lab) -> None:
    """A lab's costs in order of urgency; what its cash does not cover becomes debt to that supplier."""
    invoices = lab_invoices(market, lab)
    lab.accounts.cost = {}
    for purpose, _, amount in invoices:
        lab.accounts.cost[purpose] = lab.accounts.cost.get(purpose, 0.0) + amount
    if lab.backed:
        transfer(market, lab, lab.accounts.total_cost)
    for purpose, payee, amount in invoices:
        cash = _pay_or_owe(market, lab, purpose, payee, amount)
        if purpose == "training":
            buy_from_holders(market, lab, cash)
    repay_debt(market, lab)


def lab_invoices(market: Market, lab: Lab) -> list[tuple[str, int, float]]:
    """What a lab is billed this quarter as (purpose, payee, USD), applications last."""
    p, revenue = market.parameters, lab.accounts.total_revenue
    cloud, staff = market.account_of["cloud"], market.account_of["staff"]
    invoices = [
        ("serving", cloud, lab.accounts.cost.get("serving", 0.0)),
        ("staff", staff, lab.staff_spending * DT * p.switches.training),
        ("training", cloud, lab.research_compute() * p.switches.training),
        ("sales", staff, p.costs.sales_share * revenue),
    ]
    rate = p.costs.interest_rate * DT
    invoices += [("interest", creditor, rate * owed) for creditor, owed in market.journal.claims(lab.account).items()]
    if p.switches.revenue_shares:
        invoices += [
            ("revenue_share", market.investor[name].account, rate * revenue)
            for name, rate in sorted(lab.claims.items())
        ]
    invoices.append(("applications", staff, _application_bill(market, lab, sum([bill for _, _, bill in invoices]))))
    return [invoice for invoice in invoices if invoice[2] > 0.0]


def _application_bill(market: Market, lab: Lab, others: float) -> float:
    """What a lab puts into applications this quarter, USD: of gross profit, within what its other bills leave.

    A parent or state keeps up the applications it gave its lab, whatever the lab earns.
    """
    p, a = market.parameters.applications, lab.accounts
    if not market.parameters.switches.applications:
        return 0.0
    kept_up = capital_behind(lab.parameters.seat_presence, p.elasticity) if lab.backed else 0.0
    upkeep = p.depreciation * kept_up * p.reference * market.trends.wage * DT
    means = float(market.journal.cash[lab.account]) + market.transfer_cap(lab) * DT
    return application_spending(a.total_revenue - a.cost.get("serving", 0.0), p.part, upkeep, means - others)


def buy_from_holders(market: Market, lab: Lab, cash: float) -> None:
    """Of training compute paid in cash (USD) a lab buys a part from holders that sell compute, who keep the margin.

    What a parent's own lab buys of it is no sale.
    """
    if cash <= 0.0:
        return
    stakes, owner = lab.stakes, lab.owner
    others = [market.investor[name] for name in stakes if name in market.investor and name != owner]
    sellers = [investor for investor in others if investor.sells_compute]
    if not sellers:
        return
    parts = tied_parts([stakes[investor.id] for investor in sellers], market.parameters.capital.tied_compute)
    for investor, part in zip(sellers, parts, strict=True):
        investor.sell_compute(part * cash)
        investor.tied[lab.id] = part * cash


def _pay_or_owe(market: Market, lab: Lab, purpose: str, payee: int, amount: float) -> float:
    """Pay an invoice with credits (compute only), then cash; owe the rest. Returns USD paid in cash."""
    journal, account = market.journal, lab.account
    on_credit = purpose in ("training", "serving") and journal.credit(account) > 0.0
    if not on_credit and amount <= journal.cash[account]:
        journal.settle(purpose, account, payee, amount)
        return amount
    journal.bill(purpose, account, payee, amount)
    left = _redeem(market, lab, purpose, payee, amount) if on_credit else amount
    cash = min(left, max(0.0, float(journal.cash[account])))
    journal.pay(purpose, account, payee, cash)
    if left - cash > 0.0:
        journal.owe(purpose, account, payee, left - cash)
    return cash


def _redeem(market: Market, lab: Lab, purpose: str, payee: int, amount: float) -> float:
    """Meet an invoice out of compute credits, issuer by issuer; returns the rest.

    To its issuer a credit used is a sale of compute: it pays what serving costs, and calls the cash it lacks for it.
    """
    journal, left = market.journal, amount
    for issuer, credit in journal.credit_by_issuer(lab.account).items():
        used, investor = min(credit, left), market.investor_of[issuer]
        investor.call(max(0.0, used * (1.0 - investor.margin) - float(journal.cash[issuer])))
        journal.redeem_credit(issuer, lab.account, payee, used, purpose)
        investor.sell_compute(used)
        left -= used
    return left


def repay_debt(market: Market, lab: Lab) -> None:
    """Cash beyond a quarter's costs pays old debts, in order of the creditors' accounts."""
    journal = market.journal
    spare = float(journal.cash[lab.account]) - lab.accounts.total_cost
    for creditor, owed in journal.claims(lab.account).items():
        paid = min(owed, max(0.0, spare))
        journal.repay(lab.account, creditor, paid)
        spare -= paid


def sweep_suppliers(market: Market) -> None:
    """Suppliers spend what they earned, so that their balances stay small."""
    for name in SUPPLIERS:
        account = market.account_of[name]
        market.journal.pay(
            "supplier_sweep", account, market.rest_of_world, max(0.0, float(market.journal.cash[account]))
        )
