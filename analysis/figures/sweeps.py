"""The figures of a sweep: phase maps, responses to factors, scenarios side by side, extremes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.figures.canvas import (
    AXIS_NAME,
    STYLE,
    WIDTH,
    Floats,
    Words,
    finish_page,
    make_room,
    mark_key,
    new_page,
    save_page,
    text_inches,
    time_axis,
    years,
)
from analysis.figures.palette import INK, MUTED, SERIES, on
from analysis.figures.phase_maps import SHADES, overview, phase_map
from analysis.figures.sweep_data import DRAWN, MOST_PANELS, VALUE, View, factor_words, plain, short_words, view
from analysis.figures.sweep_words import amount, caption, over_replications, scenario_words, sentence
from sim.sweep import Sweep
from sim.sweep.plan import counted

EXTREMES = 10  # points at either end
MATTERS = 0.2  # of the variance that a factor explains, below which it decides little alone
FEW = 5  # replications, below which 10 and 90 % would be made up between two runs: lowest and highest are shown
MOST_COLUMNS = 5  # factors in the table of extremes


# ---- responses ----


def response(seen: View) -> Figure:
    """The measure against each factor, median and band, a line for each scenario; those that matter most come first."""
    factors = [name for name in seen.effects if seen.table[name].nunique() > 1][:MOST_PANELS]
    columns = min(3, len(factors))
    rows = math.ceil(len(factors) / columns)
    figure, panels = new_page(rows, columns, height=1.9 + 1.95 * rows, share_y=True)
    names = seen.shown
    colours = _colours(names)
    tables = {key: seen.sweep.response(key, seen.measure.name, seen.quarter) for key in factors}
    finish_page(figure, _response_words(seen, factors), caption(seen.sweep), 0.97, 0.12, headings=True)
    make_room(figure, AXIS_NAME)
    figure.subplots_adjust(hspace=0.62, wspace=0.1)
    for axes, key in zip(panels, factors, strict=False):
        for name in names:
            table = tables[key]
            _draw_response(axes, table[table["scenario"] == name], colours[name])
        axes.set_title(f"explains {100 * seen.effects[key]:.0f} %", loc="left", fontsize=8, color=MUTED, pad=3)
        axes.set_xlabel(_shortened(factor_words(key), WIDTH * axes.get_position().width, 7.5), fontsize=7.5)
        _factor_axis(axes, tables[key])
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value, seen.measure.unit)))
        axes.tick_params(labelsize=7.5)
    for axes in panels[len(factors) :]:
        axes.set_axis_off()
    if len(names) > 1:
        mark_key(panels[0], [(scenario_words(name), "s", colours[name], 30) for name in names], lift=1.2)
    return figure


def _draw_response(axes: Axes, table: pd.DataFrame, colour: str) -> None:
    """Median line over the band of 10-90 %; a bar for each value where values are not numbers."""
    x = _positions(table)
    low, middle, high = (table[q].to_numpy(np.float64) for q in (0.1, 0.5, 0.9))
    if _ordered(table):
        axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
        axes.plot(x, middle, color=colour, lw=1.7, marker="o", ms=2.6)
    else:
        axes.vlines(x, low, high, color=colour, alpha=0.3, lw=6)
        axes.plot(x, middle, color=colour, lw=0, marker="o", ms=5)


def _ordered(table: pd.DataFrame) -> bool:
    return table[VALUE].dtype.kind in "fi"


def _positions(table: pd.DataFrame) -> Floats:
    if _ordered(table):
        return table[VALUE].to_numpy(np.float64)
    return np.arange(len(table), dtype=np.float64)


def _factor_axis(axes: Axes, table: pd.DataFrame) -> None:
    """A log scale where values grow by a constant factor rather than in equal steps; words for what is no number."""
    if not _ordered(table):
        values = list(dict.fromkeys(table[VALUE]))
        axes.set_xticks(range(len(values)), [plain(value) for value in values])
        axes.set_xlim(-0.6, len(values) - 0.4)
        return
    values = np.unique(table[VALUE].to_numpy(np.float64))
    if values[0] > 0 and values[-1] / values[0] >= 8:
        axes.set_xscale("log")
        even = np.geomspace(values[0], values[-1], 4)
        ticks = values if len(values) <= 5 and _apart(values) else values[np.unique(_nearest(values, even))]
        axes.set_xticks(ticks, [plain(float(tick)) for tick in ticks])
        axes.minorticks_off()
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if values[-1] >= 1e4:  # in words, in place of a power of ten beside the axis
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def _apart(values: Floats) -> bool:
    """Whether each of these values has room for its name on a log axis."""
    return bool((np.diff(np.log(values)) > 0.15 * np.log(values[-1] / values[0])).all())


def _nearest(values: Floats, wanted: Floats) -> np.ndarray:
    """Positions of the values nearest to those wanted, in logs; a value that is not near leaves its place empty."""
    distance = np.abs(np.log(values)[None, :] - np.log(wanted)[:, None])
    near = distance.min(axis=1) < 0.25 * np.log(wanted[1] / wanted[0])
    return distance.argmin(axis=1)[near]


def _response_words(seen: View, factors: Sequence[str]) -> Words:
    best = factors[0]
    alone = seen.sweep.plan["design"] == "one-at-a-time"
    others = "the others at the base point" if alone else "over luck and all other factors"
    lead = f"{sentence(seen.title)}: {short_words(best)} matters most"
    return Words(
        lead if seen.effects[best] >= MATTERS else f"{sentence(seen.title)}: no factor alone explains much",
        f"{sentence(seen.title)} in {seen.quarter}; line: median, band: 10-90 % {others}",
        "Explains: part of the variance between points that lies between the factor's values or bins (epsilon squared, "
        "Kelley 1935).",
    )


def _shortened(text: str, inches: float, size: float) -> str:
    """The text, cut where it would not fit."""
    if text_inches(text, size) <= inches:
        return text
    while text and text_inches(text + " …", size) > inches:
        text = text[:-1]
    return text.rstrip(" ,") + " …"


def _colours(names: Sequence[str]) -> dict[str, str]:
    return {name: SERIES[i % len(SERIES)] for i, name in enumerate(names)}


# ---- scenarios side by side ----


def scenarios(seen: View) -> Figure:
    """The measure by quarter over all points and replications, a panel for each scenario."""
    names = seen.shown
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure, panels = new_page(rows, columns, height=1.75 + (2.3 if columns > 1 else 3.0) * rows, share_y=True)
    quantiles = (0.1, 0.25, 0.5, 0.75, 0.9)
    bands = seen.sweep.bands(seen.measure.name, quantiles, ("scenario",))
    x = years(seen.sweep.quarters)
    ends = {name: bands.loc[name][0.5].iloc[-1] for name in names}
    runs = int(bands["runs"].max())
    words = Words(
        _ends_words(seen, ends),
        f"{sentence(seen.title)}; line: median of all points and replications, bands: 25-75 % and 10-90 %"
        f" ({counted(runs, 'run')}{' each' if len(names) > 1 else ''})",
        "Bands hold the luck of the draw and the range of the factors, as the plan draws them.",
    )
    finish_page(figure, words, caption(seen.sweep), 0.95, 0.095, headings=True)
    figure.subplots_adjust(hspace=0.45, wspace=0.2)
    colours = _colours(names)
    for axes, name in zip(panels, names, strict=False):
        table = bands.loc[name].reindex(list(seen.sweep.quarters))
        for low, high, alpha in ((0.1, 0.9, 0.18), (0.25, 0.75, 0.32)):
            axes.fill_between(x, table[low], table[high], color=colours[name], alpha=alpha, lw=0)
        axes.plot(x, table[0.5], color=colours[name], lw=1.9)
        axes.set_title(
            f"{scenario_words(name)}  {amount(ends[name], seen.measure.unit)}",
            loc="left",
            fontsize=9,
            fontweight="bold",
        )
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value, seen.measure.unit)))
        time_axis(axes, x)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    return figure


def _ends_words(seen: View, ends: dict[str, float]) -> str:
    unit, last = seen.measure.unit, seen.sweep.quarters[-1]
    if len(ends) == 1:
        return f"{sentence(seen.title)}: {amount(next(iter(ends.values())), unit)} in {last}"
    ordered = sorted(ends, key=lambda name: ends[name])
    low, high = (f"{amount(ends[name], unit)} in {scenario_words(name)}" for name in (ordered[0], ordered[-1]))
    return f"{sentence(seen.title)} in {last}: {low}, {high}"


# ---- extremes ----


def extremes(seen: View) -> Figure:
    """A table: the points with the highest and the lowest measure, who leads there, and their factors."""
    known = _with_range(seen).dropna(subset=VALUE).sort_values([VALUE, "point"], ascending=[False, True])
    half = min(EXTREMES, len(known) // 2) or 1
    parts = {"highest": known.head(half), "lowest": known.tail(half if len(known) > 1 else 0)[::-1]}
    lines = sum(len(part) + 1 for part in parts.values()) + 2.2
    figure, (axes,) = new_page(height=1.2 + 0.19 * lines)
    finish_page(figure, _extremes_words(seen, known, half), caption(seen.sweep), 0.98, 0.02)
    make_room(figure, -0.3)
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(lines, 0)
    columns = _columns(seen)
    for column in columns:
        axes.text(column.at, 1.9, column.heading, fontsize=6.5, color=MUTED, ha=column.align, va="bottom")
    row = 2.2
    for name, part in parts.items():
        axes.plot([0, 1], [row, row], color=MUTED, lw=0.6)
        axes.text(0, row + 0.6, name, fontsize=7.5, fontweight="bold", va="center")
        for number, (_, point) in enumerate(part.iterrows(), start=1):
            for column in columns:
                column.write(axes, row + number, point)
        row += len(part) + 1
    return figure


def _with_range(seen: View) -> pd.DataFrame:
    """The points, low and high of a few replications the lowest and highest of them."""
    if len(seen.sweep.balance.replications) >= FEW:
        return seen.table
    ends = seen.sweep.bands(seen.measure.name, (0.0, 1.0), ("point",), seen.quarter).droplevel("quarter")
    points = seen.table["point"]
    return seen.table.assign(low=points.map(ends[0.0]), high=points.map(ends[1.0]))


def _range_words(seen: View) -> str:
    count = len(seen.sweep.balance.replications)
    if count == 1:
        return ""
    return "; range: 10-90 % over replications" if count >= FEW else "; range: lowest to highest of them"


def _extremes_words(seen: View, known: pd.DataFrame, half: int) -> Words:
    unit, more = seen.measure.unit, len(seen.effects) - MOST_COLUMNS
    low, high = (amount(float(known[VALUE].iloc[at]), unit) for at in (-1, 0))
    return Words(
        f"{sentence(seen.title)}: where it is highest ({high}) and lowest ({low})",
        f"{_count(half)} at either end in {seen.quarter}, {over_replications(seen)}{_range_words(seen)}",
        "Factors stand in the order of how much they explain"
        + (f"; {more} that explain less are left out" if more > 0 else "")
        + ". Shade: where a value stands among those of all points, the highest darkest.",
    )


def _count(points: int) -> str:
    return f"{points} points" if points > 1 else "The point"


@dataclass(frozen=True)
class TableColumn:
    """A column of the table: heading, place (0-1), alignment, the text of a point; shade: 0-1 of a point, None for no
    shade; width of what is shaded.
    """

    heading: str
    at: float
    align: str
    text: Callable[[pd.Series], str]
    bold: bool = False
    shade: Callable[[pd.Series], float] | None = None
    width: float = 0.0

    def write(self, axes: Axes, row: float, point: pd.Series) -> None:
        """Put a point's entry into its line."""
        colour = INK
        if self.shade is not None:
            face = to_hex(SHADES(0.7 * self.shade(point)))
            axes.add_patch(Rectangle((self.at - self.width, row), self.width + 0.008, 1, fc=face, lw=0))
            colour = on(face)
        axes.text(
            self.at, row + 0.54, self.text(point), fontsize=7, ha=self.align, va="center", color=colour,
            fontweight="bold" if self.bold else "normal",
        )  # fmt: skip


