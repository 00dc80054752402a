"""Open or closed, tier by tier, at each release: USD a year of both as the lab sees them that day."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from sim.agents.lab import Lab
from sim.agents.strategy import experience
from sim.economics.release import OpenOrClosed, chance_of_opening, complement_value, rivals_harm
from sim.economics.strategy import contest_share
from sim.outlook import CLOSED
from sim.parameters import TIERS, Licence, Tier
from sim.words import dollars

if TYPE_CHECKING:
    from sim.market import Market


def weigh(market: Market, lab: Lab, tier: Tier, capability: float) -> OpenOrClosed:
    """Each line of the decision for a model of this capability (OOM), USD a year."""
    p, outlook, t = market.parameters, market.outlook, TIERS.index(tier)
    gap = outlook.best - capability
    after_sales = lab.kept_of_sales()
    services, known = lab.services_rate_as(lab.strategy), experience(market, lab)
    as_now, otherwise = after_sales * known, after_sales * min(1.0, known)  # habit holds customers to what they have
    is_open = lab.stance[tier] != "closed"
    closed = (otherwise if is_open else as_now) * outlook.earning(lab, tier, "closed", gap, services, p)
    opened = (as_now if is_open else otherwise) * outlook.earning(lab, tier, "open", gap, services, p)
    better = p.technology.community_model_gain if p.switches.community else 0.0
    lead = capability - float(outlook.best_open[lab.position, t])
    rivals = max(0.0, float(outlook.margin[t, CLOSED] - outlook.own_margin[lab.position, t, CLOSED]))
    taken = contest_share(outlook.pull_of(lab, False, gap, p), outlook.rivals[lab.position][t][CLOSED])
    return OpenOrClosed(
        closed_margin=closed,
        open_margin=opened,
        community=opened * math.expm1(p.strategy.quality_weight * better),
        talent=p.release.talent_saving * lab.staff_spending,
        complement=complement_value(lab.complement(tier), lead, p.release.lead_scale, next_run(market, lab, tier)),
        harm=rivals_harm(rivals, taken, p.release.harm_returned),
    )


def next_run(market: Market, lab: Lab, tier: Tier) -> float:
    """What staying there costs, USD a year: the R&D budget where the tier leads, a small model's part else."""
    whole = lab.plan.budget
    return whole if lab.leads(tier) else whole * market.parameters.technology.small_serving_ratio


def may_open(market: Market, lab: Lab, capability: float) -> bool:
    """Whether the lab's region and its own safety policy let weights of this capability out."""
    region = market.parameters.regions[lab.parameters.region]
    return capability <= min(region.open_ceiling, lab.parameters.open_ceiling)


class LicenceChoice(NamedTuple):
    """What was weighed at a release: the lines of the decision, the lean to open (logit) of creed and of what the tier
    was before, and the chance (0-1) of opening that follows."""

    lines: OpenOrClosed
    creed: float
    inertia: float
    opening: float


def licence_for(
    market: Market, lab: Lab, tier: Tier, capability: float, luck: float
) -> tuple[Licence, LicenceChoice | None]:
    """The licence of a release and what was weighed; None where nothing was to decide. `luck` uniform in 0-1.

    The first release of a tier, and one whose licence is fixed by a dated change, follow the scenario. An owner that
    opens for its complement keeps rivals' platforms out by a user threshold.
    """
    stated = lab.stance[tier]
    if not market.parameters.switches.release_choice or tier not in lab.last_release or tier in lab.decreed:
        return _within_rules(market, lab, stated, capability), None
    if not may_open(market, lab, capability):
        return "closed", None
    lines, r = weigh(market, lab, tier, capability), market.parameters.release
    creed, inertia = r.creed * lab.creed, r.inertia * (1.0 if stated != "closed" else -1.0)
    chance = chance_of_opening(lines.of_opening, lines.of_closing, r.intensity, creed, inertia)
    seen = LicenceChoice(lines, creed, inertia, chance)
    if luck >= chance:
        return "closed", seen
    if stated != "closed":
        return stated, seen
    return ("open_threshold" if lines.complement > lines.open_margin else "open"), seen


def _within_rules(market: Market, lab: Lab, stated: Licence, capability: float) -> Licence:
    return stated if stated == "closed" or may_open(market, lab, capability) else "closed"


def licence_event(tier: str, licence: str) -> str:
    """The kind of event that a change of a tier's licence is."""
    if licence != "closed":
        return "open"
    return "paywall" if tier == "flagship" else "close"


def say_licence(market: Market, lab: Lab, tier: Tier, before: Licence, seen: LicenceChoice) -> None:
    """The event of a change of licence, with what was weighed and what chance it had."""
    lines, now = seen.lines, lab.stance[tier]
    chance = 1.0 - seen.opening if now == "closed" else seen.opening
    cause = (
        f"{tier}: {before} -> {now}; a year open is worth {dollars(lines.of_opening)} (of it complement "
        f"{dollars(lines.complement)}), closed {dollars(lines.of_closing)}; leaning to open by "
        f"{seen.creed:+.1f} for its creed and {seen.inertia:+.1f} for habit, this had a chance of {chance:.0%}"
    )
    numbers = {f"{name}_usd_per_year": value for name, value in lines._asdict().items()}
    numbers |= {"creed_logit": seen.creed, "inertia_logit": seen.inertia, "chosen_probability": chance}
    market.event(licence_event(tier, now), lab.id, cause=cause, numbers=numbers)
