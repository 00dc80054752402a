"""The choice kernel: what every due workload sees in every offer, and which it takes.

Utility is linear in features of the buyer and of the offer, except for the log of the cost of running weights oneself;
so a quarter's utilities are one matrix product per workload type, offers' attributes by buyers' features. Rows are
offers, columns buyers; one uniform draw per buyer picks nest and offer by inverse CDF. Float32 throughout.
`Enterprise.choose` is the same rule written plainly for one workload; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sim.economics.adoption import arrival_probability
from sim.economics.commons import supplemented
from sim.economics.costs import integrator_engaged, scale_of_fixed_cost
from sim.economics.demand import cost_disutility
from sim.markets.menu import API, EDGE, HOSTED, PRIVATE, SELF, Catalogue, Menu, self_run
from sim.parameters import MODES, REGIONS, WORKLOADS, Parameters
from sim.population import EDGE_TYPE, NO_MODEL, Population
from sim.quarters import DT

Floats = NDArray[np.float64]
Single = NDArray[np.float32]
Ints = NDArray[np.int64]

UNAVAILABLE = -1e4  # utility of an offer that may not be chosen: its exponential is 0
CONFIDENTIAL = WORKLOADS.index("confidential")
LARGE_SEGMENTS = ("large", "large_regulated")
BUILDERS = ("developer",)  # their product is an application, which a vendor's own competes with
WANTS = 9  # features that say what buyers care about


@dataclass(frozen=True)
class Conditions:
    """What buyers know when they choose, all of last quarter's market. Lab arrays are by the labs' positions.

    `taste` (labs, enterprises) is the lasting taste for vendors less the dislike of depending on them; `peers`
    (segments, labs) shares of the segment's production workloads; `going_price` and the tasks' `other_cost` USD per
    Mtok by type; `talent_gain`, `tooling`, the `maturity` of the commons of open models and how much of what is needed
    is `adapted` there, all in 0-1; `premium` of pay for open-model skills, as a fraction; `budget_index` and
    `fixed_cost_index` relative to the first quarter.
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
    premium: float
    maturity: float
    adapted: float
    budget_index: float
    fixed_cost_index: float


@dataclass(frozen=True)
class OwnHosting:
    """Yearly USD of running weights oneself: infrastructure, hired staff, integrator; and integration at the edge.

    `scale` is that of fixed cost, relative to a workload of the reference budget on the first day; `up_front` the
    investment, USD once, of a workload that is not on own servers yet.
    """

    scale: Floats
    infrastructure: Floats
    operations: Floats
    integrator: Floats
    edge: Floats
    up_front: Floats
    missing: Floats  # 0-1, talent that is missing after diffusion and an integrator's help
    burden: Floats  # 0-1, what tooling leaves of it as a burden of operations


def own_hosting(population: Population, rows: Ints, budget: Floats, seen: Conditions) -> OwnHosting:
    """What the given workloads would pay a year to run weights themselves."""
    p = population.parameters
    h, d = p.hosting, p.demand
    scale = scale_of_fixed_cost(budget, h.fixed_cost_reference, h.fixed_cost_scale) * seen.fixed_cost_index
    talent = talent_of(population, rows, seen)
    staff = h.operations_staff * (1.0 + seen.premium)
    engaged = integrator_helps(p, seen.premium)
    missing = (1.0 - talent) * (1.0 - d.integrator_relief * engaged)
    return OwnHosting(
        scale=scale,
        infrastructure=scale * h.infrastructure,
        operations=scale * staff * missing,
        integrator=scale * (1.0 - talent) * engaged * d.integrator_fee * h.infrastructure,
        edge=scale * h.edge_integration,
        up_front=scale * h.up_front * (population.workloads.mode.take(rows) != SELF),
        missing=missing,
        burden=missing * (1.0 - seen.tooling),
    )


def integrator_helps(p: Parameters, premium: float) -> bool:
    """Whether buyers without talent engage an integrator, at this wage premium of open-model skills."""
    staff, d = p.hosting.operations_staff * (1.0 + premium), p.demand
    cheaper = integrator_engaged(staff, p.hosting.infrastructure, d.integrator_relief, d.integrator_fee)
    return p.switches.integrators and bool(cheaper)


def talent_of(population: Population, rows: Ints, seen: Conditions) -> Floats:
    """AI talent, 0-1, of the enterprises behind the workloads, after diffusion."""
    born = population.enterprises.talent.take(population.workloads.enterprise.take(rows)).astype(np.float64)
    return np.asarray(born + (1.0 - born) * seen.talent_gain)


