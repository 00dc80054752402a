"""A lab's story from the tables of a run: what it decided or met, the numbers it saw, and what followed.

`story` is a pure function of tables, so that each number of the text can be reckoned again from them; `as_text` only
puts words around the numbers.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from sim.quarters import quarter_label, quarter_number
from sim.records import COLUMNS
from sim.runs.folder import RESOLVED, FolderError, read_manifest
from sim.words import dollars

Number = float | str | bool | None
Numbers = dict[str, Number]

TABLES = ("labs", "events", "stakes", "investments")  # and the shares of API spend
HORIZONS = (2, 4)  # quarters after an event at which the lab is looked at again
EXITS = ("acquihire", "merger", "winddown")
PAYING_EXITS = ("acquihire", "merger")  # the event's amount goes to the shareholders
PROCEEDS = "payoff_to_holders_usd"  # among an exit's numbers: what the shareholders got; goes before its amount

WHAT = {
    "open": "opened its weights",
    "close": "closed its weights",
    "paywall": "put its flagship behind a paywall",
    "round": "raised {amount}, led by {who}",
    "failed_round": "failed to raise a round",
    "pivot": "changed its strategy",
    "restructuring": "got debt relief of {amount}",
    "acquihire": "had its team hired away by {who} for {amount}",
    "merger": "merged into {who} for {amount}",
    "blocked_merger": "was kept from merging with {who}",
    "winddown": "was wound down",
    "entry": "entered the market, spun out of {who}",
    "shock": "had an incident",
}
AS_BUYER = {
    "acquihire": "hired away the team of {lab} for {amount}",
    "merger": "took over {lab} for {amount}",
    "blocked_merger": "was kept from taking over {lab}",
    "entry": "saw {lab} spin out of it",
}


class ExplainError(ValueError):
    """There is no such lab, replication or quarter, or the run did not keep what a story needs; the message says so."""


@dataclass(frozen=True)
class State:
    """A lab at a quarter's end.

    burn_usd: cost less revenue and transfers of the quarter, negative when it earns; api_share: 0-1 of API spend.
    """

    quarter: str
    status: str
    runway_quarters: float | None
    cash_usd: float
    burn_usd: float
    api_share: float | None


@dataclass(frozen=True)
class Step:
    """One decision or event, or several releases in a row (kind `release`, count > 1, quarter to last_quarter).

    role: `subject`, or `counterparty` where the event is another lab's and this one its buyer or its origin;
    numbers: what the decision saw; before and after: the lab a quarter earlier, at the end of the quarter, and at the
    HORIZONS as far as the run goes or the lab lives.
    """

    quarter: str
    last_quarter: str
    kind: str
    count: int
    what: str
    cause: str
    role: str
    counterparty: str
    amount_usd: float
    numbers: Numbers
    before: State | None
    after: tuple[State, ...]


@dataclass(frozen=True)
class Head:
    """Who a lab is: owner and policy are those of its first active quarter; state is that of the last one."""

    lab: str
    name: str
    region: str
    ownership: str
    owner: str
    creed: str | None
    strategy: str
    release_policy: str
    entered: str
    there_from_the_start: bool
    last_quarter: str
    status: str


@dataclass(frozen=True)
class Ending:
    """How it ended: kind `alive` or that of the exit; proceeds_usd: by holder, None where the tables do not say."""

    kind: str
    quarter: str
    counterparty: str
    amount_usd: float
    last: State
    stakes: dict[str, float]
    stakes_of: str | None  # quarter of the cap table
    proceeds_usd: dict[str, float] | None


@dataclass(frozen=True)
class Story:
    """A lab's story in one replication. names: of labs and investors, by id."""

    replication: int
    head: Head
    steps: tuple[Step, ...]
    ending: Ending
    names: dict[str, str]


@dataclass(frozen=True)
class Moment:
    """One quarter of a lab: its events and its whole row before and after."""

    replication: int
    lab: str
    name: str
    quarter: str
    steps: tuple[Step, ...]
    before: Numbers | None
    after: Numbers


