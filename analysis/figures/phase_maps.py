"""Phase maps of a sweep: two factors against each other, colour for a measure, the winner named; one measure or several
on a page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.figures.canvas import (
    AXIS_NAME,
    WIDTH,
    Floats,
    Words,
    finish_page,
    fitted,
    make_room,
    new_page,
    text_inches,
)
from analysis.figures.palette import INK, on
from analysis.figures.sweep_data import (
    UNDECIDED,
    Cells,
    Cut,
    View,
    cells,
    cuts,
    factor_words,
    main_factors,
    regions,
    short_words,
    widest_run,
)
from analysis.figures.sweep_words import amount, caption, over_replications, scenario_words, sentence

SHADES = LinearSegmentedColormap.from_list("moatsim", ("#f4f7f6", "#a9d3ce", "#4f9fa3", "#1d5f86", "#1b2f5b"))
SMALLEST = 5.5  # points, of a name in a phase map
HATCH = "////"
LED = "the owner that leads in more than half of the runs"
OVERVIEW_HEIGHT = 1.9  # inches of one row of maps on a page of several measures
BETWEEN = 0.8  # inches between two rows of maps, for a heading and the name of an axis


def phase_map(seen: View) -> Figure:
    """Two factors against each other, a panel for each scenario: colour for the measure, the leader named."""
    first, second = main_factors(seen, 2)
    table = seen.table
    across, up = cuts(table, first, second)
    names = seen.shown
    columns = 1 if len(names) == 1 or across.count > 5 else 2
    rows = math.ceil(len(names) / columns)
    figure, panels = new_page(rows, columns, height=1.75 + rows * _map_height(up, columns), share_y=True)
    maps = [_of_scenario(table, name, across, up) for name in names]
    values = np.concatenate([found.value.ravel() for found in maps])
    scale = Normalize(*_ends(values))
    finish_page(figure, _map_words(seen, maps, across, up), caption(seen.sweep), 0.885, 0.095, headings=len(names) > 1)
    make_room(figure, AXIS_NAME)
    figure.subplots_adjust(hspace=BETWEEN / _map_height(up, columns), wspace=0.08)
    short = {}
    for axes, name, found in zip(panels, names, maps, strict=False):
        _draw_cells(axes, found, scale, seen.measure.unit)
        short |= _name_regions(axes, found.leader, seen)
        _cell_axes(axes, across, up)
        if len(names) > 1:
            axes.set_title(scenario_words(name), loc="left", fontsize=9.5, fontweight="bold", color=INK, pad=4)
        axes.set_xlabel(factor_words(first))
    for axes in panels[::columns]:
        axes.set_ylabel(factor_words(second))
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    _colour_scale(figure, panels[: len(names)], scale, seen)
    _spell_out(figure, short)
    return figure


def overview(views: Sequence[View]) -> Figure:
    """The phase maps of several measures of a sweep on one page: a column for each measure, a row for each scenario."""
    seen, names = views[0], views[0].shown
    first, second = main_factors(seen, 2)
    across, up = cuts(seen.table, first, second)
    rows, columns = len(names), len(views)
    figure, panels = new_page(rows, columns, height=1.75 + rows * OVERVIEW_HEIGHT, share_y=True)
    words = Words(sentence(seen.sweep.title), _explained(views, (first, second)))
    finish_page(figure, words, caption(seen.sweep), 0.985, 0.085, headings=True)
    make_room(figure, AXIS_NAME)
    figure.subplots_adjust(top=figure.subplotpars.top - 0.13 / figure.get_size_inches()[1], hspace=0.14, wspace=0.06)
    short = {}
    for column, one in enumerate(views):
        maps = [_of_scenario(one.table, name, across, up) for name in names]
        values = np.concatenate([found.value.ravel() for found in maps])
        below = panels[column::columns]
        for axes, found in zip(below, maps, strict=True):
            _draw_cells(axes, found, Normalize(*_ends(values)), one.measure.unit)
            short |= {} if column else _name_regions(axes, found.leader, one)
            _cell_axes(axes, across, up)
            axes.tick_params(labelbottom=axes is below[-1])
        low, high = (amount(end, one.measure.unit) for end in (float(np.nanmin(values)), float(np.nanmax(values))))
        heading = f"{sentence(one.title)}\n{low} to {high}, light to dark"
        below[0].set_title(heading, loc="left", fontsize=8, fontweight="bold", color=INK, pad=4)
        below[-1].set_xlabel(factor_words(first))
    for axes, name in zip(panels[::columns], names, strict=True):
        axes.set_ylabel(f"{scenario_words(name)}\n{factor_words(second)}" if rows > 1 else factor_words(second))
    _spell_out(figure, short)
    return figure


def _explained(views: Sequence[View], factors: Sequence[str]) -> str:
    """How much of each measure's variance between points the factors explain, one after the other."""
    seen = views[0]
    parts = [
        f"{short_words(name)} {', '.join(f'{100 * one.effects[name]:.0f}' for one in views)} %" for name in factors
    ]
    named = f"; left: {LED}" if seen.table["leader"].notna().any() else ""
    return (
        f"{seen.quarter}, {over_replications(seen)}{named}. Of the variance between the points of a scenario explain, "
        f"from left to right: {'; '.join(parts)}"
    )


def _map_height(up: Cut, columns: int) -> float:
    return min(max(0.36 * up.count, 1.7), 3.4) if columns == 1 else 2.6


def _of_scenario(table: pd.DataFrame, name: str, across: Cut, up: Cut) -> Cells:
    here = (table["scenario"] == name).to_numpy()
    return cells(table[here], _restricted(across, here), _restricted(up, here))


