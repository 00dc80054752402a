"""What everybody can see of the race and of the money in it, once a quarter: labs plan and investors bid on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.agents.lab import FASTEST_GROWTH, Lab
from sim.economics.strategy import attraction, contest_share, market_reach
from sim.economics.valuation import compute_return, option_value, revenue_multiple, standing
from sim.markets.menu import API, self_run
from sim.parameters import REGIONS, TIERS, WORKLOADS, Licence, Parameters, Tier
from sim.quarters import QUARTERS_PER_YEAR

if TYPE_CHECKING:
    from sim.market import Market

Floats = NDArray[np.float64]

CLOSED, OPEN = 0, 1


@dataclass(frozen=True)
class Outlook:
    """The state of the race. Money in USD a year.

    `best` capability served, OOM; `race` the price of keeping up: final runs at X* or, when nobody pays that, those of
    the leader; `revenue` and `growth` (yearly, fraction) of the industry, `prize` what leading it is worth (USD).
    `margin` gross profit on first-party sales, `running` spending on running open weights and `pull` the attraction of
    what is on sale, by tier and openness; `own_pull` the same by lab (position, tier, openness).
    """

    quarter: int
    best: float
    race: float
    leading_run: float
    revenue: float
    growth: float
    prize: float
    margin: Floats
    running: Floats
    pull: Floats
    own_pull: Floats
    own_margin: Floats  # the part of `margin` of each lab (position, tier, openness)
    sales: Floats  # USD paid last quarter for each lab's models in production, to it and hosts (position, type of work)
    best_open: Floats  # by lab position and tier: capability of the best open model of all others
    reach: Floats  # part of API spend (0-1) by openness and home region of the developer
    purses: Floats  # by investor: part of all dry powder
    credits: Floats  # by investor: part of its investments paid in compute
    margins: Floats  # by investor: what it keeps of compute it sells

    @classmethod
    def of(cls, market: Market) -> Outlook:
        """What this quarter's sales and catalogue show."""
        c, p = market.catalogue, market.parameters
        best, reach = float(c.capability.max(initial=0.0)), _reach(market)
        leading = max((lab.plan.capacity for lab in market.active_labs), default=0.0)
        trend = market.trends.training_cost
        revenue, growth = sum(lab.revenue_rate for lab in market.roster), _growth(market)
        own_pull, own_margin = _pulls(market, best, reach), _margins(market)
        return cls(
            quarter=market.quarter,
            best=best,
            race=min(trend, leading) if leading > 0.0 else trend,
            leading_run=leading,
            revenue=revenue,
            growth=growth,
            prize=p.capital.option_weight * _multiple(growth, p) * revenue,
            margin=own_margin.sum(axis=0),
            running=_running(market),
            pull=own_pull.sum(axis=0),
            own_pull=own_pull,
            own_margin=own_margin,
            sales=_sales(market),
            best_open=_best_open_of_others(market),
            reach=reach,
            purses=_purses(market),
            credits=np.array([i.part_in_compute for i in market.investor.values()]),
            margins=np.array([i.margin for i in market.investor.values()]),
        )

    @cached_property
    def rivals(self) -> list[list[list[float]]]:
        """Attraction of what others than a lab have on sale, by its position, tier and openness."""
        return list(np.maximum(0.0, self.pull - self.own_pull).tolist())

    @cached_property
    def rivals_of_tier(self) -> list[list[float]]:
        """Attraction of what others than a lab have on sale, by its position and tier."""
        return list(np.maximum(0.0, self.pull.sum(axis=1) - self.own_pull.sum(axis=2)).tolist())

    @cached_property
    def first_party(self) -> list[float]:
        """Gross profit on first-party sales by lab position, USD a year."""
        return list(self.own_margin.reshape(len(self.own_margin), -1).sum(axis=1).tolist())

    def gap(self, lab: Lab) -> float:
        """OOM between the best served model and the lab's best; infinite for a lab that serves nothing."""
        return self.best - lab.best_capability if lab.models else math.inf

    def run_share(self, lab: Lab) -> float:
        """The lab's final runs over the price of keeping up."""
        return lab.plan.capacity / self.race if self.race > 0.0 else 1.0

    def value(self, lab: Lab, parameters: Parameters, added: float = 0.0) -> float:
        """Worth of a lab to somebody without convictions, USD: multiple of revenue plus the option on the race.

        `added` is the part of the price of the race that new money would let it run on top of what it runs.
        """
        worth = _multiple(lab.growth(self.growth), parameters) * lab.revenue_rate
        option = self.option(self.gap(lab), self.run_share(lab) + added, parameters)
        return worth + option * self.belief(lab, parameters)

    def belief(self, lab: Lab, parameters: Parameters) -> float:
        """What the founders' name makes of the option on a lab: 1 without successes before, or with a long record."""
        c, years = parameters.capital, max(0, self.quarter - lab.entry) / QUARTERS_PER_YEAR
        weight = c.standing * parameters.switches.standing
        return math.exp(standing(lab.parameters.founders_successes, weight, years, c.standing_life))

    def next_round(self, lab: Lab, parameters: Parameters) -> float:
        """Money, USD a year, that a private lab counts on raising on usual terms; none after a round that failed."""
        c = parameters.capital
        if lab.backed or lab.round_failed or not parameters.switches.funding_market:
            return 0.0
        worth = self.value(lab, parameters)
        price = worth * self.compute_premium(lab, worth, parameters)
        return c.largest_dilution / (1.0 - c.largest_dilution) * price / c.runway_target

    def compute_profit(self, lab: Lab, worth: float, parameters: Parameters) -> Floats:
        """What a USD put into a lab of this worth (USD) brings each investor by compute sold to it, weighted, USD."""
        c = parameters.capital
        compute = lab.research_compute() * QUARTERS_PER_YEAR * c.runway_target  # until the next round
        profit = compute_return(self.credits, c.tied_compute, compute, max(worth, 1.0), self.margins)
        return c.compute_sales * profit

    def compute_premium(self, lab: Lab, worth: float, parameters: Parameters) -> float:
        """Usual price of a lab's shares over its worth: investors who sell compute pay for the lab's custom."""
        weighted = self.purses * self.compute_profit(lab, worth, parameters)
        return 1.0 + math.fsum(weighted.tolist())  # exact: one more idle investor moves no bit

    def option(self, gap: float, run_share: float, parameters: Parameters) -> float:
        """Worth of a place in the race, USD."""
        c = parameters.capital
        return option_value(self.prize, gap, run_share, c.option_gap_decay, c.option_run_elasticity)

    def earned(self, lab: Lab) -> float:
        """Gross profit on models as of the last quarter, USD a year: first-party sales, hosts' shares, services."""
        revenue = lab.accounts.revenue
        lines = revenue.get("hosted_revenue_share", 0.0) + revenue.get("services", 0.0)
        return max(0.0, self.first_party[lab.position] + QUARTERS_PER_YEAR * lines)

    def pull_of(self, lab: Lab, is_open: bool, gap: float, parameters: Parameters) -> float:
        """Attraction of a model of the lab this far behind the best, sold closed or as open weights."""
        brand, weight = lab.brand * parameters.switches.brand, parameters.strategy.quality_weight
        reach = self.reach.item(int(is_open), REGIONS.index(lab.parameters.region))
        return float(attraction(gap, brand, weight, reach))

    def won_from_open(self, lab: Lab, t: int, own: float, parameters: Parameters) -> float:
        """Gross profit, USD a year, of a closed model on what is now spent on running open weights of tier `t`."""
        drawn = contest_share(own, self.rivals_of_tier[lab.position][t]) * self.running.item(t)
        return drawn * (1.0 - 1.0 / parameters.pricing.initial_markup)

    def earning(
        self, lab: Lab, tier: Tier, licence: Licence, gap: float, services_rate: float, parameters: Parameters
    ) -> float:
        """Gross profit, USD a year, that a model this far behind is expected to earn under a licence.

        Closed: part of the closed models' margins, or what users of open weights would pay for it instead. Open: part
        of the margins on open first-party sales, and the share of hosts' sales and the services (`services_rate`) that
        users of its weights pay for.
        """
        t, own = TIERS.index(tier), self.pull_of(lab, licence != "closed", gap, parameters)
        if licence == "closed":
            share = contest_share(own, self.rivals[lab.position][t][CLOSED])
            return max(share * max(0.0, self.margin.item(t, CLOSED)), self.won_from_open(lab, t, own, parameters))
        share = contest_share(own, self.rivals[lab.position][t][OPEN])
        services = services_rate + parameters.hosting.host_revenue_share
        sold = max(0.0, self.margin.item(t, OPEN))
        return share * (sold + parameters.switches.services * services * self.running.item(t))


