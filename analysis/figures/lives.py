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

from analysis.figures.canvas import (
    QUARTER,
    WIDTH,
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
    text_inches,
    time_axis,
    years,
)
from analysis.figures.history import Life, first_history, holder_name, left_out, lives, row_height, shown_lives
from analysis.figures.palette import GRID, INK, MUTED, SERIES, ink
from analysis.figures.reading import caption, dollars, in_words, lab_names, percent_axis, seeds_of
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
    "failed_round": ("failed round", "x", "#e76300", 40),
    "pivot": ("pivot", "D", "#7a4a3a", 13),
    "restructuring": ("debt relief", "d", "#a96b59", 26),
    "blocked_merger": ("blocked merger", "*", "#717581", 105),  # its rim shows below a merger of the same quarter
    "acquihire": ("acqui-hire", "<", "#bd1f01", 40),
    "merger": ("merger", "*", "#bd1f01", 60),
    "winddown": ("wind-down", "X", "#bd1f01", 42),
    "shock": ("shock", "v", "#1f2328", 34),
}
AT_START = ("entry", "pivot", "shock")  # drawn where their quarter begins: there a bar begins or changes its colour
SHOCK_ROW = "shock: "  # begins the row of a shock in the timeline; no lab id has a colon
EXIT_SIZE, EXIT_GAP = 6.5, 7  # points: of the words at the end of a bar, and from the bar
SHOCK_LETTERS = 68  # of a shock's name in the timeline


# ---- timeline ----


def timeline(result: Run) -> Figure:
    """Every lab's life as a bar, coloured by strategy, with what happened to it; the first seed."""
    seed, names, x = result.seeds[0], lab_names(result), years(result.quarters)
    everybody = lives(first_history(result, "labs"), result.quarters)
    shown = shown_lives(everybody)
    events = first_history(result, "events")
    labs = [life.lab for life in shown]
    events = _in_rows(events[events["kind"].isin(MARKS) & (events["lab"].isin(labs) | _dated(events))])
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
        f"{left_out(everybody, shown)}Entries, pivots and shocks stand at the start of their quarter, all else at its "
        f"end; {_founding_words(events, everybody, result.quarters)}shocks are dated by the scenario, or a lab's "
        "incidents. Another seed gives another history.",
    )
    ends = _exit_words(shown, events, names)
    finish_page(figure, words, caption(result, seed), left=0.165, right=_right_edge(shown, ends, x, 0.165))
    if not everybody:
        say_nothing(axes, "no lab was active")
        return figure
    _draw_lives(axes, shown, x)
    _draw_events(axes, events, rows, dict(zip(result.quarters, x, strict=True)))
    _name_rows(axes, rows, shown, names)
    time_axis(axes, x)
    axes.set_xlim(*_time_span(x))
    _name_exits(axes, ends, shown, x)
    _name_shocks(axes, events, rows, dict(zip(result.quarters, x - QUARTER, strict=True)))
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


def _founding_words(events: pd.DataFrame, everybody: Sequence[Life], quarters: Sequence[str]) -> str:
    """What a funding round before its lab's bar is; empty when there is none."""
    begins = {life.lab: quarters[life.entered] for life in everybody}
    rounds = events[events["kind"] == "round"]
    early = rounds["quarter"] < rounds["lab"].map(begins)
    return "a round before a bar founded the lab; " if early.any() else ""


def _time_span(x: Floats) -> tuple[float, float]:
    """The ends of the time axis: room for the first quarter's bars and for marks on the edges."""
    return float(x[0]) - 0.35, float(x[-1]) + 0.12


def _exit_words(shown: Sequence[Life], events: pd.DataFrame, names: Mapping[str, str]) -> dict[str, str]:
    """How each lab that is gone ended and into whose hands it fell."""
    ends = events[events["kind"].isin(EXITS)].drop_duplicates("lab", keep="last").set_index("lab")
    found = {}
    for life in shown:
        if life.exited is not None:
            found[life.lab] = "gone"
        if life.exited is not None and life.lab in ends.index:
            end = ends.loc[life.lab]
            found[life.lab] = f"{EXITS[end['kind']]} {holder_name(end['counterparty'], names)}".strip()
    return found


