"""What is written down of a quarter: rows of the market, of each lab, of funding. Reads the market, changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.agents.lab import ACTIVE, EXITED, Lab
from sim.markets.menu import API, HOSTED, PRIVATE, self_run
from sim.measures import concentration_ratio, effective_number, entropy, hhi, hhi_change_by_cause
from sim.parameters import COMMUNITY, REGIONS, WORKLOADS
from sim.population import EMPTY, NO_MODEL, PILOT_TYPE
from sim.records import LENSES, POPULATIONS
from sim.records.chronicle import News

if TYPE_CHECKING:
    from sim.market import Market

Block = np.ndarray[Any, np.dtype[np.float64]]
Rows = np.ndarray[Any, np.dtype[np.intp]]

MANY_MODELS = 5
BEST_FLAGSHIPS = 3  # the posted flagship price is the median of this many


def market_row(market: Market, block: Block, now: Standing, news: News) -> dict[str, Any]:
    """The quarter of the whole market: `block` are its shares, `now` where labs stand, `news` from the chronicle."""
    row: dict[str, Any] = {"quarter": market.label} | news.market | market.chronicle.lead(leader(market, block))
    row |= _concentration(market, block)
    row |= _hhi_change(market, now)
    row |= _technology(market)
    row |= _spending(market)
    row |= _buyers(market)
    row |= _prices(market)
    opened = np.flatnonzero(market.catalogue.is_open.take(market.usage.model))
    row |= _open_by_work(market, opened)
    row |= _by_region(market)
    residual, active = market.residual, market.active_labs
    return row | {
        "active_labs": len(active),
        "independent_labs": sum(not lab.backed for lab in active),
        "subscale_exits_and_rescues": float(market.exits_and_rescues),
        "products": market.products,
        "products_at_price_floor": market.products_at_floor,
        "closed_products": market.closed_products,
        "closed_products_at_price_floor": market.closed_at_floor,
        "open_share_of_independent_revenue": _open_part_of_revenue(market, opened),
        "investor_mood": math.exp(market.mood),
        "funding_usd": _sum(market, lambda lab: lab.accounts.funding),
        "total_lab_cash_usd": _sum(market, lambda lab: float(market.journal.cash[lab.account])),
        "identity_residual_usd": residual.residual if residual else 0.0,
        "identity_gate_usd": residual.gate if residual else 0.0,
    }


def _sum(market: Market, value: Callable[[Lab], float]) -> float:
    return sum(value(lab) for lab in market.roster)


def _concentration(market: Market, block: Block) -> dict[str, Any]:
    keys = market.yardstick.keys
    everyone = block[list(POPULATIONS).index("all"), LENSES.index("api_spend")]
    owners = everyone[keys.index("owner")]
    return {
        "hhi": hhi(owners),
        "cr1": concentration_ratio(owners, 1),
        "cr3": concentration_ratio(owners, 3),
        "cr4": concentration_ratio(owners, 4),
        "effective_labs": effective_number(owners),
        "entropy": entropy(owners),
        "open_share": float(everyone[keys.position("openness", "open")]),
    }


def leader(market: Market, block: Block) -> str:
    """The owner with the largest share of API spend; '' without a market."""
    keys = market.yardstick.keys
    owners = block[list(POPULATIONS).index("all"), LENSES.index("api_spend")][keys.index("owner")]
    return keys.keys("owner")[int(np.argmax(owners))] if np.isfinite(owners).all() else ""


CAUSES = ("mergers", "exits", "entry", "reallocation")


def _hhi_change(market: Market, after: Standing) -> dict[str, Any]:
    """The change of HHI since last quarter by cause; nan in the first."""
    before, labs = market.last_standing, market.roster
    if before is None:
        return {f"hhi_change_{cause}": float("nan") for cause in CAUSES}
    exited = [lab.position for lab in labs if lab.status == EXITED and lab.successor is None]
    entered = [lab.position for lab in labs if lab.entry == market.quarter]
    split = hhi_change_by_cause(before.shares, after.shares, before.owners, after.owners, exited, entered)
    return {f"hhi_change_{cause}": split[cause] for cause in CAUSES}


class Standing(NamedTuple):
    """Shares of API spend (0-1) and owners by the labs' positions, the community last."""

    shares: np.ndarray[Any, np.dtype[np.float64]]
    owners: tuple[str, ...]