# ---- reading ----


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a run folder that a story needs, names of investors among them; those not written are left out.

    Raises FolderError for what is no finished run folder and ExplainError when labs or events were not kept.
    """
    manifest = read_manifest(folder)
    if manifest.get("status") not in ("complete", "partial"):
        raise FolderError(f"{folder} holds a run that is not finished (status {manifest.get('status')})")
    for name in ("labs", "events"):
        if not (folder / f"{name}.parquet").exists():
            raise ExplainError(
                f"{folder} has no table '{name}'; run the scenario again with this version: "
                f"moatsim run {manifest.get('scenario', 'SCENARIO')} --out {folder}"
            )
    try:
        paths = {name: folder / f"{name}.parquet" for name in TABLES}
        tables = {name: pq.read_table(path).to_pandas() for name, path in paths.items() if path.exists()}
        if (folder / "shares.parquet").exists():
            wanted = [("by", "==", "lab"), ("lens", "==", "api_spend"), ("population", "==", "all")]
            tables["shares"] = pq.read_table(folder / "shares.parquet", filters=wanted).to_pandas()
        tables["names"] = _investor_names(folder / RESOLVED)
    except (OSError, ValueError) as error:
        raise FolderError(f"{folder} is damaged: {error}") from error
    return tables


def _investor_names(path: Path) -> pd.DataFrame:
    """Investors' ids and names from the resolved scenario, where it has them: columns id, name."""
    tree = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    entries = {key: entry.get("name", key) for key, entry in tree.get("investors", {}).items()}
    plain = {key: name["value"] if isinstance(name, dict) else name for key, name in entries.items()}
    return pd.DataFrame({"id": list(plain), "name": list(plain.values())}, dtype="str")


def _one(tables: Mapping[str, pd.DataFrame], lab: str, replication: int | None) -> tuple[int, pd.DataFrame]:
    """The replication (the first unless named) and the lab's rows by quarter."""
    labs = tables["labs"]
    seeds = list(dict.fromkeys(int(seed) for seed in labs["replication"]))
    if not seeds:
        raise ExplainError("the run has no quarter")
    seed = seeds[0] if replication is None else replication
    if seed not in seeds:
        raise ExplainError(f"no replication {seed}; the run has {', '.join(map(str, seeds))}")
    mine = labs[labs["replication"] == seed]
    rows = mine[mine["lab"] == lab]
    if rows.empty:
        known = sorted(mine["lab"].unique())
        near = difflib.get_close_matches(lab, known, 3, 0.4)
        hint = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(known)}"
        raise ExplainError(f"no lab '{lab}' in replication {seed}; {hint}")
    return seed, rows.sort_values("quarter").set_index("quarter")


def _of(tables: Mapping[str, pd.DataFrame], name: str, seed: int) -> pd.DataFrame:
    """One replication of a table; empty when the run does not have it."""
    table = tables.get(name)
    return pd.DataFrame() if table is None or table.empty else table[table["replication"] == seed]


def numbers_of(text: object) -> Numbers:
    """The numbers that a decision saw, from the column `numbers`: a flat JSON object; nothing when it is empty."""
    if not isinstance(text, str) or not text.strip():
        return {}
    found = json.loads(text)
    return {str(key): value if isinstance(value, float | str | bool | None) else _plain(value) for key, value in
            found.items()}  # fmt: skip


def _plain(value: Any) -> Number:
    return float(value) if isinstance(value, int | float) else json.dumps(value)


# ---- the story ----


def story(tables: Mapping[str, pd.DataFrame], lab: str, replication: int | None = None) -> Story:
    """The story of a lab. tables: as `read_tables` gives them; replication: a seed, the first unless named.

    Raises ExplainError for an unknown lab or replication, and for a lab that never entered.
    """
    seed, rows = _one(tables, lab, replication)
    if not (rows["status"] != "not_entered").any():
        raise ExplainError(f"{lab} never entered in replication {seed}: there is no story to tell")
    states = _states(tables, rows, lab, seed)
    steps = _steps(tables, rows, seed, states)
    ending = _ending(tables, steps, states, lab, seed)
    return Story(seed, _head(tables, rows, lab, seed), fold_releases(steps), ending, _names(tables))