def _right_edge(shown: Sequence[Life], words: Mapping[str, str], x: Floats, left: float) -> float:
    """The right edge of the axes, a fraction of the page: as far out as the words at the bars' ends leave room."""
    first, last = _time_span(x)
    edge = 0.875
    for life in shown:
        if life.exited is not None:
            room = 0.985 - (EXIT_GAP / 72 + text_inches(words[life.lab], EXIT_SIZE)) / WIDTH
            edge = min(edge, left + (room - left) * (last - first) / (float(x[life.exited]) - first))
    return max(edge, 0.5)


def _name_exits(axes: Axes, words: Mapping[str, str], shown: Sequence[Life], x: Floats) -> None:
    """The words on an exit at the end of its bar."""
    for row, life in enumerate(shown):
        if life.exited is not None:
            axes.annotate(
                words[life.lab], (x[life.exited], row), xytext=(EXIT_GAP, 0), textcoords="offset points", va="center",
                fontsize=EXIT_SIZE, color=MUTED, annotation_clip=False,
            )  # fmt: skip


def _dated(events: pd.DataFrame) -> pd.Series:
    """Whether an event is a shock of the scenario; one that names a lab is an incident of that lab."""
    return (events["kind"] == "shock") & (events["lab"] == "")


def _in_rows(events: pd.DataFrame) -> pd.DataFrame:
    """Events with their row of the timeline: the lab's, or one for each dated shock."""
    shock = _dated(events)
    return events.assign(row=events["lab"].where(~shock, SHOCK_ROW + events["cause"].map(_shock_name)))


def _shock_name(cause: str) -> str:
    """The title of a shock, which its cause carries in brackets at the end, or what it changes; short."""
    _, bracket, title = cause.partition(" (")
    name = title.removesuffix(")") if bracket else cause
    return shorten(name or "not named", SHOCK_LETTERS, placeholder=" …")


def _name_shocks(axes: Axes, events: pd.DataFrame, rows: Sequence[str], when: Mapping[str, float]) -> None:
    """Each shock's name beside its marks, on the side where there is room."""
    middle = sum(axes.get_xlim()) / 2
    for row, dates in events[_dated(events)].groupby("row")["quarter"]:
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
        at = chosen["quarter"].map(when).to_numpy(np.float64) - (QUARTER if kind in AT_START else 0.0)
        axes.scatter(
            at, chosen["row"].map(place).to_numpy(np.float64), s=areas, marker=marker, color=colour,
            alpha=0.6 if kind == "round" else 1.0, lw=1.4 if marker == "x" else 0, zorder=3 + order, clip_on=False,
        )  # fmt: skip


# ---- survivors ----

MOST_COHORTS = 6
FEWEST = 3  # labs a seed, on average, that later years must bring to be a cohort of their own
ENOUGH = 5  # labs a seed from which the spread of the seeds' shares is more than one lab's fate


@dataclass(frozen=True)
class Cohort:
    """Labs that entered as independent ones in the same years, followed from the quarter in which they entered.

    labs, left: per seed, how many entered and how many are still active and independent when the run ends.
    curve: shape (age,), share still so at each age in quarters, 0-1, the labs of all seeds together.
    by_seed: shape (age, seed), the same within each seed; NaN in seeds without a lab of the cohort.
    """

    name: str
    labs: float
    left: float
    curve: Floats
    by_seed: Floats


@dataclass(frozen=True)
class Fates:
    """Labs that entered as independent ones, of all seeds: arrays of shape (lab,), times as positions of quarters.

    entered: quarter of entry; seen: quarters from entry to the end of the run; gone: age at which the lab was first not
    its own master, inf when it never was.
    """

    seed: np.ndarray
    entered: np.ndarray
    seen: np.ndarray
    gone: Floats

    def of(self, members: np.ndarray) -> Fates:
        """Those flagged by a mask of shape (lab,)."""
        return Fates(self.seed[members], self.entered[members], self.seen[members], self.gone[members])


def fates(result: Run) -> Fates:
    """What became of each independent lab of each seed; a lab that is owned when it enters is not among them."""
    labs = result.table("labs")
    labs = labs[labs["status"] != "not_entered"]
    independent = labs["ownership"] == "independent"
    own = independent & (labs["status"] == "active") & (labs["owner"] == labs["lab"])
    at = labs["quarter"].map({quarter: i for i, quarter in enumerate(result.quarters)})
    flags = labs.assign(born=independent, at=at, lost=at.where(~own)).sort_values("at")
    each = flags.groupby(["replication", "lab"]).agg({"born": "first", "at": "first", "lost": "min"})
    each = each[each["born"]]
    entered = each["at"].to_numpy(dtype=np.int64)
    gone = each["lost"].fillna(np.inf).to_numpy(dtype=np.float64) - entered
    seed = each.index.get_level_values("replication").to_numpy()
    return Fates(seed, entered, len(result.quarters) - 1 - entered, gone)


