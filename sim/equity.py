"""The share register: who holds how much of each lab, counted in shares, so that new ones dilute the old by themselves.

A lab is founded with one share; a round issues new ones at pre-money / shares outstanding. The register knows
no cash: each entry says what must have been paid for it, and `sim.audit` compares that with the journal. As there, a
quarter's opening tables are rolled forward from the entries of the quarter before, never from the live tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["founded", "issued", "swapped", "ended", "proceeds"]
NOBODY = -1  # the payer of an entry for which the register expects no payment
_WHOLE = 1e-9  # founding stakes may miss 1 by this much: what counts is each holder's part of all shares


class Entry(NamedTuple):
    """One line of the register.

    `shares` is the change of the holder's shares. `usd` is what the holder paid (issued), gave in shares of the
    target (swapped) or must receive from the account `payer` (proceeds).
    """

    quarter: int
    kind: Kind
    lab: str
    holder: str
    shares: float
    usd: float = 0.0
    payer: int = NOBODY


class Round(NamedTuple):
    """New shares of a lab against `entries`: its value before, USD, and all its shares before and after."""

    lab: str
    pre_money: float
    shares_before: float
    shares_after: float
    entries: tuple[Entry, ...]

    @property
    def invested(self) -> float:
        """What the new shares cost, USD."""
        return sum(entry.usd for entry in self.entries)


@dataclass(slots=True)
class CapTable:
    """Shares by holder (sorted by name) and in all, kept apart so that one can be held against the other."""

    shares: dict[str, float] = field(default_factory=dict)
    outstanding: float = 0.0

    def add(self, holder: str, shares: float) -> None:
        """Change a holder's shares and the total."""
        if holder in self.shares:
            self.shares[holder] += shares
        else:
            self.shares = dict(sorted([*self.shares.items(), (holder, shares)]))
        self.outstanding += shares

    def copy(self) -> CapTable:
        """A table of its own with the same shares."""
        return CapTable(dict(self.shares), self.outstanding)

    def stakes(self) -> dict[str, float]:
        """Parts of the lab (0-1) by holder."""
        return {holder: shares / self.outstanding for holder, shares in self.shares.items()}


@dataclass(slots=True)
class _Quarter:
    """A quarter's entries and rounds, and the tables it began with."""

    number: int | None
    opening: dict[str, CapTable]
    entries: list[Entry] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)

    def rolled(self) -> dict[str, CapTable]:
        """The opening tables rolled forward; those that the entries emptied are left out."""
        if not self.entries:
            return self.opening
        touched = {entry.lab for entry in self.entries}
        tables = {lab: table.copy() if lab in touched else table for lab, table in self.opening.items()}
        for entry in self.entries:
            if entry.kind != "proceeds":
                tables.setdefault(entry.lab, CapTable()).add(entry.holder, entry.shares)
        return {lab: table for lab, table in tables.items() if any(table.shares.values())}


