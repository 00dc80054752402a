"""Laboratories: what they know, plan, train, release and charge."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import exp, inf, log
from typing import TYPE_CHECKING, Literal

import numpy as np

from sim.agents.actor import Actor
from sim.agents.bases import continued
from sim.economics.applications import capital_behind, presence_of
from sim.economics.costs import serving_cost
from sim.economics.technology import capability, effective_compute_oom, research_drift, worth_releasing
from sim.parameters import TIERS, LabParameters, Licence, Strategy, Tier, WorkloadType
from sim.quarters import DT, QUARTERS_PER_YEAR, quarter_label, quarter_number

if TYPE_CHECKING:
    from sim.market import Market

NOT_ENTERED, ACTIVE, EXITED = "not_entered", "active", "exited"
STOP: Literal["stop"] = "stop"  # what a lab chooses that looks for a buyer
FASTEST_GROWTH = 3.0  # yearly; nobody extrapolates more than a quadrupling
UNKNOWN_DATE = "2199Q4"  # a place for a lab that nobody has founded yet
NEVER = 10_000  # quarters: longer than any run


@dataclass(slots=True)
class ReleasedModel:
    """A released model. Capability and compute in OOM above the reference, prices and costs in USD per Mtok."""

    id: int
    lab: str
    position: int  # of the lab among the market's labs
    tier: Tier
    licence: str
    api: bool
    private: bool
    compute_cost: float  # of the developer's region over elsewhere; hosts and buyers do not bear it
    born: int  # quarter number
    base_capability: float
    knowledge: float
    run_usd: float
    compute_oom: float
    serving: float
    price: float
    speciality: WorkloadType | None = None
    superseded: bool = False
    built_on: str = ""  # the lab whose open weights its training began from
    is_open: bool = field(init=False)  # weights downloadable, user thresholds included

    def __post_init__(self) -> None:
        self.is_open = self.licence != "closed"


@dataclass(slots=True)
class Run:
    """A training run: what it has cost, USD, and the compute that bought, in USD of the reference day and place."""

    usd: float = 0.0
    compute: float = 0.0


@dataclass(slots=True)
class Plan:
    """A lab's R&D: budget USD a year, compute capacity as final-run USD a year, run in progress and the last one."""

    budget: float
    capacity: float
    run: Run = field(default_factory=Run)
    last: Run = field(default_factory=Run)


@dataclass(slots=True)
class Accounts:
    """A lab's quarter in USD, by purpose; written by the invoices, read by next quarter's plan and the records."""

    revenue: dict[str, float] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    transfer: float = 0.0
    funding: float = 0.0

    @property
    def total_revenue(self) -> float:
        """USD of the quarter over all revenue lines."""
        return sum(self.revenue.values())

    @property
    def total_cost(self) -> float:
        """USD of the quarter over all cost lines."""
        return sum(self.cost.values())

    @property
    def cover(self) -> float:
        """Part of cost that revenue covered; 0 where nothing was spent."""
        cost = self.total_cost
        return self.total_revenue / cost if cost > 0.0 else 0.0

    @property
    def burn(self) -> float:
        """Cost less revenue, USD a quarter; positive when the lab loses money."""
        return self.total_cost - self.total_revenue


@dataclass(frozen=True)
class Sale:
    """The decision to look for a buyer: the quarter in which it was taken, and why."""

    quarter: int
    why: str


