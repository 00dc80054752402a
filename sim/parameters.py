"""Every parameter of the market: name, unit, bounds and meaning. Values live in scenario files, never here.

The classes mirror the sections of a scenario file; a dotted key such as `technology.training_cost_growth` addresses one
leaf. Bounds are wide enough for any defensible scenario and narrow enough to catch a slip of the keyboard.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Region = Literal["us", "eu", "china", "gulf", "other"]
SegmentName = Literal["large_regulated", "large", "mid_market", "small", "developer", "public_sector"]
WorkloadType = Literal["pilot", "complex_reasoning", "customer_facing", "bulk", "confidential", "edge"]
ModeName = Literal["api", "private", "hosted", "self_hosted", "edge"]
Tier = Literal["flagship", "small"]
Licence = Literal["open", "open_threshold", "closed"]
Ownership = Literal["independent", "giant", "state"]
Strategy = Literal["frontier", "follower", "specialist", "services"]
Creed = Literal["open", "closed"]
InvestorKind = Literal["venture", "corporate", "parent", "sovereign"]

REGIONS: tuple[Region, ...] = ("us", "eu", "china", "gulf", "other")
SEGMENTS: tuple[SegmentName, ...] = ("large_regulated", "large", "mid_market", "small", "developer", "public_sector")
WORKLOADS: tuple[WorkloadType, ...] = (
    "pilot",
    "complex_reasoning",
    "customer_facing",
    "bulk",
    "confidential",
    "edge",
)
MODES: tuple[ModeName, ...] = ("api", "private", "hosted", "self_hosted", "edge")
TIERS: tuple[Tier, ...] = ("flagship", "small")
STRATEGIES: tuple[Strategy, ...] = ("frontier", "follower", "specialist", "services")

COMMUNITY = "community"  # the developer of old open weights that no lab earns on

QUARTER = re.compile(r"^(19|20|21)\d\dQ[1-4]$")
Quarter = Annotated[str, Field(pattern=QUARTER.pattern)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=40)]


def number(
    unit: str,
    meaning: str,
    low: float | None = None,
    high: float | None = None,
    default: Any = ...,
) -> Any:
    """Declare one leaf with its unit, meaning and inclusive bounds; `default` only where absence has a meaning."""
    return Field(default, ge=low, le=high, description=meaning, json_schema_extra={"unit": unit})


def choice(meaning: str, default: Any = ...) -> Any:
    """Declare one leaf that is not a number: a name, a date, a switch or a list."""
    return Field(default, description=meaning, json_schema_extra={"unit": "-"})


def require_whole(name: str, parts: Mapping[Any, float]) -> None:
    """Raise ValueError unless parts of a whole sum to 1."""
    total = sum(parts.values())
    if abs(total - 1.0) > 1e-6:
        raise ValueError(f"{name} must sum to 1, they sum to {total:.6g}")


class Section(BaseModel):
    """A table of a scenario file: strict types, unknown keys refused, finite numbers only."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_assignment=True, allow_inf_nan=False)


class RunSettings(Section):
    """How long and how large a run is unless the command line says otherwise."""

    first_quarter: Quarter = choice("first quarter simulated; initial states are of the day before it")
    until: Quarter = choice("last quarter simulated")
    enterprises: int = number("count", "simulated enterprises (each stands for many by its weight)", 50, 2_000_000)
    replications: int = number("count", "seeds per scenario", 1, 10_000)


class Switches(Section):
    """One switch for each mechanism: false removes it and nothing else."""

    training: bool = choice("labs train and release new models; off: the first catalogue is for ever")
    run_noise: bool = choice("luck in each training run")
    public_knowledge: bool = choice("open releases and the community feed a public stock of knowledge labs absorb")
    leakage: bool = choice("private knowledge of the best lab leaks (people, papers, products)")
    distillation: bool = choice("training on the outputs of the best served model")
    staff_moves: bool = choice("people leave labs that pay less and carry part of what they know")
    open_bases: bool = choice("labs may begin their runs from the best open weights of others")
    efficiency_diffusion: bool = choice("cheaper training methods of one lab spread to the others")
    release_bar: bool = choice("a run is released only for a gain that pays for a release; off: for any gain")
    community: bool = choice("the community improves open weights after release and adds to public knowledge")
    retirement: bool = choice("old closed models are withdrawn and force their users to move")
    pricing: bool = choice("labs move prices towards their best response; off: the first mark-up over cost is kept")
    hosting_fringe: bool = choice("third parties host open weights at cost plus a margin")
    private_deployment: bool = choice("closed weights can be run in a buyer's private cloud for a fee")
    self_hosting: bool = choice("buyers may run open weights themselves, in house or at the edge")
    free_tier: bool = choice("part of the pilots' usage of a small model is free")
    nests: bool = choice("closed, open and none are nests; off: plain multinomial logit")
    persistent_tastes: bool = choice("lasting tastes for openness and for vendors")
    switching_costs: bool = choice("leaving the incumbent lab or mode costs utility")
    peers: bool = choice("buyers follow their segment")
    brand: bool = choice("brand stocks move choices, and are moved by quality, safety and distribution")
    incidents: bool = choice("models in use do harm now and then, which costs their lab its good name")
    interface: bool = choice("a lab's application seats pull its models into the enterprise")
    applications: bool = choice("labs build applications out of what they earn; off: presence is as given for ever")
    dependence: bool = choice("buyers avoid putting all spending at one vendor")
    assurance: bool = choice("buyers want a vendor who answers for errors")
    privacy: bool = choice("buyers mind that data leave their house")
    operations: bool = choice("running models oneself is a burden without talent and tooling")
    customisation: bool = choice("weights in hand can be adapted")
    control: bool = choice("models run in house can be audited and cut off from the world")
    stability: bool = choice("weights in hand can be pinned")
    latency: bool = choice("remote models answer late")
    strategic_open_lean: bool = choice("buyers who see AI as their advantage lean to open weights")
    origin: bool = choice("distrust between regions, language fit")
    volatility: bool = choice("risk-averse buyers mind changing prices, behaviour and limits")
    upgrades: bool = choice("a newer model of the same lab may be taken at any time at no switching cost")
    adoption: bool = choice("new enterprises adopt; off: the adopters of the start are for ever")
    pilots: bool = choice("workloads begin as pilots that graduate or end; off: they begin in production")
    budget_growth: bool = choice("budgets per workload grow at a falling rate")
    usage_elasticity: bool = choice("cheaper tokens are used more by the same workload")
    diffusion: bool = choice("talent and tooling spread")
    commons: bool = choice("users of open weights test, adapt and teach for each other: quality, tooling, knowledge")
    new_uses: bool = choice("what users of open weights build for each other shows others what models are good for")
    integrators: bool = choice("integrators supply missing talent to buyers who run open weights, at a price")
    fine_tuning: bool = choice("adapting open weights takes talent; off: everybody has all of the benefit")
    air_gap: bool = choice("confidential data of the most careful buyers may not leave their house")
    transparency: bool = choice("rules and tastes of regions and public bodies for models that can be inspected")
    licence_risk: bool = choice("licences with thresholds and unclear rights in training data put off buyers")
    withdrawals: bool = choice("buyers hold it against a lab when it withdraws models that are in use")
    seats: bool = choice("consumer and employee subscriptions")
    free_users: bool = choice("labs serve free users, by whom they find those who pay; off: users pay or do not come")
    cloud_resale: bool = choice("part of API sales goes through clouds that keep a cut")
    services: bool = choice("services sold on open models; hosts share revenue with the developer")
    exogenous_rounds: bool = choice("labs are funded by the dated rounds of the scenario and their repetition")
    funding_market: bool = choice("labs short of runway ask investors, whose bids clear at once")
    compute_for_equity: bool = choice("corporates pay in compute and sell compute to labs they hold; off: neither")
    conviction: bool = choice("investors' theses tilt what labs are worth to them")
    herd: bool = choice("investors follow each other's demand for a lab")
    standing: bool = choice("founders who built great companies before are believed in until their lab has its record")
    mood: bool = choice("investors' mood follows the industry's growth")
    strategy_choice: bool = choice("labs choose whether to race, follow, specialise, serve or stop")
    specialities: bool = choice("specialists' models are better at one type of work")
    release_choice: bool = choice("labs choose open or closed at each release; off: by the licences of the scenario")
    giving_up: bool = choice("founders who see that they cannot pay for the race look for a buyer")
    closing_down: bool = choice("labs that have long been on offer without a buyer are wound down in good order")
    restructuring: bool = choice("creditors forgive debt of a lab that its investors rescue")
    acquihires: bool = choice("giants hire teams of labs for sale and pay their holders a licence fee")
    mergers: bool = choice("labs for sale are taken over with customers and models")
    merger_review: bool = choice("regulators block mergers that their region's thresholds presume harmful")
    founding: bool = choice("new labs are founded in the run")
    parent_transfers: bool = choice("giants and states pay the burn of their labs up to a cap")
    revenue_shares: bool = choice("corporate backers take their agreed share of revenue")
    trade_debt: bool = choice("suppliers give credit up to a limit; off: the first shortfall winds a lab down")
    affordability: bool = choice("labs train only what they can pay; off: budgets follow plans")