def _restricted(found: Cut, here: np.ndarray) -> Cut:
    return Cut(found.codes[here], found.count, found.ticks, found.labels, found.whole)


def _ends(values: Floats) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _draw_cells(axes: Axes, found: Cells, scale: Normalize, unit: str) -> None:
    """Coloured cells with their numbers; cells without a point are hatched."""
    rows, columns = found.value.shape
    axes.set_xlim(0, columns)
    axes.set_ylim(0, rows)
    axes.grid(False)
    width = axes.get_position().width * WIDTH / columns
    for row, column in np.ndindex(rows, columns):
        value = found.value[row, column]
        if not np.isfinite(value):
            axes.add_patch(Rectangle((column, row), 1, 1, fc="white", ec="#c9ccd1", hatch=HATCH, lw=0))
            continue
        colour = to_hex(SHADES(scale(value)))
        axes.add_patch(Rectangle((column, row), 1, 1, fc=colour, ec="white", lw=0.5))
        text = amount(float(value), unit)
        if text_inches(text, 6) < 0.92 * width:
            axes.text(
                column + 0.5, row + 0.23, text, ha="center", va="center", fontsize=6, color=on(colour), alpha=0.85
            )


def _name_regions(axes: Axes, leader: np.ndarray, seen: View) -> dict[str, str]:
    """Lines between regions of different leaders, each region named once; names too long for theirs, by short form."""
    width = axes.get_position().width * WIDTH / leader.shape[1]
    short = {}
    for owner, region in regions(leader):
        inside = set(region)
        for row, column in region:
            _borders(axes, row, column, inside, leader)
        name = seen.names.get(owner, owner)
        row, first, length = widest_run(region)
        room = 0.94 * width * length
        size = next((size for size in (8, 7, 6.2, SMALLEST) if text_inches(name, size, "bold") <= room), None)
        if size is None:
            short[name[:3]] = name
        axes.text(
            first + length / 2, row + 0.69, name if size else name[:3], ha="center", va="center",
            fontsize=size or SMALLEST, fontweight="bold", path_effects=[withStroke(linewidth=1.6, foreground="white")],
        )  # fmt: skip
    return short


def _spell_out(figure: Figure, short: dict[str, str]) -> None:
    """Say before the caption what the short names stand for."""
    if short:
        told = "; ".join(f"{code}: {name}" for code, name in sorted(short.items()))
        figure.texts[-1].set_text(fitted(f"{told}. {figure.texts[-1].get_text()}", 6.5))


def _borders(axes: Axes, row: int, column: int, inside: set[tuple[int, int]], leader: np.ndarray) -> None:
    """The edges of a cell behind which somebody else leads."""
    right, above = (row, column + 1), (row + 1, column)
    if column + 1 < leader.shape[1] and right not in inside and leader[right] is not None:
        axes.plot([column + 1] * 2, [row, row + 1], color=INK, lw=1.3)
    if row + 1 < leader.shape[0] and above not in inside and leader[above] is not None:
        axes.plot([column, column + 1], [row + 1] * 2, color=INK, lw=1.3)


def _cell_axes(axes: Axes, across: Cut, up: Cut) -> None:
    axes.set_xticks(across.ticks, across.labels, fontsize=7.5)
    axes.set_yticks(up.ticks, up.labels, fontsize=7.5)
    axes.tick_params(length=0 if across.whole else 2.5, axis="x")
    axes.spines[["left", "bottom"]].set_visible(False)


def _colour_scale(figure: Figure, panels: Sequence[Axes], scale: Normalize, seen: View) -> None:
    """A thin scale of colours beside the maps."""
    boxes = [axes.get_position() for axes in panels]
    low, high = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
    tall = min(high - low, 2.4 / figure.get_size_inches()[1])
    bar = figure.add_axes((0.905, high - tall, 0.016, tall))
    figure.colorbar(ScalarMappable(scale, SHADES), cax=bar)
    bar.yaxis.set_major_locator(MaxNLocator(4))
    bar.yaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value, seen.measure.unit)))
    bar.tick_params(labelsize=7, length=0)
    bar.grid(False)
    bar.spines[:].set_visible(False)


def _map_words(seen: View, maps: Sequence[Cells], across: Cut, up: Cut) -> Words:
    low, high = _ends(np.concatenate([found.value.ravel() for found in maps]))
    unit = seen.measure.unit
    binned = [name for name, found in zip(main_factors(seen, 2), (across, up), strict=True) if not found.whole]
    several = max(int(found.points.max()) for found in maps)
    notes = []
    if binned:
        notes.append("Cells hold about equally many of the values drawn of a factor; nothing is interpolated.")
    if several > 1:
        notes.append(f"A cell is the median over its points, up to {several}, which differ in the other factors.")
    if any((found.points == 0).any() for found in maps):
        notes.append("Hatched: no run to show.")
    named = f"; named: {LED}" if seen.table["leader"].notna().any() else ""
    return Words(
        f"{sentence(seen.title)} from {amount(low, unit)} to {amount(high, unit)}{_winner_words(seen, maps)}",
        f"{sentence(seen.title)} in {seen.quarter}, {over_replications(seen)}{named}",
        " ".join(notes),
    )


def _winner_words(seen: View, maps: Sequence[Cells]) -> str:
    """Who leads in most cells, and in how many nobody leads."""
    found = pd.Series([owner for each in maps for owner in each.leader.ravel() if owner is not None], dtype=object)
    counts = found.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    undecided = int(counts.pop(UNDECIDED)) if UNDECIDED in counts else 0
    words = (
        f"; {seen.names.get(counts.index[0], counts.index[0])} leads in {counts.iloc[0]} of {len(found)} cells"
        if len(counts)
        else ""
    )
    return f"{words}{f'; {undecided} undecided' if undecided else ''}"