def choose(
    population: Population, rows: Ints, menu: Menu, seen: Conditions, switching: Floats, uniform: Floats
) -> Ints:
    """The offer each due workload takes, as a position on the menu; NO_MODEL for none.

    `switching` scales each workload's switching cost (below 1 for a pilot that has just graduated), `uniform` is its
    draw in [0, 1). One matrix product serves all workloads of a type; those that see the same offers then pick at once.
    """
    chosen = np.full(rows.size, NO_MODEL, np.int64)
    if rows.size == 0 or menu.size == 0:
        return chosen
    kind = population.workloads.chosen_type(rows)
    order = np.argsort(kind, kind="stable")
    kind = kind.take(order)
    buyers = _Buyers.of(population, rows.take(order), kind, menu, seen, switching.take(order))
    attributes = _attributes(population, menu, seen)
    bounds = np.searchsorted(kind, np.arange(len(WORKLOADS) + 1)).tolist()
    draws, dissimilarity = uniform.take(order), nest_parameter(population.parameters)
    for kinds in (range(EDGE_TYPE), range(EDGE_TYPE, len(WORKLOADS))):  # edge work, the last type, sees more offers
        offers = np.flatnonzero((menu.mode != EDGE) | (EDGE_TYPE in kinds))
        whole = slice(bounds[kinds.start], bounds[kinds.stop])
        utility = np.empty((offers.size, whole.stop - whole.start), np.float32)
        for k in kinds:
            block = slice(bounds[k], bounds[k + 1])
            part = utility[:, block.start - whole.start : block.stop - whole.start]
            _fill_utilities(part, attributes[k].take(offers, axis=0), menu, seen, (k, offers), buyers.part(block))
        closed = int(np.searchsorted(offers, menu.closed))
        picked = pick_offer(utility, buyers.none[whole], closed, dissimilarity, draws[whole])
        chosen[order[whole]] = np.where(picked == NO_MODEL, NO_MODEL, offers[picked])
    return chosen


def nest_parameter(parameters: Parameters) -> float:
    """Dissimilarity of the nests; 1 (plain logit) when nests are switched off."""
    return parameters.demand.dissimilarity if parameters.switches.nests else 1.0


def pick_offer(utility: Single, none: Single, closed: int, dissimilarity: float, uniform: Floats) -> Ints:
    """Nested-logit draw for each column: row of the offer taken, NO_MODEL for the outside option.

    utility (offers, buyers): the first `closed` rows are one nest, the rest another; `none` (buyers,) stands alone.
    The array is worked on in place, so its utilities are gone afterwards. Raises FloatingPointError for a utility that
    is not a number, which would pass for a buyer who wants nothing.
    """
    offers = utility.shape[0]
    top = np.maximum(utility.max(axis=0, initial=UNAVAILABLE), none)
    if np.isnan(top).any():
        raise FloatingPointError(f"buyers with utilities that are not numbers: {np.count_nonzero(np.isnan(top))}")
    running = np.subtract(utility, top, out=utility)
    running *= np.float32(1.0 / dissimilarity)
    np.exp(running, out=running)
    for nest in (running[:closed], running[closed:]):  # sums of their own: no digit of a small nest is lost
        for before, row in pairwise(nest):  # row by row: along the buyers memory is contiguous
            row += before
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
    in_shut, in_free = (nest.sum(axis=0, dtype=np.int16) for nest in (passed[:closed], passed[closed:]))
    row = np.where(in_open, closed + in_free, in_shut)
    return np.where(taken, np.minimum(row, np.where(in_open, offers, closed) - 1), NO_MODEL)


