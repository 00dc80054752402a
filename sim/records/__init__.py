"""What one run leaves behind: tables with declared columns and units, and one block of shares per quarter.

Each column is declared once, here; the Parquet metadata and `docs/model.md` read it from here. Rows are kept as tuples
and become data frames only when somebody asks, so that recording costs little beside the market itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim import measures
from sim.parameters import COMMUNITY, MODES, REGIONS, SEGMENTS, TIERS, WORKLOADS, Parameters

Kind = Literal["number", "count", "text"]


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, its unit, what it means and what it holds (a number, a whole number, text)."""

    name: str
    unit: str
    meaning: str
    kind: Kind = "number"


QUARTER_COLUMN = Column("quarter", "-", "calendar quarter, such as 2026Q3", "text")
REPLICATION_COLUMN = Column("replication", "-", "seed of the run", "count")
_LAB = Column("lab", "-", "lab id", "text")

MARKET_COLUMNS: tuple[Column, ...] = (
    QUARTER_COLUMN,
    Column("hhi", "0-10,000", "Herfindahl-Hirschman index of API spend by owner"),
    Column("cr1", "0-1", "share of the largest owner in API spend"),
    Column("cr3", "0-1", "share of the three largest owners in API spend"),
    Column("cr4", "0-1", "share of the four largest owners in API spend"),
    Column("effective_labs", "count", "10,000 / hhi: equal-sized owners that would give the same concentration"),
    Column("entropy", "nat", "Shannon entropy of owners' shares in API spend"),
    Column("leader", "-", "owner with the largest share of API spend", "text"),
    Column("leader_changed", "0-1", "1 when it is another than when there was last a leader, else 0; null before"),
    Column("leader_changes", "count", "how often the leader has changed so far", "count"),
    Column("open_share", "0-1", "share of open weights in API spend"),
    Column("gap_oom", "OOM", "capability of the best closed model less that of the best open one"),
    Column(
        "gap_months", "months", "time since the first closed model had what the best open one has now; 0 when it leads"
    ),
    Column("gap_elo", "Elo", "gap_oom in points of an arena score"),
    Column("best_closed_oom", "OOM", "capability of the best closed model served"),
    Column("best_open_oom", "OOM", "capability of the best open model served"),
    Column("record_training_cost_usd", "USD", "final-run compute cost of the dearest model released so far"),
    Column("record_training_cost_2023usd", "2023 USD", "the same, deflated by technology.inflation"),
    Column("trend_training_cost_usd", "USD", "X*, final-run compute cost of staying on trend"),
    Column("trend_training_cost_2023usd", "2023 USD", "the same, deflated by technology.inflation"),
    Column("api_spend_usd", "USD per quarter", "spending at first-party APIs (closed and open weights) and hosts"),
    Column("api_spend_enterprise_usd", "USD per quarter", "the part of API spend of population enterprise"),
    Column("hosted_spend_usd", "USD per quarter", "the part of API spend at third-party hosts of open weights"),
    Column("private_spend_usd", "USD per quarter", "spending on private deployments of closed weights"),
    Column("infrastructure_spend_usd", "USD per quarter", "infrastructure and operations of self-hosting and edge"),
    Column("total_spend_usd", "USD per quarter", "all spending on models and running them, times application factor"),
    Column("seat_revenue_usd", "USD per quarter", "consumer and employee subscriptions sold by all labs"),
    Column("tokens_mtok", "Mtok per quarter", "tokens served in all modes"),
    Column("active_labs", "count", "labs that served a model in the quarter and have not exited", "count"),
    Column("independent_labs", "count", "active labs without a controlling parent", "count"),
    Column("adoption", "0-1", "enterprises that use any model, by count"),
    Column("adoption_us_firms", "0-1", "US firms of all sizes that use any model, by count"),
    Column("deployments", "count", "production workloads that run a model"),
    Column("pilots", "count", "pilots that run a model"),
    Column("unserved_workloads", "count", "workloads in production or pilot that run no model"),
    Column("self_hosted_share", "0-1", "share of deployments whose buyer runs open weights in house"),
    Column("price_of_2023q1_frontier_quality", "USD per Mtok", "cheapest offer as good as the best model of 2023Q1"),
    Column(
        "closed_flagship_price_usd_per_mtok", "USD per Mtok", "posted price, median of the three best closed flagships"
    ),
    Column("cheapest_hosted_price_usd_per_mtok", "USD per Mtok", "posted price of the cheapest open model at a host"),
    *(Column(f"going_price_{w}", "USD per Mtok", f"going price, workload type {w}") for w in WORKLOADS),
    *(
        Column(f"quality_gap_{w}", "0-1", f"quality of the best closed model less the best open one, type {w}")
        for w in WORKLOADS
    ),
    *(
        Column(
            f"lag_months_{w}",
            "months",
            f"time since the first closed model that does today's work of type {w} better, by at least "
            f"{measures.NOTICEABLE} of quality, than the best open one does; 0 when none does",
        )
        for w in WORKLOADS
    ),
    Column(
        "price_volatility_closed",
        "log points per quarter",
        "mean |change of log price| of closed models sold by API in this and last quarter, weighted by their tokens",
    ),
    Column("price_volatility_open", "log points per quarter", "the same of open models at hosts"),
    Column("downloads", "count per quarter", "pulls of open weights: starts of workloads, their hosts, trials"),
    Column("derivatives", "count", "community derivatives of open weights in use, made since the first quarter"),
    *(
        Column(f"open_share_{w}", "0-1", f"open part of the deployments of workload type {w}")
        for w in WORKLOADS
        if w != "pilot"
    ),
    Column("open_share_of_independent_revenue", "0-1", "open part of what independent labs earn on models"),
    *(Column(f"active_labs_{region}", "count", f"active labs at home in {region}", "count") for region in REGIONS),
    *(Column(f"best_{region}_oom", "OOM", f"best model on release of a lab at home in {region}") for region in REGIONS),
    Column("subscale_exits_and_rescues", "count per quarter", "sub-scale labs that exited or were rescued"),
    Column(
        "share_of_large_enterprises_with_5_or_more_models",
        "0-1",
        "share of adopters of population large that run five or more different models in production",
    ),
    Column("products", "count", "priced products: first-party offers of models", "count"),
    Column(
        "products_at_price_floor",
        "count",
        "products whose price the least believed elasticity or the least mark-up binds",
        "count",
    ),
    Column("closed_products", "count", "priced closed products", "count"),
    Column("closed_products_at_price_floor", "count", "closed products whose price is so bound", "count"),
    Column(
        "hhi_change_mergers",
        "0-10,000",
        "change of hhi by labs that came under one owner, at last quarter's shares",
    ),
    Column("hhi_change_exits", "0-10,000", "change of hhi by what labs that exited no longer sell"),
    Column("hhi_change_entry", "0-10,000", "change of hhi by new labs"),
    Column("hhi_change_reallocation", "0-10,000", "change of hhi by buyers moving between the others"),
    Column("investor_mood", "x", "what mood does to values: 1 in normal times"),
    Column("funding_usd", "USD per quarter", "new money from investors, compute credits included"),
    Column(
        "circular_money_usd",
        "USD per quarter",
        "money of corporate investors that comes back to them: compute credits drawn, and of the cash they have put "
        "into a lab the revenue shares it pays them and what it pays for compute that it is tied to buy of them, each "
        "dollar once",
    ),
    Column(
        "circular_share",
        "0-1",
        "circular_money_usd over labs' payments for compute and revenue shares to such investors; null without any",
    ),
    Column("total_lab_cash_usd", "USD", "cash of all labs at quarter end"),
    Column("identity_residual_usd", "USD", "largest residual of the accounting identities"),
    Column("identity_gate_usd", "USD", "largest residual allowed: 1e-12 x (largest stock + gross flow)"),
)

