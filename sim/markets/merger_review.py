"""Merger review: what regulators of each region see of a sale, and whether they forbid it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.agents.lab import Lab
from sim.economics.merger import Review, Thresholds, review
from sim.parameters import REGIONS, RegionParameters
from sim.words import dollars

if TYPE_CHECKING:
    from sim.market import Market
    from sim.markets.control import Offer


def representatives(market: Market) -> list[int]:
    """Position under which each lab is pooled with others of its owner, by position; the community last, on its own."""
    first: dict[str, int] = {}
    return [*(first.setdefault(lab.owner, lab.position) for lab in market.roster), len(market.roster)]


def owner_shares(owner: list[int], spend: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of API spend (0-1) by position of a representative lab of each `owner`; zeros where nothing is sold."""
    pooled = np.bincount(owner, spend, spend.size).astype(np.float64)
    whole = float(pooled.sum())
    return np.asarray(pooled / whole if whole > 0.0 else pooled)


def regional_shares(market: Market) -> dict[str, NDArray[np.float64]]:
    """Owners' shares of API spend by region of the buyers."""
    usage, labs = market.usage, len(market.roster) + 1
    region = market.population.enterprises.region.take(usage.enterprise).astype(np.int64)
    spend = np.bincount(region * labs + usage.lab, usage.api_spend, len(REGIONS) * labs).reshape(len(REGIONS), labs)
    owner = representatives(market)
    return {name: owner_shares(owner, spend[i]) for i, name in enumerate(REGIONS)}


def market_screen(market: Market, lab: Lab, buyer: Lab) -> Review:
    """HHI of world API spend by owner before and after a merger of two owners."""
    usage = market.usage
    spend = np.bincount(usage.lab, usage.api_spend, len(market.roster) + 1).astype(np.float64)
    owner = representatives(market)
    return review(owner_shares(owner, spend), owner[lab.position], owner[buyer.position], Thresholds(0.0, 0.0, 1.0))


def blocked(market: Market, offer: Offer, shares: dict[str, NDArray[np.float64]]) -> bool:
    """Whether a regulator forbids a merger: harm presumed in a region where both sell, unless the target would fail."""
    if not market.parameters.switches.merger_review:
        return False
    lab, buyer, owner = offer.target, offer.buyer, representatives(market)
    a, b = owner[lab.position], owner[buyer.position]
    for name in REGIONS:
        rules, s = market.parameters.regions[name], shares[name]
        if s[a] <= 0.0 or s[b] <= 0.0 or (rules.failing_firm and lab.distressed):
            continue
        found = review(s, a, b, Thresholds(rules.merger_level, rules.merger_change, rules.merger_share))
        if found.presumed_harmful:
            lab.forbidden.add(buyer.id)
            say_blocked(market, offer, name, found, rules)
            return True
    return False


def say_blocked(market: Market, offer: Offer, region: str, found: Review, rules: RegionParameters) -> None:
    """The regulator's numbers, and which of its thresholds the merger crossed."""
    level, share = found.after > rules.merger_level, found.share > rules.merger_share
    crossed = [f"HHI above {rules.merger_level:,.0f}"] * level + [f"joint share above {rules.merger_share:.0%}"] * share
    said = (
        f"region {region}: HHI {found.before:,.0f} -> {found.after:,.0f}, joint share {found.share:.0%}; "
        f"presumed harmful: {' and '.join(crossed)} with a rise of {found.change:,.0f} above "
        f"{rules.merger_change:,.0f}; {offer.buyer.id} had offered {dollars(offer.price)}"
    )
    numbers = {
        "hhi_before": found.before,
        "hhi_after": found.after,
        "hhi_change": found.change,
        "joint_share": found.share,
        "price_usd": offer.price,
    }
    market.event("blocked_merger", offer.target.id, offer.buyer.id, 0.0, said, numbers)
