"""Investors: their purse and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mesa

from sim.parameters import InvestorParameters

if TYPE_CHECKING:
    from sim.market import Market


class Investor(mesa.Agent):
    """One investor. `holdings` are stakes (0-1) in labs, `called` USD drawn from its backers, `invested` paid in."""

    model: Market

    def __init__(self, market: Market, investor_id: str, parameters: InvestorParameters) -> None:
        super().__init__(market)
        self.id = investor_id
        self.parameters = parameters
        self.holdings: dict[str, float] = {}
        self.called = 0.0
        self.invested = 0.0
        self.granted = 0.0

    @property
    def account(self) -> int:
        """Its account in the journal."""
        return self.model.account_of[f"investor:{self.id}"]

    @property
    def dry_powder(self) -> float:
        """USD at hand."""
        return float(self.model.journal.cash[self.account])

    def compute_share(self, credit_share: float) -> float:
        """Part of a round this investor pays in compute credits: only those who have compute to give."""
        return credit_share if self.parameters.pays_in_compute > 0.0 else 0.0

    def __repr__(self) -> str:
        return f"<Investor {self.id} {self.parameters.kind}>"
