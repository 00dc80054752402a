"""Who pays whom each quarter: buyers for what they use, labs for what they need. Every payment goes through the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.agents.lab import Lab
from sim.markets.funding import transfer
from sim.markets.menu import API, PRIVATE
from sim.markets.model_market import Usage
from sim.quarters import DT

if TYPE_CHECKING:
    from sim.market import Market

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUPPLIERS = ("cloud", "staff", "hosts", "integrators")


def settle_usage(market: Market, usage: Usage) -> None:
    """Buyers receive their customers' money and pay every invoice of the quarter; hosts and clouds pass on shares."""
    buyers = market.enterprise_accounts[usage.enterprise]
    lab = market.catalogue.lab[usage.model]
    home = market.lab_accounts[lab]
    _fund_buyers(market, usage)
    cloud_share = np.where(usage.mode == API, market.lab_column("cloud_share")[lab], 0.0)
    if not market.parameters.switches.cloud_resale:
        cloud_share = np.zeros(lab.size)
    resale = usage.first_party * cloud_share
    private = np.where(usage.mode == PRIVATE, usage.first_party, 0.0)
    direct = usage.first_party - resale - private
    cloud, hosts, staff, integrators = (market.account_of[name] for name in ("cloud", "hosts", "staff", "integrators"))
    lines: tuple[tuple[str, Floats, Ints | int], ...] = (
        ("api", direct, home),
        ("private_deployment", private, home),
        ("services", usage.services, home),
        ("cloud_resale", resale, cloud),
        ("private_deployment_fee", usage.fee, cloud),
        ("hosting", usage.hosting, hosts),
        ("infrastructure", usage.infrastructure, cloud),
        ("operations", usage.operations, staff),
        ("integration", usage.integration, integrators),
    )
    for purpose, amount, payee in lines:
        _invoice(market, purpose, amount, buyers, payee)
    per_lab = _by_lab(market, lab)
    _book(market, "api", per_lab(direct))
    _book(market, "private_deployment", per_lab(private))
    _book(market, "services", per_lab(usage.services))
    _pass_on(market, "cloud_remittance", "cloud", per_lab(resale) * (1.0 - market.parameters.pricing.cloud_cut))
    shared = per_lab(usage.hosting) * market.parameters.hosting.host_revenue_share * market.parameters.switches.services
    _pass_on(market, "hosted_revenue_share", "hosts", shared)
    first_party = (usage.mode == API) | (usage.mode == PRIVATE)
    cost = np.where(first_party, usage.tokens * market.catalogue.serving[usage.model], 0.0)
    for position, amount in enumerate(per_lab(cost)):
        if position < len(market.roster):
            market.roster[position].accounts.cost["serving"] = float(amount)


def _fund_buyers(market: Market, usage: Usage) -> None:
    """The buyers' own customers pay for what they will spend: rest of the world -> enterprises."""
    need = np.bincount(usage.enterprise, usage.spend, market.enterprise_accounts.size)
    payer = np.full(need.size, market.rest_of_world, np.int32)
    market.journal.pay("customer_receipts", payer, market.enterprise_accounts, need)


def _invoice(market: Market, purpose: str, amount: Floats, buyers: NDArray[np.int32], payee: Ints | int) -> None:
    """Bill and collect one line from all buyers; `payee` is one account or one for each row."""
    rows = np.flatnonzero(amount > 0.0)
    if rows.size == 0:
        return
    to = payee[rows] if isinstance(payee, np.ndarray) else np.full(rows.size, payee, np.int32)
    market.journal.bill(purpose, buyers[rows], to, amount[rows])
    market.journal.pay(purpose, buyers[rows], to, amount[rows])


class _by_lab:
    """Sums by lab position of a column of usage."""

    def __init__(self, market: Market, lab: Ints) -> None:
        self.lab = lab
        self.size = market.lab_accounts.size

    def __call__(self, amount: Floats) -> Floats:
        return np.bincount(self.lab, amount, self.size)