@dataclass(frozen=True)
class _Buyers:
    """Features of due workloads, columns in type order.

    `own` is what running weights oneself costs per Mtok besides compute.
    """

    features: Single  # (features, workloads)
    none: Single  # utility of the outside option
    sensitivity: Single  # beta
    own: Single  # (2, workloads): fixed USD per Mtok self-hosted and at the edge

    @classmethod
    def of(
        cls,
        population: Population,
        rows: Ints,
        kind: NDArray[np.int8],
        menu: Menu,
        seen: Conditions,
        switching: Floats,
    ) -> _Buyers:
        p, w = population.parameters, population.workloads
        d = p.demand
        budget = population.yearly_budget(rows, seen.budget_index)
        own = own_hosting(population, rows, budget, seen)
        spread = own.up_front / (population.contract(rows) * DT)  # over the contract
        fixed = np.stack((own.infrastructure + own.operations + own.integrator + spread, own.edge))
        leave = np.zeros(rows.size, np.float32)
        if p.switches.switching_costs:
            cost = d.switching_cost * _by_segment(population, w.segment.take(rows), "switching")
            leave = (cost * switching * (w.lab.take(rows) >= 0)).astype(np.float32)
        change = np.float32(d.mode_switching_ratio) * leave
        before_vendors = WANTS + _places(population)
        features = np.empty((before_vendors + menu.labs.size, rows.size), np.float32)
        _fill_wants(features[:WANTS], population, rows, own)
        _fill_places(features[WANTS:before_vendors], population, rows, change)
        _fill_vendors(features[before_vendors:], population, rows, menu, seen, leave)
        return cls(
            features=features,
            none=leave + change,
            sensitivity=features[1],
            own=(fixed * (seen.going_price.take(kind) / budget)).astype(np.float32),
        )

    def part(self, block: slice) -> _Buyers:
        """Some of the buyers."""
        return _Buyers(self.features[:, block], self.none[block], self.sensitivity[block], self.own[:, block])


def _by_segment(population: Population, segment: NDArray[np.int8], name: str) -> Single:
    """A trait of each workload's segment."""
    traits = np.array([getattr(segment, name) for segment in population.segments], np.float32)
    return traits.take(segment)


def _fill_wants(wants: Single, population: Population, rows: Ints, own: OwnHosting) -> None:
    """What buyers care about: quality, cost, assurance, privacy, whether data may leave, adapting weights, ease of
    operation, steadiness, openness."""
    p, e = population.parameters, population.enterprises
    d, who, segment = p.demand, population.workloads.enterprise.take(rows), population.workloads.segment.take(rows)
    privacy = e.privacy.take(who)
    wants[0] = 1.0
    wants[1] = d.price_sensitivity * _by_segment(population, segment, "price_sensitivity")
    wants[2] = p.weight("assurance") * _by_segment(population, segment, "assurance")
    wants[3] = p.weight("privacy") * privacy
    wants[4] = p.switches.air_gap * (privacy > d.air_gap)
    wants[5] = p.weight("customisation") * (1.0 - d.tuning_skill * p.switches.fine_tuning * own.missing)
    wants[6] = p.weight("operations") * own.burden
    wants[7] = p.weight("volatility") * _by_segment(population, segment, "risk_aversion")
    wants[8] = e.taste.take(who) + p.weight("strategic_open_lean") * e.strategic.take(who)


def _places(population: Population) -> int:
    """How many features say where buyers stand."""
    return 2 * len(REGIONS) + len(population.segments) + len(MODES)


def _fill_places(places: Single, population: Population, rows: Ints, change: Single) -> None:
    """Where buyers stand: region (distrust, then language and rules), segment, and the mode they would leave."""
    p, w, regions, segments = population.parameters, population.workloads, len(REGIONS), len(population.segments)
    segment = w.segment.take(rows)
    home = places[regions : 2 * regions]
    home[:] = w.region.take(rows) == _column(regions)
    distrust = p.demand.origin_distrust * p.switches.origin * _by_segment(population, segment, "distrust")
    np.multiply(home, distrust, out=places[:regions])
    places[2 * regions : -len(MODES)] = segment == _column(segments)
    np.multiply(w.mode.take(rows) == _column(len(MODES)), change, out=places[-len(MODES) :])


def _column(count: int) -> NDArray[np.int8]:
    """0, 1, ... as a column of the type in which workloads keep small numbers: comparing unlike types is slow."""
    return np.arange(count, dtype=np.int8)[:, None]


def _fill_vendors(
    vendors: Single, population: Population, rows: Ints, menu: Menu, seen: Conditions, leave: Single
) -> None:
    """How buyers stand to each lab on the menu: lasting taste less dependence, and what holds them to the incumbent."""
    w = population.workloads
    who = w.enterprise.take(rows)
    np.take(seen.taste.take(menu.labs, axis=0), who, axis=1, out=vendors, mode="clip")  # "raise" would buffer it
    position = np.full(seen.brand.size + 1, -1, np.int64)  # the last entry serves "no incumbent", -1
    position[menu.labs] = np.arange(menu.labs.size)
    home = position.take(w.lab.take(rows))
    incumbent = np.flatnonzero(home >= 0)
    vendors[home[incumbent], incumbent] += leave[incumbent]