LAB_COLUMNS: tuple[Column, ...] = (
    QUARTER_COLUMN,
    _LAB,
    Column("name", "-", "name for people", "text"),
    Column("region", "-", "home region", "text"),
    Column("owner", "-", "id of who controls it: who took it over, else its parent, else its own", "text"),
    Column("ownership", "-", "independent, giant (subsidiary) or state", "text"),
    Column("creed", "-", "what it preaches, open or closed", "text"),
    Column("strategy", "-", "frontier, follower, specialist or services; stop while it is for sale", "text"),
    Column("status", "-", "not_entered, active or exited", "text"),
    Column("release_policy", "-", "flagship/small: closed, open, open_threshold or none", "text"),
    Column("cash_usd", "USD", "cash at quarter end"),
    Column("debt_usd", "USD", "trade debt at quarter end"),
    Column("compute_credit_usd", "USD", "compute credits not yet used"),
    Column(
        "runway_quarters",
        "quarters",
        "cash over the quarter's burn; inf when cash-positive, null before entry and after exit",
    ),
    Column("revenue_usd", "USD per quarter", "sum of the revenue lines; parent transfers and funding are not revenue"),
    Column("revenue_api_usd", "USD per quarter", "own API sales"),
    Column("revenue_private_usd", "USD per quarter", "private deployments"),
    Column("revenue_resale_usd", "USD per quarter", "API sales through clouds, after their cut"),
    Column("revenue_hosted_usd", "USD per quarter", "hosts' payments for its open weights"),
    Column("revenue_services_usd", "USD per quarter", "services sold on its open weights"),
    Column("revenue_seats_usd", "USD per quarter", "consumer and employee subscriptions"),
    Column("parent_transfer_usd", "USD per quarter", "paid in by its parent or state"),
    Column("funding_usd", "USD per quarter", "new money from investors, compute credits included"),
    Column("cost_usd", "USD per quarter", "sum of the cost lines"),
    Column("serving_usd", "USD per quarter", "compute that serves its customers"),
    Column("training_usd", "USD per quarter", "R&D compute, final runs included"),
    Column("staff_usd", "USD per quarter", "R&D staff"),
    Column("sales_usd", "USD per quarter", "sales and administration"),
    Column("applications_usd", "USD per quarter", "building applications of its own"),
    Column("interest_usd", "USD per quarter", "interest on trade debt"),
    Column("revenue_share_usd", "USD per quarter", "backers' share of revenue"),
    Column("loss_over_revenue", "-", "(cost - revenue) / revenue; null without revenue"),
    Column("budget_usd_per_year", "USD per year", "R&D budget"),
    Column("capacity_usd_per_year", "USD per year", "final-run compute its clusters can do"),
    Column("record_run_usd", "USD", "final-run cost of its dearest model so far"),
    Column("knowledge_oom", "OOM", "private knowledge A"),
    Column("capability_oom", "OOM", "capability of its best served model"),
    Column("flagship_oom", "OOM", "capability of its flagship"),
    Column("small_oom", "OOM", "capability of its small model"),
    Column("flagship_price", "USD per Mtok", "posted price of its flagship"),
    Column("small_price", "USD per Mtok", "posted price of its small model"),
    Column("flagship_serving_cost", "USD per Mtok", "cost of serving its flagship"),
    Column("brand", "logit", "brand stock"),
    Column("seat_share", "0-1", "share of the subscription market"),
    Column("presence", "x", "presence in consumer and employee applications; 0 while it serves nothing"),
    Column(
        "valuation_usd", "USD", "mark: post-money at its last round, moved since towards what it is worth; null without"
    ),
    Column("models_served", "count", "models in its catalogue", "count"),
    Column("downloads", "count per quarter", "pulls of its open weights"),
    Column("derivatives", "count", "community derivatives of its open weights in use, made since the first quarter"),
)