class PastFrontier(Section):
    """A closed model that was the best before the first quarter; needed to look back for lags."""

    name: str = choice("name of the model")
    year: float = number("year", "release date as a decimal year", 2015, 2023)
    capability: float = number("OOM", "capability on the model's scale", -10, 10)
    source: str = choice("fact id or assumption")


class Technology(Section):
    """Training, knowledge, models and what it costs to serve them."""

    training_cost_initial: float = number(
        "USD", "final-run compute cost of staying on trend, X*, first quarter", 1e5, 1e10
    )
    training_cost_growth: float = number("x per year", "growth g of X*", 1.0, 10.0)
    flop_per_usd_growth: float = number("x per year", "growth of training FLOP per USD", 1.0, 5.0)
    research_rate: float = number("OOM per year", "own research drift at the reference staff", 0.0, 5.0)
    research_staff_reference: float = number(
        "USD per year", "staff spending at which the research rate applies", 1e6, 1e11
    )
    research_difficulty_growth: float = number(
        "x per year", "growth of the reference: ideas get harder to find", 1.0, 10.0
    )
    research_concavity: float = number("-", "elasticity of own research to staff", 0.0, 1.0)
    public_diffusion: float = number("per year", "k_public, speed of absorbing public knowledge", 0.0, 5.0)
    public_knowledge_initial: float = number("OOM", "public knowledge stock K in the first quarter", -5.0, 5.0)
    public_absorption: float = number("-", "part of an open release's embodied knowledge that becomes public", 0.0, 1.0)
    private_leakage: float = number("per year", "k_leak, speed at which the best lab's knowledge leaks", 0.0, 5.0)
    staff_mobility: float = number(
        "per year", "rate at which people would leave for a lab that pays far more", 0.0, 10.0
    )
    leak_delay: int = number("quarters", "a model must have been served this long before it teaches others", 0, 12)
    distillation: float = number("-", "part of the distance to the best served model closed by distillation", 0.0, 1.0)
    distillation_delay: int = number("quarters", "a model must have been served this long to be distilled", 0, 12)
    efficiency_diffusion: float = number(
        "per year", "speed at which labs' training methods catch up with the most efficient lab's", 0.0, 10.0
    )
    base_added: float = number(
        "-", "part of a run's effective compute that adds to open weights it begins from", 0.0, 1.0
    )
    base_delay: int = number("quarters", "open weights must have been out this long to be built on", 0, 400)
    run_noise: float = number("OOM", "standard deviation of luck in a training run", 0.0, 2.0)
    community_knowledge_rate: float = number("OOM per year", "public knowledge added by the community", 0.0, 3.0)
    community_model_gain: float = number("OOM", "what the community finally adds to a released open model", 0.0, 2.0)
    community_gain_years: float = number("years", "time constant of that improvement", 0.05, 10.0)
    elo_per_oom: float = number("Elo per OOM", "slope from capability to arena score", 1.0, 2000.0)
    serving_cost_initial: float = number(
        "USD per Mtok", "cost of serving the reference flagship in the first quarter", 1e-4, 1e4
    )
    serving_progress: float = number("x per year", "fall of the cost of serving a given model", 1.0, 20.0)
    small_lag: float = number("OOM", "capability of a small model below its flagship", 0.0, 5.0)
    small_serving_ratio: float = number("-", "serving cost of a small model over its flagship's", 1e-4, 1.0)
    speciality_gain: float = number(
        "OOM", "capability that a specialist's model has on top at its own type of work", 0.0, 5.0
    )
    flagship_interval: float = number("quarters", "mean time between flagships of one lab", 1.0, 40.0)
    small_interval: float = number("quarters", "mean time between small models of one lab", 1.0, 40.0)
    release_gain: float = number(
        "OOM",
        "gain over what the lab serves in the tier that a release must bring; below it training goes on",
        0.0,
        5.0,
    )
    minimum_interval: int = number("quarters", "shortest time between two releases in a tier", 1, 20)
    closed_life: int = number("quarters", "a superseded closed model is served at most this long after release", 1, 80)
    inflation: float = number("x per year", "index that deflates to 2023 USD", 0.9, 2.0)
    frontier_before_start: list[PastFrontier] = choice("closed record models before the first quarter")