class Lab(Actor):
    """One laboratory. `parameters` are live: shocks change them."""

    model: Market

    def __init__(self, market: Market, lab_id: str, position: int, parameters: LabParameters) -> None:
        super().__init__(market)
        self.id = lab_id
        self.position = position
        self.parameters = parameters
        self.status = NOT_ENTERED
        self.entry = quarter_number(parameters.entry)
        capacity = parameters.research_budget / self.budget_per_run()
        self.plan = Plan(budget=parameters.research_budget, capacity=capacity)
        self.target_run = 0.0  # final runs aimed at, USD a year; set before planning
        self.knowledge = 0.0
        self.brand = parameters.brand
        self.seat_share = 0.0
        self.free_use = 0.0  # part of the industry's free users whom it serves
        self.applications = 0.0  # capital in applications of its own, over that behind a presence of 1
        self.given_presence = 0.0  # presence of the scenario that this capital contains, not yet worn out
        self.volatility = 0.0
        self.forced_out = 0.0  # part of its users whose model it withdrew this quarter
        self.accounts = Accounts()
        self.models: list[ReleasedModel] = []
        self.last_release: dict[str, int] = {}
        self.valuation = 0.0
        self.strategy: Strategy = parameters.strategy
        self.niche: WorkloadType | None = None  # what earned it most when it turned specialist
        self.stance: dict[Tier, Licence] = {tier: policy.licence for tier, policy in parameters.tiers.items()}
        self.decreed: set[Tier] = set()  # tiers whose licence a dated change has fixed
        self.claims: dict[str, float] = {}  # backers' parts of revenue
        if parameters.revenue_share is not None:
            self.claims[parameters.revenue_share.investor] = parameters.revenue_share.rate
        self.successor: Lab | None = None  # the lab that took it over
        self.sale: Sale | None = None  # its founders look for a buyer
        self.forbidden: set[str] = set()  # buyers whom a regulator has refused
        self.proposed = False  # founders look for their first money
        self.heads = 0.0  # its researchers, as what they cost a year at the wage of the first day, USD; 0 before work
        self.vacant = 0.0  # part of its research posts that people have left
        self.learned = 0.0  # log of the factor on training efficiency that it took over from others
        self.origin = ""  # the lab its founders left
        self.founded = parameters.entry == UNKNOWN_DATE  # in the run, not in the scenario
        self.last_ask = self.entry - NEVER
        self.round_failed = False
        self._draws: dict[tuple[str, str], list[float]] = {}  # by form and purpose, one for each quarter
        self.last_demand = 1.0  # bids for its last round over the ask
        self.distressed = 0  # quarters in a row
        self.unsold = 0  # quarters on offer without a buyer since its last money
        self.record_run = 0.0
        self.revenues: list[float] = []
        self.last_round = -1
        self.spend_at_last_round = 0.0

    def fortune(self, purpose: str) -> float:
        """The lab's uniform draw (0-1) of this quarter for a purpose; one stream holds those of all quarters."""
        return self._drawn("uniform", purpose)

    def shock(self, purpose: str) -> float:
        """The lab's standard normal draw of this quarter for a purpose, likewise."""
        return self._drawn("normal", purpose)

    def _drawn(self, form: Literal["uniform", "normal"], purpose: str) -> float:
        market, draws = self.model, self._draws.get((form, purpose))
        if draws is None:
            stream, streams, quarters = f"lab/{self.id}/{purpose}", market.streams, market.length
            uniform = form == "uniform"
            block = streams.block(stream, 0, quarters, np.float64) if uniform else streams.normal(stream, 0, quarters)
            draws = self._draws[form, purpose] = block.tolist()
        return draws[market.quarter - market.first_quarter]

    # ---- who it is

    @property
    def owner(self) -> str:
        """The id of who controls it: who took it over, else its parent, else its own."""
        if self.successor is not None:
            return self.successor.owner
        return self.parameters.parent or self.id

    @property
    def stakes(self) -> dict[str, float]:
        """Holders' parts (0-1) of the lab, its parent's included; empty after its end."""
        return self.model.register.stakes(self.id)

    @property
    def active(self) -> bool:
        """Serves a model: it has entered and has not exited, when its models go or end (`retire_models`)."""
        return bool(self.models)

    def flagship(self) -> ReleasedModel | None:
        """The newest flagship it serves."""
        return self._newest("flagship")

    def small(self) -> ReleasedModel | None:
        """The newest small model it serves."""
        return self._newest("small")

    def _newest(self, tier: Tier) -> ReleasedModel | None:
        """The best of a tier that nothing supersedes: its own newest, or one that came with a lab taken over."""
        there = [m for m in self.models if m.tier == tier and not m.superseded]
        if len(there) < 2:  # as most often
            return there[0] if there else None
        return max(there, key=lambda m: (m.base_capability, m.id))

    @property
    def best_capability(self) -> float:
        """Capability on release of the best model it serves."""
        return max([m.base_capability for m in self.models])

    @cached_property
    def backed(self) -> bool:
        """A parent or a state pays its burn; no shock changes that."""
        return self.parameters.ownership != "independent"

    @property
    def for_sale(self) -> bool:
        """Its founders look for a buyer; of a lab that is gone, looked for one when it ended."""
        return self.sale is not None

    @property
    def course(self) -> str:
        """What it is doing: its strategy, or `stop` while its founders look for a buyer."""
        return STOP if self.for_sale else self.strategy

    @property
    def is_free(self) -> bool:
        """A place for a new lab that nobody has taken."""
        return self.parameters.entry == UNKNOWN_DATE and not self.proposed

    def capability_after(self, run: float, known: float) -> float:
        """Capability (OOM) before distillation of a first model made by a run (USD) with this knowledge (OOM)."""
        return self._hardware_oom(run * self._compute_per_usd()) + self.methods + known

    def begin(self, known: float, run: float, origin: str) -> None:
        """Founders come forward with what they know (OOM) and plan a first run (USD a year) of this size."""
        p, budget = self.parameters, run * self.budget_per_run()
        p.first_run, p.research_budget = run, budget
        p.capability = self.capability_after(run, known)
        self.plan = Plan(budget=budget, capacity=run, last=Run(run, run * self._compute_per_usd()))
        self.origin, self.proposed, self.last_demand = origin, True, 1.0

    def enter(self) -> list[ReleasedModel]:
        """Begin with the capability and the run of the first flagship; returns the models it opens with.

        What the lab knows is what its compute does not explain, at most as much as the most knowledgeable lab: a first
        model may be lucky, but nobody enters ahead of the field.
        """
        self.status = ACTIVE
        first = self.parameters.first_run
        if self.plan.last.usd == 0.0:  # of a lab of the scenario; founders of the run have made theirs
            self.plan.last = Run(first, first * self.model.trends.flop_per_usd)
        self.knowledge = self.parameters.capability - self.methods - self._hardware_oom(self.plan.last.compute)
        self.seat_share = self.free_use = self.parameters.seats_initial
        self.take_given_presence()
        opening = self.release()
        self.knowledge = min(self.knowledge, self.model.best_knowledge(self))
        for fresh in opening:
            fresh.knowledge = self.knowledge
        return opening

    def take_given_presence(self) -> None:
        """Own the applications behind the presence that the scenario gives; a dated change of it adds or takes away."""
        given, e = self.parameters.seat_presence, self.model.parameters.applications.elasticity
        if given != self.given_presence:
            gained = capital_behind(given, e) - capital_behind(self.given_presence, e)
            self.applications, self.given_presence = max(0.0, self.applications + gained), given

    # ---- how it does

    @property
    def presence(self) -> float:
        """Presence in consumer and employee applications: of what it owns, or as given."""
        p = self.model.parameters
        if not p.switches.applications:
            return self.parameters.seat_presence
        return presence_of(self.applications, p.applications.elasticity)

    @property
    def revenue_rate(self) -> float:
        """Revenue of the last quarter, USD a year."""
        return self.revenues[-1] * QUARTERS_PER_YEAR if self.revenues and self.status == ACTIVE else 0.0

    def growth(self, usual: float) -> float:
        """Growth of revenue over a year, as a fraction; the usual one before it has sold for a year."""
        known = len(self.revenues) - max(0, self.entry - self.model.first_quarter)  # quarters since its entry
        if known <= QUARTERS_PER_YEAR or self.revenues[-1 - QUARTERS_PER_YEAR] <= 0.0:
            return usual
        return min(self.revenues[-1] / self.revenues[-1 - QUARTERS_PER_YEAR] - 1.0, FASTEST_GROWTH)

    @property
    def creed(self) -> float:
        """What it preaches: 1 open, -1 closed."""
        return 1.0 if self.parameters.creed == "open" else -1.0

    def kept_of_sales(self) -> float:
        """Part of gross profit left after sales, administration, its applications and backers' claims on revenue."""
        p = self.model.parameters
        claimed = sum(self.claims.values()) * p.switches.revenue_shares
        built = p.applications.part * p.switches.applications
        return max(0.0, 1.0 - p.costs.sales_share - built - claimed)

    def services_rate_as(self, strategy: Strategy) -> float:
        """USD of services per USD that users spend running its open weights; who turns to services sells the usual."""
        own = self.parameters.services_rate
        turned = strategy == "services" and self.parameters.strategy != "services"
        return max(own, self.model.parameters.strategy.services_rate) if turned else own

    def complement(self, tier: Tier) -> float:
        """Worth of free models of a tier to its owner's other business today, USD a year."""
        return self.parameters.tiers[tier].complement * self.model.trends.parent_cap

    @property
    def speciality(self) -> WorkloadType | None:
        """Work that its models are best at while it is a specialist; none before it has found one."""
        return self.parameters.speciality or self.niche

    @property
    def own_use(self) -> float:
        """Worth of leading models of its own in its owner's products today, USD a year."""
        return self.parameters.own_use * self.model.trends.parent_cap

    # ---- research

    @property
    def staff_spending(self) -> float:
        """R&D staff, USD a year."""
        return self.plan.budget * self.model.parameters.costs.staff_share

    def research_rate(self) -> float:
        """Own research drift, OOM a year, of its heads at work; of all it can pay at once where nobody moves."""
        t, s = self.model.parameters.technology, self.model.parameters.switches
        staff = self.heads * (1.0 - self.vacant) if s.staff_moves else self.staff_spending / self.model.trends.wage
        return research_drift(t.research_rate, staff, self.model.trends.research_reference, t.research_concavity)

    # ---- planning: affordability first

    def affordable_budget(self) -> float:
        """R&D, USD a year, that cash, income, its backer and the next round can carry over the planning horizon."""
        market, a = self.model, self.accounts
        upkeep = a.total_cost - a.cost.get("training", 0.0) - a.cost.get("staff", 0.0)
        income = (a.total_revenue - upkeep) / DT
        cash = float(market.journal.cash[self.account]) + market.journal.credit(self.account)
        outside = market.transfer_cap(self) + market.outlook.next_round(self, market.parameters)
        return max(0.0, cash / market.parameters.costs.planning_years + income + outside)

    def budget_per_run(self) -> float:
        """R&D budget, USD a year, that carries one USD a year of final runs: its compute, energy and staff."""
        costs = self.model.parameters.costs
        return costs.research_compute_multiple / (1.0 - costs.staff_share - costs.energy_share)

    def make_plan(self, means: float) -> None:
        """Move the budget (USD a year) towards the wanted fraction of X*, by at most a ratchet, within its means."""
        costs = self.model.parameters.costs
        per_run = self.budget_per_run()
        wanted = max(self.target_run, costs.minimum_run) * per_run
        if self.model.parameters.switches.affordability:
            wanted = min(wanted, means)
        lowest = self.plan.budget * costs.budget_cut
        highest = max(self.plan.budget * costs.budget_ratchet, costs.minimum_run * per_run)
        budget = min(max(wanted, lowest), highest)
        self.plan.budget = budget
        self._build_out(budget / per_run)

    def _build_out(self, goal: float) -> None:
        """Compute capacity rises to the goal with the build-out lag and falls at once when the money is gone."""
        lag = self.model.parameters.costs.build_out_lag
        closed = 1.0 if lag == 0.0 else 1.0 - exp(-DT / lag)
        risen = self.plan.capacity + closed * (goal - self.plan.capacity)
        self.plan.capacity = min(risen, goal) if goal < self.plan.capacity else risen

    def research_compute(self) -> float:
        """R&D compute and its energy this quarter, USD: a multiple of the final run's."""
        costs = self.model.parameters.costs
        energy = costs.energy_share / (1.0 - costs.staff_share - costs.energy_share)
        return self.plan.capacity * costs.research_compute_multiple * (1.0 + energy) * DT

    def train(self) -> None:
        """Put a quarter's compute into the run in progress; dearer compute buys less of it."""
        spend = self.plan.capacity * DT
        self.plan.run.usd += spend
        self.plan.run.compute += spend * self._compute_per_usd()

    def _compute_per_usd(self) -> float:
        """Compute that a dollar buys the lab today, over that of the reference day and place."""
        dearer = self.model.parameters.regions[self.parameters.region].compute_cost
        return self.model.trends.flop_per_usd / dearer

    @property
    def log_efficiency(self) -> float:
        """Log of what its compute is worth over others': its own methods of training and those taken over."""
        return log(self.parameters.training_efficiency) + self.learned

    @property
    def methods(self) -> float:
        """The same in OOM of effective compute: it makes models better, not larger or dearer to serve."""
        return self.log_efficiency / log(10.0)

    # ---- releases

    def chance_of_release(self, tier: Tier) -> float:
        """Chance that the run in a tier is finished this quarter; the first one of a tier is."""
        t = self.model.parameters.technology
        policy = self.parameters.tiers.get(tier)
        now = self.model.quarter
        if policy is None or now < quarter_number(policy.start):
            return 0.0
        last = self.last_release.get(tier)
        if last is None:
            return 1.0
        mean = t.flagship_interval if tier == "flagship" else t.small_interval
        return release_chance(now - last, t.minimum_interval, mean)

    def finish_run(self, tier: Tier, luck: float, openness: float) -> ReleasedModel | None:
        """The model of a run finished now; None, and training goes on, if a release would not be worth it.

        `luck` in training is a standard normal, `openness` (uniform in 0-1) decides a choice of licence.
        """
        run = self.plan.run if self.leads(tier) and self.last_release else self.plan.last
        oom = self._hardware_oom(run.compute)
        quality, base = self._capability(oom + self.methods, tier, luck), None
        if self.last_release or self.founded:  # what a lab of the scenario enters with is known
            quality, base = continued(self, quality, tier)
        oom = oom if base is None else max(oom, base.compute_oom)  # as large as its base, so as dear to serve
        serving = self.serving_cost_of(oom, tier)
        rival, bar = self._newest(tier), self.model.parameters.switches.release_bar
        gain = self.model.parameters.technology.release_gain if bar else 0.0
        if not worth_releasing(quality, -inf if rival is None else rival.base_capability, gain):
            return None
        policy = self.parameters.tiers[tier]
        licence = self.model.license_release(self, tier, quality, openness, base)
        return ReleasedModel(
            id=-1,
            lab=self.id,
            position=self.position,
            tier=tier,
            licence=licence,
            api=policy.api or licence == "closed",
            private=licence == "closed" and self.parameters.private_deployment,
            compute_cost=self.model.parameters.regions[self.parameters.region].compute_cost,
            born=self.model.quarter,
            base_capability=quality,
            knowledge=self.knowledge,
            run_usd=run.usd if tier == "flagship" else 0.0,
            compute_oom=oom,
            serving=serving,
            price=0.0,
            built_on="" if base is None else base.lab,
            speciality=self.speciality if self.strategy == "specialist" else None,
        )

    def leads(self, tier: Tier) -> bool:
        """Whether runs are made for this tier: flagships, or small models where the lab has no flagship."""
        return tier == "flagship" or "flagship" not in self.parameters.tiers

    def _hardware_oom(self, compute: float) -> float:
        """Training compute, USD of the reference day, as OOM above the reference run."""
        reference = self.model.parameters.technology.training_cost_initial
        return effective_compute_oom(max(compute, 1.0), 1.0, reference)

    def _capability(self, oom: float, tier: Tier, luck: float) -> float:
        """Capability of a run of this compute today; a small model is a distilled flagship."""
        t, s = self.model.parameters.technology, self.model.parameters.switches
        noisy = s.run_noise and self.last_release  # what it enters with is known
        noise = luck * t.run_noise if noisy else 0.0
        share = t.distillation if s.distillation else 0.0
        whole = capability(oom, self.knowledge, self.model.teacher, share, noise)
        return whole - (t.small_lag if tier == "small" else 0.0)

    def serving_cost_of(self, compute_oom: float, tier: Tier) -> float:
        """USD per Mtok today for a model of this training compute."""
        t = self.model.parameters.technology
        efficiency = self.parameters.serving_efficiency
        whole = serving_cost(t.serving_cost_initial, compute_oom, self.model.trends.serving, efficiency)
        whole *= self.model.parameters.regions[self.parameters.region].compute_cost
        return whole * (t.small_serving_ratio if tier == "small" else 1.0)

    def release(self) -> list[ReleasedModel]:
        """The models of every tier whose run is finished this quarter."""
        chances = [self.chance_of_release(tier) for tier in TIERS]
        if not any(chances):
            return []
        done = [
            self.finish_run(tier, self.shock(f"run/{tier}"), self.fortune(f"licence/{tier}"))
            for tier, chance in zip(TIERS, chances, strict=True)
            if chance > 0.0 and self.fortune(f"release/{tier}") < chance
        ]
        return [fresh for fresh in done if fresh is not None]

    def add_model(self, fresh: ReleasedModel) -> None:
        """Serve a new model; the one before it in the tier is superseded, and the run in progress starts anew."""
        for old in self.models:
            if old.tier == fresh.tier and (old.is_open == fresh.is_open or not old.is_open):
                old.superseded = True  # weights once out stay on offer until newer open weights of the lab replace them
        self.models.append(fresh)
        self.record_run = max(self.record_run, fresh.run_usd)
        first = not self.last_release
        self.last_release[fresh.tier] = self.model.quarter
        if self.leads(fresh.tier) and not first:
            self.plan.last, self.plan.run = self.plan.run, Run()

    def release_policy(self) -> str:
        """Licences by tier as text, flagship first; a tier it does not release is a dash."""
        return "/".join([self.stance.get(tier, "-") for tier in TIERS])

    def own_conduct(self) -> float:
        """Its multiple of the best-response price; it undercuts only while a year's burn is at hand (deep pocket)."""
        stance = self.parameters.conduct
        return stance if stance >= 1.0 or self.runway_quarters() >= QUARTERS_PER_YEAR else 1.0

    def runway_quarters(self) -> float:
        """Quarters until cash is gone at this quarter's burn; inf when cash-positive."""
        burn = self.accounts.burn - self.accounts.transfer
        cash = float(self.model.journal.cash[self.account])
        return cash / burn if burn > 0 else float("inf")

    @cached_property
    def account(self) -> int:
        """Its account in the journal."""
        return self.model.account_of[self.id]

    def __repr__(self) -> str:
        return f"<Lab {self.id} {self.status} {quarter_label(self.model.quarter)}>"


def release_chance(age: int, shortest: int, mean: float) -> float:
    """Chance that a run of `age` quarters ends now: intervals are uniform from the shortest to 2 mean - shortest."""
    left = 2.0 * mean - shortest - age
    return 0.0 if age < shortest else 1.0 / max(1.0, left + 1.0)
