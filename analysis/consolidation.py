"""Figures of consolidation: who lives how long, who pays, who owns whom, and what moved concentration.

A life, a runway and a cap table belong to one history, so these show the first seed and say so; what can be averaged
(survivors, funding, causes of concentration) is drawn over all seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from analysis.canvas import (
    WIDTH,
    Floats,
    Label,
    Words,
    finish_page,
    label_right,
    line,
    luck_words,
    new_page,
    quantile,
    say_nothing,
    text_inches,
    time_axis,
    years,
)
from analysis.palette import GRID, INK, LABS, MUTED, OPENNESS, SERIES, ink, on
from analysis.reading import (
    caption,
    dollars,
    has_table,
    in_words,
    lab_names,
    percent,
    percent_axis,
    seeds_of,
    table_or_empty,
)
from sim.runs.results import Run

QUARTER = 0.25  # of a year
MOST_ROWS = 60  # labs in a figure with a row for each
EXITS = {"acquihire": "acqui-hired by", "merger": "merged into", "winddown": "wound down"}

STRATEGY = {
    "frontier": "#9cc4ec",
    "follower": "#bfe0d3",
    "specialist": "#f3d9ac",
    "small": "#f3d9ac",
    "services": "#d9c9ea",
    "stop": "#e2e3e6",
}
OTHER_STRATEGY = "#dcdfe2"

# kind: (name, marker, colour, size)
MARKS: dict[str, tuple[str, str, str, float]] = {
    "entry": ("entry", ">", "#3f90da", 30),
    "open": ("opens weights", "o", "#2f8f8b", 26),
    "close": ("closes weights", "s", "#832db6", 20),
    "paywall": ("paywall", "P", "#832db6", 34),
    "round": ("funding round (larger: more USD)", "o", "#ffa90e", 0),
    "failed_round": ("failed round", "x", "#e76300", 26),
    "pivot": ("pivot", "D", "#7a4a3a", 18),
    "restructuring": ("debt relief", "d", "#a96b59", 26),
    "acquihire": ("acqui-hire", "<", "#bd1f01", 40),
    "merger": ("merger", "*", "#bd1f01", 75),
    "blocked_merger": ("blocked merger", "*", "#717581", 60),
    "winddown": ("wind-down", "X", "#bd1f01", 42),
    "shock": ("shock", "v", "#1f2328", 34),
}
SHOCK_ROW = "shock: "  # begins the row of a shock in the timeline; no lab id has a colon
SHOCK_LETTERS = 68  # of a shock's name in the timeline


# ---- one history ----


def first_history(result: Run, table: str) -> pd.DataFrame:
    """The rows of the first seed."""
    rows = result.table(table)
    return rows[rows["replication"] == result.seeds[0]]


@dataclass(frozen=True)
class Life:
    """A lab's life in one seed, as positions of quarters: entered (first quarter not `not_entered`), exited or None."""

    lab: str
    entered: int
    exited: int | None
    strategies: tuple[str, ...]  # quarter by quarter from entry to exit or the end
    owned: bool  # by a parent or a state when it entered
    revenue: float  # USD over its life


def lives(labs: pd.DataFrame, quarters: Sequence[str]) -> list[Life]:
    """The lives of one seed's labs, in order of entry, the largest revenue first. labs: rows of one seed."""
    place = {quarter: i for i, quarter in enumerate(quarters)}
    found = []
    for lab, rows in labs[labs["status"] != "not_entered"].groupby("lab", sort=True):
        rows = rows.sort_values("quarter")
        gone = rows.loc[rows["status"] == "exited", "quarter"]
        exited = place[gone.iloc[0]] if len(gone) else None
        lived = rows[rows["status"] == "active"] if exited is None else rows[rows["quarter"] <= gone.iloc[0]]
        owned = rows["ownership"].iloc[0] != "independent"
        strategies = tuple(lived["strategy"])
        revenue = float(rows["revenue_usd"].sum())
        found.append(Life(str(lab), place[rows["quarter"].iloc[0]], exited, strategies, owned, revenue))
    return sorted(found, key=lambda life: (life.entered, -life.revenue, life.lab))


def _shown(everybody: list[Life]) -> list[Life]:
    """Not more than fit on a page: those of the largest revenue, in the order given."""
    kept = {life.lab for life in sorted(everybody, key=lambda life: -life.revenue)[:MOST_ROWS]}
    return [life for life in everybody if life.lab in kept]


def _left_out(everybody: Sequence[Life], shown: Sequence[Life]) -> str:
    hidden = len(everybody) - len(shown)
    return f"Not shown: the {hidden} labs of least revenue. " if hidden else ""


def _row_height(rows: int) -> float:
    """Height of a page, inches, with a row for each lab."""
    return 2.2 + 0.165 * max(rows, 12)