class Costs(Section):
    """What labs spend and how they decide to."""

    research_compute_multiple: float = number("-", "R&D compute over the final run's", 1.0, 200.0)
    staff_share: float = number("-", "staff in development cost", 0.0, 0.9)
    energy_share: float = number("-", "energy in development cost", 0.0, 0.5)
    wage_growth: float = number("x per year", "growth of pay (talent war)", 0.8, 3.0)
    usual_wage_growth: float = number(
        "x per year", "growth of pay at which people move at the usual rate; above it there is a talent war", 1.001, 3.0
    )
    hiring_years: float = number("years", "time constant at which the staff on the books follows spending", 0.0, 10.0)
    vacancy_years: float = number("years", "time for which a post stays empty when somebody leaves", 0.0, 5.0)
    build_out_lag: float = number("years", "time constant at which compute capacity follows plans", 0.0, 10.0)
    budget_ratchet: float = number("x per quarter", "largest rise of a budget in a quarter", 1.0, 4.0)
    budget_cut: float = number("x per quarter", "largest cut of a budget in a quarter", 0.1, 1.0)
    planning_years: float = number("years", "cash and income must cover the R&D plan this long", 0.25, 10.0)
    minimum_run: float = number("USD per year", "smallest final-run budget a lab keeps up", 0.0, 1e10)
    sales_share: float = number("-", "sales and administration in revenue", 0.0, 2.0)
    interest_rate: float = number("per year", "interest on trade debt", 0.0, 1.0)
    credit_limit_years: float = number("years", "suppliers' credit limit in years of the lab's costs", 0.0, 5.0)
    credit_floor: float = number("USD", "smallest credit limit", 0.0, 1e10)

    @model_validator(mode="after")
    def _compute_is_left(self) -> Costs:
        if self.staff_share + self.energy_share > 0.95:
            raise ValueError(
                f"staff_share and energy_share sum to {self.staff_share + self.energy_share:.3g}, above 0.95"
            )
        return self


class Demand(Section):
    """What buyers see in an offer (logit units unless said otherwise), how long they commit, how they grow."""

    price_sensitivity: float = number("-", "beta, weight of the log of cost", 1.01, 20.0)
    dissimilarity: float = number("-", "nested-logit parameter of closed and open", 0.05, 1.0)
    assurance: float = number("logit", "weight of an accountable vendor where errors cost", 0.0, 20.0)
    privacy: float = number("logit", "weight of exposure of data", 0.0, 20.0)
    operations: float = number("logit", "weight of the operations burden without talent", 0.0, 20.0)
    customisation: float = number("logit", "weight of weights that can be adapted", 0.0, 20.0)
    control: float = number("logit", "weight of running in house", 0.0, 20.0)
    stability: float = number("logit", "weight of weights that can be pinned", 0.0, 20.0)
    volatility: float = number("logit", "weight of changing prices, behaviour and limits", 0.0, 20.0)
    latency: float = number("logit", "weight of the distance to a remote model", 0.0, 20.0)
    origin_distrust: float = number("logit", "weight of distrust of the developer's region", 0.0, 20.0)
    language_fit: float = number("logit", "weight of speaking the buyer's languages", 0.0, 20.0)
    dependence: float = number("logit", "weight of the own spend share at a vendor", 0.0, 20.0)
    interface: float = number("logit", "weight of the lab's share of application seats", 0.0, 20.0)
    peers: float = number("logit", "gamma, weight of the segment's share", 0.0, 20.0)
    switching_cost: float = number("logit", "cost of leaving the incumbent lab", 0.0, 30.0)
    mode_switching_ratio: float = number(
        "-", "cost of leaving the incumbent mode over that of leaving the lab", 0.0, 2.0
    )
    graduation_switching_ratio: float = number(
        "-", "part of the switching cost that binds when a pilot graduates", 0.0, 1.0
    )
    transparency: float = number("logit", "weight of a region's preference for inspectable weights", 0.0, 20.0)
    licence_threshold: float = number("logit", "cost to large buyers of a licence with a user threshold", 0.0, 20.0)
    legal_risk: float = number("logit", "cost of open weights without indemnity, x the wish for assurance", 0.0, 20.0)
    withdrawal: float = number("x", "volatility that a lab adds when all its users lose their model at once", 0.0, 20.0)
    open_dependence: float = number("-", "part of dependence that is felt towards open weights", 0.0, 1.0)
    tuning_skill: float = number("-", "part of the benefit of adapting weights that takes talent", 0.0, 1.0)
    air_gap: float = number("-", "privacy need above which confidential data may not leave the house", 0.0, 1.0)
    taste_openness: float = number("logit", "standard deviation of the lasting taste for openness", 0.0, 10.0)
    taste_vendor: float = number("logit", "standard deviation of the lasting taste for a vendor", 0.0, 10.0)
    strategic_open_lean: float = number(
        "logit", "lean to open weights of buyers who see AI as their advantage", 0.0, 10.0
    )
    in_house_distrust: float = number("-", "part of origin distrust that remains when weights run in house", 0.0, 1.0)
    own_usage_elasticity: float = number("-", "e, response of a workload's tokens to its price", 0.0, 0.95)
    other_cost_progress: float = number(
        "x per year", "fall of a task's other cost per Mtok: tasks use more tokens", 1.0, 5.0
    )
    budget_growth: float = number("per year", "growth of budgets per workload in the first quarter (log)", -1.0, 5.0)
    budget_growth_decay: float = number("per year", "rate at which that growth falls", 0.0, 5.0)
    budget_growth_floor: float = number("per year", "growth that remains (log)", -0.5, 1.0)
    innovation: float = number("per year", "Bass p", 0.0, 1.0)
    imitation: float = number("per year", "Bass q", 0.0, 10.0)
    workload_arrival: float = number(
        "per year", "annual probability that an empty slot of an adopter becomes a pilot", 0.0, 0.9999
    )
    graduation: float = number("per year", "annual probability that a pilot graduates", 0.0, 0.9999)
    pilot_end: float = number("per year", "annual probability that a pilot is given up", 0.0, 0.9999)
    pilot_budget: float = number("-", "budget of a pilot over that of the workload in production", 0.001, 1.0)
    upgrade: float = number(
        "per year", "annual probability that a better model of the incumbent is looked at", 0.0, 0.9999
    )
    pilot_contract: int = number("quarters", "contract length of a pilot", 1, 40)
    talent_growth: float = number("per year", "rate at which missing talent is made up", 0.0, 2.0)
    tooling_initial: float = number("-", "maturity of deployment tooling in the first quarter", 0.0, 1.0)
    tooling_growth: float = number("per year", "rate at which missing tooling is made up", 0.0, 2.0)
    integrator_relief: float = number("-", "part of missing talent that system integrators supply", 0.0, 1.0)
    integrator_fee: float = number("-", "their price over the infrastructure bill of a buyer without talent", 0.0, 5.0)
    application_factor_pilot: float = number(
        "-", "application spending and all per USD of a pilot's model spending", 1.0, 20.0
    )
    application_factor_production: float = number("-", "the same in production", 1.0, 20.0)
    going_price_inertia: float = number("-", "weight of last quarter's going price", 0.0, 0.99)


