"""Investors: their purse, what they were promised, what they hold."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.agents.actor import Actor
from sim.agents.lab import Lab
from sim.parameters import InvestorParameters

if TYPE_CHECKING:
    from sim.market import Market


class Investment(NamedTuple):
    """Money an investor put into a lab in a quarter: USD all told, and the part of it in compute credits."""

    lab: str
    creed: str
    amount: float
    credit: float


class Investor(Actor):
    """One investor. `uncalled` USD its backers have promised, `called` drawn from them, `co_invested` put in beside
    them by outsiders, `invested` paid in all told (compute credits included, `granted`); `made` are the investments of
    the quarter, `tied` what labs it holds paid in cash for compute of it this quarter, USD by lab."""

    model: Market

    def __init__(self, market: Market, investor_id: str, parameters: InvestorParameters) -> None:
        super().__init__(market)
        self.id = investor_id
        self.parameters = parameters
        self.uncalled = 0.0
        self.called = 0.0
        self.co_invested = 0.0
        self.invested = 0.0
        self.granted = 0.0
        self.proceeds = 0.0
        self.made: list[Investment] = []
        self.tied: dict[str, float] = {}
        self._opinions: dict[str, NDArray[np.float64]] = {}

    @cached_property
    def account(self) -> int:
        """Its account in the journal."""
        return self.model.account_of[f"investor:{self.id}"]

    @property
    def cash(self) -> float:
        """USD at hand."""
        return float(self.model.journal.cash[self.account])

    @property
    def dry_powder(self) -> float:
        """USD at hand or promised and not yet called, less what compute that labs may still draw on will cost it."""
        granted = self.model.journal.credit_granted(self.account)
        return max(0.0, self.cash + self.uncalled - granted * (1.0 - self.margin))

    @property
    def holdings(self) -> dict[str, float]:
        """Stakes (0-1) in labs."""
        stakes = {lab.id: lab.stakes.get(self.id, 0.0) for lab in self.model.roster}
        return {lab_id: stake for lab_id, stake in stakes.items() if stake > 0.0}

    @property
    def has_compute(self) -> bool:
        """Whether it has compute to pay with."""
        return self.parameters.pays_in_compute > 0.0

    @property
    def part_in_compute(self) -> float:
        """Part (0-1) of its investments that it pays in compute credits."""
        p = self.model.parameters
        return p.capital.credit_part * self.parameters.pays_in_compute * p.switches.compute_for_equity

    @property
    def sells_compute(self) -> bool:
        """Whether labs that it holds buy compute of it."""
        return self.parameters.pays_in_compute > 0.0 and self.model.parameters.switches.compute_for_equity

    @property
    def margin(self) -> float:
        """Part (0-1) of the list price that it keeps of compute it sells; 0 for who sells none."""
        return self.model.parameters.capital.credit_margin if self.sells_compute else 0.0

    def sell_compute(self, amount: float) -> None:
        """A lab it holds has bought compute of it at a list price of USD `amount`, paid to the clouds: its margin."""
        market, kept = self.model, self.margin * amount
        if kept != 0.0:
            market.journal.pay("compute_margin", market.account_of["cloud"], self.account, kept)

    def call(self, amount: float) -> None:
        """Its backers pay in what a deal lacks, USD, up to what they promised; outside co-investors the rest.

        Bids stay within the purse, so that only what was agreed beforehand finds it short.
        """
        if amount == 0.0:  # as most often
            return
        market, promised = self.model, min(amount, self.uncalled)
        market.journal.pay("capital_call", market.rest_of_world, self.account, promised)
        if promised < amount:
            market.journal.pay("co_investment", market.rest_of_world, self.account, amount - promised)
        self.called += promised
        self.uncalled -= promised
        self.co_invested += amount - promised

    def opinion(self, lab_id: str) -> float:
        """How much better or worse than others it thinks of a lab this quarter, a standard normal."""
        market = self.model
        if lab_id not in self._opinions:
            self._opinions[lab_id] = market.streams.normal(f"investor/{self.id}/opinion/{lab_id}", 0, market.length)
        return float(self._opinions[lab_id][market.quarter - market.first_quarter])

    def receive(self, amount: float) -> None:
        """Proceeds of a sale, USD: a fund passes them on, a corporate keeps all but the part of outsiders."""
        self.proceeds += amount
        outside = min(1.0, self.co_invested / self.invested) if self.invested > 0.0 else 0.0
        part = outside if self.parameters.kind == "corporate" else 1.0
        self.model.journal.pay("fund_distribution", self.account, self.model.rest_of_world, part * amount)

    def note(self, lab: Lab, amount: float, credit: float) -> None:
        """Remember an investment of the quarter."""
        self.invested += amount
        self.granted += credit
        self.made.append(Investment(lab.id, lab.parameters.creed, amount, credit))

    def __repr__(self) -> str:
        return f"<Investor {self.id} {self.parameters.kind}>"
