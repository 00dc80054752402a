"""The market for models: what workloads use and pay, what labs learn from it, and the prices they post next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.agents.lab import ReleasedModel
from sim.choice import Conditions, own_hosting
from sim.economics.demand import going_price, usage_volume
from sim.economics.pricing import BelievedDemand, LogPrice, posted_prices
from sim.markets.menu import API, EDGE, HOSTED, PRIVATE, SELF, Catalogue, self_run
from sim.parameters import WORKLOADS, Parameters
from sim.population import PRODUCTION, Population
from sim.quarters import DT

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

LEAST_EXPOSURE = 0.05  # a lab whose contracts outlast its horizon still sees some customers come due


@dataclass(frozen=True)
class Usage:
    """Every workload that runs a model this quarter, one entry each in order of enterprise; money in USD this quarter
    for all firms that the enterprise stands for, tokens in Mtok."""

    row: Ints
    enterprise: NDArray[np.int32]
    model: Ints  # row of the catalogue
    lab: Ints  # position of the lab whose model it is, the community last
    mode: NDArray[np.int8]
    kind: NDArray[np.int8]  # type that governed the choice
    production: Flags
    weight: Floats
    tokens: Floats
    first_party: Floats  # paid for API access or a private deployment, to the lab or through a cloud
    fee: Floats  # private deployment, to the cloud
    hosting: Floats  # to hosts
    infrastructure: Floats  # to the cloud, own servers
    operations: Floats  # to staff
    integration: Floats  # to integrators
    services: Floats  # to the developer of the open weights it runs
    going: Floats  # by type, USD per Mtok: the price at which budgets for tokens are just spent
    budget: Floats  # what it would spend at the going price

    @cached_property
    def begins(self) -> Flags:
        """Whether it is the first entry of its enterprise."""
        begins = np.ones(self.enterprise.size, bool)
        np.not_equal(self.enterprise[1:], self.enterprise[:-1], out=begins[1:])
        return begins

    @cached_property
    def buyers(self) -> NDArray[np.int32]:
        """The enterprises that run anything, each once, in order."""
        return self.enterprise.compress(self.begins)

    @cached_property
    def first_hand(self) -> Flags:
        """Whether the model's developer sells it: API access or a private deployment."""
        return np.asarray((self.mode == API) | (self.mode == PRIVATE))

    @cached_property
    def own_budget(self) -> Floats:
        """The part of `budget` for what the model's developer sells."""
        return np.asarray(self.budget * self.first_hand)

    @cached_property
    def own_tokens(self) -> Floats:
        """Mtok that the model's developer serves."""
        return np.asarray(self.tokens * self.first_hand)

    @cached_property
    def working(self) -> Floats:
        """`weight` of work in production, 0 for pilots."""
        return np.where(self.production, self.weight, 0.0)

    @cached_property
    def own_running(self) -> Floats:
        """USD of running weights oneself: infrastructure, operations, integration."""
        return np.asarray(self.infrastructure + self.operations + self.integration)

    @cached_property
    def spend(self) -> Floats:
        """USD for models, hosting, infrastructure, operations and services."""
        return np.asarray(self.first_party + self.fee + self.hosting + self.own_running + self.services)

    @cached_property
    def api_spend(self) -> Floats:
        """USD at first-party APIs and hosts."""
        return np.where(self.mode == API, self.first_party, self.hosting)


def usage_of(population: Population, catalogue: Catalogue, seen: Conditions, service_rates: Floats) -> Usage:
    """Tokens and invoices of the quarter: budgets meet unit costs at the going price.

    `service_rates` by lab: USD of services per USD spent running its open weights in production.
    """
    p, w = population.parameters, population.workloads
    rows = np.flatnonzero(w.running)
    model = catalogue.row_of.take(w.model.take(rows)).astype(np.int64)
    mode = w.mode.take(rows)
    kind = w.chosen_type(rows)
    budget = population.yearly_budget(rows, seen.budget_index)
    variable = catalogue.cost_of(kind, model, mode)
    elasticity = p.demand.own_usage_elasticity if p.switches.usage_elasticity else 0.0
    weight = w.weight.take(rows)
    part = DT * weight
    means = budget * part
    going = _clearing_prices(seen.going_price, kind, means, variable, elasticity)
    usual = going.take(kind)
    price = np.where(mode == EDGE, usual, variable)  # at the edge no token has a price: volume is that of the budget
    tokens = usage_volume(budget, price, usual, elasticity) * part
    bill = tokens * variable
    hosting = np.where(mode == HOSTED, bill, 0.0)
    infrastructure, operations, integration = _own_bills(population, rows, budget, bill, seen)
    production = w.stage.take(rows) == PRODUCTION
    rate = production * np.where(catalogue.is_open, service_rates[catalogue.lab], 0.0).take(model)
    private = np.where(mode == PRIVATE, tokens * catalogue.price.take(model), 0.0)  # at the list price
    return Usage(
        row=rows,
        enterprise=w.enterprise.take(rows),
        model=model,
        lab=catalogue.lab.take(model),
        mode=mode,
        kind=kind,
        production=production,
        weight=weight,
        tokens=tokens,
        first_party=np.where(mode == API, bill, private),
        fee=private * p.hosting.private_fee,
        hosting=hosting,
        infrastructure=infrastructure,
        operations=operations,
        integration=integration,
        services=rate * (hosting + infrastructure + operations + integration),
        going=going,
        budget=means,
    )