def cohorts(result: Run) -> list[Cohort]:
    """The labs of the first quarter, then those of later years, years put together so that no cohort is tiny."""
    everybody, quarters, seeds = fates(result), result.quarters, len(result.seeds)
    year = np.array([0 if i == 0 else int(quarters[i][:4]) for i in everybody.entered], dtype=np.int64)
    found = []
    for span in [[0], *_spans(year[year > 0], seeds)]:
        some = everybody.of(np.isin(year, span))
        if len(some.gone):
            name = f"there in {quarters[0]}" if span == [0] else f"entered {_span_words(span)}"
            left = float(np.isinf(some.gone).sum()) / seeds
            found.append(Cohort(name, len(some.gone) / seeds, left, *_curves(some, result.seeds)))
    return found


def _spans(years_of_entry: np.ndarray, seeds: int) -> list[list[int]]:
    """Years of entry in groups of about equal numbers of labs: few groups, and none small where that can be helped."""
    quota = max(FEWEST * seeds, len(years_of_entry) / (MOST_COHORTS - 1))
    spans: list[list[int]] = []
    held = 0
    for year, count in zip(*np.unique(years_of_entry, return_counts=True), strict=True):
        if not spans or held >= quota:
            spans.append([])
            held = 0
        spans[-1].append(int(year))
        held += int(count)
    if len(spans) > 1 and held < FEWEST * seeds:
        small = spans.pop()
        spans[-1].extend(small)
    return spans


