"""Figures of who lives how long and what moved concentration: timeline, survivors, causes of the change of HHI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.canvas import (
    QUARTER,
    Floats,
    Label,
    Words,
    finish_page,
    label_right,
    line,
    luck_words,
    mark_key,
    new_page,
    quantile,
    say_nothing,
    time_axis,
    years,
)
from analysis.history import Life, first_history, holder_name, left_out, lives, row_height, shown_lives
from analysis.palette import GRID, INK, MUTED, SERIES, ink
from analysis.reading import caption, dollars, in_words, lab_names, percent, percent_axis, seeds_of
from sim.runs.results import Run

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


# ---- timeline ----


def timeline(result: Run) -> Figure:
    """Every lab's life as a bar, coloured by strategy, with what happened to it; the first seed."""
    seed, names, x = result.seeds[0], lab_names(result), years(result.quarters)
    everybody = lives(first_history(result, "labs"), result.quarters)
    shown = shown_lives(everybody)
    events = first_history(result, "events")
    labs = [life.lab for life in shown]
    events = _in_rows(events[events["kind"].isin(MARKS) & (events["lab"].isin(labs) | (events["kind"] == "shock"))])
    rows = labs + [row for row in dict.fromkeys(events["row"]) if row.startswith(SHOCK_ROW)]
    figure, (axes,) = new_page(height=row_height(len(rows)))
    exits = sum(life.exited is not None for life in everybody)
    raised = first_history(result, "events").query("kind == 'round'")["amount_usd"].sum()
    words = Words(
        f"One simulated history (seed {seed}): {in_words(exits, 'exit').lower()}, {dollars(raised)} raised in rounds"
        if everybody
        else "No lab entered in this run",
        f"Bars: labs from entry to exit, {result.quarters[0]} to {result.quarters[-1]}, coloured by strategy; grey "
        "names: owned by a parent or a state" + ("" if len(events) else "; no events in this seed"),
        f"{left_out(everybody, shown)}Entries stand at the start of their quarter, all else at its end; shocks are "
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
    mark_key(axes, [*bars, *(mark for kind, mark in MARKS.items() if (events["kind"] == kind).any())])
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