def _fill_utilities(
    utility: Single, attributes: Single, menu: Menu, seen: Conditions, of: tuple[int, Ints], buyers: _Buyers
) -> None:
    """Utility (offers, buyers) of the offers with these attributes; `of`: the buyers' type, the offers' positions."""
    kind, offers = of
    other = float(seen.other_cost[kind])
    going = seen.going_price[kind] + other
    np.matmul(attributes, buyers.features, out=utility)
    own = np.flatnonzero(self_run(menu.mode[offers]))
    model, mode = menu.model[offers[own]], menu.mode[offers[own]]
    running = ((menu.catalogue.unit_cost[kind, model, mode] + other) / going).astype(np.float32)
    cost = (buyers.own / np.float32(going))[(mode == EDGE).astype(np.int64)]
    cost += running[:, None]
    np.log(cost, out=cost)
    cost *= buyers.sensitivity
    utility[own] -= cost


def _attributes(population: Population, menu: Menu, seen: Conditions) -> Single:
    """Attributes (types, offers, features) of the whole menu, in the order of the buyers' features."""
    by_type, common = _type_attributes(population, menu, seen), _common_attributes(population, menu, seen)
    attributes = np.empty((len(WORKLOADS), menu.size, len(by_type) + len(common)), np.float32)
    attributes[:, :, : len(by_type)] = by_type.transpose(1, 2, 0)
    attributes[:, :, len(by_type) :] = common.T
    return attributes


def _type_attributes(population: Population, menu: Menu, seen: Conditions) -> Floats:
    """Attributes (features, types, offers) that depend on the type of work.

    The cost of running weights oneself is left out: it is different for every buyer.
    """
    p, c, model, mode = population.parameters, menu.catalogue, menu.model, menu.mode
    modes, works = [p.modes[name] for name in MODES], [p.workloads[name] for name in WORKLOADS]
    other, is_open, exposure = seen.other_cost[:, None], c.is_open[model], _of(modes, "exposure")[mode]
    cost = cost_disutility(c.unit_cost[:, model, mode], other, seen.going_price[:, None] + other)
    confidential = np.arange(len(WORKLOADS)) == CONFIDENTIAL
    adapted = 1.0 + p.commons.customisation * seen.adapted
    return np.stack(
        (
            _common_utility(population, menu, seen),
            -np.where(self_run(mode), 0.0, cost),
            _of(works, "error_cost")[:, None] * accountability(p, mode, is_open, seen.maturity),
            -_of(works, "privacy")[:, None] * exposure,
            UNAVAILABLE * confidential[:, None] * (exposure > 0.0),
            _of(works, "customisation")[:, None] * is_open * adapted,
        )
    )


def _common_attributes(population: Population, menu: Menu, seen: Conditions) -> Floats:
    """Attributes (features, offers) that are the same for every type of work."""
    p = population.parameters
    d, c, mode = p.demand, menu.catalogue, menu.mode
    modes, regions = [p.modes[name] for name in MODES], [p.regions[name] for name in REGIONS]
    is_open, origin = c.is_open[menu.model], c.region[menu.model]
    distrust = np.array([[region.distrust.get(home, 0.0) for home in REGIONS] for region in regions])
    speaks = np.array([[region.language.get(home, 0.0) for home in REGIONS] for region in regions]) * p.switches.origin
    banned = np.array([[region.banned.get(home, False) for home in REGIONS] for region in regions])
    spoken = speaks[:, origin]
    fit = np.where(is_open, supplemented(spoken, p.commons.language * p.switches.origin, seen.adapted), spoken)
    inspected = p.weight("transparency") * is_open
    liked = d.language_fit * fit + inspected * _of(regions, "transparency")[:, None]
    follow = p.weight("peers") * _of(population.segments, "peers")[:, None] * seen.peers[:, menu.lab]
    is_large = np.array([name in LARGE_SEGMENTS for name in population.segment_names])[:, None]
    builds = np.array([name in BUILDERS for name in population.segment_names])[:, None]
    rival = p.applications.rivalry * p.switches.applications * (seen.seats[menu.lab] * ~is_open)
    threshold, risk = d.licence_threshold * c.threshold[menu.model], d.legal_risk * is_open
    legal = threshold * is_large + risk * _of(population.segments, "assurance")[:, None]
    return np.vstack(
        (
            -_of(modes, "operations")[mode],
            -_of(modes, "volatility")[mode] * (1.0 + seen.volatility[menu.lab]),
            is_open,
            -distrust[:, origin] * np.where(self_run(mode), d.in_house_distrust, 1.0),
            np.where(banned[:, origin] & ~(is_open & (mode != API)), UNAVAILABLE, liked),
            follow
            - p.switches.licence_risk * legal
            - builds * rival
            + inspected * _of(population.segments, "transparency")[:, None],
            mode == np.arange(len(MODES))[:, None],
            menu.lab == menu.labs[:, None],
        )
    )