def _columns(seen: View) -> list[TableColumn]:
    """What the table says of a point: number, measure, leader, scenario, the factors that explain most."""
    unit, at = seen.measure.unit, 0.17
    found = [
        TableColumn("point", 0.05, "right", lambda row: str(row["point"])),
        TableColumn("measure", 0.14, "right", lambda row: amount(row[VALUE], unit), bold=True),
    ]
    if len(seen.sweep.balance.replications) > 1:
        found.append(
            TableColumn("range", at, "left", lambda row: f"{amount(row['low'], unit)} to {amount(row['high'], unit)}")
        )
        at += 0.135
    if seen.table["leader"].notna().any():
        found.append(TableColumn("leader", at, "left", lambda row: seen.names.get(row["leader"], str(row["leader"]))))
        at += 0.115
    if len(seen.sweep.scenarios) > 1:
        found.append(
            TableColumn("scenario", at, "left", lambda row: _shortened(scenario_words(row["scenario"]), 1.2, 7))
        )
        at += 0.155
    factors = list(seen.effects)[:MOST_COLUMNS]
    step = min((0.99 - at) / max(len(factors), 1), 0.2)
    return found + [_factor_column(seen, key, at + step * (i + 1), step) for i, key in enumerate(factors)]


def _factor_column(seen: View, key: str, at: float, step: float) -> TableColumn:
    heading, values = _heading(key, step), seen.table[key]
    shades = values.rank(pct=True, method="dense").sub(1 / values.nunique()) if values.dtype.kind in "fi" else None
    shade = None if shades is None else lambda row: float(shades[row.name])
    return TableColumn(heading, at, "right", lambda row: plain(row[key]), shade=shade, width=0.96 * step)