SHARE_COLUMNS: tuple[Column, ...] = (
    QUARTER_COLUMN,
    Column("population", "-", "which buyers are counted", "text"),
    Column("lens", "-", "what is counted", "text"),
    Column("by", "-", "how it is divided", "text"),
    Column("key", "-", "the part", "text"),
    Column("share", "0-1", "share of the part; null where nothing is counted"),
)

FUNDING_COLUMNS: tuple[Column, ...] = (
    QUARTER_COLUMN,
    Column("funding_usd", "USD per quarter", "new money from investors, compute credits included"),
    Column("funding_open_usd", "USD per quarter", "the part that went to labs of open creed"),
    Column("funding_closed_usd", "USD per quarter", "the part that went to labs of closed creed"),
    Column("cumulative_open_usd", "USD", "private funding of open labs so far, the initial stock included"),
    Column("cumulative_closed_usd", "USD", "private funding of closed labs so far, the initial stock included"),
    Column("open_share_of_private_funding", "0-1", "cumulative_open_usd over both"),
    Column("parent_transfers_usd", "USD per quarter", "paid by parents and states into their labs"),
)

EVENT_COLUMNS: tuple[Column, ...] = (
    QUARTER_COLUMN,
    Column("kind", "-", "release, open, close, paywall, round, ..., shock", "text"),
    _LAB,
    Column("counterparty", "-", "investor, acquirer, partner or model; empty where there is none", "text"),
    Column("amount_usd", "USD", "money moved; 0 where none was"),
    Column("cause", "-", "why, in numbers", "text"),
    Column("numbers", "-", "the numbers the decision saw, as a JSON object; units are in their names", "text"),
    Column("what", "-", "of a shock: begins or ends (a dated change), or incident (of the lab); else empty", "text"),
)