def _common_utility(population: Population, menu: Menu, seen: Conditions) -> Floats:
    """The part of the offers' utility (types, offers) that all buyers of a type share."""
    p = population.parameters
    s, works = p.switches, [p.workloads[name] for name in WORKLOADS]
    c, model, mode, lab = menu.catalogue, menu.model, menu.mode, menu.lab
    modes = [p.modes[name] for name in MODES]
    is_open = c.is_open[model]
    first_party = (mode == API) | (mode == PRIVATE)
    base, value, latency = (_of(works, name)[:, None] for name in ("base", "value", "latency"))
    shared = base + value * c.quality[:, model]
    shared = shared + p.weight("stability") * is_open + p.weight("control") * _of(modes, "control")[mode]
    shared = shared - p.weight("latency") * latency * _of(modes, "remote")[mode]
    shared = shared + seen.brand[lab] * s.brand
    return np.asarray(shared + p.weight("interface") * seen.seats[lab] * first_party)


def accountability(p: Parameters, mode: Ints, is_open: NDArray[np.bool_], maturity: float) -> Floats:
    """How far somebody answers for errors, 0-1; open weights at their developer's API count as at any host.

    A mature commons tests, governs and repairs what no vendor answers for.
    """
    answers = _of([p.modes[name] for name in MODES], "accountability")[np.where(is_open & (mode == API), HOSTED, mode)]
    return np.where(is_open, supplemented(answers, p.commons.assurance, maturity), answers)


def _of(things: Sequence[object], name: str) -> Floats:
    """One parameter of every mode, type of work, region or segment as a column."""
    return np.array([getattr(thing, name) for thing in things])


def upgrades(
    population: Population, rows: Ints, catalogue: Catalogue, seen: Conditions, uniform: Floats
) -> tuple[Ints, Ints]:
    """Workloads under contract that take the newer model of their lab and tier, and that model's catalogue row.

    A user looks with the probability `demand.upgrade` and moves when quality less cost has risen, in the same mode and
    at no switching cost.
    """
    p, w = population.parameters, population.workloads
    rows = rows.compress(uniform.take(rows) < arrival_probability(p.demand.upgrade, DT))
    model = catalogue.row_of.take(w.model.take(rows)).astype(np.int64)
    newer = np.flatnonzero(catalogue.successor.take(model) != model)
    rows, model = rows.take(newer), model.take(newer)
    successor = catalogue.successor.take(model)
    gain = upgrade_gain(population, rows, catalogue, seen, (model, successor))
    better = gain > 0.0
    return rows[better], successor[better]


def upgrade_gain(
    population: Population, rows: Ints, catalogue: Catalogue, seen: Conditions, models: tuple[Ints, Ints]
) -> Floats:
    """Utility of the second of two models (catalogue rows) over the first, in the workload's mode; nan if unsold."""
    p, w = population.parameters, population.workloads
    kind, mode = w.chosen_type(rows), w.mode.take(rows)
    budget = population.yearly_budget(rows, seen.budget_index)
    going = seen.going_price.take(kind)
    fixed = np.zeros(rows.size)
    mine = np.flatnonzero(self_run(mode))
    own = own_hosting(population, rows[mine], budget[mine], seen)
    fixed[mine] = np.where(mode[mine] == SELF, own.infrastructure + own.operations + own.integrator, own.edge)
    other = seen.other_cost.take(kind)
    value = np.array([p.workloads[name].value for name in WORKLOADS]).take(kind)
    beta = np.array([s.price_sensitivity for s in population.segments]).take(w.segment.take(rows))
    beta = p.demand.price_sensitivity * beta
    worth = [
        value * catalogue.quality[kind, m]
        - beta * np.log(catalogue.cost_of(kind, m, mode) + fixed * going / budget + other)
        for m in models
    ]
    return np.asarray(worth[1] - worth[0])
