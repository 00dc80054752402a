"""Planted accounting faults: the audit of the journal finds each one, names it and says where it is."""

import numpy as np
import pytest

from sim.audit import IdentityError, check_quarter, require_identities
from sim.journal import REST_OF_WORLD, Journal
from tests.faults import plants

LEAK = {"total cash is constant", "cash closing = opening + in - out"}
DEAD = {"nothing moves at a closed account", "nothing is left at a closed account"}
UNMATCHED = {"invoices by payer = paid + owed + credits", "invoices by payee = paid + owed + credits"}


def small_market():
    """Quarter 1 of four buyers, two living labs, one that wound down in quarter 0, a cloud and an investor.

    In quarter 1 mistral winds down too: it owes the cloud 900 and staff 100, has 500, recovers half of each.
    """
    journal = Journal([REST_OF_WORLD, "cloud", "staff", "openai", "mistral", "adept", "a16z"])
    buyers = journal.open_accounts("enterprise", 4)
    journal.begin(0)
    for account in ("openai", "mistral", "a16z"):
        journal.pay("opening_balance", REST_OF_WORLD, account, 500.0)
    journal.owe("trade_debt", "mistral", "cloud", 900.0)
    journal.grant_credit("a16z", "openai", 300.0)
    journal.close_account("adept")
    require_identities(journal, 0)
    journal.begin(1)
    journal.pay("customer_receipts", REST_OF_WORLD, buyers, np.full(4, 100.0))
    journal.bill("api", buyers, "openai", np.array([10.0, 20.0, 30.0, 40.0]))
    journal.pay("api", buyers, "openai", np.array([10.0, 20.0, 30.0, 40.0]))
    journal.bill("training", "openai", "cloud", 250.0)
    journal.redeem_credit("a16z", "openai", "cloud", 150.0)
    journal.pay("training", "openai", "cloud", 60.0)
    journal.owe("training", "openai", "cloud", 40.0)
    journal.owe("trade_debt", "mistral", "staff", 100.0)
    for creditor, claim in (("cloud", 900.0), ("staff", 100.0)):
        journal.recover("mistral", creditor, claim / 2)
        journal.forgive("write_off", "mistral", creditor, claim / 2)
    journal.close_account("mistral")
    return journal


def broken(journal):
    return {r.name: r for r in check_quarter(journal, 1) if r.broken}


def test_the_market_without_faults_passes():
    """Kills: an audit that cries wolf, which would make every test below pass."""
    journal = small_market()
    assert broken(journal) == {}
    require_identities(journal, 1)


FAULTS = {
    "dollar leak": (lambda j: plants.leak_dollar(j, "openai"), LEAK, "openai", 1.0),
    "dollar printed": (lambda j: plants.create_money(j, "openai"), LEAK, REST_OF_WORLD, 1.0),
    "dollar misrouted": (
        lambda j: plants.misroute_dollar(j, "openai", "a16z"),
        {"cash closing = opening + in - out"},
        "openai",
        1.0,
    ),
    "invoice paid twice": (lambda j: plants.pay_invoice_again(j, "api"), UNMATCHED, "openai (api)", 40.0),
    "supplier paid twice": (lambda j: plants.pay_invoice_again(j, "training"), UNMATCHED, "cloud (training)", 60.0),
    "lab dead since last quarter billed": (
        lambda j: plants.bill_closed_account(j, "enterprise/0", "adept", 5.0),
        DEAD,
        "adept",
        5.0,
    ),
    "lab dead since this quarter billed": (
        lambda j: plants.bill_closed_account(j, "enterprise/0", "mistral", 5.0),
        DEAD,
        "mistral",
        10.0,  # the invoice and the payment
    ),
    "dead lab borrows": (
        lambda j: j.owe("trade_debt", "adept", "cloud", 5.0),
        {"nothing moves at a closed account", "recovered + written off = claims"},
        "adept",
        5.0,
    ),
    "debt lost": (
        lambda j: plants.lose_debt(j, "openai"),
        {"debt roll-forward", "liabilities are assets"},
        "openai -> cloud",
        40.0,
    ),
    "claim forgotten by its owner": (
        lambda j: plants.forget_asset(j, "cloud", 40.0),
        {"liabilities are assets"},
        "cloud",
        40.0,
    ),
    "credit counted twice": (
        lambda j: plants.count_credit_twice(j, "a16z", "openai", 25.0),
        {"credit roll-forward", "credits are assets"},
        "a16z -> openai",
        25.0,
    ),
    "credit used but not paid": (
        plants.use_credit_without_paying,
        {"credits used are paid by their issuer"},
        "a16z",
        150.0,
    ),
    "recovery paid but not booked": (
        lambda j: plants.drop_recovery_of_debt(j, "mistral"),
        {"debt paid in cash falls as much", "recovered + written off = claims"},
        "mistral",
        500.0,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_breaks_its_identities_and_no_other(fault):
    """Kills: an identity dropped, compared with a running total, or blurred with its neighbours."""
    plant, identities, agent, size = FAULTS[fault]
    journal = small_market()
    plant(journal)
    found = broken(journal)
    assert set(found) == identities
    assert any(agent in r.agent for r in found.values())
    assert max(r.residual for r in found.values()) == pytest.approx(size)


def test_a_recovery_that_never_happened_is_found():
    """A creditor's half of an estate is neither paid nor written off before the account closes."""
    journal = small_market()
    journal.begin(2)
    journal.owe("trade_debt", "openai", "staff", 100.0)
    journal.forgive("write_off", "openai", "cloud", 40.0)
    journal.recover("openai", "staff", 30.0)
    journal.lapse_credit("openai")
    journal.pay("distribution", "openai", "a16z", float(journal.cash[journal.account["openai"]]))
    journal.close_account("openai")
    found = [r for r in check_quarter(journal, 2) if r.broken]
    assert [(r.name, r.agent, r.residual) for r in found] == [("recovered + written off = claims", "openai", 70.0)]


def test_a_leak_between_quarters_is_found_in_every_later_one():
    """Kills: opening balances taken from the live array, which would forgive whatever happened since the last audit."""
    journal = small_market()
    require_identities(journal, 1)
    plants.leak_dollar(journal, "a16z")
    for quarter in (2, 3):
        journal.begin(quarter)
        assert {r.name for r in check_quarter(journal, quarter) if r.broken} == LEAK


def test_the_smallest_leak_above_the_gate_is_found_and_rounding_is_not():
    """Kills: a gate ten times too wide or too narrow. Largest stock 1.5e9 + 0, flow 2.5e9: gate 0.004 USD."""
    for cents, expected in ((0.01, LEAK), (0.001, set())):
        journal = Journal([REST_OF_WORLD, "openai", "cloud"])
        journal.begin(0)
        journal.pay("opening_balance", REST_OF_WORLD, "openai", 1.5e9)
        journal.bill("training", "openai", "cloud", 1.0e9)
        journal.pay("training", "openai", "cloud", 1.0e9)
        journal._cash[1] += cents
        assert {r.name for r in check_quarter(journal, 0) if r.broken} == expected


def test_the_error_names_quarter_identity_agent_and_size():
    journal = small_market()
    plants.leak_dollar(journal, "openai")
    message = r"quarter 1: total cash is constant is off by 1 USD .*; cash closing = .* is off by 1 USD .* at openai"
    with pytest.raises(IdentityError, match=message):
        require_identities(journal, 1)
    assert issubclass(IdentityError, ArithmeticError)