class Hosting(Section):
    """Running open weights: at a host, in house, at the edge; and closed weights in a private cloud."""

    host_margin: float = number("-", "hosts' margin over serving cost", 0.0, 5.0)
    host_revenue_share: float = number("-", "part of hosting revenue passed to the developer", 0.0, 1.0)
    private_fee: float = number("-", "fee of a private deployment over the API price", 0.0, 5.0)
    utilisation: float = number("-", "utilisation of a buyer's own servers", 0.01, 1.0)
    infrastructure: float = number("USD per year", "fixed infrastructure of one self-hosted workload", 0.0, 1e8)
    up_front: float = number("USD", "investment of one workload that moves to own servers, in full", 0.0, 1e8)
    operations_staff: float = number(
        "USD per year", "operations staff of one self-hosted workload without talent", 0.0, 1e8
    )
    skill_premium: float = number("-", "open-skill wage premium", 0.0, 3.0)
    edge_integration: float = number("USD per year", "integration of one edge workload", 0.0, 1e8)
    fixed_cost_scale: float = number(
        "-", "part of the fixed cost that a small buyer's smaller deployment avoids", 0.0, 1.0
    )
    fixed_cost_reference: float = number(
        "USD per year", "budget at which a workload bears the full fixed cost", 1.0, 1e9
    )
    fixed_cost_progress: float = number("x per year", "fall of the fixed cost as tooling matures", 1.0, 5.0)


class Pricing(Section):
    """How labs set prices."""

    adjustment: float = number("-", "part of the way to the best response covered in a quarter", 0.0, 1.0)
    minimum_elasticity: float = number("-", "smallest elasticity of demand a lab believes in", 1.001, 10.0)
    horizon: int = number("quarters", "a lab looks this far at contracts that will come due", 1, 40)
    conduct: float = number("x", "posted price over the best response (below 1: price war, penetration)", 0.05, 20.0)
    initial_markup: float = number("x", "price over serving cost in the first quarter", 1.0, 50.0)
    price_floor: float = number("x", "smallest price over serving cost", 0.0, 10.0)
    free_tier_share: float = number("-", "part of pilots' usage of small first-party models that is free", 0.0, 0.99)
    cloud_cut: float = number("-", "part of resold API revenue the cloud keeps", 0.0, 1.0)


class Brand(Section):
    """A stock per lab, in logit units."""

    decay: float = number("per year", "rate at which brand fades", 0.0, 5.0)
    quality_gain: float = number("logit per year", "gain of the lab with the best flagship", 0.0, 10.0)
    quality_scale: float = number("OOM", "distance to the best at which that gain falls by 1/e", 0.01, 10.0)
    safety_gain: float = number("logit per year", "gain at a full safety record", 0.0, 10.0)
    distribution_gain: float = number("logit per year", "gain at full distribution through clouds", 0.0, 10.0)
    incident_rate: float = number(
        "per year", "incidents of a lab that everybody uses and that takes no care", 0.0, 50.0
    )
    incident_loss: float = number("logit", "brand that a lab loses in an incident", 0.0, 10.0)
    scrutiny: float = number("per year", "rate at which faults of released weights are found and mended", 0.0, 10.0)


class Seats(Section):
    """Consumer and employee subscriptions: an exogenous market shared by attraction."""

    market_initial: float = number("USD per year", "size of the subscription market in the first quarter", 0.0, 1e12)
    growth_initial: float = number("per year", "growth in the first quarter above the lasting growth (log)", -1.0, 5.0)
    growth_decay: float = number("per year", "rate at which that growth fades", 0.0, 5.0)
    growth_floor: float = number("per year", "lasting growth (log)", -0.5, 1.0)
    quality_weight: float = number("per OOM", "weight of the best own model's capability in attraction", 0.0, 10.0)
    brand_weight: float = number("-", "weight of brand in attraction", 0.0, 10.0)
    turnover: float = number("per year", "rate at which seats follow attraction", 0.0, 10.0)
    serving_share: float = number("-", "serving cost of payers in subscription revenue", 0.0, 1.0)
    free_users_per_payer: float = number("x", "free users of the industry for each that pays", 0.0, 1000.0)
    free_serving_share: float = number("-", "serving cost of a free user over that of one who pays", 0.0, 1.0)


class Applications(Section):
    """What labs build between their models and users: assistants, browsers, coding environments."""

    part: float = number("-", "part of gross profit that a lab puts into applications of its own", 0.0, 1.0)
    reference: float = number("USD", "application capital behind a presence of 1", 1e3, 1e12)
    elasticity: float = number("-", "elasticity of presence to application capital", 0.1, 1.0)
    depreciation: float = number("per year", "rate at which applications grow old", 0.0, 10.0)
    rivalry: float = number(
        "logit", "what developers hold against closed models of a vendor whose applications have all users", 0.0, 20.0
    )


class Funding(Section):
    """Exogenous funding after the last dated round, parents' caps, the initial stock of funding."""

    repeat_burn_years: float = number("years", "burn covered by a repeated round", 0.0, 10.0)
    repeat_interval: int = number("quarters", "time between repeated rounds", 1, 40)
    repeat_dilution: float = number("-", "stake sold in a repeated round", 0.01, 0.9)
    repeat_growth_cap: float = number("x", "largest growth of API spend that scales a repeated round", 1.0, 10.0)
    parent_cap: float = number("USD per year", "largest transfer of a giant to its lab, first quarter", 0.0, 1e12)
    parent_cap_growth: float = number("x per year", "growth of that cap", 0.5, 3.0)
    target_runway_years: float = number("years", "cash a parent keeps in its lab, in years of burn", 0.0, 5.0)
    initial_open_stock: float = number("USD", "private funding of open labs up to the first quarter", 0.0, 1e12)
    initial_closed_stock: float = number("USD", "private funding of closed labs up to the first quarter", 0.0, 1e12)


