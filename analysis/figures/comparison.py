"""The figure of a comparison: each measure's level beside its paired difference from the reference, by quarter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from analysis.compare import EVENTS, NAME, Comparison, Measure, factor_of, in_words
from analysis.figures.canvas import (
    STYLE,
    Floats,
    Label,
    Words,
    finish_page,
    label_right,
    line,
    new_page,
    save_page,
    time_axis,
    years,
)
from analysis.figures.palette import INK, MUTED, SERIES
from analysis.figures.reading import dollars
from sim import __version__
from sim.parameters import Shock
from sim.quarters import decimal_year, quarter_number
from sim.scenario import Scenario

DRAWN: tuple[str, ...] = (
    *("hhi", "open_share", "share.deployments.open", "share.tokens.open", "gap_elo", "active_labs"),
    *("closed_flagship_price_usd_per_mtok", "record_training_cost_usd", "api_spend_usd"),
)
TITLES: Mapping[str, str] = {
    "hhi": "HHI of API spend by owner",
    "cr3": "largest three, % of API spend",
    "open_share": "open, % of API spend",
    "gap_months": "open behind closed, months",
    "gap_elo": "open behind closed, Elo",
    "active_labs": "active labs",
    "adoption": "enterprises that use a model, %",
    "closed_flagship_price_usd_per_mtok": "closed flagships, $ per Mtok",
    "record_training_cost_usd": "record training run",
    "api_spend_usd": "API spend a quarter",
    "total_spend_usd": "total spend a quarter",
}
ROW = 1.32  # inches for one measure
STEEP = 30.0  # a level that grows or falls by more than this is drawn on a log scale
NAMED_SHOCKS = 6  # in the caption, shared out among the scenarios; the rest is counted


def dated_changes(scenarios: Mapping[str, Scenario], reference: str) -> list[tuple[str, Shock]]:
    """(scenario, shock) of dated changes that a scenario and the reference do not share, in order of time.

    One that only the reference has stands under the reference's name, once.
    """
    base = scenarios[reference].parameters.shocks
    others = {name: scenario.parameters.shocks for name, scenario in scenarios.items() if name != reference}
    added = [(name, shock) for name, shocks in others.items() for shock in shocks if shock not in base]
    gone = [(reference, shock) for shock in base if any(shock not in shocks for shocks in others.values())]
    return sorted([*added, *gone], key=lambda entry: quarter_number(entry[1].quarter))


def draw(comparison: Comparison, names: Sequence[str], shocks: Sequence[tuple[str, Shock]]) -> Figure:
    """The page: a row for each measure, its level on the left, its difference from the reference on the right.

    names: measures to draw, else those of DRAWN that the runs have; shocks: dated changes to mark.
    """
    have = {measure.name for measure in comparison.measures}
    measures = [comparison.measure(name) for name in names or [name for name in DRAWN if name in have]]
    colours = dict(zip(comparison.scenarios, _colours(len(comparison.scenarios)), strict=True))
    x = years(comparison.quarters)
    marked = [(name, shock) for name, shock in shocks if shock.quarter in comparison.quarters]
    with matplotlib.rc_context(STYLE):
        figure, axes = new_page(len(measures), 2, height=ROW * len(measures) + 1.75)
        for row, measure in enumerate(measures):
            left, right = axes[2 * row : 2 * row + 2]
            tables = {name: comparison.rows(name, measure) for name in comparison.scenarios}
            _levels(left, x, tables, measure, colours)
            _differences(right, x, tables, measure, colours)
            for name, quarter in sorted({(name, shock.quarter) for name, shock in marked}):
                for panel in (left, right):
                    _mark(panel, quarter, colours.get(name, MUTED))
        finish_page(figure, _words(comparison, marked), _caption(comparison), right=0.845, left=0.075, headings=True)
        figure.subplots_adjust(hspace=0.52, wspace=0.56)
        for panel in axes:
            time_axis(panel, x)
        for row, measure in enumerate(measures):
            tables = {name: comparison.rows(name, measure) for name in comparison.scenarios}
            _label(axes[2 * row], x, _level_labels(comparison, tables, measure, colours))
            _label(axes[2 * row + 1], x, _difference_labels(tables, measure, colours))
    return figure


def draw_into(
    folder: Path, comparison: Comparison, names: Sequence[str], scenarios: Mapping[str, Scenario]
) -> list[Path]:
    """Draw the figure as PNG and SVG into a folder; the paths written."""
    shocks = dated_changes(scenarios, comparison.reference)
    return save_page(draw(comparison, names, shocks), folder, NAME)


def _colours(count: int) -> list[str]:
    """A colour for each scenario; greys are the reference's."""
    usable = [colour for colour in SERIES if colour != "#717581"]
    return [usable[i % len(usable)] for i in range(count)]