def _purses(market: Market) -> Floats:
    """Parts of all dry powder by investor; nobody's when there is none."""
    purses = np.array([investor.dry_powder for investor in market.investor.values()])
    whole = math.fsum(purses.tolist())
    return purses / whole if whole > 0.0 else np.zeros(purses.size)


def _multiple(growth: float, p: Parameters) -> float:
    c = p.capital
    return revenue_multiple(growth, c.multiple_base, c.multiple_elasticity, c.multiple_cap)


def _reach(market: Market) -> Floats:
    """Part of all API spend (0-1) that may go to closed and to open models of each region, less buyers' distrust.

    Buyers' own rules (`sim.choice`): a ban leaves weights that others run, less distrust is left of those run in house.
    """
    p, region = market.parameters, market.population.enterprises.region
    spend = np.bincount(region.take(market.usage.enterprise), market.usage.api_spend, len(REGIONS))
    whole = float(spend.sum())
    weight = spend / whole if whole > 0.0 else np.full(len(REGIONS), 1.0 / len(REGIONS))
    buyers, felt = [p.regions[name] for name in REGIONS], p.switches.origin and p.demand.origin_distrust > 0.0
    distrust = np.array([[buyer.distrust.get(home, 0.0) for home in REGIONS] for buyer in buyers])
    banned = np.array([[buyer.banned.get(home, False) for home in REGIONS] for buyer in buyers])
    return market_reach(distrust * felt, banned, weight, _in_house(market), p.demand.in_house_distrust)