class Capital(Section):
    """The market for money: what a lab is worth to investors, what they have, how a round is held."""

    multiple_base: float = number("x", "value over yearly revenue of a lab that does not grow", 0.1, 100.0)
    multiple_elasticity: float = number("-", "elasticity of that multiple to 1 + growth", 0.0, 5.0)
    multiple_cap: float = number("x", "largest multiple", 1.0, 1000.0)
    option_weight: float = number("-", "worth of leading the race over the value of the industry's revenue", 0.0, 20.0)
    option_gap_decay: float = number("per OOM", "fall of the option on the race with the gap to the best", 0.0, 20.0)
    option_run_elasticity: float = number(
        "-", "elasticity of that option to its run over the price of keeping up", 0.0, 2.0
    )
    standing: float = number("log", "tilt of the option on the race for each great company founded before", 0.0, 3.0)
    standing_life: float = number("years", "mean time in which a lab's own record takes that tilt's place", 0.1, 100.0)
    conviction: float = number("log", "tilt of value when thesis and creed agree and nothing is hedged", 0.0, 3.0)
    abroad: float = number("log", "discount of a lab in a fully distrusted region", 0.0, 10.0)
    home: float = number("log", "premium of a lab at home to a sovereign fund", 0.0, 5.0)
    opinion: float = number("log", "standard deviation of investors' differing opinions of a lab", 0.0, 2.0)
    herd: float = number("-", "elasticity of value to the demand for a lab's last round over its ask", 0.0, 1.0)
    mood_gain: float = number("-", "effect of the industry's log growth beyond the normal one on log mood", 0.0, 2.0)
    mood_persistence: float = number("per quarter", "part of mood kept from quarter to quarter", 0.0, 0.999)
    mood_luck: float = number("log", "standard deviation of quarterly news", 0.0, 1.0)
    normal_growth: float = number("per year", "log growth of the industry's revenue that surprises nobody", 0.0, 3.0)
    climate: float = number(
        "x", "supply of new commitments over a normal year's; a funding winter is below 1", 0.0, 10.0
    )
    inflow: float = number("per year", "new commitments over the initial purse", 0.0, 10.0)
    inflow_elasticity: float = number("-", "elasticity of new commitments to the industry's revenue", 0.0, 5.0)
    ticket: float = number(
        "-", "part of its dry powder an investor commits in one quarter at full risk tolerance", 0.0, 1.0
    )
    runway_trigger: float = number("years", "a lab with less runway asks for a round", 0.0, 10.0)
    runway_target: float = number("years", "burn that a round is meant to cover", 0.1, 10.0)
    commitment_life: float = number("years", "mean time after which a commitment that was not called lapses", 0.5, 50.0)
    between_rounds: int = number("quarters", "shortest time between two rounds of a lab", 1, 40)
    largest_dilution: float = number("-", "largest part of a lab sold in one round", 0.01, 0.9)
    smallest_fill: float = number("-", "part of the ask below which a round fails", 0.0, 1.0)
    credit_part: float = number(
        "-", "part of a corporate's money paid in compute credits, times its pays_in_compute", 0.0, 1.0
    )
    credit_margin: float = number(
        "-", "part of the list price of compute that its seller keeps over its cost", 0.0, 0.95
    )
    tied_compute: float = number(
        "x", "part of training compute bought from a holder that sells compute, per stake it has", 0.0, 10.0
    )
    compute_sales: float = number(
        "-", "weight of the profit on compute a lab will buy in what an investor with compute bids", 0.0, 5.0
    )
    revenue_claim: float = number("-", "share of revenue a corporate with compute takes, per stake it buys", 0.0, 2.0)
    revenue_claim_cap: float = number("-", "largest part of a lab's revenue promised away", 0.0, 0.9)
    mark_speed: float = number(
        "per quarter", "part of the way that a mark follows what the lab is worth without convictions", 0.0, 1.0
    )


class StrategyChoice(Section):
    """How labs choose what to be: targets, beliefs and how sharply they choose."""

    intensity: float = number("-", "sharpness of choice: 0 by chance, large always the best", 0.0, 200.0)
    planning_interval: int = number("quarters", "time between two planning rounds of a lab", 1, 40)
    horizon: float = number("years", "how far ahead a position is valued", 0.0, 10.0)
    quality_weight: float = number("per OOM", "weight of the capability gap in the contest for profits", 0.0, 10.0)
    yearly_return: float = number("per year", "return that turns a value into USD a year", 0.0, 1.0)
    inertia: float = number("-", "what changing costs, as a part of the largest stake", 0.0, 2.0)
    within_reach: float = number("-", "part of a strategy's budget a lab must be able to pay to choose it", 0.0, 1.0)
    follower_share: float = number("-", "run of a follower over the price of keeping up", 0.0, 2.0)
    specialist_share: float = number("-", "run of a specialist over the price of keeping up", 0.0, 2.0)
    services_share: float = number("-", "run of a services lab over the price of keeping up", 0.0, 2.0)
    services_rate: float = number(
        "-", "services a services lab sells per USD spent running its open weights", 0.0, 20.0
    )
    giving_up_rate: float = number("per year", "hazard of giving up without any part in the race or cover", 0.0, 20.0)
    lost_race: float = number("-", "run over the price of keeping up from which nobody doubts the race", 1e-6, 1.0)
    safe_cover: float = number("x", "cost over revenue at which founders stop doubting", 0.0, 100.0)


class ReleaseChoice(Section):
    """Open or closed: how sharply USD a year decide, and the two free weights."""

    intensity: float = number("-", "sharpness of the choice", 0.0, 200.0)
    creed: float = number("logit", "free weight of the lab's stated creed", 0.0, 20.0)
    inertia: float = number("logit", "free weight of how the tier was released last", 0.0, 20.0)
    talent_saving: float = number("-", "part of R&D pay saved because people like to publish", 0.0, 1.0)
    harm_returned: float = number("-", "part of closed rivals' lost profit that comes back to who opens", 0.0, 1.0)
    lead_scale: float = number("OOM", "lead over rivals' open models that matters to a complement", 0.01, 10.0)


