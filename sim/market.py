"""The market for foundation models: builds the agents from a scenario and steps them quarter by quarter."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from operator import attrgetter

import mesa
import numpy as np
from numpy.typing import NDArray

from sim.agents.bases import OpenWeights, inherited
from sim.agents.enterprise import Enterprise
from sim.agents.investor import Investor
from sim.agents.lab import ACTIVE, EXITED, NOT_ENTERED, Accounts, Lab, ReleasedModel
from sim.agents.openness import licence_event, licence_for, say_licence
from sim.agents.staff import move_staff
from sim.agents.strategy import reconsider, target_run
from sim.audit import IdentityResidual, require_identities
from sim.choice import Conditions, choose, upgrades
from sim.commons import Commons
from sim.downloads import pulls_of
from sim.economics.adoption import bass_step
from sim.economics.technology import diffused, knowledge_step
from sim.equity import Register
from sim.frontier import Frontier, leaked_knowledge, served_capability
from sim.installed_base import community_model, first_going_prices, install
from sim.journal import Journal
from sim.markets import control, founding, funding, invoices, schedule
from sim.markets.incidents import have_incidents
from sim.markets.menu import Catalogue, Menu, catalogue_of, menu_of
from sim.markets.model_market import Usage, believed_demand, exposures, new_prices, submarkets, usage_of
from sim.outlook import Outlook
from sim.parameters import COMMUNITY, MODES, REGIONS, WORKLOADS, Licence, Parameters, Tier
from sim.population import NO_MODEL, Population, vendor_tastes
from sim.quarters import DT, QUARTERS_PER_YEAR, quarter_label, quarter_number
from sim.records import Event, Records, numbers_text, observation, share_keys
from sim.records.chronicle import Chronicle
from sim.records.lenses import Yardstick, share_block
from sim.reputation import build_applications, fade_brands, move_brands, move_seats
from sim.scenario import Scenario, require_scenario
from sim.shocks import Calendar, Change, licensed
from sim.streams import Streams, checked_seed
from sim.threads import undisturbed
from sim.trends import Trends
from sim.words import dollars

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOP_LABS = 5  # a sub-scale lab is independent and outside these by trailing-year revenue
VOLATILITY_MEMORY = 0.5  # weight of last quarter in a lab's record of price and model changes
SUPPLIER_ACCOUNTS = ("rest_of_world", "cloud", "staff", "hosts", "integrators", "consumers")


class Market(mesa.Model):
    """One run of a scenario.

    scenario: what `load_scenario` returns (TypeError for anything else). seed: whole number from 0 to 2^63 - 1
    (ValueError otherwise). enterprises, until: override the scenario's `run` section. Raises ShockError for a shock
    that names no number, IdentityError when an accounting identity breaks.
    """

    def __init__(
        self, scenario: Scenario, seed: int = 1, enterprises: int | None = None, until: str | None = None
    ) -> None:
        require_scenario(scenario)
        super().__init__(rng=checked_seed(seed))
        self.scenario_name = scenario.name  # Mesa keeps `scenario` for itself
        self.parameters: Parameters = scenario.parameters.model_copy(deep=True)
        self.streams = Streams(seed)
        self.parameters.labs |= founding.places(self.parameters, self.streams)
        self.calendar = Calendar(self.parameters)
        self.quarter = quarter_number(self.parameters.run.first_quarter)
        self.first_quarter = self.quarter
        self.last_quarter = quarter_number(until or self.parameters.run.until)
        if self.last_quarter < self.first_quarter:
            raise ValueError(f"until {until} is before the first quarter {self.parameters.run.first_quarter}")
        self.trends = Trends.at_start(self.parameters)
        self.frontier = Frontier.at_start(self.parameters)
        self.commons = Commons(derivatives=np.zeros(len(self.parameters.labs) + 1))
        self.open_use = self.parameters.commons.reference_share
        self._build_agents(enterprises or self.parameters.run.enterprises)
        self._build_accounts()
        self._build_records()
        self._build_first_market()

    # ---- one quarter: the order is the specification

    def step(self) -> None:
        """One quarter of the market. Raises RuntimeError after the last one."""
        if self.quarter > self.last_quarter:
            raise RuntimeError(f"the run ended in {quarter_label(self.last_quarter)}; a longer one needs a later until")
        with undisturbed():
            self.open_books()
            self.apply_shocks_and_advance_trends()
            self.labs_plan_and_train()
            self.labs_release_and_retire()
            self.labs_post_prices()
            self.enterprises_adopt()
            self.enterprises_choose()
            self.settle_invoices()
            self.investors_fund_labs()
            self.labs_change_hands()
            self.check_identities()
            self.record()
        self.quarter += 1

    def run(self) -> Records:
        """Step to the last quarter and return what was recorded."""
        with undisturbed():  # between quarters too
            while self.quarter <= self.last_quarter:
                self.step()
        return self.records

    @property
    def length(self) -> int:
        """Quarters of the whole run."""
        return self.last_quarter - self.first_quarter + 1

    # ---- building

    def _build_agents(self, enterprises: int) -> None:
        p = self.parameters
        self.population = Population(p, self.streams, enterprises)
        self.roster = [Lab(self, lab_id, i, p.labs[lab_id]) for i, lab_id in enumerate(sorted(p.labs))]
        self.lab = {lab.id: lab for lab in self.roster}
        self.investor = {name: Investor(self, name, p.investors[name]) for name in sorted(p.investors)}
        self._enterprises: list[Enterprise] = []
        ids = [lab.id for lab in self.roster]
        self.tastes = vendor_tastes(p, self.streams, ids, self.population.enterprises.count)

    def _build_accounts(self) -> None:
        treasuries = sorted({f"treasury:{lab.owner}" for lab in self.roster})
        investors = [f"investor:{name}" for name in self.investor]
        self.journal = Journal([*SUPPLIER_ACCOUNTS, *treasuries, *investors, *(f"lab:{lab.id}" for lab in self.roster)])
        self.account_of = dict(self.journal.account)
        self.account_of |= {lab.id: self.account_of[f"lab:{lab.id}"] for lab in self.roster}
        self.rest_of_world = self.account_of["rest_of_world"]
        homes = [lab.account for lab in self.roster] + [self.rest_of_world]
        self.lab_accounts = np.array(homes, np.int32)
        self.changed_stakes: set[str] = set()
        self.register = Register(
            labs={lab.id: lab.account for lab in self.roster},
            investors={name: investor.account for name, investor in self.investor.items()},
            parents={lab.owner: self.account_of[f"treasury:{lab.owner}"] for lab in self.roster if lab.backed},
        )
        for lab in self.roster:
            self.register.found(lab.id, {lab.owner if lab.backed else "founders": 1.0})
        self.investor_of = {investor.account: investor for investor in self.investor.values()}
        self.enterprise_accounts = self.journal.open_accounts("enterprise", self.population.enterprises.count)

    def _build_records(self) -> None:
        quarters = [quarter_label(q) for q in range(self.first_quarter, self.last_quarter + 1)]
        keys = share_keys(self.parameters)
        self.records = Records(quarters, keys)
        labs = tuple([lab.id for lab in self.roster] + [COMMUNITY])
        owners = tuple([lab.owner for lab in self.roster] + [COMMUNITY])
        homes = tuple([lab.parameters.region for lab in self.roster] + ["other"])
        self.yardstick = Yardstick.of(self.population, keys, labs, owners, homes)
        self.home_regions = [REGIONS.index(home) for home in homes]
        funding_stock = self.parameters.funding
        self.funding_so_far = {"open": funding_stock.initial_open_stock, "closed": funding_stock.initial_closed_stock}
        self.exits_and_rescues = 0
        self.mood = 0.0  # investors', log
        self.industry_revenue: list[float] = []
        self.api_spend = 0.0
        self.products = self.products_at_floor = self.closed_products = self.closed_at_floor = 0
        self.residual: IdentityResidual | None = None
        self.last_standing: observation.Standing | None = None

    def _build_first_market(self) -> None:
        """The market of the day before the first quarter: first models, prices, the installed base and what it uses."""
        p = self.parameters
        self.next_model = 0
        self.theta = np.array([p.workloads[name].threshold for name in WORKLOADS])
        self.other_cost = np.array([p.workloads[name].other_cost for name in WORKLOADS])
        self.sold: dict[int, Floats] = {}
        self.submarkets = np.zeros(len(WORKLOADS))
        self.exposed: dict[int, float] = {}
        self.community_models = [community_model(p, self._new_id(), len(self.roster), self.first_quarter)]
        self.open_weights = OpenWeights()
        for model in self.community_models:
            self.open_weights.add(model)
        self.teacher = self.frontier.teacher(self.quarter, p.technology.distillation_delay)  # best model to distil
        for lab in self.roster:
            if lab.entry <= self.first_quarter:
                self._enter(lab)
        self.first_frontier = max((m.base_capability for lab in self.roster for m in lab.models), default=0.0)
        self._open_shop(self._served())
        install(self.population, self.catalogue, p, self.streams, self.first_quarter)
        self.going_price = first_going_prices(self.population, self.catalogue)
        self.peers = np.zeros((len(self.population.segments), len(self.roster) + 1))
        self.standing = self.tastes
        self.usage = self._use(self.conditions())
        self._observe()
        self.chronicle = Chronicle.of(self)

    # ---- 1 shocks, policy, trends

    def open_books(self) -> None:
        """Begin the quarter in the journal; in the first one everybody receives the opening balance."""
        self.journal.begin(self.quarter)
        self.register.begin(self.quarter)
        self.exits_and_rescues = 0
        for investor in self.investor.values():
            investor.made.clear()
            investor.tied.clear()
        self.changed_stakes.clear()
        if self.quarter == self.first_quarter:
            for investor in self.investor.values():
                self._endow(investor.account, investor.parameters.dry_powder)
        for lab in self.roster:
            if self.quarter == max(lab.entry, self.first_quarter):
                self.note_stakes(lab)
                self._endow(lab.account, lab.parameters.cash)
                self.journal.owe("trade_debt", lab.account, self.account_of["cloud"], lab.parameters.debt)

    def _endow(self, account: int, amount: float) -> None:
        self.journal.pay("opening_balance", self.rest_of_world, account, amount)

    def apply_shocks_and_advance_trends(self) -> None:
        """Dated changes take effect; from the second quarter on, trends move."""
        for change in self.calendar.apply(self.parameters, self.quarter):
            what = "ends" if change.ends else "begins"
            self.event("shock", "", cause=f"{change.shock.key}: {change.said}", what=what)
            self._note_licence(change)
        self._bind_licences()
        if self.quarter == self.first_quarter:
            return
        self.commons.advance(self.parameters, self.open_use)
        self.trends.advance(self.parameters, self.commons.pace)
        growth = np.array([self.parameters.workloads[name].threshold_growth for name in WORKLOADS])
        self.theta = self.theta + growth * DT
        self._move_serving_costs()

    def _move_serving_costs(self) -> None:
        """Serving gets cheaper; labs' own follows the cost of compute in their region (export controls)."""
        regions, step = self.parameters.regions, self.trends.serving_step
        at_home = {lab.id: regions[lab.parameters.region].compute_cost for lab in self.roster}
        for model in self._served():
            now = at_home.get(model.lab, model.compute_cost)
            model.serving = model.serving / step * (now / model.compute_cost)
            model.compute_cost = now
            if not self.parameters.switches.pricing:
                model.price /= step  # the mark-up is kept

    def _note_licence(self, change: Change) -> None:
        """A dated change of licence is an event of its lab."""
        of = licensed(change.shock.key)
        if of is not None and self.lab[of[0]].status == ACTIVE and change.before != change.after:
            lab, tier = of
            self.event(licence_event(tier, str(change.after)), lab, cause=f"{tier}: {change.said}")

    def _bind_licences(self) -> None:
        """Dated licences bind their tier while they are in force; afterwards the lab is as free as before."""
        forced = self.calendar.in_force(self.quarter)
        for key in self.calendar.undisturbed:
            if (of := licensed(key)) is None:
                continue
            lab, tier = self.lab[of[0]], of[1]
            if key in forced or tier in lab.decreed:
                lab.stance[tier] = lab.parameters.tiers[tier].licence
            lab.decreed = lab.decreed | {tier} if key in forced else lab.decreed - {tier}

    # ---- 2 labs plan, train, release

    def labs_plan_and_train(self) -> None:
        """Budgets follow plans within what labs can pay; knowledge is made, absorbed and leaks; compute trains."""
        if not self.parameters.switches.training:
            return
        working = self.active_labs
        for lab in working:
            means = lab.affordable_budget()
            reconsider(self, lab, means)
            lab.target_run = target_run(self, lab, lab.strategy)
            lab.make_plan(means)
            lab.train()
        self._share_knowledge(working)

    def _share_knowledge(self, working: list[Lab]) -> None:
        """People move, knowledge is made, absorbed and leaks, methods spread; open releases and users add to what is
        public."""
        t, s = self.parameters.technology, self.parameters.switches
        if s.staff_moves:
            move_staff(self, working)
        leaked = leaked_knowledge([m for lab in working for m in lab.models], self.quarter, t.leak_delay)
        learned = knowledge_step(
            np.array([lab.knowledge for lab in working]),
            np.array([lab.research_rate() for lab in working]),
            self.frontier.public_knowledge,
            leaked,
            t.public_diffusion if s.public_knowledge else 0.0,
            t.private_leakage if s.leakage else 0.0,
            DT,
        )
        for lab, knowledge in zip(working, learned, strict=True):
            lab.knowledge = float(knowledge)
        if s.efficiency_diffusion:
            self._spread_methods(working)
        flagships = sum([m.tier == "flagship" and not m.superseded and m.is_open for m in self._served()])
        self.frontier.publish(self.quarter, self.parameters, flagships, self.commons.pace)

    def _spread_methods(self, working: list[Lab]) -> None:
        """Every lab, at work or not yet, takes over training methods of the most efficient one at work."""
        level = np.array([lab.log_efficiency for lab in self.roster])
        best = max([level[lab.position] for lab in working], default=-np.inf)
        gained = diffused(level, best, self.parameters.technology.efficiency_diffusion, DT)
        for lab, gain in zip(self.roster, gained.tolist(), strict=True):
            lab.learned += gain

    def labs_release_and_retire(self) -> None:
        """Founders of the quarter enter, finished runs become models, old models go."""
        self.teacher = self.frontier.teacher(self.quarter, self.parameters.technology.distillation_delay)
        for lab in self.roster:
            if lab.status == NOT_ENTERED and lab.entry == self.quarter:
                self._enter(lab)
                origin = f", spun out of {lab.origin}" if lab.origin else ""
                cash = float(self.journal.cash[lab.account])
                cause = f"serves its first model with {dollars(cash)} of cash; releases {lab.release_policy()}{origin}"
                numbers = {"cash_usd": cash, "first_run_usd": lab.parameters.first_run, "knowledge_oom": lab.knowledge}
                self.event("entry", lab.id, lab.origin, 0.0, cause, numbers)
            elif lab.status == ACTIVE and self.parameters.switches.training:
                self._serve(lab, lab.release())
        if self.parameters.switches.retirement:
            self._retire_old()

    def _enter(self, lab: Lab) -> None:
        self._serve(lab, lab.enter())

    def _serve(self, lab: Lab, fresh: list[ReleasedModel]) -> None:
        """Put new models on sale, at the mark-up of what they replace."""
        for model in fresh:
            model.id = self._new_id()
            model.price = model.serving * self._markup(lab, model)
            lab.add_model(model)
            self.frontier.register(model, self.parameters, self.trends.deflator)
            self.open_weights.add(model)
            cause = (
                f"{model.licence} {model.tier}, {model.base_capability:.2f} OOM after a run of {dollars(model.run_usd)}"
            )
            cause += f" from the open weights of {model.built_on}" if model.built_on else ""
            numbers = {
                "capability_oom": model.base_capability,
                "run_usd": model.run_usd,
                "serving_usd_per_mtok": model.serving,
            }
            self.event("release", lab.id, f"{lab.id}-{model.tier}-{model.id}", 0.0, cause, numbers)

    def license_release(
        self, lab: Lab, tier: Tier, capability: float, luck: float, base: ReleasedModel | None
    ) -> Licence:
        """The licence of a finished run; a change from the tier's last one is an event with what was weighed."""
        licence, seen = licence_for(self, lab, tier, capability, luck)
        licence = inherited(licence, base)
        if seen is not None:
            before, lab.stance[tier] = lab.stance[tier], licence
            if (licence == "closed") != (before == "closed"):
                say_licence(self, lab, tier, before, seen)
        return licence

    def _markup(self, lab: Lab, model: ReleasedModel) -> float:
        for before in reversed(lab.models):
            if before.tier == model.tier and before.is_open == model.is_open and before.price > 0.0:
                return before.price / before.serving
        if model.is_open:
            return 1.0 + self.parameters.hosting.host_margin
        return self.parameters.pricing.initial_markup

    def _retire_old(self) -> None:
        """Superseded closed models end after their life; superseded models that nobody runs end at once."""
        weight = np.bincount(self.usage.model, self.usage.weight, len(self.catalogue.models)).tolist()
        users = {m.id: n for m, n in zip(self.catalogue.models, weight, strict=True) if n > 0.0}
        life = self.parameters.technology.closed_life
        for lab in self.roster:
            lab.forced_out = 0.0
            gone = {m.id for m in lab.models if m.superseded and self._ended(m, life, users)}
            if gone:
                everyone = sum([users.get(m.id, 0.0) for m in lab.models])
                lost = sum([users.get(m.id, 0.0) for m in lab.models if m.id in gone])
                lab.forced_out = lost / everyone if everyone > 0.0 else 0.0
                lab.models = [m for m in lab.models if m.id not in gone]

    def _ended(self, model: ReleasedModel, life: int, users: Mapping[int, float]) -> bool:
        """Whether a superseded model goes: closed and past its life, or run by nobody."""
        over = not model.is_open and self.quarter - model.born >= life
        return over or (model.id not in users and model.born < self.quarter)

    def hand_over(self, lab: Lab, buyer: Lab) -> None:
        """Models and customers of a lab become its buyer's; from now on the two are one owner."""
        for model in lab.models:
            model.lab, model.position = buyer.id, buyer.position
        buyer.models = sorted([*buyer.models, *lab.models], key=lambda model: model.id)
        lab.models = []
        w = self.population.workloads
        w.lab[w.lab == lab.position] = buyer.position

    def retire_models(self, lab: Lab) -> None:
        """A lab is gone: its closed models end, its open weights join the commons without a vendor."""
        kept = [m for m in lab.models if m.is_open]
        for model in kept:
            model.api = False
            model.price = 0.0
        self.community_models += kept
        lab.models = []

    # ---- 3 prices

    def labs_post_prices(self) -> None:
        """All labs move towards their best response to last quarter's market; then the shelves are filled."""
        models = self._served()
        products = [m for m in models if m.api]
        closed = np.array([not m.is_open for m in products], bool)
        self.products, self.products_at_floor = len(products), 0
        self.closed_products, self.closed_at_floor = int(closed.sum()), 0
        if products and self.submarkets.sum() > 0.0:
            demand = believed_demand(
                products, self.sold, self.submarkets, self.exposed, self.conditions(), self.parameters
            )
            before = np.array([m.price for m in products])
            own = np.array([lab.own_conduct() for lab in self.roster])[[m.position for m in products]]
            conduct = self.parameters.pricing.conduct * own
            after, at_floor = new_prices(before, demand, conduct, self.parameters)
            self.products_at_floor, self.closed_at_floor = int(at_floor.sum()), int((at_floor & closed).sum())
            for model, price in zip(products, after.tolist(), strict=True):
                model.price = price
            self._note_volatility(products, np.abs(np.log(after / before)))
        self._open_shop(models)

    def _note_volatility(self, products: list[ReleasedModel], moves: Floats) -> None:
        """Each lab's record of changes: a moving average of its products' mean log price change, and users forced out.

        Who loses a model remembers it as a change of price, by the part of the lab's users they are.
        """
        weight = self.parameters.demand.withdrawal * self.parameters.switches.withdrawals
        position = [m.position for m in products]
        count = np.bincount(position, minlength=len(self.roster))
        means = np.bincount(position, moves, minlength=len(self.roster)) / np.maximum(1, count)
        for lab, mean in zip(self.roster, means.tolist(), strict=True):
            lab.volatility = VOLATILITY_MEMORY * lab.volatility + (1.0 - VOLATILITY_MEMORY) * mean
            lab.volatility += weight * lab.forced_out

    def _open_shop(self, models: list[ReleasedModel]) -> None:
        capability = served_capability(models, self.quarter, self.parameters)
        self.catalogue: Catalogue = catalogue_of(
            models, self.home_regions, capability, self.theta, self.parameters, self.next_model
        )
        self.menu: Menu = menu_of(self.catalogue)

    # ---- 4 enterprises

    def enterprises_adopt(self) -> None:
        """Adoption spreads; workloads arrive, graduate and end."""
        d, population = self.parameters.demand, self.population
        if self.parameters.switches.adoption:
            speed = np.array([s.adoption_speed for s in population.segments])
            ceiling = np.array([s.adoption_ceiling for s in population.segments])
            reached = bass_step(population.adoption, d.innovation * speed, d.imitation * speed, ceiling, DT)
            population.adopt(self.quarter, np.asarray(reached))
        luck = self.streams.even("workloads/life", self.quarter, population.workloads.count)
        population.arrive(self.quarter, luck, self.commons.arrival_pace(self.parameters))
        self.graduates = population.graduate(self.quarter, luck)

    def enterprises_choose(self) -> None:
        """Every due workload chooses a model and a mode; others may take a newer model of their lab."""
        population, w = self.population, self.population.workloads
        seen, before = self.conditions(), (w.model.copy(), w.mode.copy())
        self._end_unsold()
        due = population.due_rows(self.quarter)
        scale = np.ones(w.count)
        scale[self.graduates] = self.parameters.demand.graduation_switching_ratio
        draws = self.streams.even("workloads/choice", self.quarter, w.count)
        offer = self.decide(due, seen, scale.take(due), draws.take(due))
        ids = np.array([m.id for m in self.catalogue.models], np.int64)
        columns = ids.take(self.menu.model), self.menu.lab, self.menu.mode
        model, lab, mode = (np.append(x, NO_MODEL).take(offer) for x in columns)  # the last serves who takes none, -1
        population.assign(due, model, lab, mode, self.quarter)
        if self.parameters.switches.upgrades:
            self._upgrade(due, seen, ids, draws)
        self.usage = self._use(seen)
        self._pull_weights(*before)

    def _pull_weights(self, model: NDArray[np.int32], mode: NDArray[np.int8]) -> None:
        """Who runs open weights anew, or tries them, downloads them; derivatives grow out of that. Before: by slot."""
        w, stick, p = self.population.workloads, self.yardstick, self.parameters.community
        moved = ((w.model != model) | (w.mode != mode)).take(self.usage.row)
        strata = stick.stratum, stick.counted.shape[1]
        self.pulls = pulls_of(self.usage, self.catalogue, moved, strata, self.quarter, p)
        by_lab = np.bincount(self.catalogue.lab, self.pulls.by_model.sum(axis=0), len(self.roster) + 1)
        self.commons.derive(np.asarray(by_lab, np.float64), p)

    def _end_unsold(self) -> None:
        """Workloads whose model is served no more, or not in their mode, run nothing and must choose this quarter.

        They know their vendor and move within it at no switching cost, unless it has gone.
        """
        w, c = self.population.workloads, self.catalogue
        rows = np.flatnonzero(w.running)
        model = c.row_of.take(w.model.take(rows))
        unsold = np.append(np.isnan(c.unit_cost[0]), [True] * len(MODES))  # the last serve -1, a model that is gone
        gone = rows.compress(unsold.take(model * len(MODES) + w.mode.take(rows)))
        w.model[gone] = NO_MODEL
        has_gone = np.array([lab.status == EXITED for lab in self.roster] + [False])  # the last serves "no lab", -1
        w.lab[gone[has_gone[w.lab[gone]]]] = -1

    def decide(self, due: Ints, seen: Conditions, switching: Floats, draws: Floats) -> Ints:
        """Positions on the menu that the due workloads choose, by the population kernel."""
        return choose(self.population, due, self.menu, seen, switching, draws)

    def _upgrade(self, due: Ints, seen: Conditions, ids: Ints, draws: Floats) -> None:
        """Workloads that did not have to choose look at newer models of their lab, with the draws the others used."""
        w = self.population.workloads
        settled = w.running
        settled[due] = False
        rows, successor = upgrades(self.population, np.flatnonzero(settled), self.catalogue, seen, draws)
        w.model[rows] = ids[successor]

    def conditions(self) -> Conditions:
        """What buyers know this quarter."""
        labs = self.roster
        return Conditions(
            brand=np.array([lab.brand for lab in labs] + [0.0]),
            seats=np.array([lab.seat_share for lab in labs] + [0.0]),
            volatility=np.array([lab.volatility for lab in labs] + [0.0]),
            taste=self.standing,
            peers=self.peers,
            going_price=self.going_price,
            other_cost=self.other_cost * self.trends.other_cost,
            talent_gain=self.trends.talent_gain,
            tooling=self.trends.tooling,
            premium=self.trends.skill_premium(self.parameters),
            maturity=self.commons.maturity,
            adapted=self.commons.depth(self.parameters),
            budget_index=self.trends.budget,
            fixed_cost_index=self.trends.fixed_cost,
        )

    def _use(self, seen: Conditions) -> Usage:
        rates = [lab.services_rate_as(lab.strategy) if lab.active else 0.0 for lab in self.roster]
        sold = np.array([*rates, 0.0]) * self.parameters.switches.services
        return usage_of(self.population, self.catalogue, seen, sold)

    # ---- 5 invoices

    def settle_invoices(self) -> None:
        """Buyers pay for what they used, consumers for their seats, labs for what they need."""
        p, working = self.parameters, self.active_labs
        for lab in self.roster:
            lab.accounts = Accounts()
        invoices.settle_usage(self, self.usage)
        invoices.settle_seats(self)
        for lab in working:
            invoices.settle_lab(self, lab)
        for lab in self.roster:
            lab.revenues.append(lab.accounts.total_revenue)
        self.industry_revenue.append(sum(lab.revenues[-1] for lab in self.roster))
        self._observe()
        move_brands(working, p.brand)
        fade_brands([lab for lab in self.roster if lab.status == EXITED], p.brand)
        have_incidents(self)
        build_applications(working, p.applications, self.trends.wage)
        move_seats(working, p.seats, p.switches.brand, invoices.free_offers(self))

    def _observe(self) -> None:
        """What everybody can see of the market: spending, going prices, shares by segment, where labs stand."""
        usage, w = self.usage, self.population.workloads
        labs, segments = len(self.roster) + 1, len(self.population.segments)
        self.api_spend = float(usage.api_spend.sum())
        inertia = self.parameters.demand.going_price_inertia
        self.going_price = self.going_price**inertia * usage.going ** (1.0 - inertia)
        if not np.isfinite(self.going_price).all() or not np.isfinite(usage.spend).all():
            raise FloatingPointError(f"{self.label}: a going price or a bill is not a number: {self.going_price}")
        self.sold, self.submarkets = submarkets(self.catalogue, usage)
        wait = w.due.take(usage.row) - self.quarter - 1  # as labs will see it when they post prices next
        self.exposed = exposures(usage, wait, self.parameters.pricing.horizon)
        weight = usage.working
        cell = w.segment.take(usage.row).astype(np.int64) * labs + usage.lab
        counts = np.bincount(cell, weight, segments * labs).reshape(segments, labs)
        used = float(weight.sum())
        self.open_use = float((weight * self.catalogue.is_open.take(usage.model)).sum()) / used if used > 0.0 else 0.0
        whole = np.cumsum(counts, axis=1)[:, -1:]  # in order of labs: one more empty lab must not move the last bit
        self.peers = counts / np.where(whole > 0.0, whole, 1.0)
        self.standing = self._standing()
        self.outlook = Outlook.of(self)

    def _standing(self) -> NDArray[np.float32]:
        """Lasting tastes less the dislike of depending on one vendor, logit, shape (labs, enterprises).

        Weights that can be taken elsewhere tie a buyer less; nobody depends on the community.
        """
        usage, count = self.usage, self.population.enterprises.count
        spend = np.where(usage.lab < len(self.roster), usage.spend, 0.0)
        total = np.bincount(usage.enterprise, spend, count)
        tied = np.where(self.catalogue.is_open, self.parameters.demand.open_dependence, 1.0)
        dislike = self.parameters.weight("dependence") * tied
        cost = dislike.take(usage.model) * spend / np.where(total > 0.0, total, 1.0).take(usage.enterprise)
        standing = self.tastes.copy()
        cell = usage.lab * count + usage.enterprise  # of the flattened array: `at` is quicker along one axis
        np.subtract.at(standing.reshape(-1), cell, cost.astype(np.float32))
        return standing

    # ---- 6, 7 money and control

    def investors_fund_labs(self) -> None:
        """Rounds of the quarter: those on a schedule or agreed before, then all asks and all bids at once."""
        schedule.hold_scheduled_rounds(self)
        if self.parameters.switches.funding_market:
            funding.hold_rounds(self)

    def labs_change_hands(self) -> None:
        """Distress, sales and ends of labs; founders of new ones come forward; suppliers spend what they earned."""
        control.settle_control(self)
        if self.parameters.switches.founding:
            founding.come_forward(self)
        invoices.sweep_suppliers(self)

    def found(self, lab: Lab) -> None:
        """The first round of a new lab has cleared: it pays its first run, builds, and enters with its first model."""
        lab.entry = self.quarter + self.parameters.founding.build_time
        lab.parameters.entry = quarter_label(lab.entry)
        lab.proposed = False
        self.journal.settle("training", lab.account, self.account_of["cloud"], lab.parameters.first_run)
        invoices.buy_from_holders(self, lab, lab.parameters.first_run)
        lab.accounts.cost["training"] = lab.parameters.first_run

    def withdraw(self, lab: Lab) -> None:
        """Founders who found no money give up their place."""
        lab.proposed = False

    def note_stakes(self, lab: Lab) -> None:
        """The cap table of a lab has changed this quarter."""
        self.changed_stakes.add(lab.id)

    def transfer_cap(self, lab: Lab) -> float:
        """Largest yearly transfer of the lab's parent or state, USD."""
        return funding.transfer_cap(self, lab)

    def subscale(self, lab: Lab) -> bool:
        """Independent and outside the top five by trailing-year revenue."""
        year = {x.id: sum(x.revenues[-QUARTERS_PER_YEAR:]) for x in self.roster}
        top = sorted(year, key=lambda name: (-year[name], name))[:TOP_LABS]
        return not lab.backed and lab.id not in top

    # ---- 8 identities and records

    def check_identities(self) -> None:
        """Every identity of the quarter, from the journal alone; a broken one stops the run."""
        self.residual = max(require_identities(self.journal, self.quarter, self.register), key=lambda r: r.residual)

    def record(self) -> None:
        """Write the quarter down."""
        self.yardstick = self.yardstick.owned_by([*(lab.owner for lab in self.roster), COMMUNITY])
        news = self.chronicle.write(self)
        block = share_block(self.usage, self.catalogue, self.population, self.yardstick, news.pulls)
        standing = observation.standing(self, block)
        self.records.share_block(block)
        self.records.market_row(observation.market_row(self, block, standing, news))
        for row in observation.lab_rows(self, news):
            self.records.lab_row(row)
        self.records.funding_row(observation.funding_row(self))
        for table, rows in observation.money_rows(self):
            for row in rows:
                self.records.row(table, row)
        for table, columns in news.tables.items():
            self.records.columns(table, columns)
        self.last_standing = standing

    # ---- looking things up

    def holder_account(self, name: str) -> int:
        """The account of a holder of shares: an investor's, a parent's treasury, the rest of the world for people."""
        if name in self.investor:
            return self.investor[name].account
        return self.account_of.get(f"treasury:{name}", self.rest_of_world)

    def __repr__(self) -> str:
        return f"<Market of '{self.scenario_name}', seed {self.streams.seed}, {self.label}>"

    @property
    def label(self) -> str:
        """The present quarter as text."""
        return quarter_label(self.quarter)

    @property
    def active_labs(self) -> list[Lab]:
        """Labs that serve a model, in order of id."""
        return [lab for lab in self.roster if lab.models]  # asked for so often that the property would tell

    @property
    def labs(self) -> mesa.agent.AgentSet:
        """The labs as a Mesa AgentSet."""
        return self.agents_by_type[Lab]

    @property
    def investors(self) -> mesa.agent.AgentSet:
        """The investors as a Mesa AgentSet."""
        return self.agents_by_type[Investor]

    @property
    def enterprises(self) -> mesa.agent.AgentSet:
        """The enterprises as a Mesa AgentSet; they are made on first use and change no result."""
        if not self._enterprises:
            self._enterprises = [Enterprise(self, i) for i in range(self.population.enterprises.count)]
        return self.agents_by_type[Enterprise]

    def best_knowledge(self, lab: Lab) -> float:
        """Knowledge of the most knowledgeable lab of earlier quarters, at least the reference model's maker's, 0."""
        return max([0.0, *(x.knowledge for x in self.active_labs if x.entry < lab.entry)])

    def lab_column(self, name: str) -> Floats:
        """A number of every lab's parameters by position; 0 for the community."""
        return np.array([*map(attrgetter(f"parameters.{name}"), self.roster), 0.0])

    def _served(self) -> list[ReleasedModel]:
        """Every model that somebody serves, in order of release."""
        return sorted([*self.community_models, *chain(*[lab.models for lab in self.roster])], key=attrgetter("id"))

    def _new_id(self) -> int:
        self.next_model += 1
        return self.next_model - 1

    def event(
        self,
        kind: str,
        lab: str,
        counterparty: str = "",
        amount: float = 0.0,
        cause: str = "",
        numbers: Mapping[str, float] | None = None,
        what: str = "",
    ) -> None:
        """Write an event into the ledger: who, with whom, USD moved, why, the numbers the decision saw, which shock."""
        seen = numbers_text(numbers or {})
        self.records.event(Event(self.label, kind, lab, counterparty, amount, cause, seen, what))