# ---- panels ----


def _levels(
    axes: Axes, x: Floats, tables: Mapping[str, pd.DataFrame], measure: Measure, colours: Mapping[str, str]
) -> None:
    """Mean levels: the reference in grey under the scenarios in their colours."""
    paths = [_printed(next(iter(tables.values())), "mean_reference", measure)]
    line(axes, x, paths[0], MUTED)
    for name, table in tables.items():
        paths.append(_printed(table, "mean", measure))
        line(axes, x, paths[-1], colours[name])
    for drawn in axes.lines[1:]:
        drawn.set_linewidth(1.3)
    _level_axis(axes, np.concatenate(paths), measure)
    _title(axes, title_of(measure))


def _level_axis(axes: Axes, values: Floats, measure: Measure) -> None:
    """A log scale for what changes by orders of magnitude; dollars as dollars."""
    finite = values[np.isfinite(values)]
    if "USD" in measure.unit and finite.size and finite.min() > 0 and finite.max() / finite.min() > STEEP:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(10, numticks=4))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="y", which="minor", length=0)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    plain = "USD" not in measure.unit
    axes.yaxis.set_major_formatter(FuncFormatter((lambda value, _: f"{value:,.6g}") if plain else dollars))
    axes.tick_params(axis="both", labelsize=7)


def _differences(
    axes: Axes, x: Floats, tables: Mapping[str, pd.DataFrame], measure: Measure, colours: Mapping[str, str]
) -> None:
    """Paired differences with their 95 % band around the line of no difference."""
    axes.axhline(0.0, color=MUTED, lw=1.0)
    for name, table in tables.items():
        middle, low, high = (_gap(table, part, measure) for part in ("difference", "low", "high"))
        axes.fill_between(x, low, high, color=colours[name], alpha=0.22, lw=0)
        line(axes, x, middle, colours[name])
        axes.lines[-1].set_linewidth(1.5)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+,.6g}" if value else "0"))
    axes.tick_params(axis="both", labelsize=7)
    _title(axes, f"difference, {_gap_unit(measure)}")


def _printed(table: pd.DataFrame, part: str, measure: Measure) -> Floats:
    """Levels as drawn: shares in per cent; money stays in dollars, which the axis words."""
    values: Floats = table[part].to_numpy(dtype=np.float64)
    return values if "USD" in measure.unit else values * factor_of(measure.unit)


def _gap(table: pd.DataFrame, part: str, measure: Measure) -> Floats:
    """Differences as drawn: money and prices in per cent of the reference's mean, shares in percentage points."""
    values: Floats = table[part].to_numpy(dtype=np.float64)
    if "USD" not in measure.unit:
        return values * factor_of(measure.unit)
    base: Floats = table["mean_reference"].to_numpy(dtype=np.float64)
    return 100.0 * values / np.where(base > 0.0, base, np.nan)


def _gap_unit(measure: Measure) -> str:
    if "USD" in measure.unit:
        return "% of the reference"
    return "percentage points" if measure.unit == "0-1" else "points" if measure.unit == "0-10,000" else measure.unit


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=8.5, fontweight="bold", color=INK, pad=4)


