"""What all figures share: page, headline, caption, time axis, fans, direct labels that do not overlap, saving."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from numpy.typing import ArrayLike, NDArray

from analysis.figures.palette import GRID, INK, MUTED, ink
from sim.quarters import decimal_year, quarter_number

DPI = 200  # twice the usual 100
WIDTH = 8.0  # inches
HEIGHT = 5.0
AXIS_NAME = 0.14  # inches that the name of a horizontal axis takes
QUARTER = 0.25  # of a year, the unit of a time axis
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "ytick.major.size": 0,
    "text.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "moatsim",  # the same run gives the same file
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Words:
    """The text around a figure: headline, line under it, and the source notes of its caption."""

    title: str
    subtitle: str
    notes: str = ""


def new_page(
    rows: int = 1, columns: int = 1, height: float = HEIGHT, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """An empty page with rows x columns axes, in reading order."""
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=share_y)
    return figure, list(grid.ravel())


def finish_page(
    figure: Figure, words: Words, caption: str, right: float = 0.97, left: float = 0.085, headings: bool = False
) -> Figure:
    """Headline above, caption below, and the room between them for the axes.

    left, right: edges of the axes as fractions of the page (labels need room); headings: panels have one each.
    """
    height = figure.get_size_inches()[1]
    title = fitted(words.title, 13, "bold")
    lines = title.count("\n") + 1
    subtitle = fitted(words.subtitle, 9)
    top = 1 - (0.16 + 0.235 * lines + 0.175 * (subtitle.count("\n") + 1) + (0.36 if headings else 0.22)) / height
    figure.text(0.02, 1 - 0.12 / height, title, fontsize=13, fontweight="bold", va="top", linespacing=1.15)
    figure.text(0.02, 1 - (0.17 + 0.235 * lines) / height, subtitle, fontsize=9, color=MUTED, va="top")
    notes = fitted(f"{words.notes} {caption}".strip(), 6.5)
    figure.text(0.02, 0.07 / height, notes, fontsize=6.5, color=MUTED, va="bottom", linespacing=1.3)
    bottom = (0.42 + 0.13 * (notes.count("\n") + 1)) / height
    figure.subplots_adjust(left=left, right=right, top=top, bottom=bottom)
    return figure


def make_room(figure: Figure, inches: float) -> None:
    """Move the bottom of the axes up (down where negative), from where the page's caption left it."""
    figure.subplots_adjust(bottom=figure.subplotpars.bottom + inches / figure.get_size_inches()[1])


def fitted(text: str, size: float, weight: str = "normal") -> str:
    """The text broken into lines that fit on the page."""
    room = 0.905 * WIDTH  # screens of few dots draw small text some 6 % wider than its outlines
    lines: list[str] = []
    for word in re.split(r"\s+(?!%)", text.strip()):  # a number keeps its per cent sign
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_inches(longer, size, weight) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def text_inches(text: str, size: float, weight: str = "normal") -> float:
    """The width of one line of text, from the outlines of its letters: true at any resolution."""
    font = FontProperties(family=STYLE["font.family"], size=size, weight=weight)
    points: float = text_to_path.get_text_width_height_descent(text, font, False)[0]
    return points / 72