class Control(Section):
    """Distress, sales of labs and their review."""

    distress_runway: float = number(
        "quarters", "runway below which a lab that found no money is in distress", 0.0, 20.0
    )
    relief: float = number("-", "part of its debt that a restructured lab is forgiven", 0.0, 1.0)
    survival: float = number("-", "chance creditors give a rescued lab", 0.0, 1.0)
    rescue_years: float = number("years", "burn that a rescue by the holders covers", 0.0, 5.0)
    rescue_discount: float = number("-", "price of new shares in a rescue over the lab's value", 0.01, 1.0)
    pivot_cut: float = number("x", "budget after a pivot in distress over the one before", 0.05, 1.0)
    team_years: float = number("years", "pay of a team that a giant offers for it and its licence", 0.0, 50.0)
    team_spread: float = number("log", "standard deviation of how well a lab suits each buyer", 0.0, 3.0)
    appetite: float = number("per year", "rate at which a giant is ready to hire a team or buy a lab", 0.0, 20.0)
    reach: float = number("USD", "largest value of a lab that a giant hires away or takes over", 0.0, 1e13)
    staff_knowledge: float = number("-", "part of a knowledge lead that moves with a team", 0.0, 1.0)
    seller_part: float = number("-", "part of the surplus of a sale that goes to the sellers", 0.0, 1.0)
    reservation: float = number("-", "least price over the lab's value that its holders take", 0.0, 1.0)
    buyer_runway: float = number("quarters", "runway a lab needs to take over another", 0.0, 40.0)
    buyer_size: float = number("x", "value of a buying lab over its target's, at least", 0.0, 100.0)
    synergy: float = number("-", "part of the target's R&D saved in a merger", 0.0, 1.0)
    patience: int = number(
        "quarters", "time on offer without a buyer after which a lab that its sales do not carry winds down", 1, 400
    )


class Founding(Section):
    """New labs: how often, where, and what they begin with."""

    places: int = number("count", "labs that can be founded in a run", 0, 60)
    rate: float = number("per year", "hazard of a founding at normal growth and mood", 0.0, 20.0)
    growth_elasticity: float = number("-", "elasticity of that hazard to 1 + growth of the industry", 0.0, 5.0)
    mood_elasticity: float = number("-", "elasticity of that hazard to mood", 0.0, 5.0)
    prospect_elasticity: float = number("-", "elasticity of it to what a new lab would earn over its cost", 0.0, 5.0)
    usual_prospect: float = number("-", "earnings over cost at which foundings come at that rate", 1e-6, 100.0)
    spin_out: float = number("-", "part of foundings by people of a lab at work", 0.0, 1.0)
    knowledge_taken: float = number("-", "part of that lab's lead over public knowledge that founders bring", 0.0, 1.0)
    open_creed: float = number("-", "part of founders who preach open models", 0.0, 1.0)
    regions: dict[Region, Fraction] = number("-", "where labs are founded")
    run_share: float = number("-", "run of its first model over the price of keeping up", 1e-6, 1.0)
    build_time: int = number("quarters", "from the first round to the first model", 1, 12)

    @model_validator(mode="after")
    def _whole(self) -> Founding:
        require_whole("regions", self.regions)
        return self


class WorkloadParameters(Section):
    """A type of work: what it needs and what else it costs."""

    value: float = number("logit", "value of full quality", 0.0, 50.0)
    base: float = number("logit", "value of using any model over using none", -50.0, 50.0)
    threshold: float = number("OOM", "theta, capability that gives half the quality, first quarter", -10.0, 20.0)
    threshold_growth: float = number("OOM per year", "rise of what the work needs", 0.0, 5.0)
    tau: float = number("OOM", "width of the quality curve", 0.01, 10.0)
    error_cost: float = number("-", "how much an accountable vendor is worth, 0-1", 0.0, 1.0)
    privacy: float = number("x", "multiplies the buyer's privacy need", 0.0, 20.0)
    latency: float = number("-", "how much a remote model hurts, 0-1", 0.0, 1.0)
    customisation: float = number("x", "multiplies the worth of adaptable weights", 0.0, 20.0)
    other_cost: float = number(
        "USD per Mtok", "the task's other cost, first quarter: people, integration, checks", 0.001, 1000.0
    )
    budget: float = number("x", "budget relative to the enterprise's average workload", 0.001, 1000.0)


class ModeParameters(Section):
    """A way of running a model."""

    exposure: float = number("-", "how much data leaves the buyer, 0-1", 0.0, 1.0)
    operations: float = number("-", "operations burden, 0-1", 0.0, 1.0)
    accountability: float = number("-", "how far a vendor answers for errors, 0-1", 0.0, 1.0)
    control: float = number("-", "how far it is in house, 0-1", 0.0, 1.0)
    remote: float = number("-", "distance, 0-1", 0.0, 1.0)
    volatility: float = number("-", "how far price, behaviour and limits change under the buyer, 0-1", 0.0, 1.0)


class SegmentParameters(Section):
    """A kind of enterprise."""

    firms: float = number("count", "enterprises in the world", 1.0, 1e9)
    workload_budget: float = number("USD per year", "mean budget of a production workload, first quarter", 1.0, 1e10)
    sigma: float = number("-", "standard deviation of log size", 0.0, 4.0)
    workloads_min: int = number("count", "fewest workloads an adopter will have", 1, 60)
    workloads_max: int = number("count", "most workloads an adopter will have", 1, 60)
    adopted_initial: float = number("-", "adopters on the day before the first quarter", 0.0, 1.0)
    adoption_ceiling: float = number("-", "share that will ever adopt", 0.001, 1.0)
    adoption_speed: float = number("x", "multiplies Bass p and q", 0.0, 20.0)
    in_production_initial: float = number("-", "filled slots of the first adopters", 0.0, 1.0)
    talent: float = number("-", "mean AI talent, 0-1", 0.0, 1.0)
    privacy: float = number("-", "mean privacy need, 0-1", 0.0, 1.0)
    strategic: float = number("-", "share who see AI as their advantage", 0.0, 1.0)
    risk_aversion: float = number("x", "multiplies the weight of volatility", 0.0, 20.0)
    price_sensitivity: float = number("x", "multiplies beta", 0.05, 10.0)
    assurance: float = number("x", "multiplies the weight of assurance", 0.0, 10.0)
    switching: float = number("x", "multiplies switching costs", 0.0, 10.0)
    peers: float = number("x", "multiplies the weight of peers", 0.0, 10.0)
    distrust: float = number("x", "multiplies origin distrust", 0.0, 10.0)
    contract: int = number("quarters", "contract length in production", 1, 40)
    regions: dict[Region, Fraction] = number("-", "share of the segment's enterprises in each region")
    mix: dict[WorkloadType, Fraction] = number("-", "share of each type among its production workloads")
    transparency: float = number("x", "how much it wants models that can be inspected", 0.0, 10.0, default=0.0)

    @model_validator(mode="after")
    def _consistent(self) -> SegmentParameters:
        if self.workloads_max < self.workloads_min:
            raise ValueError(f"workloads_max {self.workloads_max} is below workloads_min {self.workloads_min}")
        if "pilot" in self.mix and self.mix["pilot"] > 0:
            raise ValueError("mix.pilot must be left out: a pilot is a stage, not a type in production")
        require_whole("regions", self.regions)
        require_whole("mix", self.mix)
        if self.adopted_initial > self.adoption_ceiling:
            raise ValueError(
                f"adopted_initial {self.adopted_initial} is above adoption_ceiling {self.adoption_ceiling}"
            )
        return self