INVESTOR_COLUMNS: tuple[Column, ...] = (
    QUARTER_COLUMN,
    Column("investor", "-", "investor id", "text"),
    Column("kind", "-", "venture, corporate, parent or sovereign", "text"),
    Column("dry_powder_usd", "USD", "cash and commitments not yet called, less compute credits not yet used"),
    Column("called_usd", "USD", "drawn from its own backers so far"),
    Column("co_invested_usd", "USD", "put in beside it by outside co-investors so far, where its promises fell short"),
    Column("invested_usd", "USD", "put into labs so far, compute credits included"),
    Column("granted_usd", "USD", "the part of it in compute credits"),
    Column("proceeds_usd", "USD", "received for shares so far"),
    Column("marked_usd", "USD", "value of its stakes at the labs' marks"),
)

INVESTMENT_COLUMNS: tuple[Column, ...] = (
    QUARTER_COLUMN,
    Column("investor", "-", "investor id", "text"),
    _LAB,
    Column("creed", "-", "the lab's stated creed, open or closed", "text"),
    Column("amount_usd", "USD", "paid for new shares, compute credits included"),
    Column("credit_usd", "USD", "the part of it in compute credits"),
)

STAKE_COLUMNS: tuple[Column, ...] = (
    QUARTER_COLUMN,
    _LAB,
    Column("holder", "-", "investor id, parent's id, founders", "text"),
    Column("stake", "0-1", "part of the lab after the quarter, in quarters in which its cap table changed"),
    Column("value_usd", "USD", "the stake at the lab's mark"),
)

SWITCH_COLUMNS: tuple[Column, ...] = (
    QUARTER_COLUMN,
    Column("from", "-", "developer of what ran last quarter: lab id, community, or none (not in production)", "text"),
    Column("from_openness", "-", "open, closed or none", "text"),
    Column("to", "-", "developer of what runs this quarter: the same", "text"),
    Column("to_openness", "-", "open, closed or none", "text"),
    Column("workloads", "count", "workloads in production in either quarter; who stays has the same from and to"),
    Column("sold", "count", "the part that switched without a choice: its model went to another lab that took over"),
    Column("spend_usd", "USD per quarter", "what they spend this quarter"),
)