def _in_house(market: Market) -> float:
    """Part (0-1) of open weights' tokens in production that run on buyers' own machines; 0 while there are none."""
    usage = market.usage
    used = np.flatnonzero(market.catalogue.is_open.take(usage.model) & usage.production)
    tokens = usage.tokens.take(used)
    whole = float(tokens.sum())
    return float(tokens.compress(self_run(usage.mode.take(used))).sum()) / whole if whole > 0.0 else 0.0


def _by_cell(market: Market, values: Floats) -> Floats:
    """Sums of a number of each model in the catalogue by lab position, tier and openness."""
    c, labs = market.catalogue, len(market.roster) + 1
    cell = (c.lab * 2 + c.tier) * 2 + c.is_open
    return np.bincount(cell, values, labs * 4).astype(np.float64).reshape(labs, 2, 2)


def _pulls(market: Market, best: float, reach: Floats) -> Floats:
    """Attraction of what each lab has on sale by tier and openness; superseded models count no more."""
    c, weight = market.catalogue, market.parameters.strategy.quality_weight
    brand = np.array([lab.brand for lab in market.roster] + [0.0]) * market.parameters.switches.brand
    within = reach[c.is_open.astype(np.int64), c.region]
    on_sale = np.array([not m.superseded for m in c.models]) & (c.is_open | (c.price > 0.0))
    return _by_cell(market, on_sale * attraction(best - c.capability, brand[c.lab], weight, within))


def _margins(market: Market) -> Floats:
    """Gross profit on each lab's first-party sales by tier and openness, USD a year."""
    c, usage = market.catalogue, market.usage
    p = market.parameters
    cut = market.lab_column("cloud_share") * p.pricing.cloud_cut * p.switches.cloud_resale
    kept = usage.first_party * (1.0 - cut.take(usage.lab) * (usage.mode == API))
    sold = np.bincount(usage.model, kept, len(c.models))
    tokens = np.bincount(usage.model, usage.own_tokens, len(c.models))
    return _by_cell(market, QUARTERS_PER_YEAR * (sold - tokens * c.serving))


def _sales(market: Market) -> Floats:
    """What buyers pay for each lab's models in production by type of work, USD a quarter: to it and to hosts."""
    usage, labs, kinds = market.usage, len(market.roster) + 1, len(WORKLOADS)
    paid = (usage.first_party + usage.hosting + usage.services) * usage.production
    return np.bincount(usage.lab * kinds + usage.kind, paid, labs * kinds).astype(np.float64).reshape(labs, kinds)


def _running(market: Market) -> Floats:
    """What users pay hosts and others to run open weights, USD a year by tier."""
    c, usage = market.catalogue, market.usage
    paid = np.bincount(usage.model, usage.hosting + usage.own_running, len(c.models)) * c.is_open
    return QUARTERS_PER_YEAR * np.bincount(c.tier, paid, len(TIERS)).astype(np.float64)


def _best_open_of_others(market: Market) -> Floats:
    """Capability (OOM) of the best open model by anybody else, by lab position and tier; -inf where there is none."""
    c, opened = market.catalogue, np.flatnonzero(market.catalogue.is_open)
    best = np.full((len(market.roster) + 1, len(TIERS)), -np.inf)
    np.maximum.at(best.reshape(-1), (c.lab * len(TIERS) + c.tier).take(opened), c.capability.take(opened))
    second, first = np.sort(best, axis=0)[-2:]
    return np.asarray(np.where(best < first, first, second))


def _growth(market: Market) -> float:
    """Yearly growth of the industry's revenue, from at most a year of quarters."""
    path = market.industry_revenue
    if len(path) < 2 or path[0] <= 0.0:
        return math.expm1(market.parameters.demand.budget_growth * market.parameters.switches.budget_growth)
    back = min(QUARTERS_PER_YEAR, len(path) - 1)
    before = path[-1 - back]
    yearly = (path[-1] / before) ** (QUARTERS_PER_YEAR / back) - 1.0 if before > 0.0 else 0.0
    return min(FASTEST_GROWTH, yearly)