def moment(tables: Mapping[str, pd.DataFrame], lab: str, quarter: str, replication: int | None = None) -> Moment:
    """One quarter of a lab with its row before and after. Raises ExplainError for what the run does not have."""
    seed, rows = _one(tables, lab, replication)
    if quarter not in rows.index:
        raise ExplainError(f"{lab} has no quarter '{quarter}'; its rows go from {rows.index[0]} to {rows.index[-1]}")
    states = _states(tables, rows, lab, seed)
    steps = tuple(step for step in _steps(tables, rows, seed, states) if step.quarter == quarter)
    place = rows.index.get_loc(quarter)
    before = _row(rows.iloc[place - 1]) if place else None
    return Moment(seed, lab, str(rows["name"].iloc[0]), quarter, steps, before, _row(rows.iloc[place]))


def _row(row: pd.Series[Any]) -> Numbers:
    """A row of the labs as plain values; null as None."""
    return {
        str(key): None if pd.isna(value) else value if isinstance(value, str) else float(value)
        for key, value in row.items()
        if key not in ("replication", "lab", "name")
    }


def _states(tables: Mapping[str, pd.DataFrame], rows: pd.DataFrame, lab: str, seed: int) -> dict[str, State]:
    """The lab at the end of every quarter."""
    shares = _of(tables, "shares", seed)
    share: dict[str, float] = {}
    if not shares.empty:
        chosen = (shares["by"] == "lab") & (shares["lens"] == "api_spend") & (shares["population"] == "all")
        mine = shares[chosen & (shares["key"] == lab)]
        share = dict(zip(mine["quarter"].astype(str), mine["share"].astype(float), strict=True))
    transfers = rows.get("parent_transfer_usd", 0.0)
    burn = (rows["cost_usd"] - rows["revenue_usd"] - transfers).to_dict()
    return {
        str(quarter): State(
            str(quarter), row["status"], _maybe(row["runway_quarters"]), float(row["cash_usd"]), float(burn[quarter]),
            _maybe(share.get(str(quarter))),
        )
        for quarter, row in rows.iterrows()
    }  # fmt: skip