FLOW_COLUMNS: tuple[Column, ...] = (
    QUARTER_COLUMN,
    Column("payer", "-", "account: lab:<id>, investor:<id>, treasury:<owner>, a supplier, or enterprises", "text"),
    Column("payee", "-", "the same", "text"),
    Column("purpose", "-", "why, as in the journal", "text"),
    Column("means", "-", "cash, or credit: compute credits granted to or used by the payee", "text"),
    Column("usd", "USD per quarter", "the quarter's sum"),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "market": MARKET_COLUMNS,
    "shares": SHARE_COLUMNS,
    "labs": LAB_COLUMNS,
    "funding": FUNDING_COLUMNS,
    "events": EVENT_COLUMNS,
    "investors": INVESTOR_COLUMNS,
    "investments": INVESTMENT_COLUMNS,
    "stakes": STAKE_COLUMNS,
    "switches": SWITCH_COLUMNS,
    "flows": FLOW_COLUMNS,
}

EVENT_KINDS: tuple[str, ...] = (
    "release",
    "open",
    "close",
    "paywall",
    "round",
    "failed_round",
    "pivot",
    "restructuring",
    "acquihire",
    "merger",
    "blocked_merger",
    "winddown",
    "entry",
    "shock",
)

# A shock is a dated change that begins or ends, or a lab's incident: what it is, and the name it is counted under.
SHOCKS: dict[str, str] = {"begins": "shock", "ends": "shock_end", "incident": "incident"}
EVENT_COUNTS: tuple[str, ...] = (*(kind for kind in EVENT_KINDS if kind != "shock"), *SHOCKS.values())

LENSES: tuple[str, ...] = measures.LENSES
BY: tuple[str, ...] = measures.BY


@dataclass(frozen=True)
class Population:
    """Which buyers are counted: those of `segments` in `regions`."""

    segments: tuple[str, ...]
    regions: tuple[str, ...]


POPULATIONS: dict[str, Population] = {
    name: Population(measures.POPULATION_SEGMENTS[name], measures.POPULATION_REGIONS.get(name, REGIONS))
    for name in measures.POPULATIONS
}


@dataclass(frozen=True)
class ShareKeys:
    """The fixed vocabulary of one run's shares: every (by, key), those of one `by` side by side.

    `pairs[i]` names position i on the last axis of a share block.
    """

    pairs: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def _slices(self) -> dict[str, slice]:
        found: dict[str, slice] = {}
        for position, (by, _) in enumerate(self.pairs):
            start = found[by].start if by in found else position
            if by in found and found[by].stop != position:
                raise ValueError(f"the keys of '{by}' must stand side by side")
            found[by] = slice(start, position + 1)
        return found

    @cached_property
    def _positions(self) -> dict[tuple[str, str], int]:
        return {pair: position for position, pair in enumerate(self.pairs)}

    def index(self, by: str) -> slice:
        """Positions of all keys of one `by`. Raises KeyError for a `by` without keys."""
        return self._slices[by]

    def keys(self, by: str) -> tuple[str, ...]:
        """The keys of one `by`, in order of position."""
        return tuple(key for _, key in self.pairs[self.index(by)])

    def position(self, by: str, key: str) -> int:
        """Position of one key. Raises KeyError when the run does not have it."""
        return self._positions[by, key]


def share_keys(parameters: Parameters) -> ShareKeys:
    """The vocabulary of a scenario: its labs in order of id, then `community`; parents' and labs' ids as owners.

    `region` is the developer's home region; the community's weights count in region other.
    """
    labs = [*sorted(parameters.labs), COMMUNITY]
    parents = {lab.parent for lab in parameters.labs.values() if lab.parent is not None}
    vocabulary: dict[str, Iterable[str]] = {
        "lab": labs,
        "owner": [*sorted(parents | set(parameters.labs)), COMMUNITY],
        "openness": ("open", "closed"),
        "tier": TIERS,
        "region": REGIONS,
        "segment": SEGMENTS,
        "region_and_openness": [f"{region}_{openness}" for region in REGIONS for openness in ("open", "closed")],
        "workload": WORKLOADS,
        "mode": MODES,
    }
    return ShareKeys(tuple((by, key) for by in BY for key in vocabulary[by]))


