"""What a posting may be for: purposes, the ledgers they stand in, and the codes by which batches know them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum
from typing import Literal, NamedTuple

REST_OF_WORLD = "rest_of_world"
Heading = Literal["revenue", "cost", "financing", "circulation", "non_cash"]


class JournalError(ValueError):
    """A posting that makes no sense: unknown account or purpose, negative or non-finite amount, debt overpaid."""


class Ledger(IntEnum):
    """What a row of the journal changes."""

    CASH = 0  # payer -> payee
    BILLED = 1  # payer owes payee by invoice, this quarter
    DEBT = 2  # debtor, creditor
    CREDIT = 3  # issuer, holder
    SETTLED = 4  # payer's invoice from payee, met out of the payer's compute credits


class Purpose(NamedTuple):
    """Why money moves. `line` says where it stands in a lab's accounts; `invoiced` purposes must be billed first."""

    name: str
    line: Heading
    payer: str
    payee: str
    meaning: str
    invoiced: bool = False


PURPOSES: tuple[Purpose, ...] = (
    Purpose("opening_balance", "financing", REST_OF_WORLD, "any account", "cash held when the run begins"),
    Purpose("customer_receipts", "circulation", REST_OF_WORLD, "enterprise", "the buyers' own customers fund budgets"),
    Purpose("consumer_receipts", "circulation", REST_OF_WORLD, "consumers", "household income spent on seats"),
    Purpose("treasury_receipts", "circulation", REST_OF_WORLD, "treasury", "a parent's earnings from other business"),
    Purpose("capital_call", "circulation", REST_OF_WORLD, "investor", "limited partners pay in called capital"),
    Purpose("co_investment", "circulation", REST_OF_WORLD, "investor", "outsiders pay in what nobody had promised it"),
    Purpose("api", "revenue", "enterprise", "lab", "metered use of a first-party API", True),
    Purpose("private_deployment", "revenue", "enterprise", "lab", "closed weights run for one buyer", True),
    Purpose("private_deployment_fee", "circulation", "enterprise", "cloud", "isolated capacity for them", True),
    Purpose("cloud_resale", "circulation", "enterprise", "cloud", "a lab's API bought through a cloud", True),
    Purpose("cloud_remittance", "revenue", "cloud", "lab", "the lab's part of cloud resale"),
    Purpose("hosting", "circulation", "enterprise", "hosts", "open weights at a third-party host", True),
    Purpose("hosted_revenue_share", "revenue", "hosts", "lab", "the developer's part of hosting revenue"),
    Purpose("infrastructure", "circulation", "enterprise", "cloud", "compute for self-hosted weights", True),
    Purpose("operations", "circulation", "enterprise", "staff", "people who run self-hosted models", True),
    Purpose("integration", "circulation", "enterprise", "integrators", "building models into processes", True),
    Purpose("services", "revenue", "enterprise", "lab", "support, security, sovereign platform on open models", True),
    Purpose("seats", "revenue", "consumers", "lab", "consumer and employee subscriptions", True),
    Purpose("parent_transfer", "financing", "treasury", "lab", "what a parent pays for its lab"),
    Purpose("equity", "financing", "investor", "lab", "new shares bought for cash"),
    Purpose("serving", "cost", "lab", "cloud", "compute to serve models", True),
    Purpose("training", "cost", "lab", "cloud", "compute for research and final training runs", True),
    Purpose("staff", "cost", "lab", "staff", "research and engineering pay", True),
    Purpose("sales", "cost", "lab", "staff", "sales and administration", True),
    Purpose("applications", "cost", "lab", "staff", "building its own applications", True),
    Purpose("severance", "cost", "lab", "staff", "pay to staff who are let go", True),
    Purpose("interest", "cost", "lab", "creditor", "interest on debt"),
    Purpose("revenue_share", "cost", "lab", "investor", "share of revenue promised to a corporate backer"),
    Purpose("debt_repayment", "financing", "debtor", "creditor", "trade debt paid back"),
    Purpose("estate", "financing", "exiting lab", "creditor", "what a creditor recovers in a wind-down"),
    Purpose("distribution", "financing", "exiting lab", "shareholder", "what is left of its estate"),
    Purpose("licence_fee", "financing", "acquirer", "shareholder", "for team and licence of an acqui-hired lab"),
    Purpose("purchase", "financing", "acquirer", "shareholder", "price of a lab in a cash merger"),
    Purpose("cash_acquired", "financing", "exiting lab", "acquirer", "cash that comes with a lab taken over"),
    Purpose("fund_distribution", "circulation", "investor", REST_OF_WORLD, "proceeds passed on to its backers"),
    Purpose("credit_redemption", "circulation", "investor", "cloud", "the issuer pays for compute bought on credits"),
    Purpose("compute_margin", "circulation", "cloud", "investor", "its margin on compute it sold to a lab it holds"),
    Purpose("supplier_sweep", "circulation", "supplier", REST_OF_WORLD, "suppliers spend what they earned"),
    Purpose("trade_debt", "non_cash", "debtor", "creditor", "debt that no invoice of the quarter explains"),
    Purpose("debt_relief", "non_cash", "debtor", "creditor", "debt forgiven in a restructuring"),
    Purpose("write_off", "non_cash", "debtor", "creditor", "debt lost in a wind-down"),
    Purpose("debt_transferred", "non_cash", "exiting lab", "creditor", "its debt that a successor takes over"),
    Purpose("debt_assumed", "non_cash", "successor", "creditor", "the same debt, now owed by the successor"),
    Purpose("compute_credit_grant", "non_cash", "issuer", "holder", "compute credits paid in as capital"),
    Purpose("compute_credit_used", "non_cash", "issuer", "holder", "compute credits redeemed"),
    Purpose("compute_credit_transferred", "non_cash", "issuer", "exiting lab", "its credits that go to a successor"),
    Purpose("compute_credit_received", "non_cash", "issuer", "successor", "the same credits, in its hands"),
    Purpose("compute_credit_lapsed", "non_cash", "issuer", "holder", "credits that end with their holder"),
)
CODE = {purpose.name: code for code, purpose in enumerate(PURPOSES)}
IS_CASH = tuple(purpose.line != "non_cash" for purpose in PURPOSES)
_PAYMENTS = {name: code for name, code in CODE.items() if IS_CASH[code]}
REDUCTIONS = frozenset(
    CODE[name]
    for name in (
        *("debt_repayment", "estate", "debt_relief", "write_off", "debt_transferred"),
        *("compute_credit_used", "compute_credit_transferred", "compute_credit_lapsed"),
    )
)


def code_of(purpose: str) -> int:
    """The code of a purpose. Raises JournalError for none of ours, naming the nearest."""
    code = CODE.get(purpose)
    if code is None:
        raise JournalError(f"no purpose is called {purpose!r}{nearest(purpose, CODE)}")
    return code


def payment_code(purpose: str, instead: str) -> int:
    """The code of a purpose that moves cash; JournalError saying what to do instead for any other."""
    code = _PAYMENTS.get(purpose)
    if code is None:
        code_of(purpose)  # says so when there is no such purpose at all
        raise JournalError(f"{purpose} is not a payment: {instead}")
    return code


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message on an unknown name: what may have been meant, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def main_ledger(purpose: str) -> Ledger:
    """The ledger in which a purpose changes balances. Raises JournalError for an unknown purpose."""
    if IS_CASH[code_of(purpose)]:
        return Ledger.CASH
    return Ledger.CREDIT if purpose.startswith("compute_credit") else Ledger.DEBT
