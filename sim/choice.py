"""The choice kernel: what every due workload sees in every offer, and which it takes.

Utility is linear in features of the buyer and of the offer, except for the log of the cost of running weights oneself;
so a quarter's utilities are one matrix product per workload type, offers' attributes by buyers' features. Rows are
offers, columns buyers; one uniform draw per buyer picks nest and offer by inverse CDF. Float32 throughout.
`Enterprise.choose` is the same rule written plainly for one workload; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.economics.adoption import arrival_probability
from sim.economics.costs import integrator_engaged, scale_of_fixed_cost
from sim.economics.demand import cost_disutility
from sim.markets.menu import API, EDGE, HOSTED, PRIVATE, SELF, Catalogue, Menu
from sim.parameters import MODES, REGIONS, WORKLOADS, ModeParameters, Parameters
from sim.population import EDGE_TYPE, NO_MODEL, Population
from sim.quarters import DT

Floats = NDArray[np.float64]
Single = NDArray[np.float32]
Ints = NDArray[np.int64]

UNAVAILABLE = -1e4  # utility of an offer that may not be chosen: its exponential is 0
LARGE_SEGMENTS = ("large", "large_regulated")


@dataclass(frozen=True)
class Conditions:
    """What buyers know when they choose, all of last quarter's market. Lab arrays are by the labs' positions.

    `taste` (labs, enterprises) is the lasting taste for vendors less the dislike of depending on them; `peers`
    (segments, labs) shares of the segment's production workloads; `going_price` and the tasks' `other_cost` USD per
    Mtok by type; `talent_gain` and `tooling` in 0-1; `budget_index` and `fixed_cost_index` relative to the first
    quarter.
    """

    brand: Floats
    seats: Floats
    volatility: Floats
    taste: Single
    peers: Floats
    going_price: Floats
    other_cost: Floats
    talent_gain: float
    tooling: float
    budget_index: float
    fixed_cost_index: float


@dataclass(frozen=True)
class OwnHosting:
    """Yearly USD of running weights oneself: infrastructure, hired staff, integrator; and integration at the edge.

    `up_front` is the investment, USD once, of a workload that is not on own servers yet.
    """

    infrastructure: Floats
    operations: Floats
    integrator: Floats
    edge: Floats
    up_front: Floats
    burden: Floats  # 0-1, what talent, integrators and tooling leave of the operations burden


def own_hosting(population: Population, rows: Ints, budget: Floats, seen: Conditions) -> OwnHosting:
    """What the given workloads would pay a year to run weights themselves."""
    p = population.parameters
    h, d = p.hosting, p.demand
    scale = scale_of_fixed_cost(budget, h.fixed_cost_reference, h.fixed_cost_scale) * seen.fixed_cost_index
    talent = talent_of(population, rows, seen)
    staff = h.operations_staff * (1.0 + h.skill_premium)
    engaged = bool(integrator_engaged(staff, h.infrastructure, d.integrator_relief, d.integrator_fee))
    missing = (1.0 - talent) * (1.0 - d.integrator_relief * engaged)
    return OwnHosting(
        infrastructure=scale * h.infrastructure,
        operations=scale * staff * missing,
        integrator=scale * (1.0 - talent) * engaged * d.integrator_fee * h.infrastructure,
        edge=scale * h.edge_integration,
        up_front=scale * h.up_front * (population.workloads.mode[rows] != SELF),
        burden=np.maximum(0.0, missing - seen.tooling),
    )


def talent_of(population: Population, rows: Ints, seen: Conditions) -> Floats:
    """AI talent, 0-1, of the enterprises behind the workloads, after diffusion."""
    born = population.enterprises.talent[population.workloads.enterprise[rows]].astype(np.float64)
    return np.asarray(born + (1.0 - born) * seen.talent_gain)


def choose(
    population: Population, rows: Ints, menu: Menu, seen: Conditions, switching: Floats, uniform: Floats
) -> Ints:
    """The offer each due workload takes, as a position on the menu; NO_MODEL for none.

    `switching` scales each workload's switching cost (below 1 for a pilot that has just graduated), `uniform` is its
    draw in [0, 1). Workloads are handled type by type, so that one matrix product serves them all.
    """
    chosen = np.full(rows.size, NO_MODEL, np.int64)
    if rows.size == 0 or menu.size == 0:
        return chosen
    kind = population.workloads.chosen_type(rows)
    order = np.argsort(kind, kind="stable")
    buyers = _Buyers.of(population, rows[order], menu, seen, switching[order])
    bounds = np.searchsorted(kind[order], np.arange(len(WORKLOADS) + 1))
    draws = uniform[order]
    for k in range(len(WORKLOADS)):
        block = slice(int(bounds[k]), int(bounds[k + 1]))
        if block.start == block.stop:
            continue
        offers = np.flatnonzero((menu.mode != EDGE) | (k == EDGE_TYPE))
        utility = _utilities(population, menu, seen, k, offers, buyers, block)
        closed = int(np.searchsorted(offers, menu.closed))
        picked = pick_offer(utility, buyers.none[block], closed, nest_parameter(population.parameters), draws[block])
        chosen[order[block]] = np.where(picked == NO_MODEL, NO_MODEL, offers[picked])
    return chosen


def nest_parameter(parameters: Parameters) -> float:
    """Dissimilarity of the nests; 1 (plain logit) when nests are switched off."""
    return parameters.demand.dissimilarity if parameters.switches.nests else 1.0


def pick_offer(utility: Single, none: Single, closed: int, dissimilarity: float, uniform: Floats) -> Ints:
    """Nested-logit draw for each column: row of the offer taken, NO_MODEL for the outside option.

    utility (offers, buyers): the first `closed` rows are one nest, the rest another; `none` (buyers,) stands alone.
    """
    top = np.maximum(utility.max(axis=0, initial=UNAVAILABLE), none)
    running = utility - top
    running *= np.float32(1.0 / dissimilarity)
    np.exp(running, out=running)
    offers = utility.shape[0]
    for row in range(1, offers):  # running sums over rows, each nest from its first: no digit of a small nest is lost
        if row != closed:
            running[row] += running[row - 1]
    shut = running[closed - 1].astype(np.float64) if closed > 0 else np.zeros(none.size)
    free = running[-1].astype(np.float64) if closed < offers else np.zeros(none.size)
    weight_shut, weight_free = shut**dissimilarity, free**dissimilarity
    position = uniform * (weight_shut + weight_free + np.exp(none - top))
    in_open = position >= weight_shut
    position -= np.where(in_open, weight_shut, 0.0)
    weight = np.where(in_open, weight_free, weight_shut)
    taken = position < weight
    level = (position / np.where(taken, weight, 1.0) * np.where(in_open, free, shut)).astype(np.float32)
    passed = running <= level
    row = np.where(in_open, closed + passed[closed:].sum(axis=0), passed[:closed].sum(axis=0))
    return np.where(taken, np.minimum(row, np.where(in_open, offers, closed) - 1), NO_MODEL)


@dataclass(frozen=True)
class _Buyers:
    """Features of due workloads, columns in type order, and the attributes of the menu that they meet.

    `own` is what running weights oneself costs per Mtok besides compute.
    """

    features: Single  # (features, workloads)
    attributes: Single  # (offers, features): of the whole menu, for the features that come after the types' own
    none: Single  # utility of the outside option
    sensitivity: Single  # beta
    own: Single  # (2, workloads): fixed USD per Mtok self-hosted and at the edge

    @classmethod
    def of(cls, population: Population, rows: Ints, menu: Menu, seen: Conditions, switching: Floats) -> _Buyers:
        p, w = population.parameters, population.workloads
        d, kind = p.demand, w.chosen_type(rows)
        budget = population.yearly_budget(rows, seen.budget_index)
        own = own_hosting(population, rows, budget, seen)
        spread = own.up_front / (population.contract(rows) * DT)  # over the contract
        fixed = np.stack((own.infrastructure + own.operations + own.integrator + spread, own.edge))
        leave = np.zeros(rows.size, np.float32)
        if p.switches.switching_costs:
            cost = d.switching_cost * _by_segment(population, rows, "switching")
            leave = (cost * switching * (w.lab[rows] >= 0)).astype(np.float32)
        change = np.float32(d.mode_switching_ratio) * leave
        wants = _wants(population, rows, own.burden)
        return cls(
            features=np.concatenate(
                (wants, _places(population, rows, change), _vendors(population, rows, menu, seen, leave))
            ),
            attributes=_attributes(population, menu, seen),
            none=leave + change,
            sensitivity=wants[1],
            own=(fixed * (seen.going_price[kind] / budget)).astype(np.float32),
        )


def _by_segment(population: Population, rows: Ints, name: str) -> Single:
    """A trait of the segment behind each workload."""
    traits = np.array([getattr(segment, name) for segment in population.segments], np.float32)
    return np.asarray(traits[population.workloads.segment[rows]])


def _wants(population: Population, rows: Ints, burden: Floats) -> Single:
    """What buyers care about: quality, cost, assurance, privacy, ease of operation, steadiness, openness."""
    p, e = population.parameters, population.enterprises
    d, who = p.demand, population.workloads.enterprise[rows]
    wants = np.empty((7, rows.size), np.float32)
    wants[0] = 1.0
    wants[1] = d.price_sensitivity * _by_segment(population, rows, "price_sensitivity")
    wants[2] = d.assurance * _by_segment(population, rows, "assurance")
    wants[3] = d.privacy * e.privacy[who]
    wants[4] = d.operations * burden
    wants[5] = d.volatility * p.switches.volatility * _by_segment(population, rows, "risk_aversion")
    wants[6] = e.taste[who] + d.strategic_open_lean * e.strategic[who]
    return wants


def _places(population: Population, rows: Ints, change: Single) -> Single:
    """Where buyers stand: region (distrust, then language and rules), segment, and the mode they would leave."""
    p, w = population.parameters, population.workloads
    regions, segments = len(REGIONS), len(population.segments)
    column, region, mode = np.arange(rows.size), w.region[rows], w.mode[rows].astype(np.int64)
    places = np.zeros((2 * regions + segments + len(MODES), rows.size), np.float32)
    distrust = p.demand.origin_distrust * p.switches.origin * _by_segment(population, rows, "distrust")
    places[region, column] = distrust
    places[regions + region, column] = 1.0
    places[2 * regions + w.segment[rows], column] = 1.0
    incumbent = np.flatnonzero(mode >= 0)
    places[2 * regions + segments + mode[incumbent], incumbent] = change[incumbent]
    return places


def _vendors(population: Population, rows: Ints, menu: Menu, seen: Conditions, leave: Single) -> Single:
    """How buyers stand to each lab on the menu: lasting taste less dependence, and what holds them to the incumbent."""
    w = population.workloads
    vendors = np.take(seen.taste[menu.labs], w.enterprise[rows], axis=1)
    position = np.full(seen.brand.size + 1, -1, np.int64)  # the last entry serves "no incumbent", -1
    position[menu.labs] = np.arange(menu.labs.size)
    home = position[w.lab[rows]]
    incumbent = np.flatnonzero(home >= 0)
    vendors[home[incumbent], incumbent] += leave[incumbent]
    return np.asarray(vendors)


def _utilities(
    population: Population, menu: Menu, seen: Conditions, kind: int, offers: Ints, buyers: _Buyers, block: slice
) -> Single:
    """Utility (offers, buyers) of the given offers to the workloads of one type."""
    other = float(seen.other_cost[kind])
    going = seen.going_price[kind] + other
    cost = menu.catalogue.unit_cost[kind, menu.model[offers], menu.mode[offers]]
    attributes = np.concatenate(
        (_type_attributes(population, menu, seen, kind, offers), buyers.attributes[offers]), axis=1
    )
    own = np.flatnonzero((menu.mode[offers] == SELF) | (menu.mode[offers] == EDGE))
    attributes[own, 1] = 0.0
    utility = attributes @ buyers.features[:, block]
    fixed = buyers.own[np.where(menu.mode[offers[own]] == EDGE, 1, 0), block] / np.float32(going)
    utility[own] -= buyers.sensitivity[block] * np.log(
        fixed + ((cost[own] + other) / going).astype(np.float32)[:, None]
    )
    return np.asarray(utility)


def _type_attributes(population: Population, menu: Menu, seen: Conditions, kind: int, offers: Ints) -> Single:
    """Attributes (offers, features) that depend on the type of work, in the order of the buyers' first features."""
    p = population.parameters
    work = p.workloads[WORKLOADS[kind]]
    other = seen.other_cost[kind]
    c = menu.catalogue
    model, mode = menu.model[offers], menu.mode[offers]
    modes = [p.modes[name] for name in MODES]
    columns = [
        common_utility(population, menu, seen, kind, offers),
        -cost_disutility(c.unit_cost[kind, model, mode], other, seen.going_price[kind] + other),
        work.error_cost * accountability(modes, mode, c.is_open[model]),
        -work.privacy * _of(modes, "exposure")[mode],
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _attributes(population: Population, menu: Menu, seen: Conditions) -> Single:
    """Attributes (offers, features) that are the same for every type of work, in the order of the other features."""
    p = population.parameters
    d, c, mode = p.demand, menu.catalogue, menu.mode
    modes = [p.modes[name] for name in MODES]
    is_open, origin = c.is_open[menu.model], c.region[menu.model]
    columns = [
        -_of(modes, "operations")[mode],
        -_of(modes, "volatility")[mode] * (1.0 + seen.volatility[menu.lab]),
        is_open.astype(np.float64),
    ]
    remain = np.where((mode == SELF) | (mode == EDGE), d.in_house_distrust, 1.0)
    for name in REGIONS:
        distrust = np.array([p.regions[name].distrust.get(home, 0.0) for home in REGIONS])
        columns.append(-distrust[origin] * remain)
    for name in REGIONS:
        region = p.regions[name]
        speaks = np.array([region.language.get(home, 0.0) for home in REGIONS]) * p.switches.origin
        banned = np.array([region.banned.get(home, False) for home in REGIONS])
        liked = d.language_fit * speaks[origin] + d.transparency * region.transparency * is_open
        columns.append(np.where(banned[origin], UNAVAILABLE, liked))
    for i, (kind, segment) in enumerate(zip(population.segment_names, population.segments, strict=True)):
        follow = d.peers * segment.peers * seen.peers[i, menu.lab] if p.switches.peers else np.zeros(menu.size)
        columns.append(follow - d.licence_threshold * c.threshold[menu.model] * (kind in LARGE_SEGMENTS))
    columns += list((mode[None, :] == np.arange(len(MODES))[:, None]).astype(np.float64))
    columns += list((menu.lab[None, :] == menu.labs[:, None]).astype(np.float64))
    return np.stack(columns, axis=1).astype(np.float32)


def common_utility(population: Population, menu: Menu, seen: Conditions, kind: int, offers: Ints) -> Floats:
    """The part of an offer's utility that all buyers of this type share."""
    p = population.parameters
    d, s, work = p.demand, p.switches, p.workloads[WORKLOADS[kind]]
    c = menu.catalogue
    model, mode = menu.model[offers], menu.mode[offers]
    lab = c.lab[model]
    modes = [p.modes[name] for name in MODES]
    is_open = c.is_open[model]
    first_party = (mode == API) | (mode == PRIVATE)
    shared = work.base + work.value * c.quality[kind, model]
    shared = shared + (d.customisation * work.customisation + d.stability) * is_open
    shared = shared + d.control * _of(modes, "control")[mode] - d.latency * work.latency * _of(modes, "remote")[mode]
    shared = shared + seen.brand[lab] * s.brand
    return np.asarray(shared + d.interface * seen.seats[lab] * first_party * s.interface)


def accountability(modes: list[ModeParameters], mode: Ints, is_open: NDArray[np.bool_]) -> Floats:
    """How far a vendor answers for errors, 0-1; open weights at their developer's API count as at any host."""
    return np.asarray(_of(modes, "accountability")[np.where(is_open & (mode == API), HOSTED, mode)])


def _of(modes: list[ModeParameters], name: str) -> Floats:
    """One attribute of every mode as a column."""
    return np.array([getattr(mode, name) for mode in modes])


def upgrades(
    population: Population, rows: Ints, catalogue: Catalogue, seen: Conditions, uniform: Floats
) -> tuple[Ints, Ints]:
    """Workloads under contract that take the newer model of their lab and tier, and that model's catalogue row.

    A user looks with the probability `demand.upgrade` and moves when quality less cost has risen, in the same mode and
    at no switching cost.
    """
    p, w = population.parameters, population.workloads
    rows = rows[uniform[rows] < arrival_probability(p.demand.upgrade, DT)]
    model = catalogue.row_of[w.model[rows]].astype(np.int64)
    newer = catalogue.successor[model] != model
    rows, model = rows[newer], model[newer]
    successor = catalogue.successor[model]
    gain = upgrade_gain(population, rows, catalogue, seen, (model, successor))
    better = gain > 0.0
    return rows[better], successor[better]


def upgrade_gain(
    population: Population, rows: Ints, catalogue: Catalogue, seen: Conditions, models: tuple[Ints, Ints]
) -> Floats:
    """Utility of the second of two models (catalogue rows) over the first, in the workload's mode; nan if unsold."""
    p, w = population.parameters, population.workloads
    kind, mode = w.chosen_type(rows), w.mode[rows]
    budget = population.yearly_budget(rows, seen.budget_index)
    going = seen.going_price[kind]
    own = own_hosting(population, rows, budget, seen)
    fixed = np.where(mode == SELF, own.infrastructure + own.operations + own.integrator, own.edge * (mode == EDGE))
    other = seen.other_cost[kind]
    value = np.array([p.workloads[name].value for name in WORKLOADS])[kind]
    beta = p.demand.price_sensitivity * np.array([s.price_sensitivity for s in population.segments])[w.segment[rows]]
    worth = [
        value * catalogue.quality[kind, m]
        - beta * np.log(catalogue.unit_cost[kind, m, mode] + fixed * going / budget + other)
        for m in models
    ]
    return np.asarray(worth[1] - worth[0])