class RegionParameters(Section):
    """A region as a place of labs and of buyers."""

    distrust: dict[Region, Fraction] = number("-", "distrust of models developed in each region, 0-1")
    language: dict[Region, Fraction] = number("-", "how well models of each region speak its languages, 0-1")
    transparency: float = number("-", "preference for inspectable weights, 0-1", 0.0, 1.0)
    compute_cost: float = number("x", "cost of compute to its labs (export controls)", 0.1, 20.0)
    banned: dict[Region, bool] = choice("true where labs of that region may not sell; their open weights can be run")
    open_ceiling: float = number("OOM", "capability above which its labs may not release weights", -10.0, 1000.0)
    merger_level: float = number("0-10,000", "HHI after a merger above which harm is presumed", 0.0, 10000.0)
    merger_change: float = number("0-10,000", "change of HHI above which it is presumed", 0.0, 10000.0)
    merger_share: float = number(
        "-", "joint share above which such a change is presumed harmful at any level", 0.0, 1.0
    )
    failing_firm: bool = choice("a merger is let through when the target would leave the market otherwise")


class TierPolicy(Section):
    """What a lab releases in one tier."""

    licence: Licence = choice("closed, open, or open with a user threshold")
    start: Quarter = choice("first quarter in which the tier may be served")
    api: bool = choice("the lab sells first-party access")
    complement: float = number(
        "USD per year", "worth of free models of this tier to its owner's other business, first quarter", 0.0, 1e12
    )


class Round(Section):
    """A dated funding round (exogenous funding)."""

    quarter: Quarter = choice("quarter of the money")
    amount: float = number("USD", "new money", 1.0, 1e12)
    pre_money: float = number("USD", "value before the money", 1.0, 1e13)
    investors: dict[Identifier, Fraction] = number("-", "part of the round taken by each investor")
    credit_share: float = number("-", "part paid in compute credits by corporate investors", 0.0, 1.0, default=0.0)
    agreed: bool = choice("agreed before the first quarter: held whatever funds labs after it", default=False)
    source: str = choice("fact id or assumption")

    @model_validator(mode="after")
    def _whole(self) -> Round:
        require_whole("investors", self.investors)
        return self


class RevenueShare(Section):
    """A corporate backer's claim on revenue."""

    investor: Identifier = choice("who receives it")
    rate: float = number("-", "part of revenue", 0.0, 0.9)


class LabParameters(Section):
    """A lab and its state on the day before it enters."""

    name: str = choice("name for people")
    region: Region = choice("home region")
    ownership: Ownership = choice("independent, subsidiary of a giant, or state-backed")
    parent: Identifier | None = choice("controlling parent; absent for independents", default=None)
    creed: Creed = choice("what it preaches (classifies funding)")
    strategy: Strategy = choice("race, follow, specialise or serve")
    speciality: WorkloadType | None = choice(
        "work it is best at as a specialist; absent: what earns it most when it turns to that", default=None
    )
    entry: Quarter = choice("serves its first model from the start of this quarter")
    cash: float = number("USD", "cash on entry", 0.0, 1e12)
    debt: float = number("USD", "trade debt on entry", 0.0, 1e12)
    research_budget: float = number("USD per year", "R&D spending on entry", 0.0, 1e12)
    target_share: float = number(
        "-", "part of X* (racers) or of the price of keeping up (others) it aims for", 0.0, 5.0
    )
    capability: float = number("OOM", "flagship capability on entry before distillation", -10.0, 10.0)
    first_run: float = number("USD", "final-run cost of its first flagship", 1e3, 1e11)
    serving_efficiency: float = number("x", "serving cost of others over its own, all else equal", 0.05, 20.0)
    training_efficiency: float = number(
        "x", "what its training compute is worth over others', by its own methods", 0.05, 20.0, default=1.0
    )
    brand: float = number("logit", "brand on entry", -10.0, 10.0)
    safety: float = number("-", "safety record, 0-1", 0.0, 1.0)
    cloud_share: float = number("-", "part of API sales that goes through clouds", 0.0, 1.0)
    distribution: float = number("-", "reach of that distribution, 0-1", 0.0, 1.0)
    seat_presence: float = number("x", "presence in consumer and employee applications on entry (0: none)", 0.0, 100.0)
    seats_initial: float = number("-", "share of the subscription market on entry", 0.0, 1.0)
    conduct: float = number("x", "its own multiple of the best response; below 1 only out of a deep pocket", 0.05, 20.0)
    services_rate: float = number("-", "services sold per USD its users spend running its open weights", 0.0, 20.0)
    private_deployment: bool = choice("closed weights available in a private cloud")
    transfer_cap: float = number("x", "its parent's or state's cap over the common one", 0.0, 100.0)
    founders_successes: int = number(
        "companies", "worth a billion USD or more that its founders built before", 0, 20, default=0
    )
    own_use: float = number(
        "USD per year", "worth of leading models of its own in its owner's products, first quarter", 0.0, 1e12
    )
    open_ceiling: float = number("OOM", "capability above which its safety policy keeps weights", -10.0, 1000.0)
    tiers: dict[Tier, TierPolicy] = choice("what it releases in each tier")
    rounds: list[Round] = choice("dated rounds", default=[])
    repeat_rounds: bool = choice("after the last dated round the schedule repeats")
    revenue_share: RevenueShare | None = choice("claim of a backer on revenue", default=None)

    @model_validator(mode="after")
    def _consistent(self) -> LabParameters:
        if self.ownership == "giant" and self.parent is None:
            raise ValueError("a giant's lab needs 'parent'")
        if self.ownership == "independent" and self.parent is not None:
            raise ValueError("an independent lab has no 'parent'")
        return self


