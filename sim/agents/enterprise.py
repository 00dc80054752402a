"""Enterprises as agents: views of the population's columns, made when someone asks.

`choose` is the rule of choice written plainly, term by term, for one workload. The population kernel (`sim.choice`)
does the same for all at once; a test holds the two together, choice for choice under the same draws.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.agents.actor import Actor
from sim.choice import BUILDERS, CONFIDENTIAL, LARGE_SEGMENTS, UNAVAILABLE, Conditions, integrator_helps, nest_parameter
from sim.economics.commons import supplemented
from sim.economics.costs import scale_of_fixed_cost, self_hosted_cost
from sim.economics.demand import cost_disutility
from sim.markets.menu import API, EDGE, HOSTED, PRIVATE, SELF, Menu
from sim.parameters import MODES, REGIONS, WORKLOADS, ModeParameters, RegionParameters, SegmentParameters
from sim.population import NO_MODEL, PILOT, PILOT_TYPE
from sim.quarters import DT

if TYPE_CHECKING:
    from sim.market import Market


class Enterprise(Actor):
    """One simulated enterprise; its state stays in the population's columns at `index`."""

    model: Market

    def __init__(self, market: Market, index: int) -> None:
        super().__init__(market)
        self.index = index

    def __repr__(self) -> str:
        return f"<Enterprise {self.index} {self.segment}, {self.region}>"

    # ---- who it is

    @property
    def segment(self) -> str:
        """Name of its segment."""
        return str(self.model.population.segment_names[self._segment])

    @property
    def traits(self) -> SegmentParameters:
        """What all enterprises of its segment share."""
        traits: SegmentParameters = self.model.population.segments[self._segment]
        return traits

    @property
    def _segment(self) -> int:
        return int(self.model.population.enterprises.segment[self.index])

    @property
    def region(self) -> str:
        """Where it is."""
        return str(REGIONS[self.model.population.enterprises.region[self.index]])

    @property
    def weight(self) -> float:
        """How many real enterprises it stands for."""
        return float(self.model.population.enterprises.weight[self.index])

    @property
    def adopted(self) -> bool:
        """Whether it uses or tries foundation models."""
        return bool(self.model.population.enterprises.adopted[self.index])

    @property
    def workloads(self) -> range:
        """Rows of its workload slots in the population's columns."""
        slots = self.model.population.enterprises.slots
        return range(int(slots[self.index]), int(slots[self.index + 1]))

    # ---- the rule of choice

    def choose(self, row: int, menu: Menu, seen: Conditions, switching: float, uniform: float) -> int:
        """Offer (position on the menu) that workload `row` takes under the draw `uniform` in [0, 1); NO_MODEL for none.

        `switching` scales the switching cost (below 1 for a pilot that has just graduated).
        """
        offers = [j for j in range(menu.size) if menu.mode[j] != EDGE or WORKLOADS[self._kind(row)] == "edge"]
        utility = [self.utility(row, j, menu, seen, switching) for j in offers]
        return nested_draw(offers, utility, menu.closed, nest_parameter(self.model.parameters), uniform)

    def utility(self, row: int, offer: int, menu: Menu, seen: Conditions, switching: float) -> float:
        """Utility in logit units of one offer to one workload; the outside option has 0."""
        worth = self._quality_and_cost(row, offer, menu, seen)
        worth += self._vendor_terms(row, offer, menu, seen)
        worth += self._mode_terms(row, offer, menu, seen)
        return worth - self._switching(row, offer, menu, switching)

    def _quality_and_cost(self, row: int, offer: int, menu: Menu, seen: Conditions) -> float:
        """What the model is worth for this work, less what it costs."""
        kind, m = self._kind(row), int(menu.model[offer])
        work = self.model.parameters.workloads[WORKLOADS[kind]]
        other, going = float(seen.other_cost[kind]), float(seen.going_price[kind])
        beta = self.model.parameters.demand.price_sensitivity * self.traits.price_sensitivity
        disutility = float(cost_disutility(self.unit_cost(row, offer, menu, seen), other, going + other))
        return work.base + work.value * float(menu.catalogue.quality[kind, m]) - beta * disutility

    def unit_cost(self, row: int, offer: int, menu: Menu, seen: Conditions) -> float:
        """USD per Mtok of running this workload by this offer, fixed costs included."""
        h = self.model.parameters.hosting
        kind, m, mode = self._kind(row), int(menu.model[offer]), int(menu.mode[offer])
        posted = float(menu.catalogue.unit_cost[kind, m, mode])
        if mode not in (SELF, EDGE):
            return posted
        budget = self._budget(row, seen)
        volume = budget / float(seen.going_price[kind])
        scale = seen.fixed_cost_index * float(scale_of_fixed_cost(budget, h.fixed_cost_reference, h.fixed_cost_scale))
        if mode == EDGE:
            return posted + scale * h.edge_integration / volume
        fee = self.model.parameters.demand.integrator_fee * h.infrastructure * self._integrator(seen)
        fee *= 1.0 - self._talent(seen)
        w = self.model.population.workloads
        years = (self.model.parameters.demand.pilot_contract if w.stage[row] == PILOT else self.traits.contract) * DT
        invested = 0.0 if w.mode[row] == SELF else h.up_front / years  # spread over the contract
        return float(
            self_hosted_cost(
                posted * h.utilisation,
                h.utilisation,
                scale * (h.infrastructure + fee + invested),
                scale * h.operations_staff,
                seen.premium,
                1.0 - self._missing(seen),
                volume,
            )
        )

    def _vendor_terms(self, row: int, offer: int, menu: Menu, seen: Conditions) -> float:
        """Who stands behind the offer: brand, interface, taste, dependence, peers, origin, licence."""
        p, traits = self.model.parameters, self.traits
        d, s, c = p.demand, p.switches, menu.catalogue
        m, mode, lab = int(menu.model[offer]), int(menu.mode[offer]), int(menu.lab[offer])
        home, origin = self._home(), REGIONS[c.region[m]]
        worth = float(seen.taste[lab, self.index])
        worth += float(seen.brand[lab]) * s.brand
        worth += p.weight("interface") * float(seen.seats[lab]) * (mode in (API, PRIVATE))
        worth += p.weight("peers") * traits.peers * float(seen.peers[self._segment, lab])
        if s.applications and self.segment in BUILDERS and not c.is_open[m]:
            worth -= p.applications.rivalry * float(seen.seats[lab])
        if s.licence_risk:
            worth -= d.licence_threshold * bool(c.threshold[m]) * (self.segment in LARGE_SEGMENTS)
            worth -= d.legal_risk * traits.assurance * bool(c.is_open[m])
        if s.origin:
            remains = d.in_house_distrust if mode in (SELF, EDGE) else 1.0
            worth -= d.origin_distrust * traits.distrust * home.distrust.get(origin, 0.0) * remains
        if home.banned.get(origin, False) and not (c.is_open[m] and mode != API):
            return worth + UNAVAILABLE
        if not s.origin:
            return worth
        fit = home.language.get(origin, 0.0)
        if c.is_open[m]:
            fit = float(supplemented(fit, p.commons.language, seen.adapted))
        return worth + d.language_fit * fit

    def _mode_terms(self, row: int, offer: int, menu: Menu, seen: Conditions) -> float:
        """How it is run: accountability, privacy, operations, volatility, latency, control; and what weights allow."""
        p, e, traits = self.model.parameters, self.model.population.enterprises, self.traits
        d, work, mode = p.demand, p.workloads[WORKLOADS[self._kind(row)]], int(menu.mode[offer])
        way, lab = self._mode(mode), int(menu.lab[offer])
        is_open = bool(menu.catalogue.is_open[menu.model[offer]])
        answers = self._mode(HOSTED if is_open and mode == API else mode).accountability
        if is_open:
            answers = float(supplemented(answers, p.commons.assurance, seen.maturity))
        worth = p.weight("assurance") * traits.assurance * work.error_cost * answers
        worth -= p.weight("privacy") * float(e.privacy[self.index]) * work.privacy * way.exposure
        if p.switches.air_gap and self._kind(row) == CONFIDENTIAL and way.exposure > 0.0:
            worth += UNAVAILABLE * (float(e.privacy[self.index]) > d.air_gap)
        worth -= p.weight("operations") * self._missing(seen) * (1.0 - seen.tooling) * way.operations
        worth -= p.weight("volatility") * traits.risk_aversion * way.volatility * (1.0 + float(seen.volatility[lab]))
        worth += p.weight("control") * way.control - p.weight("latency") * work.latency * way.remote
        if not is_open:
            return worth
        able = 1.0 - d.tuning_skill * p.switches.fine_tuning * self._missing(seen)
        worth += p.weight("customisation") * work.customisation * able * (1.0 + p.commons.customisation * seen.adapted)
        worth += p.weight("stability") + p.weight("transparency") * (self._home().transparency + traits.transparency)
        return worth + float(e.taste[self.index]) + p.weight("strategic_open_lean") * bool(e.strategic[self.index])

    def _switching(self, row: int, offer: int, menu: Menu, switching: float) -> float:
        """Cost of leaving the incumbent lab, and of leaving the incumbent mode."""
        d, w = self.model.parameters.demand, self.model.population.workloads
        if not self.model.parameters.switches.switching_costs or w.lab[row] < 0:
            return 0.0
        leave = d.switching_cost * self.traits.switching * switching
        change = leave * d.mode_switching_ratio
        return leave * bool(menu.lab[offer] != w.lab[row]) + change * bool(menu.mode[offer] != w.mode[row])

    # ---- what it has

    def _kind(self, row: int) -> int:
        w = self.model.population.workloads
        return PILOT_TYPE if w.stage[row] == PILOT else int(w.type[row])

    def _budget(self, row: int, seen: Conditions) -> float:
        w = self.model.population.workloads
        scale = self.model.parameters.demand.pilot_budget if w.stage[row] == PILOT else 1.0
        return float(w.budget[row]) * scale * seen.budget_index

    def _talent(self, seen: Conditions) -> float:
        born = float(self.model.population.enterprises.talent[self.index])
        return born + (1.0 - born) * seen.talent_gain

    def _integrator(self, seen: Conditions) -> bool:
        """Whether it has an integrator run its weights."""
        return integrator_helps(self.model.parameters, seen.premium)

    def _missing(self, seen: Conditions) -> float:
        """Talent that is missing after diffusion and an integrator's help, 0-1."""
        relief = self.model.parameters.demand.integrator_relief if self._integrator(seen) else 0.0
        return (1.0 - self._talent(seen)) * (1.0 - relief)

    def _home(self) -> RegionParameters:
        return self.model.parameters.regions[REGIONS[self.model.population.enterprises.region[self.index]]]

    def _mode(self, mode: int) -> ModeParameters:
        return self.model.parameters.modes[MODES[mode]]


def nested_draw(offers: list[int], utility: list[float], closed: int, dissimilarity: float, uniform: float) -> int:
    """Alternative drawn by inverse CDF from a nested logit: nest first (closed, open, none), then the offer within it.

    Offers below `closed` are one nest, the others another; none, with utility 0, stands alone. Returns the offer.
    """
    top = max([0.0, *utility])
    nests: tuple[list[int], list[int]] = ([], [])
    for position, offer in enumerate(offers):
        nests[offer >= closed].append(position)
    scaled = [math.exp((u - top) / dissimilarity) for u in utility]
    sums = [sum(scaled[i] for i in nest) for nest in nests]
    weights = [total**dissimilarity for total in sums]
    position = uniform * (sum(weights) + math.exp(-top))
    for nest, total, weight in zip(nests, sums, weights, strict=True):
        if position < weight:
            level = position / weight * total
            for i in nest:
                level -= scaled[i]
                if level < 0.0:
                    return offers[i]
            return offers[nest[-1]]
        position -= weight
    return NO_MODEL