class Register:
    """The share registers of all labs.

    The three mappings give the journal's account of a lab, of an investor (a fund) and of any other holder with an
    account (a parent's treasury), each by its name in the register; they may grow while the register is in use. A
    holder named in none (founders, staff) stands for people, whose account is the rest of the world. Labs founded
    before the first `begin` have been there from the start. Entries are kept for all quarters.
    """

    def __init__(self, labs: Mapping[str, int], investors: Mapping[str, int], parents: Mapping[str, int]) -> None:
        self.labs = labs
        self.investors = investors
        self.parents = parents
        self._tables: dict[str, CapTable] = {}
        self._ended: set[str] = set()
        self._now = _Quarter(None, {})
        self._past: dict[int, list[Entry]] = {}

    # ---- what happens

    def begin(self, quarter: int) -> None:
        """Start a quarter. Quarters must rise."""
        last = self._now.number
        if last is not None and quarter <= last:
            raise ValueError(f"quarter {quarter} can't begin after quarter {last}")
        self._now = _Quarter(quarter, self._now.rolled())
        self._past[quarter] = self._now.entries

    def found(self, lab: str, holders: Mapping[str, float]) -> None:
        """Open the register of a lab whose holders have stakes that sum to 1.

        ValueError for stakes that don't, for one that is not positive, for a lab without account and for one that had
        a register before.
        """
        if lab not in self.labs:
            raise ValueError(f"{lab} has no account: name it among the labs of the register first")
        if lab in self._tables or lab in self._ended:
            raise ValueError(f"{lab} has had a share register already")
        _require_positive(f"stakes in {lab}", holders)
        whole = sum(holders.values())
        if abs(whole - 1.0) > _WHOLE:
            raise ValueError(f"stakes in {lab} sum to {whole}: they must sum to 1")
        self._tables[lab] = CapTable()
        for holder, stake in sorted(holders.items()):
            self._enter("founded", lab, holder, stake)

    def issue(self, lab: str, pre_money: float, paid: Mapping[str, float]) -> float:
        """New shares at pre-money / shares outstanding for those who paid (holder -> USD); returns post-money, USD.

        ValueError when the lab has no register, or pre-money or an amount is not positive and finite.
        """
        return self._issue("issued", lab, pre_money, paid)

    def swap(self, target: str, acquirer: str, price: float, acquirer_value: float) -> float:
        """Stock merger: the target's holders get new shares of the acquirer worth `price` USD, by stake.

        `acquirer_value` is what the acquirer was worth before, USD; returns what it is worth after. The target's
        register ends. ValueError as for `issue`, and when a lab would take itself over.
        """
        if target == acquirer:
            raise ValueError(f"{target} can't take itself over")
        worth = self._issue("swapped", acquirer, acquirer_value, self.by_stake(target, price))
        self._end(target)
        return worth

    def pay_out(self, lab: str, proceeds: Mapping[str, float], payer: int) -> None:
        """Note what an account pays to holders for their shares (holder -> USD), before their register ends.

        ValueError for somebody who holds no share, and for a negative or non-finite amount.
        """
        holders = self._table(lab).shares
        for holder, usd in sorted(proceeds.items()):
            if holder not in holders:
                raise ValueError(f"{holder} holds no share of {lab}: it has nothing to receive")
            if not 0.0 <= usd < math.inf:
                raise ValueError(f"proceeds of {holder} from {lab} are {usd} USD: they must be finite and >= 0")
        for holder, usd in sorted(proceeds.items()):
            self._log(Entry(self._quarter(), "proceeds", lab, holder, 0.0, usd, payer))

    def retire(self, lab: str, proceeds: Mapping[str, float], payer: int) -> None:
        """The lab is gone (wind-down, acqui-hire, cash merger): its register ends; errors and proceeds as `pay_out`."""
        self.pay_out(lab, proceeds, payer)
        self._end(lab)

    # ---- what it says

    def stakes(self, lab: str) -> dict[str, float]:
        """Stakes (0-1) by holder, in order of name; none for a lab that is gone; ValueError for an unknown one."""
        return {} if lab in self._ended else self._table(lab).stakes()

    def by_stake(self, lab: str, usd: float) -> dict[str, float]:
        """An amount divided among the holders by stake, USD."""
        return {holder: usd * stake for holder, stake in self._table(lab).stakes().items()}

    def entries(self, quarter: int) -> list[Entry]:
        """The entries of a quarter in order; ValueError for a quarter that never began."""
        if quarter not in self._past:
            raise ValueError(f"the register has no quarter {quarter}")
        return list(self._past[quarter])

    @property
    def quarter(self) -> int | None:
        """The quarter that runs, None before the first."""
        return self._now.number

    @property
    def rounds(self) -> tuple[Round, ...]:
        """Rounds and swaps of the quarter that runs."""
        return tuple(self._now.rounds)

    @property
    def tables(self) -> Mapping[str, CapTable]:
        """The live cap tables by lab, for the audit."""
        return self._tables

    def rolled(self) -> Mapping[str, CapTable]:
        """What the opening tables and the quarter's entries say that the live tables should be."""
        return self._now.rolled()

    def account_of(self, holder: str, rest_of_world: int) -> int:
        """The journal's account that pays and receives for a holder."""
        return self.investors.get(holder, self.parents.get(holder, rest_of_world))

    # ---- inside

    def _issue(self, kind: Kind, lab: str, pre_money: float, paid: Mapping[str, float]) -> float:
        """Enter a round's new shares and the round; returns post-money, USD."""
        _require_positive(f"pre-money of {lab}", {"": pre_money})
        _require_positive(f"payments for shares of {lab}", paid)
        self._quarter()
        table = self._table(lab)
        before = table.outstanding
        entries = tuple(
            self._enter(kind, lab, holder, usd / pre_money * before, usd) for holder, usd in sorted(paid.items())
        )
        round_ = Round(lab, pre_money, before, table.outstanding, entries)
        self._now.rounds.append(round_)
        return pre_money + round_.invested

    def _end(self, lab: str) -> None:
        for holder, shares in self._table(lab).shares.items():
            self._log(Entry(self._quarter(), "ended", lab, holder, -shares))
        del self._tables[lab]
        self._ended.add(lab)

    def _enter(self, kind: Kind, lab: str, holder: str, shares: float, usd: float = 0.0) -> Entry:
        entry = Entry(NOBODY if self.quarter is None else self.quarter, kind, lab, holder, shares, usd)
        self._tables[lab].add(holder, shares)
        self._log(entry)
        return entry

    def _log(self, entry: Entry) -> None:
        self._now.entries.append(entry)

    def _quarter(self) -> int:
        if self._now.number is None:
            raise ValueError("no quarter has begun: only founding comes before begin(quarter)")
        return self._now.number

    def _table(self, lab: str) -> CapTable:
        if lab not in self._tables:
            raise ValueError(f"{lab} has no share register" + (" any more" if lab in self._ended else ""))
        return self._tables[lab]


def _require_positive(what: str, amounts: Mapping[str, float]) -> None:
    if not amounts:
        raise ValueError(f"{what}: nobody is named")
    for holder, amount in amounts.items():
        if not 0.0 < amount < math.inf:
            raise ValueError(f"{what}{holder and f' of {holder}'} is {amount}: it must be positive and finite")