def title_of(measure: Measure) -> str:
    """A measure in the words of a small heading."""
    if measure.lens:
        return f"open, % of {measure.lens.replace('_', ' ')}"
    if measure.measure == EVENTS:
        return f"{measure.key.replace('_', ' ')}: events so far"
    return TITLES.get(measure.name) or shorten(measure.name.replace("_", " "), 42, placeholder=" …")


def _mark(axes: Axes, quarter: str, colour: str) -> None:
    """A dated change takes effect at the start of its quarter."""
    axes.axvline(decimal_year(quarter_number(quarter)), color=colour, lw=0.8, ls=(0, (2, 2)), zorder=0)


# ---- labels and words ----


def _label(axes: Axes, x: Floats, labels: Sequence[Label]) -> None:
    label_right(axes, x[-1], labels, 6.5)


def _level_labels(
    comparison: Comparison, tables: Mapping[str, pd.DataFrame], measure: Measure, colours: Mapping[str, str]
) -> list[Label]:
    base = _printed(next(iter(tables.values())), "mean_reference", measure)
    ends = [(comparison.reference, base, MUTED)]
    ends += [(name, _printed(table, "mean", measure), colours[name]) for name, table in tables.items()]
    return [Label(_last(values), _short(name), colour) for name, values, colour in ends]


def _difference_labels(tables: Mapping[str, pd.DataFrame], measure: Measure, colours: Mapping[str, str]) -> list[Label]:
    ends = {name: _last(_gap(table, "difference", measure)) for name, table in tables.items()}
    return [
        Label(end, f" {_signed(end)} {_short(name) if len(ends) > 1 else ''}", colours[name])
        for name, end in ends.items()
    ]


def _last(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if finite.size else float("nan")


def _signed(value: float) -> str:
    """A difference with its sign and about two figures."""
    if not np.isfinite(value):
        return ""
    text = f"{value:+,.0f}" if abs(value) >= 10 else f"{value:+.2g}"
    return "0" if float(text.replace(",", "")) == 0.0 else text.replace("-", "\N{MINUS SIGN}")


def _short(name: str) -> str:
    """The end of a long name, which tells folders apart."""
    return name if len(name) <= 17 else f"…{name[-16:]}"


def _words(comparison: Comparison, marked: Sequence[tuple[str, Shock]]) -> Words:
    others = comparison.scenarios
    who = f"{', '.join(others[:-1])} and {others[-1]}" if len(others) > 1 else others[0]
    who = who if len(others) <= 3 else f"{len(others)} scenarios"
    several = len(comparison.seeds) > 1
    band = "band: 95 % interval of the mean paired difference" if several else "one replication: no interval"
    return Words(
        f"How {who} {'differ' if len(others) > 1 else 'differs'} from {comparison.reference}",
        f"Left: mean level, {comparison.reference} in grey; right: scenario less reference on the same seeds, {band}. "
        "Money and prices: difference in per cent of the reference's mean",
        _shock_words(marked)
        + "The interval is the luck of the draw with all parameters held fixed, not the whole uncertainty.",
    )


def _shock_words(marked: Sequence[tuple[str, Shock]]) -> str:
    if not marked:
        return ""
    names = list(dict.fromkeys(name for name, _ in marked))
    told = "; ".join(_shocks_of(name, marked, max(NAMED_SHOCKS // len(names), 1)) for name in names)
    return f"Dashed, dated changes that the scenarios do not share: {told}. "


def _shocks_of(name: str, marked: Sequence[tuple[str, Shock]], most: int) -> str:
    """The first dated changes of a scenario in words, and how many more there are."""
    own = [shock for owner, shock in marked if owner == name]
    told = ", ".join(f"{shock.quarter} {shorten(shock.title, 70, placeholder=' …')}" for shock in own[:most])
    return f"{name}: {told}" + (f" and {len(own) - most} more" if len(own) > most else "")


def _caption(comparison: Comparison) -> str:
    return (
        f"Simulation: moatsim {__version__}, {', '.join(comparison.scenarios)} against {comparison.reference}, "
        f"{in_words(comparison.seeds)}."
    )