def standing(market: Market, block: Block) -> Standing:
    """Who sold how much this quarter, under today's owners."""
    everyone = block[list(POPULATIONS).index("all"), LENSES.index("api_spend")]
    return Standing(everyone[market.yardstick.of_lab["lab"]], (*(lab.owner for lab in market.roster), COMMUNITY))


def _technology(market: Market) -> dict[str, Any]:
    c, trends, t = market.catalogue, market.trends, market.parameters.technology
    closed = float(c.capability[~c.is_open].max(initial=-np.inf))
    opened = float(c.capability[c.is_open].max(initial=-np.inf))
    both = np.isfinite(closed) and np.isfinite(opened)
    gap = closed - opened if both else float("nan")
    lead = c.quality[:, ~c.is_open].max(axis=1, initial=0.0) - c.quality[:, c.is_open].max(axis=1, initial=0.0)
    return {
        "gap_oom": gap,
        "gap_months": market.frontier.lag_months(market.quarter, opened) if both else float("nan"),
        "gap_elo": t.elo_per_oom * gap,
        "best_closed_oom": closed if np.isfinite(closed) else float("nan"),
        "best_open_oom": opened if np.isfinite(opened) else float("nan"),
        "record_training_cost_usd": market.frontier.record_run,
        "record_training_cost_2023usd": market.frontier.record_run_2023,
        "trend_training_cost_usd": trends.training_cost,
        "trend_training_cost_2023usd": trends.training_cost / trends.deflator,
    } | {f"quality_gap_{name}": float(lead[k]) for k, name in enumerate(WORKLOADS)}


def _open_by_work(market: Market, opened: Rows) -> dict[str, float]:
    """Open part of the deployments of each type of work; nan where there are none. `opened`: usage of open weights."""
    usage, kinds = market.usage, len(WORKLOADS)
    weight = usage.working
    every = np.bincount(usage.kind, weight, kinds)
    of_open = np.bincount(usage.kind.take(opened), weight.take(opened), kinds)
    part = np.where(every > 0.0, of_open, np.nan) / np.where(every > 0.0, every, 1.0)
    return {f"open_share_{name}": float(part[k]) for k, name in enumerate(WORKLOADS) if k != PILOT_TYPE}


def _by_region(market: Market) -> dict[str, Any]:
    """Labs at work and the best they serve, by home region; nan where there is none."""
    served: dict[str, list[float]] = {region: [] for region in REGIONS}
    for lab in market.active_labs:
        served[lab.parameters.region].append(lab.best_capability)
    at_work = {f"active_labs_{region}": len(best) for region, best in served.items()}
    return at_work | {f"best_{region}_oom": max(best, default=float("nan")) for region, best in served.items()}


def _open_part_of_revenue(market: Market, opened: Rows) -> float:
    """Open part of what independent labs earn on models: calls, private deployments, hosts' shares, services.

    `opened` are the entries of the usage that run open weights.
    """
    usage, labs = market.usage, len(market.roster) + 1
    every = np.bincount(usage.lab, usage.first_party, labs)
    of_open = np.bincount(usage.lab.take(opened), usage.first_party.take(opened), labs)
    own = [x for x in market.active_labs if not x.backed]
    support = sum(x.accounts.revenue.get(line, 0.0) for x in own for line in ("hosted_revenue_share", "services"))
    at = [x.position for x in own]
    whole = math.fsum(every[at].tolist()) + support
    return (math.fsum(of_open[at].tolist()) + support) / whole if whole > 0.0 else float("nan")


def _spending(market: Market) -> dict[str, Any]:
    usage, d = market.usage, market.parameters.demand
    factor = np.where(usage.production, d.application_factor_production, d.application_factor_pilot)
    counted = market.yardstick.members[list(POPULATIONS).index("enterprise")] > 0.0
    enterprise, private = counted.take(usage.enterprise), np.flatnonzero(usage.mode == PRIVATE)
    return {
        "api_spend_usd": market.api_spend,
        "api_spend_enterprise_usd": float(usage.api_spend.compress(enterprise).sum()),
        "hosted_spend_usd": float(usage.hosting.sum()),
        "private_spend_usd": float((usage.first_party[private] + usage.fee[private]).sum()),
        "infrastructure_spend_usd": float(usage.own_running.sum()),
        "total_spend_usd": float((usage.spend * factor).sum()),
        "seat_revenue_usd": _sum(market, lambda lab: lab.accounts.revenue.get("seats", 0.0)),
        "tokens_mtok": float(usage.tokens.sum()),
    }