def save_page(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write NAME.png and NAME.svg, each in one step; the same figure gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        path = folder / f"{name}.{kind}"
        temporary = path.with_name(f".{name}.{os.getpid()}.{kind}")
        with matplotlib.rc_context(STYLE):
            figure.savefig(temporary, dpi=DPI, metadata=metadata)
        os.replace(temporary, path)
        written.append(path)
    return written


def say_nothing(axes: Axes, reason: str) -> None:
    """Fill empty axes with the reason why they are empty."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=11)


def years(quarters: Sequence[str]) -> Floats:
    """Quarters as decimal years at their ends, where stocks are measured."""
    return np.array([decimal_year(quarter_number(quarter) + 1) for quarter in quarters])


def time_axis(axes: Axes, x: Floats) -> None:
    """Years on the horizontal axis, a tick at each turn of the year; single quarters when the run is short, as many as
    have room for their names, the last among them.
    """
    margin = 0.125 if len(x) == 1 else 0.0
    axes.set_xlim(x[0] - margin, x[-1] + margin)
    span = x[-1] - x[0]
    axes_width = axes.get_position().width * WIDTH
    if span < 2:
        wanted = text_inches(" 2023Q4 ", 8) * (len(x) - 1)
        shown = x[::-1][:: 1 if wanted <= axes_width else 2]
        axes.set_xticks(shown, [_quarter_end(value) for value in shown], fontsize=8)
        return
    step = 1 if span / max(axes_width, 0.1) < 2.1 else 2 if span / max(axes_width, 0.1) < 4.2 else 5
    ticks = np.arange(np.ceil(x[0] / step) * step, x[-1] + 0.01, step)
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])


def _quarter_end(value: float) -> str:
    quarters = round(value * 4) - 1
    return f"{quarters // 4}Q{quarters % 4 + 1}"


def quantile(values: Floats, q: float) -> Floats:
    """Quantile over the last axis (seeds) of the values that exist; NaN where there is none."""
    if not np.isnan(values).any():
        return np.asarray(np.quantile(values, q, axis=-1))
    result = np.full(values.shape[:-1], np.nan)
    for index in np.ndindex(*result.shape):
        row = values[index]
        row = row[~np.isnan(row)]
        if row.size:
            result[index] = np.quantile(row, q)
    return result


def fan(axes: Axes, x: Floats, values: Floats, colour: str) -> Floats:
    """Median line over the bands of 25-75 % and 10-90 % of the seeds; values (quarter, seed). Returns the median."""
    if values.shape[1] > 1:
        for low, high, alpha in ((0.1, 0.9, 0.18), (0.25, 0.75, 0.32)):
            axes.fill_between(x, quantile(values, low), quantile(values, high), color=colour, alpha=alpha, lw=0)
    median = quantile(values, 0.5)
    line(axes, x, median, colour)
    return median


def line(axes: Axes, x: Floats, y: Floats, colour: str, dashed: bool = False) -> None:
    """A line; a dot when there is only one quarter to draw."""
    style = (0, (4, 2)) if dashed else "-"
    marker = "o" if len(x) == 1 else None
    axes.plot(x, y, color=colour, lw=1.9, ls=style, marker=marker, solid_capstyle="round")


def fan_words(seeds: int) -> str:
    """How to read a fan, or why there is none."""
    return "one seed: no fan" if seeds == 1 else f"line: median of {seeds} seeds; bands: 25-75 % and 10-90 %"


def luck_words(seeds: int, bands: bool = True) -> str:
    """What the seeds stand for, and what they leave out. bands: whether the figure has fans."""
    what = "One seed is one draw of luck" if seeds == 1 else f"{'Bands' if bands else 'Seeds'} are the luck of the draw"
    return f"{what} with all parameters held fixed, not the whole uncertainty of a projection."


def spread_apart(wanted: ArrayLike, gap: float, low: float, high: float) -> Floats:
    """Positions at least `gap` apart and as near as possible to those wanted (least squares), within [low, high].

    Isotonic regression of the wanted positions less i x gap, by pooling adjacent violators (Ayer et al. 1955). When the
    room is too small for all, the gap shrinks to what there is.
    """
    y = np.asarray(wanted, dtype=np.float64)
    if y.size == 0:
        return y
    order = np.argsort(y, kind="stable")
    gap = min(gap, (high - low) / max(len(y) - 1, 1))
    blocks: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        blocks.append((y[index] - rank * gap, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2:]
            blocks[-2:] = [((a * n + b * m) / (n + m), n + m)]
    levels = np.concatenate([np.full(count, mean) for mean, count in blocks])
    levels = np.clip(levels, low, high - gap * (len(y) - 1))
    placed = np.empty_like(y)
    placed[order] = levels + gap * np.arange(len(y))
    return placed


@dataclass(frozen=True)
class Label:
    """A direct label: where its line or area ends (data units), what it says, in which colour."""

    y: float
    text: str
    colour: str


def label_right(axes: Axes, x: float, labels: Iterable[Label], size: float = 8.5) -> None:
    """Labels to the right of the axes at the height of their lines, moved apart where they would overlap."""
    shown = [label for label in labels if np.isfinite(label.y)]
    if not shown:
        return
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(to_axes.transform((x, label.y))[1]) for label in shown]
    inches = axes.get_position().height * axes.figure.get_size_inches()[1]
    lines = max(label.text.count("\n") + 1 for label in shown)
    gap = 1.25 * size * lines / 72 / inches
    # The middle of several lines keeps clear of the bottom, where the names of years stand.
    placed = spread_apart(heights, gap, gap * (lines - 1) / 2 / lines, 1.0)
    for label, height, place in zip(shown, heights, placed, strict=True):
        axes.plot([1.0, 1.012], [height, place], transform=axes.transAxes, color=label.colour, lw=0.8, clip_on=False)
        axes.text(
            1.018, place, label.text, transform=axes.transAxes, color=ink(label.colour), fontsize=size, va="center",
            linespacing=1.05,
        )  # fmt: skip


def mark_key(axes: Axes, marks: Sequence[tuple[str, str, str, float]], lift: float = 0.0) -> None:
    """Rows of marks with their names above the axes, which make room; each name takes the width that it needs.

    marks: (name, marker, colour, size) each; lift: rows left free below, for a heading of the axes.
    """
    figure, box = axes.figure, axes.get_position()
    inches = box.width * WIDTH
    left = -0.1 / box.width  # in axes widths, as is the room from there to the edge of the page
    room = (0.965 - box.x0) / box.width - left
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
