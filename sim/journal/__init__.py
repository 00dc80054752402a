"""The double-entry journal: every payment, debt, compute credit and invoice of a run.

Money moves only here. Four ledgers, all in nominal USD (float64):

- cash: payments between accounts; the balances of all accounts, the rest of the world included, sum to zero;
- billed: invoices (price x quantity) of the quarter, each to be paid, turned into debt or settled in credits;
- debt: trade debt, claims of a creditor on a debtor;
- credit: compute credits, promises of an issuer to pay a supplier on behalf of the holder.

A posting is a row or a batch of equally long columns. `sim.audit` recomputes every balance from the stored batches of
the quarter and compares it with the live balances, so an entry that bypassed the journal is found.
"""

from sim.journal.books import (
    Batch,
    Books,
    Floats,
    Pairs,
    Side,
    Stocks,
    by_owner,
    by_pair,
    ids_of,
    in_and_out,
    sums_of_side,
)
from sim.journal.journal import GATE, Journal
from sim.journal.purposes import CODE, PURPOSES, REST_OF_WORLD, JournalError, Ledger, Purpose

__all__ = [
    "Batch",
    "Books",
    "CODE",
    "Floats",
    "GATE",
    "Journal",
    "JournalError",
    "Ledger",
    "PURPOSES",
    "Pairs",
    "Purpose",
    "REST_OF_WORLD",
    "Side",
    "Stocks",
    "by_owner",
    "by_pair",
    "ids_of",
    "in_and_out",
    "sums_of_side",
]