def _book(market: Market, line: str, amounts: Floats) -> None:
    for lab, amount in zip(market.roster, amounts, strict=False):
        if amount:
            lab.accounts.revenue[line] = float(amount)


def _pass_on(market: Market, purpose: str, payer: str, amounts: Floats) -> None:
    """A cloud or host passes a share on to labs that are there to receive it."""
    for lab, amount in zip(market.roster, amounts, strict=False):
        if amount > 0.0 and lab.active:
            market.journal.bill(purpose, market.account_of[payer], lab.account, float(amount))
            market.journal.pay(purpose, market.account_of[payer], lab.account, float(amount))
            lab.accounts.revenue[purpose] = float(amount)


def settle_seats(market: Market) -> None:
    """Consumers and employees pay their subscriptions; serving them costs a share of it."""
    if not market.parameters.switches.seats:
        return
    consumers = market.account_of["consumers"]
    for lab in market.roster:
        amount = market.trends.seat_market * lab.seat_share * DT
        if amount <= 0.0 or not lab.active:
            continue
        market.journal.pay("consumer_receipts", market.rest_of_world, consumers, amount)
        market.journal.bill("seats", consumers, lab.account, amount)
        market.journal.pay("seats", consumers, lab.account, amount)
        lab.accounts.revenue["seats"] = amount
        serving = lab.accounts.cost.get("serving", 0.0)
        lab.accounts.cost["serving"] = serving + market.parameters.seats.serving_share * amount


def settle_lab(market: Market, lab: Lab) -> None:
    """A lab's costs in order of urgency; what its cash does not cover becomes debt to that supplier."""
    invoices = lab_invoices(market, lab)
    lab.accounts.cost = {}
    for purpose, _, amount in invoices:
        lab.accounts.cost[purpose] = lab.accounts.cost.get(purpose, 0.0) + amount
    if lab.backed:
        transfer(market, lab, lab.accounts.total_cost)
    for purpose, payee, amount in invoices:
        _pay_or_owe(market, lab, purpose, payee, amount)
    repay_debt(market, lab)


def lab_invoices(market: Market, lab: Lab) -> list[tuple[str, int, float]]:
    """What a lab is billed this quarter as (purpose, payee, USD): serving, staff, R&D compute, sales, interest, shares."""
    p, accounts = market.parameters, lab.accounts
    cloud, staff = market.account_of["cloud"], market.account_of["staff"]
    invoices = [
        ("serving", cloud, accounts.cost.get("serving", 0.0)),
        ("staff", staff, lab.staff_spending * DT),
        ("training", cloud, lab.research_compute()),
        ("sales", staff, p.costs.sales_share * accounts.total_revenue),
    ]
    rate = p.costs.interest_rate * DT
    invoices += [("interest", creditor, rate * owed) for creditor, owed in market.journal.claims(lab.account).items()]
    claim = lab.parameters.revenue_share
    if claim is not None and p.switches.revenue_shares:
        invoices.append(("revenue_share", market.investor[claim.investor].account, claim.rate * accounts.total_revenue))
    return [invoice for invoice in invoices if invoice[2] > 0.0]


def _pay_or_owe(market: Market, lab: Lab, purpose: str, payee: int, amount: float) -> None:
    """Pay an invoice with credits (compute only), then cash; owe the rest."""
    journal = market.journal
    journal.bill(purpose, lab.account, payee, amount)
    left = amount
    if purpose in ("training", "serving") and journal.credit(lab.account) > 0.0:
        for issuer, credit in journal.credit_by_issuer(lab.account).items():
            used = min(credit, left)
            journal.pay("capital_call", market.rest_of_world, issuer, max(0.0, used - float(journal.cash[issuer])))
            journal.redeem_credit(issuer, lab.account, payee, used, purpose)
            left -= used
    cash = min(left, max(0.0, float(journal.cash[lab.account])))
    journal.pay(purpose, lab.account, payee, cash)
    if left - cash > 0.0:
        journal.owe(purpose, lab.account, payee, left - cash)


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