def _curves(some: Fates, seeds: Sequence[int]) -> tuple[Floats, Floats]:
    """Survival by age, (age,) of all labs and (age, seed), up to the age at which half of the labs could be seen."""
    ages = 1 + int(np.sort(some.seen)[len(some.seen) // 2])
    by_seed = np.full((ages, len(seeds)), np.nan)
    for column, seed in enumerate(seeds):
        mine = some.of(some.seed == seed)
        if len(mine.gone):
            by_seed[:, column] = kaplan_meier(mine.gone, mine.seen, ages)
    return kaplan_meier(some.gone, some.seen, ages), by_seed


def kaplan_meier(gone: Floats, seen: np.ndarray, ages: int) -> Floats:
    """Share that survives each age 0..ages-1, product of 1 - lost / at risk (Kaplan and Meier 1958): never rises.

    gone, seen: shape (lab,), the age of the loss (inf for none) and the last age at which the lab was observed; a lab
    is at risk up to the earlier of the two. Where nobody is at risk the share stays as it was.
    """
    age = np.arange(ages)[:, None]
    at_risk = ((gone >= age) & (seen >= age)).sum(axis=1)
    lost = ((gone == age) & (seen >= age)).sum(axis=1)
    return np.cumprod(1.0 - lost / np.maximum(at_risk, 1))


def _span_words(span: Sequence[int]) -> str:
    return str(span[0]) if span[0] == span[-1] else f"{span[0]}-{span[-1]}"


def _mean(values: Floats) -> Floats:
    """Mean over the last axis of what exists; NaN where nothing does."""
    count = np.isfinite(values).sum(axis=-1)
    total = np.nansum(values, axis=-1)
    return np.divide(total, count, where=count > 0, out=np.full(count.shape, np.nan))


def survivors(result: Run) -> Figure:
    """Small multiples: which part of each cohort of independent labs is still independent and active, by age."""
    found, seeds = cohorts(result), len(result.seeds)
    rows = 2 if len(found) > 3 else 1
    figure, panels = new_page(rows, 3, height=1.6 + 1.7 * rows, share_y=True)
    entered, left = (_rounded(sum(which)) for which in ([c.labs for c in found], [c.left for c in found]))
    masters = "is still its own master" if left == "1" else "are still their own masters"
    bands = seeds > 1 and any(cohort.labs >= ENOUGH for cohort in found)
    reading = f"labs of {seeds} seeds together" + (", band: 10-90 % of seeds" if bands else "")
    if seeds == 1:
        reading = "one seed: no band"
    words = Words(
        f"Of {entered} independent lab{'' if entered == '1' else 's'}, {left} {masters} in {result.quarters[-1]}"
        if found
        else "No independent lab in this run",
        f"Labs still active without a parent, % of their cohort, by years since they entered; {reading}",
        f"In the headings: labs that entered, and those left in {result.quarters[-1]}"
        + (f", means over the seeds. No band below {ENOUGH} labs a seed. " if seeds > 1 else ". ")
        + "Labs still there when the run ends count for the time that they were seen (Kaplan and Meier 1958); a curve "
        f"ends at the age that half of its labs could reach by then. {luck_words(seeds, bands=False)}",
    )
    finish_page(figure, words, caption(result), headings=True)
    figure.subplots_adjust(hspace=0.42, wspace=0.1)
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    if not found:
        say_nothing(panels[0], "no independent lab entered")
    for axes, cohort, colour in zip(panels, found, SERIES, strict=False):
        _cohort_panel(axes, cohort, colour, seeds)
        _age_axis(axes, len(result.quarters) - 1)
    panels[0].set_ylim(0, 1.03)
    return figure


def _cohort_panel(axes: Axes, cohort: Cohort, colour: str, seeds: int) -> None:
    age = QUARTER * np.arange(len(cohort.curve))
    if seeds > 1 and cohort.labs >= ENOUGH:
        low, high = (quantile(cohort.by_seed, q) for q in (0.1, 0.9))
        axes.fill_between(age, low, high, color=colour, alpha=0.22, lw=0, step="post")
    axes.step(age, cohort.curve, where="post", color=colour, lw=1.9)
    axes.plot(age[-1:], cohort.curve[-1:], "o", color=colour, ms=3.5)
    labs = f"{_count(cohort.labs)} lab{'' if cohort.labs == 1 else 's'}"
    axes.set_title(
        f"{cohort.name}: {labs}, {_count(cohort.left)} left",
        loc="left", fontsize=8, fontweight="bold", color=ink(colour), pad=4,
    )  # fmt: skip
    percent_axis(axes)


def _count(mean: float) -> str:
    """A number of labs; with a digit or two after the point when it is a mean that is not whole."""
    if not mean % 1:
        return f"{mean:.0f}"
    return f"{mean:.1f}" if mean >= 1 else f"{mean:.2g}"


def _rounded(mean: float) -> str:
    """A number of labs in a headline: whole unless so small that rounding would change the story."""
    return f"{mean:.0f}" if mean >= 3 else _count(mean)


def _age_axis(axes: Axes, quarters: int) -> None:
    """Years since entry, the same in every panel; quarters: the age of a lab of the first quarter at the end."""
    span = QUARTER * max(quarters, 1)
    ticks = np.arange(0, span + 0.01, max(1, np.ceil(span / 7)) if span >= 1 else QUARTER)
    axes.set_xlim(0, span * 1.02)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])


# ---- what moved concentration ----

CAUSES = {
    "reallocation": ("reallocation", SERIES[0]),
    "entry": ("entry", SERIES[3]),
    "exits": ("exits", SERIES[1]),
    "mergers": ("mergers", SERIES[4]),
}
CAUSES_NOTE = (
    "Areas above zero raised the index, those below lowered it; they sum to the line. Each quarter is split in steps, "
    "from the last quarter's shares and owners to its own: mergers put the last quarter's shares under the new "
    "owners; exits hand what labs that are gone no longer sell to all others pro rata; entry takes what labs in their "
    "first quarter sell from the others pro rata; the rest is reallocation, an entrant's later growth included. The "
    "change that a merger's event tells is another number: on the shares of its own quarter, after the deals struck "
    "before it."
)


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
        "Change of the Herfindahl-Hirschman index of API spend by owner, split by cause each quarter and summed since "
        f"{first}, points; {reading}",
        f"{CAUSES_NOTE} {luck_words(len(result.seeds), bands=False)}",
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
    if all(round(value) == 0 for value in ends.values()):
        return f"HHI of API spend is in {quarters[-1]} where it was in {quarters[0]}"
    move = "did not change" if round(total) == 0 else f"{'rose' if total > 0 else 'fell'} by {abs(total):,.0f} points"
    causes = sorted((cause for cause in ends if round(ends[cause])), key=lambda cause: -abs(ends[cause]))
    parts = ", ".join(f"{CAUSES[cause][0]} {ends[cause]:+,.0f}" for cause in causes)
    return f"HHI of API spend {move} from {quarters[0]} to {quarters[-1]}: {parts}"


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