def _maybe(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _steps(
    tables: Mapping[str, pd.DataFrame], rows: pd.DataFrame, seed: int, states: Mapping[str, State]
) -> list[Step]:
    """All events of the lab, and those in which it (or the giant it is the lab of) was the buyer or the origin.

    In the order in which they happened, an entry first in its quarter. rows: the lab's own, by quarter.
    """
    events = _of(tables, "events", seed)
    if events.empty:
        return []
    lab, names = str(rows["lab"].iloc[0]), _names(tables)
    own = events["lab"] == lab
    parties = {lab, *rows.loc[rows["ownership"] == "giant", "owner"]}
    bought = events["counterparty"].isin(parties) & events["kind"].isin(tuple(AS_BUYER)) & ~own
    chosen = events[own | bought]
    chosen = chosen.assign(later=chosen["kind"] != "entry").sort_values(["quarter", "later"], kind="stable")
    found = []
    for row in chosen.to_dict("records"):
        quarter, mine = str(row["quarter"]), row["lab"] == lab
        numbers = numbers_of(row.get("numbers"))
        if row["kind"] == "release" and quarter in rows.index:
            numbers |= _on_offer(rows.loc[quarter])
        what = _what(WHAT if mine else AS_BUYER, row, names)
        cause, other = str(row["cause"] or ""), str(row["counterparty"] if mine else row["lab"])
        before, after = _around(quarter, states)
        amount = float(row["amount_usd"])
        role = "subject" if mine else "counterparty"
        found.append(Step(quarter, quarter, row["kind"], 1, what, cause, role, other, amount, numbers, before, after))
    return found


def _on_offer(row: pd.Series[Any]) -> Numbers:
    """What the lab serves at the end of a quarter: its best model and the licences of flagship/small."""
    level = _maybe(row["capability_oom"])
    return ({} if level is None else {"capability_oom": level}) | {"licence": str(row["release_policy"])}


def _names(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Names for people of labs and, where known, of investors, by id; one that is both is called as its lab."""
    labs = tables["labs"].drop_duplicates("lab")
    others = tables.get("names", pd.DataFrame({"id": [], "name": []}))
    return dict(zip([*others["id"], *labs["lab"]], [*others["name"], *labs["name"]], strict=True))


def _what(words: Mapping[str, str], row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if row["kind"] == "release":
        return f"released {row['counterparty'] or 'a model'}"
    text = words.get(row["kind"]) or str(row["kind"]).replace("_", " ")
    who, amount = str(row["counterparty"] or ""), float(row["amount_usd"])
    if not who:
        for ending in (", led by {who}", ", spun out of {who}", " by {who}", " into {who}", " with {who}"):
            text = text.replace(ending, "")
    if amount <= 0:
        text = text.replace(" for {amount}", "").replace(" of {amount}", "")
    return text.format(who=names.get(who, readable(who)), lab=names.get(row["lab"], row["lab"]), amount=dollars(amount))


def _around(quarter: str, states: Mapping[str, State]) -> tuple[State | None, tuple[State, ...]]:
    """The lab a quarter before, at the end of the quarter and at the HORIZONS, up to its exit."""
    at = quarter_number(quarter)
    before = states.get(quarter_label(at - 1))
    last = next((q for q, state in states.items() if state.status == "exited"), None)
    after = []
    for horizon in (0, *HORIZONS):
        then = quarter_label(at + horizon)
        if last is not None and quarter_number(then) >= quarter_number(last):
            if quarter_number(last) >= at:
                after.append(states[last])
            break
        if then in states:
            after.append(states[then])
    return before if before is not None and before.status == "active" else None, tuple(after)


def fold_releases(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Runs of releases between decisions as one step each: count, best capability, licences."""
    folded: list[Step] = []
    for step in steps:
        if step.kind == "release" and folded and folded[-1].kind == "release":
            folded[-1] = _together(folded[-1], step)
        else:
            folded.append(step)
    return tuple(folded)


def _together(first: Step, last: Step) -> Step:
    """Two steps of releases as one; the best capability counts, licences are listed once each."""
    numbers = {**first.numbers, **last.numbers}
    levels = [s.numbers["capability_oom"] for s in (first, last) if isinstance(s.numbers.get("capability_oom"), float)]
    if levels:
        numbers["capability_oom"] = max(level for level in levels if isinstance(level, float))
    licences = [str(s.numbers["licence"]) for s in (first, last) if s.numbers.get("licence")]
    if licences:
        numbers["licence"] = ", ".join(dict.fromkeys(", ".join(licences).split(", ")))
    count = first.count + last.count
    return replace(
        first, last_quarter=last.last_quarter, count=count, what=f"made {count} releases", cause="", counterparty="",
        numbers=numbers, after=last.after,
    )  # fmt: skip


def _head(tables: Mapping[str, pd.DataFrame], rows: pd.DataFrame, lab: str, seed: int) -> Head:
    there = rows[rows["status"] != "not_entered"]
    first = there.iloc[0]
    investments = _of(tables, "investments", seed)
    creed = first.get("creed")
    if creed is None and not investments.empty and (investments["lab"] == lab).any():
        creed = investments.loc[investments["lab"] == lab, "creed"].iloc[0]
    return Head(
        lab=lab,
        name=str(first["name"]),
        region=str(first["region"]),
        ownership=str(first["ownership"]),
        owner=str(first["owner"]),
        creed=None if creed is None else str(creed),
        strategy=str(first["strategy"]),
        release_policy=str(first["release_policy"]),
        entered=str(there.index[0]),
        there_from_the_start=bool(there.index[0] == tables["labs"]["quarter"].min()),
        last_quarter=str(rows.index[-1]),
        status=str(rows["status"].iloc[-1]),
    )


def _ending(
    tables: Mapping[str, pd.DataFrame], steps: Sequence[Step], states: Mapping[str, State], lab: str, seed: int
) -> Ending:
    exited = next((quarter for quarter, state in states.items() if state.status == "exited"), None)
    last = states[max(states) if exited is None else exited]
    step = next((s for s in reversed(steps) if s.kind in EXITS and s.quarter == exited), None)
    stakes, when = _cap_table(tables, lab, seed, exited)
    if exited is None:
        return Ending("alive", last.quarter, "", 0.0, last, stakes, when, None)
    if step is None:
        return Ending("gone", exited, "", 0.0, last, stakes, when, None)
    return Ending(step.kind, exited, step.counterparty, step.amount_usd, last, stakes, when, _proceeds(step, stakes))


def _cap_table(
    tables: Mapping[str, pd.DataFrame], lab: str, seed: int, exited: str | None
) -> tuple[dict[str, float], str | None]:
    """The stakes by holder before the exit or at the end, the largest first, and the quarter in which they changed."""
    stakes = _of(tables, "stakes", seed)
    if stakes.empty:
        return {}, None
    mine = stakes[(stakes["lab"] == lab) & (stakes["stake"] > 0)]
    mine = mine if exited is None else mine[mine["quarter"] <= exited]
    if mine.empty:
        return {}, None
    when = str(mine["quarter"].max())
    table = mine[mine["quarter"] == when].sort_values(["stake", "holder"], ascending=[False, True])
    return {str(holder): float(stake) for holder, stake in zip(table["holder"], table["stake"], strict=True)}, when


def _proceeds(step: Step, stakes: Mapping[str, float]) -> dict[str, float] | None:
    """What each holder got: its stake of what the shareholders got; None where the event does not tell that."""
    told, debt, recovered = (step.numbers.get(name) for name in (PROCEEDS, "debt_usd", "recovered_usd"))
    if isinstance(told, float):
        whole = told
    elif isinstance(debt, float) and isinstance(recovered, float) and recovered < debt:
        whole = 0.0  # creditors come first, and these lost money
    elif step.kind in PAYING_EXITS:
        whole = step.amount_usd
    else:
        return None
    return {holder: stake * whole for holder, stake in stakes.items()} if stakes else None


# ---- as words ----

# Endings of names of numbers: how the value is written. The first that fits is taken.
UNITS: tuple[tuple[str, str], ...] = (
    ("_usd_per_year", "{usd} a year"),
    ("_usd_per_quarter", "{usd} a quarter"),
    ("_usd_per_mtok", "{usd} per Mtok"),
    ("_2023usd", "{usd} of 2023"),
    ("_usd", "{usd}"),
    ("_quarters", "{short} quarters"),
    ("_months", "{short} months"),
    ("_years", "{short} years"),
    ("_oom", "{short} OOM"),
    ("_elo", "{short} Elo"),
    ("_points", "{points} points"),
    ("_multiple", "{short} x"),
    *((ending, "{percent}") for ending in ("_share", "_fraction", "_probability", "_stake", "_rate", "_percent_0_1")),
)
SPELLED = {
    "harm": "harm to rivals",
    "usd": "",
    "hhi": "HHI",
    "api": "API",
    "oom": "",
    "ev": "expected value",
    "cr3": "CR3",
}


def value_text(name: str, value: Number) -> str:
    """A number in words with the unit that its name carries: burn_usd_per_year, runway_quarters, sold_share."""
    if value is None:  # JSON has no infinity
        return "no limit" if name.endswith("runway_quarters") else "not defined"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if "hhi" in name.split("_"):
        return f"{value:+,.1f}" if "change" in name else f"{value:,.0f}"
    form = next((form for ending, form in UNITS if _ends(name, ending)), "{plain}")
    if math.isinf(value) or math.isnan(value):
        return "no limit" if value > 0 else "unknown"
    value = 0.0 if abs(value) < 5e-4 and "usd" not in name else value
    return form.format(
        usd=dollars(value),
        short=f"{round(value, 1) + 0.0:,.1f}" if abs(value) < 100 else f"{value:,.0f}",
        points=f"{value:+,.0f}",
        percent=f"{100 * value:.1f} %",
        plain=f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}",
    )


def _ends(name: str, ending: str) -> bool:
    parts = name.split("_")
    return name.endswith(ending) or (ending == "_share" and "share" in parts) or parts == [ending.removeprefix("_")]


def label_text(name: str) -> str:
    """The name of a number without its unit, in words."""
    ending = next((ending for ending, form in UNITS if name.endswith(ending) and form != "{percent}"), "")
    stem = name.removesuffix(ending) or name
    return " ".join(SPELLED.get(word, word) or word for word in stem.split("_"))


def readable(identifier: str) -> str:
    """An id made readable where no name is known."""
    return " ".join(word.capitalize() for word in identifier.split("_"))


def numbers_text(numbers: Mapping[str, Number]) -> str:
    """The numbers that a decision saw, each with its unit."""
    return "; ".join(f"{label_text(name)} {value_text(name, value)}" for name, value in numbers.items())


def as_text(told: Story, width: int = 110) -> str:
    """The story as lines of text."""
    lines = [*_wrapped(head_text(told.head, told.replication), width, ""), ""]
    if not told.steps:
        lines += ["No decision or event is on record for it.", ""]
    for step in told.steps:
        lines += [*step_lines(step, width), ""]
    return "\n".join([*lines, *_wrapped(ending_text(told), width, "")])


def head_text(head: Head, replication: int) -> str:
    """Who it is, region, owner, creed, entry, and its state at the end."""
    regions = {"us": "US", "eu": "European", "china": "Chinese", "gulf": "Gulf"}
    region = f"{regions[head.region]} lab" if head.region in regions else f"lab, region {head.region}"
    independent = head.ownership == "independent"
    owner = "independent" if independent else f"owned by {readable(head.owner)} ({head.ownership})"
    creed = f", {head.creed} creed" if head.creed else ""
    entry = "there from the start" if head.there_from_the_start else f"entered {head.entered}"
    return (
        f"{head.name} ({head.lab}), replication {replication}: {region}, {owner}{creed}; {entry} as "
        f"{head.strategy}, flagship/small weights {head.release_policy}; {head.last_quarter}: {head.status}."
    )


def step_lines(step: Step, width: int = 110) -> list[str]:
    """A step in up to four lines: what, why, the numbers it saw, what followed."""
    when = step.quarter if step.quarter == step.last_quarter else f"{step.quarter} to {step.last_quarter}"
    lines = [f"{when}  {step.what}" + (f"; {_best(step)}" if step.kind == "release" else "")]
    if step.cause and step.kind != "release":
        lines += _wrapped(f"why: {step.cause.rstrip('.')}.", width)
    if step.numbers and step.kind != "release":
        lines += _wrapped(f"saw: {numbers_text(step.numbers)}", width)
    return lines if step.kind == "release" else [*lines, *followed_lines(step)]


def _best(step: Step) -> str:
    """The best capability and the licences of several releases, as far as they are known."""
    level = step.numbers.get("capability_oom")
    known = [] if level is None else [f"best model {value_text('capability_oom', level)}"]
    known += [f"flagship/small weights {step.numbers['licence']}"] if step.numbers.get("licence") else []
    return ", ".join(known) or "capability not on record"


OUT = {"exited": "gone", "not_entered": "not yet in the market"}


def followed_lines(step: Step) -> list[str]:
    """What became of the lab, a line each: a quarter before, at the quarter's end, and at the horizons or its exit."""
    at = quarter_number(step.quarter)
    states = [*([step.before] if step.before else []), *step.after]
    lines = []
    for state in states:
        later = quarter_number(state.quarter) - at
        when = "before" if later < 0 else "at its end" if later == 0 else f"{later} quarter{'s' * (later > 1)} later"
        fate = state_text(state) if state.status == "active" else OUT[state.status]
        lines.append(f"        {state.quarter}, {when}: {fate}")
    return lines


def state_text(state: State) -> str:
    """A lab's runway, cash, burn and share of API spend in words."""
    runway = "cash-positive" if state.runway_quarters is None or math.isinf(state.runway_quarters) else (
        f"runway {value_text('runway_quarters', state.runway_quarters)}"
    )  # fmt: skip
    burn = f"burn {dollars(state.burn_usd)}" if state.burn_usd >= 0 else f"surplus {dollars(-state.burn_usd)}"
    share = "" if state.api_share is None else f", {100 * state.api_share:.1f} % of API spend"
    return f"{runway}, cash {dollars(state.cash_usd)}, {burn} a quarter{share}"


ENDS = {
    "acquihire": ("its team was hired away", "by"),
    "merger": ("it merged", "into"),
    "winddown": ("it was wound down", "by"),
}


def ending_text(told: Story) -> str:
    """How it ended and who got what."""
    ending = told.ending
    if ending.kind == "alive":
        holders = f" Its shareholders: {_holders(told)}." if ending.stakes else ""
        return f"In {ending.quarter} it lives: {state_text(ending.last)}.{holders}"
    what, by = ENDS.get(ending.kind, ("it left the market", "by"))
    to = f" {by} {_called(ending.counterparty, told)}" if ending.counterparty else ""
    text = f"{told.head.name} ended in {ending.quarter}: {what}{to}."
    if ending.proceeds_usd is None:
        held = f" Its shareholders were {_holders(told)}; what they got is not on record." if ending.stakes else ""
        return text + held
    whole = sum(ending.proceeds_usd.values())
    if whole <= 0:
        return f"{text} Its shareholders ({_holders(told)}) got nothing."
    paid = [
        f"{_called(holder, told)} {dollars(usd)} ({100 * ending.stakes[holder]:.1f} %)"
        for holder, usd in ending.proceeds_usd.items()
    ]
    own = whole - ending.amount_usd if ending.kind == "acquihire" else 0.0
    of = f"{dollars(whole)} (the fee and {dollars(own)} of the lab's own)" if own > 0.01 * whole else dollars(whole)
    return f"{text} Of {of} the shareholders got: {', '.join(paid)}."


def _holders(told: Story) -> str:
    return ", ".join(f"{_called(holder, told)} {100 * stake:.1f} %" for holder, stake in told.ending.stakes.items())


def _called(party: str, told: Story) -> str:
    return party if party in ("founders", "staff") else told.names.get(party) or readable(party)


def moment_text(told: Moment, width: int = 110) -> str:
    """One quarter: its events, then every column of the lab's row before and after."""
    lines = [f"{told.name} ({told.lab}), replication {told.replication}, {told.quarter}", ""]
    for step in told.steps:
        lines += [*step_lines(step, width), ""]
    if not told.steps:
        lines += ["No event in this quarter.", ""]
    units = {column.name: column.unit for column in COLUMNS["labs"]}
    before = told.before or {}
    rows = [("", "quarter before", told.quarter, "unit")]
    rows += [
        (n, _cell(before.get(n)) if told.before else "-", _cell(v), units.get(n, "")) for n, v in told.after.items()
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        [*lines, *(f"{a:{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows)]
    )


def _cell(value: Number) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e5 and math.isfinite(value) else f"{value:.5g}"
    return "-" if value is None else str(value)


def _wrapped(text: str, width: int, indent: str = "        ") -> list[str]:
    """Lines of at most `width` letters; a number keeps its unit and its per cent sign."""
    words = re.split(r" (?!(?:%|k|m|bn|tn)(?:\W|$))", text)
    lines = [indent]
    for word in words:
        if len(lines[-1]) + len(word) > width and lines[-1].strip():
            lines.append(indent + ("  " if indent else ""))
        lines[-1] += word + " "
    return [line.rstrip() for line in lines]


# ---- as JSON ----


def as_json(told: Story | Moment) -> dict[str, Any]:
    """The story or moment as plain values for JSON; infinity as the text "inf", what is undefined as null."""
    return {str(key): _json(value) for key, value in asdict(told).items()}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_json(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value