def _buyers(market: Market) -> dict[str, Any]:
    usage, w = market.usage, market.population.workloads
    deployed, own = usage.working, self_run(usage.mode)
    using = np.zeros(market.population.enterprises.count, bool)
    using[usage.buyers] = True
    members = dict(zip(POPULATIONS, market.yardstick.members, strict=True))
    large = members["large"]
    total = float(deployed.sum())
    return {
        "adoption": float(members["all"] @ using / members["all"].sum()),
        "adoption_us_firms": _share(members["us_firms"], using),
        "deployments": total,
        "pilots": float(usage.weight.sum()) - total,
        "unserved_workloads": float(w.weight.compress((w.stage != EMPTY) & (w.model == NO_MODEL)).sum()),
        "self_hosted_share": float(deployed.compress(own).sum()) / total if total > 0 else float("nan"),
        "share_of_large_enterprises_with_5_or_more_models": _share(large * using, _many_models(market, large > 0.0)),
    }


def _share(weight: np.ndarray[Any, Any], flag: np.ndarray[Any, Any]) -> float:
    whole = float(weight.sum())
    return float(weight @ flag) / whole if whole > 0 else float("nan")


def _many_models(market: Market, among: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Enterprises, of those flagged, that run at least five different models in production."""
    usage = market.usage
    rows = np.flatnonzero(usage.production & among.take(usage.enterprise))
    place, count = np.cumsum(among) - 1, np.count_nonzero(among)
    runs = np.zeros((len(market.catalogue.models), count), bool)
    runs.ravel()[usage.model.take(rows) * count + place.take(usage.enterprise.take(rows))] = True
    many = np.zeros(among.size, bool)
    many[among] = runs.sum(axis=0, dtype=np.int16) >= MANY_MODELS
    return many


def _prices(market: Market) -> dict[str, Any]:
    menu, c = market.menu, market.catalogue
    sold = (menu.mode == API) | (menu.mode == HOSTED)
    price = c.unit_cost[WORKLOADS.index("bulk"), menu.model, menu.mode]
    good = sold & (c.capability[menu.model] >= market.first_frontier)
    closed = [m for m in c.models if not m.superseded and m.tier == "flagship" and not m.is_open]
    best = sorted(closed, key=lambda m: -m.base_capability)[:BEST_FLAGSHIPS]
    hosted = menu.mode == HOSTED
    row = {
        "price_of_2023q1_frontier_quality": _least(price[good]),
        "closed_flagship_price_usd_per_mtok": median(m.price for m in best) if best else float("nan"),
        "cheapest_hosted_price_usd_per_mtok": _least(price[hosted]),
    }
    return row | {f"going_price_{name}": float(market.going_price[k]) for k, name in enumerate(WORKLOADS)}


def _least(values: np.ndarray[Any, Any]) -> float:
    return float(values.min()) if values.size else float("nan")


REVENUE_COLUMNS = {
    "revenue_api_usd": "api",
    "revenue_private_usd": "private_deployment",
    "revenue_resale_usd": "cloud_remittance",
    "revenue_hosted_usd": "hosted_revenue_share",
    "revenue_services_usd": "services",
    "revenue_seats_usd": "seats",
}
COST_COLUMNS = {
    "serving_usd": "serving",
    "training_usd": "training",
    "staff_usd": "staff",
    "sales_usd": "sales",
    "applications_usd": "applications",
    "interest_usd": "interest",
    "revenue_share_usd": "revenue_share",
}


def lab_rows(market: Market, news: News) -> Iterator[dict[str, Any]]:
    """Each lab's quarter, in order of id; `news` is what the chronicle says of it."""
    shelf = market.catalogue
    capability = dict(zip((m.id for m in shelf.models), shelf.capability.tolist(), strict=True))
    for lab in market.roster:
        if not (lab.is_free or lab.proposed):  # a place for a lab that nobody has founded
            row = _lab_row(market, lab, capability)
            row.update((name, of[lab.position]) for name, of in news.labs.items())
            yield row


def _lab_row(market: Market, lab: Lab, capability: dict[int, float]) -> dict[str, Any]:
    """One lab's quarter; `capability` (OOM) of all models served by model id."""
    a, p, journal, account, active = lab.accounts, lab.parameters, market.journal, lab.account, lab.active
    revenue, cost = a.total_revenue, a.total_cost
    flagship, small = lab.flagship(), lab.small()
    return {
        "quarter": market.label,
        "lab": lab.id,
        "name": p.name,
        "region": p.region,
        "owner": lab.owner,
        "ownership": p.ownership,
        "creed": p.creed,
        "strategy": lab.course,
        "status": lab.status,
        "release_policy": lab.release_policy(),
        "cash_usd": float(journal.cash[account]),
        "debt_usd": journal.debt(account),
        "compute_credit_usd": journal.credit(account),
        "runway_quarters": lab.runway_quarters() if lab.status == ACTIVE else None,
        "revenue_usd": revenue,
        "parent_transfer_usd": a.transfer,
        "funding_usd": a.funding,
        "cost_usd": cost,
        "loss_over_revenue": (cost - revenue) / revenue if revenue > 0 else None,
        "budget_usd_per_year": lab.plan.budget if active else 0.0,
        "capacity_usd_per_year": lab.plan.capacity if active else 0.0,
        "record_run_usd": lab.record_run,
        "knowledge_oom": lab.knowledge if lab.last_release else None,
        "capability_oom": max([capability[m.id] for m in lab.models], default=None),
        "flagship_oom": capability[flagship.id] if flagship else None,
        "small_oom": capability[small.id] if small else None,
        "flagship_price": flagship.price if flagship and flagship.api else None,
        "small_price": small.price if small and small.api else None,
        "flagship_serving_cost": flagship.serving if flagship else None,
        "brand": lab.brand,
        "seat_share": lab.seat_share,
        "presence": lab.presence if active else 0.0,
        "valuation_usd": lab.valuation or None,
        "models_served": len(lab.models),
        **{column: a.revenue.get(line, 0.0) for column, line in REVENUE_COLUMNS.items()},
        **{column: a.cost.get(line, 0.0) for column, line in COST_COLUMNS.items()},
    }


def funding_row(market: Market) -> dict[str, Any]:
    """The quarter's private funding by the labs' stated creed."""
    new = {"open": 0.0, "closed": 0.0}
    for lab in market.roster:
        new[lab.parameters.creed] += lab.accounts.funding
    total = market.funding_so_far
    whole = total["open"] + total["closed"]
    return {
        "quarter": market.label,
        "funding_usd": new["open"] + new["closed"],
        "funding_open_usd": new["open"],
        "funding_closed_usd": new["closed"],
        "cumulative_open_usd": total["open"],
        "cumulative_closed_usd": total["closed"],
        "open_share_of_private_funding": total["open"] / whole if whole > 0 else None,
        "parent_transfers_usd": _sum(market, lambda lab: lab.accounts.transfer),
    }


def money_rows(market: Market) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """The tables of who paid for, holds and owns what, with their rows of the quarter."""
    yield "investors", investor_rows(market)
    yield "investments", investment_rows(market)
    yield "stakes", stake_rows(market)


def investor_rows(market: Market) -> Iterator[dict[str, Any]]:
    """Each investor's quarter, in order of id."""
    marked = dict.fromkeys(market.investor, 0.0)
    for lab in market.roster:
        for holder, stake in lab.stakes.items() if lab.valuation > 0.0 else ():
            if holder in marked:
                marked[holder] += stake * lab.valuation
    for name, investor in market.investor.items():
        yield {
            "quarter": market.label,
            "investor": name,
            "kind": investor.parameters.kind,
            "dry_powder_usd": investor.dry_powder,
            "called_usd": investor.called,
            "co_invested_usd": investor.co_invested,
            "invested_usd": investor.invested,
            "granted_usd": investor.granted,
            "proceeds_usd": investor.proceeds,
            "marked_usd": marked[name],
        }


def investment_rows(market: Market) -> Iterator[dict[str, Any]]:
    """Money of the quarter by investor and lab."""
    for name, investor in market.investor.items():
        for made in investor.made:
            yield {
                "quarter": market.label,
                "investor": name,
                "lab": made.lab,
                "creed": made.creed,
                "amount_usd": made.amount,
                "credit_usd": made.credit,
            }


def stake_rows(market: Market) -> Iterator[dict[str, Any]]:
    """Cap tables that changed this quarter."""
    for lab_id in sorted(market.changed_stakes):
        lab = market.lab[lab_id]
        for holder, stake in lab.stakes.items():
            value = stake * lab.valuation
            yield {"quarter": market.label, "lab": lab_id, "holder": holder, "stake": stake, "value_usd": value}