def timeline(result: Run) -> Figure:
    """Every lab's life as a bar, coloured by strategy, with what happened to it; the first seed."""
    seed, names, x = result.seeds[0], lab_names(result), years(result.quarters)
    everybody = lives(first_history(result, "labs"), result.quarters)
    shown = _shown(everybody)
    events = first_history(result, "events")
    labs = [life.lab for life in shown]
    events = _in_rows(events[events["kind"].isin(MARKS) & (events["lab"].isin(labs) | (events["kind"] == "shock"))])
    rows = labs + [row for row in dict.fromkeys(events["row"]) if row.startswith(SHOCK_ROW)]
    figure, (axes,) = new_page(height=_row_height(len(rows)))
    exits = sum(life.exited is not None for life in everybody)
    raised = first_history(result, "events").query("kind == 'round'")["amount_usd"].sum()
    words = Words(
        f"One simulated history (seed {seed}): {in_words(exits, 'exit').lower()}, {dollars(raised)} raised in rounds"
        if everybody
        else "No lab entered in this run",
        f"Bars: labs from entry to exit, {result.quarters[0]} to {result.quarters[-1]}, coloured by strategy; grey "
        "names: owned by a parent or a state" + ("" if len(events) else "; no events in this seed"),
        f"{_left_out(everybody, shown)}Entries stand at the start of their quarter, all else at its end; shocks are "
        "dated by the scenario. Another seed gives another history.",
    )
    finish_page(figure, words, caption(result, seed), left=0.165, right=0.875)
    if not everybody:
        say_nothing(axes, "no lab was active")
        return figure
    _draw_lives(axes, shown, x)
    _draw_events(axes, events, rows, dict(zip(result.quarters, x, strict=True)))
    _name_rows(axes, rows, shown, names)
    time_axis(axes, x)
    axes.set_xlim(x[0] - 0.35, x[-1] + 0.12)
    _name_exits(axes, shown, events, x, names)
    _name_shocks(axes, events, rows, dict(zip(result.quarters, x, strict=True)))
    used = {strategy for life in shown for strategy in life.strategies}
    bars = [(name, "s", STRATEGY.get(name, OTHER_STRATEGY), 40.0) for name in sorted(used)]
    _mark_key(axes, [*bars, *(mark for kind, mark in MARKS.items() if (events["kind"] == kind).any())])
    return figure


def _draw_lives(axes: Axes, shown: Sequence[Life], x: Floats) -> None:
    for row, life in enumerate(shown):
        start = 0
        for end in range(1, len(life.strategies) + 1):
            if end < len(life.strategies) and life.strategies[end] == life.strategies[start]:
                continue
            left = x[life.entered + start] - QUARTER
            width = x[life.entered + end - 1] - left
            colour = STRATEGY.get(life.strategies[start], OTHER_STRATEGY)
            axes.barh(row, width, 0.62, left=left, color=colour, lw=0, zorder=1)
            start = end