def _heading(key: str, width: float) -> str:
    """A factor's name over as many lines as its column needs."""
    lines: list[str] = []
    for word in factor_words(key).replace(",", "").split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_inches(longer, 6.5) <= 0.92 * width * WIDTH:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


# ---- all of them ----


@dataclass(frozen=True)
class Kind:
    """A kind of figure: how it is drawn, and the number of factors it needs."""

    draw: Callable[[View], Figure]
    factors: int


KINDS: dict[str, Kind] = {
    "phase_map": Kind(phase_map, 2),
    "response": Kind(response, 1),
    "scenarios": Kind(scenarios, 0),
    "extremes": Kind(extremes, 0),
}


def possible(sweep: Sweep, kind: str) -> bool:
    """Whether a sweep has what a kind of figure shows."""
    several = sum(sweep.points[name].nunique() > 1 for name in sweep.factors)
    crossed = kind != "phase_map" or sweep.plan["design"] != "one-at-a-time"
    return sweep.balance.runs > 0 and several >= KINDS[kind].factors and crossed


def draw(seen: View, kind: str) -> Figure:
    """One figure. Raises KeyError for a kind that is not in KINDS."""
    with matplotlib.rc_context(STYLE):
        return KINDS[kind].draw(seen)


def draw_all(
    sweep: Sweep, folder: Path, kinds: Iterable[str] | None = None, measures: Iterable[str] | None = None
) -> list[Path]:
    """Draw the kinds of figures (all unless named) that the sweep has the data for, of each measure (those of DRAWN
    unless named), as PNG and SVG named KIND_MEASURE, and the phase maps of several measures together; the paths
    written. Raises ValueError for a measure it cannot have.
    """
    usual = DRAWN if "market" in sweep.tables else ()
    wanted = [kind for kind in kinds or KINDS if possible(sweep, kind)]
    if not wanted:
        return []
    views = [seen for seen in (view(sweep, name) for name in measures or usual) if seen.table[VALUE].notna().any()]
    pages = {f"{kind}_{seen.measure.name.replace('.', '_')}": draw(seen, kind) for seen in views for kind in wanted}
    if "phase_map" in wanted and len(views) > 1:
        pages["phase_maps"] = draw_overview(views)
    return [path for name, page in pages.items() for path in save_page(page, folder, name)]


def draw_overview(views: Sequence[View]) -> Figure:
    """The phase maps of several measures of one sweep on one page."""
    with matplotlib.rc_context(STYLE):
        return overview(views)