class InvestorParameters(Section):
    """An investor and its purse on the day before the first quarter."""

    name: str = choice("name for people")
    kind: InvestorKind = choice("venture, corporate, parent or sovereign")
    region: Region = choice("home region")
    dry_powder: float = number("USD", "money not yet called or invested", 0.0, 1e13)
    thesis: float = number("-", "-1 closed .. +1 open", -1.0, 1.0)
    hedging: float = number("-", "readiness to back the other camp, 0-1", 0.0, 1.0)
    risk_tolerance: float = number("-", "0-1", 0.0, 1.0)
    pays_in_compute: float = number("-", "part of its investments paid in compute credits", 0.0, 1.0)


class InstalledBase(Section):
    """Who served the production workloads on the day before the first quarter."""

    shares: dict[Identifier, Fraction] = number("-", "share of production workloads by lab")
    home_bias: float = number("x", "weight of labs of the buyer's own region", 1.0, 100.0)
    closed_china: float = number("x", "weight of foreign closed models in China", 0.0, 1.0)

    @model_validator(mode="after")
    def _whole(self) -> InstalledBase:
        require_whole("shares", self.shares)
        return self


class CommonsParameters(Section):
    """What users of open weights build for each other."""

    maturing: float = number("per year", "rate at which the commons matures at the reference use", 0.0, 5.0)
    reference_share: float = number("-", "open part of deployments at which these rates hold", 0.001, 1.0)
    feedback: float = number("-", "elasticity of common tooling and knowledge to use", 0.0, 2.0)
    assurance: float = number("-", "missing accountability of open modes that a mature commons supplies", 0.0, 1.0)
    derivatives_half: float = number("count", "derivatives in use that cover half of what buyers need", 1.0, 1e9)
    customisation: float = number("-", "what ready adapted versions add to the worth of adapting", 0.0, 5.0)
    new_uses: float = number(
        "-", "what a commons without gaps adds to the rate at which work for models is found", 0.0, 5.0
    )
    language: float = number("-", "missing fit of languages that adapted versions supply", 0.0, 1.0)


class CommunityParameters(Section):
    """Old open weights that no lab earns on (BERT, GPT-J, BLOOM and their kin), and what people pull and make."""

    capability: float = number("OOM", "capability", -10.0, 10.0)
    serving_cost: float = number("USD per Mtok", "serving cost in the first quarter", 1e-5, 1e3)
    start_pulls: float = number("count", "downloads when a workload starts to run weights on own machines", 0.0, 1e4)
    hosted_pulls: float = number("count", "downloads by its host when a workload starts there", 0.0, 1e4)
    trial_pulls: float = number(
        "count per quarter",
        "downloads of a team with a pilot that tries open weights which do its work fully",
        0.0,
        1e5,
    )
    production_trials: float = number("x", "the same of a team with a production workload, relative", 0.0, 10.0)
    freshness: float = number("quarters", "time in which half the attention for a release goes", 0.1, 40.0)
    derivatives_per_pull: float = number("count", "derivatives published for each download", 0.0, 1.0)
    derivative_life: float = number("years", "how long a derivative is in use", 0.1, 50.0)


class Shock(Section):
    """A dated change of one number, for good or for some quarters."""

    quarter: Quarter = choice("first quarter in effect")
    key: str = choice("dotted key of the number")
    value: float | bool | str | None = choice("new value", default=None)
    factor: float | None = number("x", "multiplies the value instead", 0.0, 1e6, default=None)
    quarters: int | None = number("quarters", "how long; for good when absent", 1, 400, default=None)
    title: str = choice("what happens")
    source: str = choice("fact id or assumption")

    @model_validator(mode="after")
    def _one_change(self) -> Shock:
        if (self.value is None) == (self.factor is None):
            raise ValueError("give either 'value' or 'factor'")
        return self


class Parameters(Section):
    """A resolved scenario: every number the market uses."""

    run: RunSettings
    switches: Switches
    technology: Technology
    costs: Costs
    demand: Demand
    hosting: Hosting
    pricing: Pricing
    brand: Brand
    seats: Seats
    applications: Applications
    funding: Funding
    capital: Capital
    strategy: StrategyChoice
    release: ReleaseChoice
    control: Control
    founding: Founding
    commons: CommonsParameters
    community: CommunityParameters
    installed_base: InstalledBase
    workloads: dict[WorkloadType, WorkloadParameters]
    modes: dict[ModeName, ModeParameters]
    segments: dict[SegmentName, SegmentParameters]
    regions: dict[Region, RegionParameters]
    labs: dict[Identifier, LabParameters]
    investors: dict[Identifier, InvestorParameters]
    shocks: list[Shock] = choice("dated changes", default=[])

    def weight(self, name: str) -> float:
        """What buyers give to a term of `demand` that has a switch of the same name; 0 where that is off."""
        return float(getattr(self.demand, name) * getattr(self.switches, name))

    @model_validator(mode="after")
    def _references(self) -> Parameters:
        """Names used in one table exist in the other; every complaint at once."""
        problems = [
            f"{table}: '{name}' is missing"
            for table, wanted, given in (
                ("workloads", WORKLOADS, self.workloads),
                ("modes", MODES, self.modes),
                ("regions", REGIONS, self.regions),
            )
            for name in wanted
            if name not in given
        ]
        if not self.segments:
            problems.append("segments: at least one segment is needed")
        if not self.labs:
            problems.append("labs: at least one lab is needed")
        if COMMUNITY in self.labs:
            problems.append(f"labs.{COMMUNITY}: the name is reserved for old open weights")
        for lab_id in self.installed_base.shares:
            if lab_id not in self.labs and lab_id != COMMUNITY:
                problems.append(f"installed_base.shares.{lab_id}: no such lab")
        for lab_id, lab in self.labs.items():
            backers = {name for round_ in lab.rounds for name in round_.investors}
            if lab.revenue_share is not None:
                backers.add(lab.revenue_share.investor)
            problems += [f"labs.{lab_id}: no investor '{name}'" for name in sorted(backers - set(self.investors))]
        if self.switches.exogenous_rounds and self.switches.funding_market:
            problems.append("switches: exogenous_rounds and funding_market are two regimes; switch one of them off")
        if self.run.until < self.run.first_quarter:
            problems.append(f"run.until: {self.run.until} is before run.first_quarter {self.run.first_quarter}")
        if problems:
            raise ValueError("; ".join(problems))
        return self