@dataclass(frozen=True)
class Event:
    """Something that happened to a lab in a quarter, with its cause in numbers.

    Raises ValueError for an unknown kind, for a shock that is none of SHOCKS and for another kind that is one.
    """

    quarter: str
    kind: str
    lab: str
    counterparty: str = ""
    amount_usd: float = 0.0
    cause: str = ""
    numbers: str = "{}"
    what: str = ""

    def __post_init__(self) -> None:
        if self.kind not in EVENT_KINDS:
            raise ValueError(f"unknown event kind '{self.kind}'; known: {', '.join(EVENT_KINDS)}")
        if self.what not in (SHOCKS if self.kind == "shock" else ("",)):
            raise ValueError(f"an event '{self.kind}' cannot be '{self.what}'; a shock is {', '.join(SHOCKS)}")


def counted_as(events: pd.DataFrame) -> pd.Series[Any]:
    """The name of EVENT_COUNTS that each event of the table counts under: its kind, a shock by what it is.

    Runs of earlier versions do not say what a shock is; there all three count as `shock`.
    """
    if "what" not in events.columns:
        return events["kind"]
    return events["kind"].mask(events["kind"] == "shock", events["what"].map(SHOCKS))


def numbers_text(numbers: Mapping[str, float]) -> str:
    """The numbers a decision saw as a JSON object, six digits each; what is not finite is null."""
    pairs = [  # names need no escape
        f'"{name}": {float(f"{value:.6g}")!r}' if math.isfinite(value) else f'"{name}": null'
        for name, value in numbers.items()
    ]
    return "{" + ", ".join(pairs) + "}"


_NAMES: dict[str, tuple[str, ...]] = {table: tuple(c.name for c in columns) for table, columns in COLUMNS.items()}
_PICK = {table: itemgetter(*names) for table, names in _NAMES.items()}
_FIELDS = attrgetter(*_NAMES["events"])


