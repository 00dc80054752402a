"""Bills paid at once, and what the audit makes of them."""

import numpy as np
import pytest

from sim.journal import JournalError, Ledger
from tests.faults import plants
from tests.market.test_journal import MISTRAL, OPENAI, STAFF, broken, journal_with, sell

UNMATCHED = {"invoices by payer = paid + owed + credits", "invoices by payee = paid + owed + credits"}


def test_settling_is_billing_and_paying_in_full():
    """Kills: settle without the invoice or without the payment, cash moved twice, lines that overwrite each other."""
    apart, buyers = journal_with()
    sell(apart, "api", buyers, np.array([OPENAI, OPENAI, MISTRAL, MISTRAL]), np.array([10.0, 0.0, 20.0, 30.0]))
    sell(apart, "operations", buyers[:2], "staff", 5.0)
    sell(apart, "staff", "openai", "staff", 7.0)
    at_once, _ = journal_with()
    to = np.array([OPENAI, OPENAI, MISTRAL, MISTRAL])
    at_once.settle_all([("api", buyers, to, np.array([10.0, 0.0, 20.0, 30.0])), ("operations", buyers[:2], STAFF, 5.0)])
    at_once.settle("staff", "openai", "staff", 7.0)
    np.testing.assert_array_equal(apart.cash, at_once.cash)
    order = ["ledger", "purpose", "payer", "payee"]
    one, other = (j.flows(0).sort_values(order).to_numpy().tolist() for j in (apart, at_once))
    assert one == other
    assert broken(at_once, 0) == set()


def test_lines_are_settled_all_or_none():
    """Kills: lines posted one by one, so that a bad one leaves the good ones behind."""
    journal, buyers = journal_with()
    before = journal.cash.copy()
    with pytest.raises(JournalError, match="finite and >= 0"):
        journal.settle_all([("api", buyers, OPENAI, np.ones(4)), ("hosting", buyers, STAFF, np.full(4, -1.0))])
    np.testing.assert_array_equal(journal.cash, before)
    assert journal.total("api", 0) == 0.0
    with pytest.raises(JournalError, match="write_off is not a payment"):
        journal.settle("write_off", OPENAI, STAFF, 1.0)


def post_again(journal, purpose):
    """The very same rows stand among the payments twice."""
    payment = plants.drop(journal, Ledger.CASH, purpose)
    journal.books(0).batches.extend([payment, payment])


@pytest.mark.parametrize("single", [False, True])
def test_what_was_settled_at_once_and_is_paid_or_lost_again_is_found(single):
    """Kills: an audit that skips settled rows by purpose or cancels the same rows more than once."""
    for plant in (plants.pay_invoice_again, post_again):
        journal, buyers = journal_with()
        journal.settle("api", buyers[0] if single else buyers, OPENAI, 10.0)
        assert broken(journal, 0) == set()
        plant(journal, "api")
        assert broken(journal, 0) >= UNMATCHED


def test_postings_after_an_audit_are_rolled_forward_and_audited_again():
    """Kills: a roll-forward kept although batches were posted, dropped, or accounts opened since the audit."""
    journal, buyers = journal_with()
    journal.settle("api", buyers, OPENAI, 10.0)
    assert broken(journal, 0) == set()
    journal.settle("api", buyers, MISTRAL, 5.0)
    journal.pay("equity", "a16z", journal.open_account("xai"), 9.0)
    assert broken(journal, 0) == set()
    journal.begin(1)
    assert broken(journal, 1) == set()
    journal.settle("api", buyers, MISTRAL, 5.0)
    assert broken(journal, 1) == set()
    journal.open_account("zhipu")
    assert broken(journal, 1) == set()
    plants.drop(journal, Ledger.CASH, "api")
    assert "cash closing = opening + in - out" in broken(journal, 1)


def test_what_was_posted_cannot_be_changed():
    """Kills: columns that stay writable, whose change after the audit nobody would see."""
    journal, buyers = journal_with()
    journal.settle("api", buyers, OPENAI, 10.0)
    journal.settle("staff", OPENAI, STAFF, 1.0)
    for batch in journal.books(0).batches:
        for column in (batch.payer, batch.payee, batch.amount):
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 1