def _name_rows(axes: Axes, rows: Sequence[str], shown: Sequence[Life], names: Mapping[str, str]) -> None:
    shocks = [row for row in rows if row.startswith(SHOCK_ROW)]
    ticks = ["shocks" if row in shocks[:1] else "" if row in shocks else names.get(row, row) for row in rows]
    axes.set_yticks(range(len(rows)), ticks, fontsize=7.5, color=INK)
    owned = {life.lab for life in shown if life.owned}
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color("#868d97" if row in owned else INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.grid(False)
    axes.grid(True, axis="x", color=GRID, lw=0.6)


def _name_exits(axes: Axes, shown: Sequence[Life], events: pd.DataFrame, x: Floats, names: Mapping[str, str]) -> None:
    """At the end of a bar: how the lab ended and into whose hands it fell."""
    ends = events[events["kind"].isin(EXITS)].drop_duplicates("lab", keep="last").set_index("lab")
    for row, life in enumerate(shown):
        if life.exited is None:
            continue
        text = "gone"
        if life.lab in ends.index:
            end = ends.loc[life.lab]
            text = f"{EXITS[end['kind']]} {holder_name(end['counterparty'], names)}".strip()
        axes.annotate(
            text, (x[life.exited], row), xytext=(7, 0), textcoords="offset points", va="center", fontsize=6.5,
            color=MUTED, annotation_clip=False,
        )  # fmt: skip


def _in_rows(events: pd.DataFrame) -> pd.DataFrame:
    """Events with their row of the timeline: the lab's, or one for each shock."""
    shock = events["kind"] == "shock"
    return events.assign(row=events["lab"].where(~shock, SHOCK_ROW + events["cause"].map(_shock_name)))


def _shock_name(cause: str) -> str:
    """The title of a shock, which its cause carries in brackets at the end, or what it changes; short."""
    _, bracket, title = cause.partition(" (")
    return shorten(title.removesuffix(")") if bracket else cause, SHOCK_LETTERS, placeholder=" …")


def _name_shocks(axes: Axes, events: pd.DataFrame, rows: Sequence[str], when: Mapping[str, float]) -> None:
    """Each shock's name beside its marks, on the side where there is room."""
    middle = sum(axes.get_xlim()) / 2
    for row, dates in events[events["kind"] == "shock"].groupby("row")["quarter"]:
        first, last = when[dates.min()], when[dates.max()]
        right = first < middle
        axes.annotate(
            str(row).removeprefix(SHOCK_ROW), (last if right else first, rows.index(str(row))),
            xytext=(6 if right else -6, 0), textcoords="offset points", ha="left" if right else "right", va="center",
            fontsize=7.5, color=INK, bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none"}, zorder=30,
        )  # fmt: skip


def _draw_events(axes: Axes, events: pd.DataFrame, rows: Sequence[str], when: Mapping[str, float]) -> None:
    place = {name: row for row, name in enumerate(rows)}
    for order, kind in enumerate(("round", *(kind for kind in MARKS if kind != "round"))):
        chosen = events[events["kind"] == kind]
        _, marker, colour, size = MARKS[kind]
        areas: float | np.ndarray = size
        if kind == "round":
            areas = np.clip(8 * np.sqrt(chosen["amount_usd"].to_numpy() / 1e8), 6, 260)
        at = chosen["quarter"].map(when).to_numpy(np.float64) - (QUARTER if kind == "entry" else 0.0)
        axes.scatter(
            at, chosen["row"].map(place).to_numpy(np.float64), s=areas, marker=marker, color=colour,
            alpha=0.6 if kind == "round" else 1.0, lw=1.4 if marker == "x" else 0, zorder=3 + order, clip_on=False,
        )  # fmt: skip


def _mark_key(axes: Axes, marks: Sequence[tuple[str, str, str, float]], lift: float = 0.0) -> None:
    """Rows of marks with their names above the axes, which make room; each name takes the width that it needs.

    marks: (name, marker, colour, size) each; lift: rows left free below, for a heading of the axes.
    """
    figure, box = axes.figure, axes.get_position()
    inches = box.width * WIDTH
    left, room = -0.14, 1.27  # in axes widths: from the names of the rows to the edge of the page
    placed: list[tuple[float, int]] = []
    position, row = 0.0, 0
    for name, *_ in marks:
        width = (0.26 + text_inches(name, 7.5)) / inches
        if position and position + width > room:
            position, row = 0.0, row + 1
        placed.append((left + position, row))
        position += width
    height = figure.get_size_inches()[1]
    figure.subplots_adjust(top=box.y1 - 0.165 * (row + 0.4 + lift) / height)
    step = 0.165 / (axes.get_position().height * height)
    for (name, marker, colour, size), (at, line_) in zip(marks, placed, strict=True):
        y = 1 + step * (row - line_ + 0.75 + lift)
        axes.scatter(
            [at], [y], s=min(size or 36, 40), marker=marker, color=colour, transform=axes.transAxes, clip_on=False,
            lw=1.4 if marker == "x" else 0,
        )  # fmt: skip
        axes.text(at + 0.1 / inches, y, name, transform=axes.transAxes, fontsize=7.5, va="center", color=MUTED)


# ---- runway ----

RUNWAY_BOUNDS = (0, 1, 2, 4, 8, 12, 1e6, 2e6)  # quarters; the last class is inf
RUNWAY_NAMES = ("under 1", "1-2", "2-4", "4-8", "8-12", "over 12", "cash-positive")
RUNWAY_COLOURS = ("#6d0f00", "#b93a1e", "#e58a62", "#f4cfa8", "#dfe7d6", "#8fbcab", "#3f90da")
SHORT = 4  # quarters of cash: less than a year


def runway(result: Run) -> Figure:
    """Heat map: quarters of cash each lab has left, and where its row ends; the first seed."""
    seed, names, x = result.seeds[0], lab_names(result), years(result.quarters)
    labs = first_history(result, "labs")
    everybody = lives(labs, result.quarters)
    shown = _shown(everybody)
    table = _runway_table(labs, shown, result.quarters)
    figure, (axes,) = new_page(height=_row_height(len(shown)))
    ends = table[:, -1] if shown else np.array([])
    short, exits = int((ends < SHORT).sum()), sum(life.exited is not None for life in everybody)
    words = Words(
        f"{in_words(short, 'lab')} {'have' if short > 1 else 'has'} less than a year of cash in "
        f"{result.quarters[-1]}; {in_words(exits, 'lab').lower()} left the market",
        f"Cash over the quarter's burn, in quarters, seed {seed}; white: not yet in the market or gone; cross: exit",
        f"{_left_out(everybody, shown)}Cash-positive: revenue, transfers included, covers costs. Another seed gives "
        "another history.",
    )
    finish_page(figure, words, caption(result, seed), left=0.165, headings=True)
    if not shown:
        say_nothing(axes, "no lab was active")
        return figure
    edges = np.concatenate([[x[0] - QUARTER], x])
    cells = np.where(np.isinf(table), 1.5e6, np.clip(table, 0, 9e5))
    axes.pcolormesh(
        edges, np.arange(len(shown) + 1), np.ma.masked_invalid(cells),
        cmap=ListedColormap(RUNWAY_COLOURS), norm=BoundaryNorm(RUNWAY_BOUNDS, len(RUNWAY_COLOURS)),
        edgecolors="white", lw=0.4,
    )  # fmt: skip
    gone = [(x[life.exited] - QUARTER / 2, row + 0.5) for row, life in enumerate(shown) if life.exited is not None]
    if gone:
        axes.scatter(*zip(*gone, strict=True), marker="X", s=22, color=INK, lw=0, zorder=5)
    axes.set_yticks(np.arange(len(shown)) + 0.5, [names.get(life.lab, life.lab) for life in shown])
    axes.tick_params(axis="y", labelsize=7.5, labelcolor=INK)
    axes.set_ylim(len(shown), 0)
    axes.grid(False)
    axes.spines[["left", "bottom"]].set_visible(False)
    time_axis(axes, x)
    axes.set_xlim(edges[0], edges[-1])
    _colour_key(axes, RUNWAY_NAMES, RUNWAY_COLOURS)
    return figure


def _runway_table(labs: pd.DataFrame, shown: Sequence[Life], quarters: Sequence[str]) -> Floats:
    """Runway in quarters, shape (lab, quarter); inf when cash-positive, NaN while the lab is not active."""
    alive = labs[labs["status"] == "active"]
    wide = alive.pivot(index="lab", columns="quarter", values="runway_quarters")
    wide = wide.reindex(index=[life.lab for life in shown], columns=list(quarters))
    return wide.to_numpy(dtype=np.float64)


def _colour_key(axes: Axes, names: Sequence[str], colours: Sequence[str]) -> None:
    """A row of named colours above the axes."""
    height = axes.get_position().height * axes.figure.get_size_inches()[1]
    for number, (name, colour) in enumerate(zip(names, colours, strict=True)):
        left = number / len(names)
        size = (0.02, 0.11 / height)
        corner = (left, 1 + 0.07 / height)
        axes.add_patch(Rectangle(corner, *size, transform=axes.transAxes, color=colour, clip_on=False))
        axes.text(
            left + 0.027, 1 + 0.125 / height, name, transform=axes.transAxes, fontsize=8, va="center", color=MUTED
        )


# ---- survivors ----

MOST_COHORTS = 6


@dataclass(frozen=True)
class Cohort:
    """Labs that entered as independent ones in the same years: how many per seed, and left per seed at the end.

    shares, (quarter, seed): of the labs entered so far, those active and independent, 0-1; NaN before the first.
    """

    name: str
    labs: float
    left: float
    shares: Floats


def cohorts(result: Run) -> list[Cohort]:
    """The labs of the first quarter, then those of later years, years put together so that few cohorts result."""
    labs = result.table("labs")
    independent = labs["ownership"] == "independent"
    own = (labs["status"] == "active") & independent & (labs["owner"] == labs["lab"])
    flags = labs.assign(own=own, there=labs["status"] != "not_entered", born=independent)
    quarters = list(result.quarters)

    def wide(column: str) -> np.ndarray:
        table = flags.pivot(index=["replication", "lab"], columns="quarter", values=column)
        return table.reindex(columns=quarters).eq(True).to_numpy()

    seeds = np.sort(flags.drop_duplicates(["replication", "lab"])["replication"].to_numpy())
    there, alive = wide("there"), wide("own")
    entry = np.where(there.any(axis=1), there.argmax(axis=1), -1)
    born = wide("born")[np.arange(len(entry)), entry] & (entry >= 0)
    starts = [0, *sorted({int(quarters[i][:4]) for i in entry[born & (entry > 0)]})]
    spans = [starts[:1], *map(list, np.array_split(starts[1:], min(MOST_COHORTS - 1, len(starts) - 1) or 1))]
    year = np.array([0 if i == 0 else int(quarters[i][:4]) for i in entry])
    found = []
    for span in spans:
        members = born & np.isin(year, span)
        if members.any():
            shares = _surviving(members, seeds, entry, alive, result.seeds)
            name = f"there in {quarters[0]}" if span == [0] else f"entered {_span_words(span)}"
            many, left = (float(which.sum()) / len(result.seeds) for which in (members, members & alive[:, -1]))
            found.append(Cohort(name, many, left, shares))
    return found


def _span_words(span: Sequence[int]) -> str:
    return str(span[0]) if span[0] == span[-1] else f"{span[0]}-{span[-1]}"


def _surviving(
    members: np.ndarray, seed_of: np.ndarray, entry: np.ndarray, alive: np.ndarray, seeds: Sequence[int]
) -> Floats:
    """Share of a cohort's entered labs that live on their own, (quarter, seed)."""
    shares = np.full((alive.shape[1], len(seeds)), np.nan)
    for column, seed in enumerate(seeds):
        mine = members & (seed_of == seed)
        entered = (entry[mine][:, None] <= np.arange(alive.shape[1])).sum(axis=0)
        left = alive[mine].sum(axis=0)
        np.divide(left, entered, where=entered > 0, out=shares[:, column])
    return shares


def _mean(values: Floats) -> Floats:
    """Mean over the last axis of what exists; NaN where nothing does."""
    count = np.isfinite(values).sum(axis=-1)
    total = np.nansum(values, axis=-1)
    return np.divide(total, count, where=count > 0, out=np.full(count.shape, np.nan))


def survivors(result: Run) -> Figure:
    """Small multiples: which part of each cohort of independent labs is still independent and active."""
    found, x, several = cohorts(result), years(result.quarters), len(result.seeds) > 1
    figure, panels = new_page(2, 3, share_y=True)
    entered = sum(cohort.labs for cohort in found)
    left = sum(cohort.left for cohort in found)
    reading = f"mean of {len(result.seeds)} seeds, band: 10-90 %" if several else "one seed: no band"
    words = Words(
        f"Of {entered:.0f} independent labs, {left:.0f} are still their own masters in {result.quarters[-1]}"
        if found
        else "No independent lab in this run",
        f"Active labs without a parent, % of those of their cohort that entered; {reading}",
        ("Labs per cohort and survivors are means over the seeds. " if several else "")
        + f"In the headings: labs, and survivors in {result.quarters[-1]}. {luck_words(len(result.seeds))}",
    )
    finish_page(figure, words, caption(result), headings=True)
    figure.subplots_adjust(hspace=0.42, wspace=0.1)
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    if not found:
        say_nothing(panels[0], "no independent lab entered")
    for number, (axes, cohort) in enumerate(zip(panels, found, strict=False)):
        _cohort_panel(axes, x, cohort, SERIES[number], several)
    panels[0].set_ylim(0, 1.03)
    return figure


def _cohort_panel(axes: Axes, x: Floats, cohort: Cohort, colour: str, several: bool) -> None:
    mean = _mean(cohort.shares)
    if several:
        low, high = (quantile(cohort.shares, q) for q in (0.1, 0.9))
        axes.fill_between(x, low, high, color=colour, alpha=0.22, lw=0)
    line(axes, x, mean, colour)
    count = f"{cohort.labs:.1f}" if cohort.labs % 1 else f"{cohort.labs:.0f}"
    axes.set_title(
        f"{cohort.name}: {count} lab{'' if cohort.labs == 1 else 's'}, {percent(float(mean[-1]))}",
        loc="left", fontsize=8, fontweight="bold", color=ink(colour), pad=4,
    )  # fmt: skip
    percent_axis(axes)
    time_axis(axes, x)


# ---- who pays ----

INVESTMENTS = ("replication", "quarter", "investor", "lab", "creed", "amount_usd", "credit_usd")
NAMED_INVESTORS = 10
NAME_LETTERS = 24  # of an investor; a longer name gives way to its id
OTHERS = "other investors"
INVESTOR_COLOURS = (
    *("#832db6", "#1d4f86", "#e76300", "#cf5fae", "#6a5ae0", "#5a3519", "#f2de3a", "#94788e", "#3f8f3a", "#f59ac0"),
    *("#b4cdf0", "#f7c6a0", "#3f90da", "#5f646e"),
)


def party_names(result: Run) -> dict[str, str]:
    """The name for people of each lab, and of each investor with a short one; one that is both is called as its lab."""
    investors = {key: investor.name for key, investor in result.scenario.parameters.investors.items()}
    short = {key: name for key, name in investors.items() if len(name) <= NAME_LETTERS}
    return {**short, **lab_names(result)}


def holder_name(holder: str, names: Mapping[str, str]) -> str:
    """The name for people of an investor, owner or shareholder: its own, else its id made readable."""
    spelled = {"founders": "founders", "staff": "staff", OTHERS: OTHERS}
    return names.get(holder) or spelled.get(holder) or " ".join(w.capitalize() for w in holder.split("_"))


def holder_colours(result: Run) -> dict[str, str]:
    """A colour for every investor of the scenario: that of the lab of the same id, others by order of id."""
    free = [key for key in sorted(result.scenario.parameters.investors) if key not in LABS]
    given = {key: INVESTOR_COLOURS[i % len(INVESTOR_COLOURS)] for i, key in enumerate(free)}
    return {**LABS, **given, "founders": "#b9bec6", "staff": "#dadde1", OTHERS: LABS["other"]}


def _yearly(rows: pd.DataFrame, by: str, seeds: int, calendar: Sequence[str]) -> pd.DataFrame:
    """Mean USD over the seeds by calendar year (rows) and `by` (columns), the largest total first."""
    table = rows.pivot_table(index=rows["quarter"].str[:4], columns=by, values="amount_usd", aggfunc="sum")
    table = table.reindex(index=list(calendar)).fillna(0.0) / seeds
    return table[table.sum().sort_values(ascending=False, kind="stable").index]


def funding(result: Run) -> Figure:
    """Private money by year: stacked by investor, and by the creed of the lab that got it."""
    rows = table_or_empty(result, "investments", INVESTMENTS)
    rows = rows[rows["amount_usd"] > 0]
    calendar = list(dict.fromkeys(quarter[:4] for quarter in result.quarters))
    figure, (top, bottom) = new_page(2, 1, height=6.8)
    seeds = len(result.seeds)
    total = float(rows["amount_usd"].sum()) / seeds
    opened = float(rows.loc[rows["creed"] == "open", "amount_usd"].sum()) / seeds
    credit = float(rows["credit_usd"].sum()) / seeds
    words = Words(
        f"Investors put {dollars(total)} into labs by {result.quarters[-1]}, {percent(opened / total)} of it into "
        "those of open creed"
        if total > 0
        else f"Nobody invested from {result.quarters[0]} to {result.quarters[-1]}"
        if has_table(result, "investments")
        else "The run did not record who invested",
        "New money by calendar year, nominal US dollars; above by investor, below by the stated creed of the lab; "
        + (f"mean of {seeds} seeds, whiskers: 10-90 % of seeds" if seeds > 1 else "one seed: no whiskers"),
        (f"{percent(credit / total)} of it was paid in compute credits. " if total > 0 else "")
        + "Transfers from parents and states are not in it. Beside the names: sums over the run"
        + (f"; {calendar[-1]} ends with {result.quarters[-1]}. " if not result.quarters[-1].endswith("4") else ". ")
        + luck_words(seeds, bands=False),
    )
    finish_page(figure, words, caption(result), right=0.77, left=0.1)
    figure.subplots_adjust(hspace=0.25)
    if total <= 0:
        for axes in (top, bottom):
            say_nothing(axes, "no investment was recorded")
        return figure
    names, whole = party_names(result), _totals_by_seed(rows, result.seeds, calendar)
    by_investor = _largest(_yearly(rows, "investor", seeds, calendar), NAMED_INVESTORS)
    by_creed = _yearly(rows, "creed", seeds, calendar)
    _stacked_bars(top, by_investor, holder_colours(result), whole, lambda key: holder_name(key, names))
    _stacked_bars(bottom, by_creed, OPENNESS, whole, lambda key: f"{key} creed")
    return figure


def _largest(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The first columns by name, the rest as one."""
    if table.shape[1] <= count + 1:
        return table
    return table.iloc[:, :count].assign(**{OTHERS: table.iloc[:, count:].sum(axis=1)})


def _totals_by_seed(rows: pd.DataFrame, seeds: Sequence[int], calendar: Sequence[str]) -> Floats:
    """USD invested, shape (year, seed); 0 where nothing was."""
    table = rows.pivot_table(index=rows["quarter"].str[:4], columns="replication", values="amount_usd", aggfunc="sum")
    return table.reindex(index=list(calendar), columns=list(seeds)).fillna(0.0).to_numpy()


def _stacked_bars(
    axes: Axes, table: pd.DataFrame, colours: Mapping[str, str], whole: Floats, name: Callable[[str], str]
) -> None:
    """Bars by year (rows), stacked by column, whiskers on their sums, names and sums of columns on the right."""
    at = np.arange(len(table))
    bottoms = np.zeros(len(table))
    labels = []
    for key in table.columns:
        parts = table[key].to_numpy()
        colour = colours.get(key, MUTED)
        axes.bar(at, parts, 0.78, bottom=bottoms, color=colour, edgecolor="white", linewidth=0.3)
        labels.append(Label(float(bottoms[-1] + parts[-1] / 2), f"{name(key)} {dollars(parts.sum())}", colour))
        bottoms = bottoms + parts
    high = bottoms
    if whole.shape[1] > 1:
        low, high = quantile(whole, 0.1), np.maximum(quantile(whole, 0.9), bottoms)
        axes.vlines(at, low, quantile(whole, 0.9), color=INK, lw=1)
    for x, total, height in zip(at, bottoms, high, strict=True):
        axes.annotate(
            dollars(total) if total > 0 else "0", (x, height), xytext=(0, 2), textcoords="offset points", ha="center",
            fontsize=6.5, color=MUTED,
        )  # fmt: skip
    axes.set_xticks(at, table.index)
    axes.set_xlim(-0.6, len(table) - 0.4)
    axes.yaxis.set_major_formatter(FuncFormatter(dollars))
    label_right(axes, at[-1] + 0.4, labels, 7.5)


# ---- who owns whom ----

STAKES = ("replication", "quarter", "lab", "holder", "stake", "value_usd")
OWNED_ROWS = 12  # labs in a panel, the most valuable
NAMED_HOLDERS = 14  # with a colour of their own


def cap_tables(stakes: pd.DataFrame, quarter: str) -> pd.DataFrame:
    """The cap tables that hold at a quarter's end: rows of each lab's last change up to then. stakes: one seed."""
    known = stakes[stakes["quarter"] <= quarter]
    return known[known["quarter"] == known.groupby("lab")["quarter"].transform("max")]


def ownership(result: Run) -> Figure:
    """Stakes in the most valuable labs, half-way and at the end; the first seed."""
    seed, names = result.seeds[0], party_names(result)
    stakes = table_or_empty(result, "stakes", STAKES)
    stakes = stakes[stakes["replication"] == seed]
    labs = first_history(result, "labs")
    dates = sorted({result.quarters[(len(result.quarters) - 1) // 2], result.quarters[-1]})
    held = [_living(cap_tables(stakes, date), labs, date) for date in dates]
    rows = [max(min(OWNED_ROWS, table["lab"].nunique()), 3) for table in held]
    figure, panels = new_page(len(dates), 1, height=2.6 + 0.24 * sum(rows))
    panels[0].get_gridspec().set_height_ratios(rows)
    words = Words(
        _ownership_title(held[-1], names, dates[-1])
        if has_table(result, "stakes")
        else "The run did not record who owns its labs",
        f"Stakes in labs with shareholders, % of equity, seed {seed}; right: value at the last change of the cap table",
        f"At most {OWNED_ROWS} active labs, the most valuable. {_wholly_owned(labs, held[-1], dates[-1], names)}"
        "Another seed gives another history.",
    )
    finish_page(figure, words, caption(result, seed), left=0.165, right=0.89, headings=True)
    figure.subplots_adjust(hspace=0.62 / (0.24 * sum(rows) / len(rows)))  # 0.62 inches of a panel's mean height
    main, colours = _main_holders(pd.concat(held)), holder_colours(result)
    chosen = {holder: colours.get(holder, MUTED) for holder in main}
    if main:
        rest = {} if set(pd.concat(held)["holder"]) <= set(main) else {"other holders": LABS["other"]}
        key = [(holder_name(h, names), colour) for h, colour in chosen.items()] + list(rest.items())
        _mark_key(panels[0], [(name, "s", colour, 40.0) for name, colour in key], lift=1.3)
    for axes, table, date in zip(panels, held, dates, strict=True):
        axes.set_title(date, loc="left", fontsize=9.5, fontweight="bold", color=INK, pad=4)
        if table.empty:
            say_nothing(axes, "no lab with shareholders" if len(stakes) else "no cap table was recorded")
        else:
            _stake_bars(axes, table, chosen, names)
    return figure


def _living(table: pd.DataFrame, labs: pd.DataFrame, quarter: str) -> pd.DataFrame:
    now = labs[(labs["quarter"] == quarter) & (labs["status"] == "active")]
    return table[table["lab"].isin(now["lab"])]


def _main_holders(table: pd.DataFrame) -> list[str]:
    """Founders, staff and the investors whose holdings are worth most."""
    worth = table.groupby("holder")["value_usd"].sum().sort_values(ascending=False, kind="stable")
    investors = [holder for holder in worth.index if holder not in ("founders", "staff")]
    insiders = [holder for holder in ("founders", "staff") if holder in worth.index]
    return [*insiders, *investors[:NAMED_HOLDERS]]


def _ownership_title(table: pd.DataFrame, names: Mapping[str, str], quarter: str) -> str:
    worth = table.groupby("holder")["value_usd"].sum()
    investors = worth.drop(["founders", "staff"], errors="ignore")
    total = float(worth.sum())
    if not len(investors) or total <= 0:
        return f"No investor holds a stake in a lab in {quarter}"
    largest = str(investors.idxmax())
    return (
        f"{holder_name(largest, names)} holds most in {quarter}: {dollars(float(investors.max()))}, "
        f"{percent(float(investors.max()) / total)} of all shares in independent labs"
    )


def _wholly_owned(labs: pd.DataFrame, held: pd.DataFrame, quarter: str, names: Mapping[str, str]) -> str:
    """Which active labs have no shareholders because a parent or a state owns them."""
    now = labs[(labs["quarter"] == quarter) & (labs["status"] == "active") & (labs["ownership"] != "independent")]
    owned = [names.get(lab, lab) for lab in sorted(set(now["lab"]) - set(held["lab"]))]
    return f"Wholly owned by a parent or a state: {', '.join(owned)}. " if owned else ""


def _stake_bars(axes: Axes, table: pd.DataFrame, colours: Mapping[str, str], names: Mapping[str, str]) -> None:
    """A bar for each lab, the most valuable on top; a holder is named where the bar is wide enough."""
    worth = table.groupby("lab")["value_usd"].sum().sort_values(ascending=False, kind="stable").head(OWNED_ROWS)
    inches = axes.get_position().width * WIDTH
    for row, lab in enumerate(worth.index):
        left = 0.0
        stakes = table[table["lab"] == lab].set_index("holder")["stake"]
        others = stakes.drop(["founders", "staff"], errors="ignore").sort_values(ascending=False, kind="stable")
        for holder in [*(h for h in ("founders", "staff") if h in stakes), *others.index]:
            stake = float(stakes[holder])
            colour = colours.get(holder, LABS["other"])
            axes.barh(row, stake, 0.8, left=left, color=colour, edgecolor="white", linewidth=0.6)
            text = _fitting(holder_name(holder, names), stake, stake * inches)
            axes.text(left + stake / 2, row, text, ha="center", va="center", fontsize=6.5, color=on(colour))
            left += stake
        axes.text(1.012, row, dollars(float(worth[lab])), va="center", fontsize=7.5, color=MUTED)
    axes.set_yticks(range(len(worth)), [names.get(lab, lab) for lab in worth.index], fontsize=7.5, color=INK)
    axes.set_ylim(len(worth) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    axes.grid(False)
    axes.spines["left"].set_visible(False)


def _fitting(name: str, stake: float, room: float) -> str:
    """Name and per cent when there is room, else less; room in inches."""
    for text in (f"{name} {100 * stake:.0f}", name):
        if text_inches(text, 6.5) < room - 0.04:
            return text
    return ""


# ---- what moved concentration ----

CAUSES = {
    "reallocation": ("reallocation", SERIES[0]),
    "entry": ("entry", SERIES[3]),
    "exits": ("exits", SERIES[1]),
    "mergers": ("mergers", SERIES[4]),
}


def hhi_changes(result: Run) -> dict[str, Floats]:
    """Cumulated change of HHI by cause since the first quarter, points, (quarter, seed); empty when not recorded."""
    columns = {cause: f"hhi_change_{cause}" for cause in CAUSES}
    if not set(columns.values()) <= set(result.table("market").columns):
        return {}
    steps = {cause: np.nan_to_num(seeds_of(result, column)) for cause, column in columns.items()}
    for values in steps.values():
        values[0] = 0.0  # the first quarter is where counting starts
    return {cause: np.cumsum(values, axis=0) for cause, values in steps.items()}


def hhi_causes(result: Run) -> Figure:
    """Cumulated change of the index, split exactly into mergers, exits, entry and reallocation, and its path."""
    x, changes, several = years(result.quarters), hhi_changes(result), len(result.seeds) > 1
    level = seeds_of(result, "hhi")
    figure, (axes,) = new_page()
    means = {cause: values.mean(axis=1) for cause, values in changes.items()}
    total = sum(means.values()) if means else np.zeros(len(x))
    first = result.quarters[0]
    reading = f"mean of {len(result.seeds)} seeds; thin lines: 10-90 % of the total" if several else "one seed"
    words = Words(
        _causes_title(means, result.quarters) if means else "The run did not record what moved concentration",
        f"Change of the Herfindahl-Hirschman index of API spend by owner since {first}, points, by cause; {reading}",
        "Areas above zero raised concentration, those below lowered it; they sum to the line. Mergers: common control "
        "of two labs. Exits and entry: what leaves or arrives, with the shares of all others scaled. Reallocation: "
        f"customers' moves between labs that stay. {luck_words(len(result.seeds), bands=False)}",
    )
    finish_page(figure, words, caption(result), right=0.8, left=0.1)
    if not means:
        say_nothing(axes, "no split of the change of HHI")
        return figure
    _signed_areas(axes, x, means)
    line(axes, x, total, INK)
    if several:
        spread = sum(changes.values())
        for q in (0.1, 0.9):
            axes.plot(x, quantile(spread, q), color=INK, lw=0.7, ls=(0, (3, 2)))
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+,.0f}" if value else "0"))
    time_axis(axes, x)
    end = float(_mean(level[-1:])[0])
    labels = [Label(y, f"{CAUSES[c][0]} {means[c][-1]:+,.0f}", CAUSES[c][1]) for c, y in _middles(means).items()]
    label_right(axes, x[-1], [*labels, Label(float(total[-1]), f"HHI {end:,.0f} ({total[-1]:+,.0f})", INK)], 8)
    return figure


def _causes_title(means: Mapping[str, Floats], quarters: Sequence[str]) -> str:
    ends = {cause: float(values[-1]) for cause, values in means.items()}
    total = sum(ends.values())
    main = max(ends, key=lambda cause: abs(ends[cause]))
    if all(round(value) == 0 for value in ends.values()):
        return f"Concentration is in {quarters[-1]} where it was in {quarters[0]}"
    move = "did not change" if round(total) == 0 else f"{'rose' if total > 0 else 'fell'} by {abs(total):,.0f} points"
    causes = dict.fromkeys((main, "mergers"))  # each once
    parts = ", ".join(f"{CAUSES[cause][0]} {ends[cause]:+,.0f}" for cause in causes)
    return f"Concentration {move} from {quarters[0]} to {quarters[-1]}: {parts}"


def _signed_areas(axes: Axes, x: Floats, means: Mapping[str, Floats]) -> None:
    """Positive parts stacked upwards from zero, negative ones downwards."""
    for sign in (1.0, -1.0):
        base = np.zeros(len(x))
        for cause, values in means.items():
            top = base + sign * np.maximum(sign * values, 0.0)
            colour = CAUSES[cause][1]
            if len(x) > 1:
                axes.fill_between(x, base, top, color=colour, alpha=0.75, lw=0)
            else:
                axes.bar(x, top - base, 0.1, bottom=base, color=colour, alpha=0.75)
            base = top


def _middles(means: Mapping[str, Floats]) -> dict[str, float]:
    """Where each cause's area stands at the end."""
    found, up, down = {}, 0.0, 0.0
    for cause, values in means.items():
        end = float(values[-1])
        found[cause] = (up if end >= 0 else down) + end / 2
        up, down = up + max(end, 0.0), down + min(end, 0.0)
    return found


FIGURES: dict[str, Callable[[Run], Figure]] = {
    "timeline": timeline,
    "survivors": survivors,
    "funding": funding,
    "runway": runway,
    "ownership": ownership,
    "hhi_causes": hhi_causes,
}