def _row(table: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The row's values in the order of the declaration. Raises KeyError naming a missing or an unknown column."""
    try:
        values: tuple[Any, ...] = _PICK[table](row)
    except KeyError:
        missing = [name for name in _NAMES[table] if name not in row]
        raise KeyError(f"table {table}: missing column {', '.join(missing)}") from None
    if len(row) != len(values):
        unknown = [name for name in row if name not in _NAMES[table]]
        raise KeyError(f"table {table}: unknown column {', '.join(unknown)}")
    return values


_DTYPES: dict[Kind, str] = {"number": "float64", "count": "int64", "text": "str"}


def frame(table: str, rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Rows as a data frame with the declared columns and types, also when there is no row; None is null."""
    values = list(zip(*rows, strict=True)) or [()] * len(COLUMNS[table])
    return _framed(table, [list(content) for content in values])


class Words(NamedTuple):
    """A column of text in which few words come again and again: positions in `words` (the same for all quarters)."""

    codes: NDArray[np.integer]
    words: Sequence[str]


def _stacked(table: str, pieces: Sequence[tuple[NDArray[np.float64] | Words, ...]]) -> pd.DataFrame:
    """Pieces of columns, one under the other, as a data frame like that of `frame`."""
    if not pieces:
        return frame(table, [])
    return _framed(table, [_joined(column) for column in zip(*pieces, strict=True)])


def _joined(pieces: Sequence[NDArray[np.float64] | Words]) -> Any:
    codes = [piece.codes for piece in pieces if isinstance(piece, Words)]
    if not codes:
        return np.concatenate([piece for piece in pieces if not isinstance(piece, Words)])
    words: Any = pd.array(list(pieces[0][1]), dtype="str")
    return words.take(np.concatenate(codes))


def _framed(table: str, values: Sequence[Any]) -> pd.DataFrame:
    typed = zip(COLUMNS[table], values, strict=True)
    return pd.DataFrame({column.name: pd.Series(content, dtype=_DTYPES[column.kind]) for column, content in typed})


class Records:
    """The tables of one run, filled once a quarter.

    quarters: labels of all quarters the run may have, in order. keys: the vocabulary of the shares.
    """

    def __init__(self, quarters: Sequence[str], keys: ShareKeys) -> None:
        self.quarters = tuple(quarters)
        self.keys = keys
        kept_in_columns = ("switches", "flows")
        self._rows: dict[str, list[tuple[Any, ...]]] = {
            table: [] for table in COLUMNS if table not in ("shares", *kept_in_columns)
        }
        self._columns: dict[str, list[tuple[NDArray[np.float64] | Words, ...]]] = {
            table: [] for table in kept_in_columns
        }
        self._shares = np.full((len(self.quarters), len(POPULATIONS), len(LENSES), len(keys)), np.nan)
        self._recorded = 0

    def market_row(self, row: Mapping[str, Any]) -> None:
        """Record the market's quarter. Raises KeyError naming a missing or unknown column."""
        self._rows["market"].append(_row("market", row))

    def lab_row(self, row: Mapping[str, Any]) -> None:
        """Record a lab's quarter. Raises KeyError naming a missing or unknown column."""
        self._rows["labs"].append(_row("labs", row))

    def funding_row(self, row: Mapping[str, Any]) -> None:
        """Record the quarter's funding. Raises KeyError naming a missing or unknown column."""
        self._rows["funding"].append(_row("funding", row))

    def row(self, table: str, row: Mapping[str, Any]) -> None:
        """Record a row of another table. Raises KeyError naming a missing or unknown column."""
        self._rows[table].append(_row(table, row))

    def columns(self, table: str, columns: Mapping[str, NDArray[np.float64] | Words]) -> None:
        """Record many rows, given as equally long columns. Raises KeyError naming a missing or unknown column."""
        self._columns[table].append(_row(table, columns))

    def event(self, event: Event) -> None:
        """Record an event, in the order in which events happen."""
        self._rows["events"].append(_FIELDS(event))

    def share_block(self, block: NDArray[np.float64]) -> None:
        """Record the quarter's shares, 0-1, shape (population, lens, key); NaN where nothing is counted.

        Raises ValueError for another shape and IndexError after the last quarter.
        """
        if block.shape != self._shares.shape[1:]:
            raise ValueError(f"a share block has shape {self._shares.shape[1:]} here, not {block.shape}")
        self._shares[self._recorded] = block
        self._recorded += 1

    @property
    def shares(self) -> NDArray[np.float64]:
        """Shares of the quarters recorded so far, shape (quarter, population, lens, key)."""
        return self._shares[: self._recorded]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table but the shares as a data frame: market, labs, funding, events, ..."""
        return {table: self.table(table) for table in (*self._rows, *self._columns)}

    def table(self, name: str) -> pd.DataFrame:
        """One table as a data frame: market, labs, ... or shares in tidy form."""
        if name == "shares":
            return self.share_table()
        return frame(name, self._rows[name]) if name in self._rows else _stacked(name, self._columns[name])

    def share_table(self) -> pd.DataFrame:
        """The shares in tidy form: one row for each quarter, population, lens and key."""
        return tidy_shares(self.shares, self.quarters[: self._recorded], self.keys)


def tidy_shares(shares: NDArray[np.float64], quarters: Sequence[str], keys: ShareKeys) -> pd.DataFrame:
    """Shares of shape (quarter, population, lens, key) as a data frame with the columns of SHARE_COLUMNS."""
    shape = shares.shape
    by = [by for by, _ in keys.pairs]
    key = [key for _, key in keys.pairs]
    return pd.DataFrame(
        {
            "quarter": _spread(quarters, 0, shape),
            "population": _spread(list(POPULATIONS), 1, shape),
            "lens": _spread(LENSES, 2, shape),
            "by": _spread(by, 3, shape),
            "key": _spread(key, 3, shape),
            "share": shares.ravel(),
        }
    )


def _spread(labels: Sequence[str], axis: int, shape: tuple[int, ...]) -> pd.Categorical[Any]:
    """The labels of one axis repeated over all cells of an array of that shape, in C order."""
    categories = list(dict.fromkeys(labels))
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    codes = np.array([categories.index(label) for label in labels], dtype=np.int16).reshape(sizes)
    spread: NDArray[np.int16] = np.broadcast_to(codes, shape).ravel()
    return pd.Categorical.from_codes(spread, categories=pd.Index(categories))