def _own_bills(
    population: Population, rows: Ints, budget: Floats, bill: Floats, seen: Conditions
) -> tuple[Floats, Floats, Floats]:
    """USD this quarter of running weights oneself, for each row: infrastructure, operations, integration.

    Own servers pay their compute (`bill`), the fixed cost and, in the quarter of the move, the up-front investment.
    """
    w, h = population.workloads, population.parameters.hosting
    mine = np.flatnonzero(self_run(w.mode.take(rows)))
    slot = rows.take(mine)
    own = own_hosting(population, slot, budget.take(mine), seen)
    weight, house = w.weight.take(slot), w.mode.take(slot) == SELF
    columns = np.zeros((3, rows.size))
    columns[0, mine] = house * (
        bill.take(mine) + (own.infrastructure * DT + own.scale * h.up_front * w.moved_in.take(slot)) * weight
    )
    columns[1, mine] = house * own.operations * DT * weight
    columns[2, mine] = np.where(house, own.integrator, own.edge) * DT * weight
    return columns[0], columns[1], columns[2]


def _clearing_prices(
    before: Floats, kind: NDArray[np.int8], budget: Floats, price: Floats, elasticity: float
) -> Floats:
    """Going price of each type of work among workloads that pay by the token; last quarter's where there is none."""
    metered = np.flatnonzero(price > 0.0)
    now = going_price(budget.take(metered), price.take(metered), elasticity, kind.take(metered))
    cleared = np.full(before.size, np.nan)
    cleared[: now.size] = now
    return np.where(np.isnan(cleared), before, cleared)


def submarkets(catalogue: Catalogue, usage: Usage) -> tuple[dict[int, Floats], Floats]:
    """Budgets of the quarter by type of work: of each model's first-party customers (by model id), and in all."""
    kinds, models = len(WORKLOADS), len(catalogue.models)
    cell = usage.model * kinds + usage.kind
    own = np.asarray(np.bincount(cell, usage.own_budget, models * kinds), np.float64).reshape(models, kinds)
    total = np.asarray(np.bincount(usage.kind, usage.budget, kinds), np.float64)
    return dict(zip((m.id for m in catalogue.models), own, strict=True)), total


def believed_demand(
    products: Sequence[ReleasedModel],
    sold: dict[int, Floats],
    total: Floats,
    exposed: dict[int, float],
    seen: Conditions,
    parameters: Parameters,
) -> BelievedDemand:
    """What labs believe when they set prices: last quarter's shares of their first-party products in each type of work.

    Submarkets are weighted by budgets at the going price; self-hosted, hosted and community use belongs to sellers who
    do not respond. `exposed` is the part of each lab's own demand that comes due within its horizon; all of it for a
    lab without customers.
    """
    d, pricing = parameters.demand, parameters.pricing
    nothing = np.zeros(len(WORKLOADS))
    own = np.array([sold.get(m.id, nothing) for m in products])
    elasticity = d.own_usage_elasticity if parameters.switches.usage_elasticity else 0.0
    return BelievedDemand(
        cost=np.array([m.serving for m in products]),
        shares=own / np.where(total > 0, total, 1.0),
        weights=total * seen.going_price ** (elasticity - 1.0),
        owner=np.array([m.position for m in products]),
        form=LogPrice(d.price_sensitivity, seen.other_cost, elasticity),
        exposure=np.array([exposed.get(m.position, 1.0) for m in products]),
        minimum_elasticity=pricing.minimum_elasticity,
    )


def exposures(usage: Usage, wait: NDArray[np.integer], horizon: int) -> dict[int, float]:
    """Part of the planning horizon (quarters) in which each lab's own budgets are open to rivals, by lab position.

    `wait` quarters are left to the contract of each entry of `usage`; budgets are the weights.
    """
    budget = usage.own_budget
    still_open = 1.0 - np.minimum(np.maximum(wait, 0), horizon) / horizon
    whole = np.bincount(usage.lab, budget).tolist()
    part = np.bincount(usage.lab, budget * still_open).tolist()
    return {i: max(LEAST_EXPOSURE, part[i] / usd) for i, usd in enumerate(whole) if usd > 0.0}


def new_prices(prices: Floats, demand: BelievedDemand, conduct: Floats, parameters: Parameters) -> tuple[Floats, Flags]:
    """Prices posted for the quarter and which sit at the elasticity floor: part of the way to the best response.

    `conduct` multiplies each product's best response: below 1 a price war or penetration, above 1 restraint.
    """
    pricing = parameters.pricing
    if not parameters.switches.pricing:
        return prices, np.zeros(prices.shape, dtype=np.bool_)
    posted, at_floor = posted_prices(prices, demand, pricing.adjustment)
    posted = posted * conduct**pricing.adjustment
    least = pricing.price_floor * demand.cost
    return np.maximum(posted, least), at_floor | (posted < least)
