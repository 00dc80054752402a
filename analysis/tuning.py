"""A scenario turned by hand: levers with unit, bounds and source, one run, its chart over the baseline's, and the TOML.

What `notebooks/tuning.py` puts on a page; everything here works without it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.figures.canvas import HEIGHT, STYLE, WIDTH, Label, Words, finish_page, label_right, time_axis, years
from analysis.figures.palette import MUTED, OPENNESS, SERIES, lab_colour
from analysis.figures.reading import lab_names, percent, percent_axis
from sim import __version__
from sim.measures import OVERLAPPING_LENSES
from sim.parameters import Parameters
from sim.records import LENSES
from sim.runs import run
from sim.runs.results import Run
from sim.scenario import Scenario, describe_key, diff, load_scenario, override_scenario, shipped_scenarios

REFERENCE = "baseline"  # what every chart is laid over
ENTERPRISES = 500  # simulated unless said otherwise: an answer within a breath
TUNED_LENSES = tuple(lens for lens in LENSES if lens not in OVERLAPPING_LENSES)  # whose shares have a concentration
DRAWN_LABS = 7  # the largest over the run
CHART_DPI = 110
GHOST_ALPHA = 0.45


@dataclass(frozen=True)
class Lever:
    """A parameter that a strategist may want to turn.

    low, high: the range worth asking about, within the schema's bounds; steps: into which it is cut.
    """

    key: str
    name: str
    low: float
    high: float
    steps: int


LEVERS: tuple[Lever, ...] = (
    Lever("technology.training_cost_growth", "Training costs grow", 1.0, 4.0, 60),
    Lever("technology.public_diffusion", "Public knowledge is absorbed", 0.0, 1.5, 75),
    Lever("technology.private_leakage", "The leader's knowledge leaks", 0.0, 1.0, 50),
    Lever("technology.distillation", "Distilled from a better model's outputs", 0.0, 1.0, 50),
    Lever("demand.price_sensitivity", "Buyers look at the price", 1.1, 8.1, 70),
    Lever("demand.switching_cost", "Leaving a vendor costs", 0.0, 10.0, 50),
    Lever("demand.assurance", "An accountable vendor is worth", 0.0, 15.0, 75),
    Lever("demand.privacy", "Keeping data in house is worth", 0.0, 10.0, 50),
    Lever("demand.operations", "Running weights without talent costs", 0.0, 10.0, 50),
    Lever("control.appetite", "Giants buy and hire away", 0.0, 4.0, 40),
)


@dataclass(frozen=True)
class Dial:
    """A lever as it stands in a scenario.

    value: the scenario's; steps: the values it can be turned to, the scenario's own among them, rising; bounds: what
    the schema allows; note: what else moves the parameter in this scenario, empty where nothing does.
    """

    lever: Lever
    value: float
    steps: tuple[float, ...]
    unit: str
    bounds: str
    meaning: str
    source: str
    note: str


# ---- turning ----


def scenario_names() -> dict[str, str]:
    """Title to name of the shipped scenarios, the baseline first; the name stands behind the title."""
    return {f"{entry.title} ({entry.name})": entry.name for entry in shipped_scenarios()}


def dials_of(scenario: Scenario) -> tuple[Dial, ...]:
    """Every lever as this scenario has it."""
    return tuple(_dial(lever, scenario) for lever in LEVERS)


def _dial(lever: Lever, scenario: Scenario) -> Dial:
    said = scenario.provenance[lever.key]
    described = describe_key(Parameters, lever.key)
    if described is None:
        raise KeyError(f"{lever.key}: no such parameter")
    value = float(said.value)
    steps = {round(float(step), 6) for step in np.linspace(lever.low, lever.high, lever.steps + 1)}
    return Dial(
        lever=lever,
        value=value,
        steps=tuple(sorted(steps | {value})),
        unit="" if described.unit == "-" else described.unit,
        bounds=described.bounds,
        meaning=described.meaning,
        source=said.source,
        note="; ".join(_moved_by_shocks(lever.key, scenario)),
    )


def _moved_by_shocks(key: str, scenario: Scenario) -> Iterator[str]:
    """What the scenario's dated changes do to a parameter, for which a dial then only sets the start."""
    for shock in scenario.parameters.shocks:
        if shock.key == key:
            change = f"times {shock.factor:g}" if shock.factor is not None else f"{shock.value}"
            yield f"{change} from {shock.quarter}" + (f" for {shock.quarters} quarters" if shock.quarters else "")


def changed(dials: Sequence[Dial], values: Mapping[str, float]) -> dict[str, float]:
    """The values, by key, that differ from the scenario's."""
    return {dial.lever.key: values[dial.lever.key] for dial in dials if values[dial.lever.key] != dial.value}


def as_toml(scenario: str, changes: Mapping[str, float]) -> str:
    """The changes as a scenario file that extends `scenario` (a shipped name), ready to be saved and run."""
    lines = [f'title = "{scenario}, tuned"', f'extends = "{scenario}"']
    sections: dict[str, list[str]] = {}
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, []).append(f"{name} = {float(value)!r}")
    for section, entries in sections.items():
        lines += ["", f"[{section}]", *entries]
    return "\n".join(lines) + "\n"


def project(name: str, changes: Mapping[str, float], seed: int, enterprises: int = ENTERPRISES) -> Run:
    """One run of the shipped scenario with the changes. Raises ScenarioError where they do not go together."""
    return run(override_scenario(load_scenario(name), changes, origin="dials"), seed, enterprises=enterprises)


# ---- what is drawn ----


@dataclass(frozen=True)
class Paths:
    """What a chart shows of a run by quarter: shares 0-1 by lab, HHI 0-10,000, open share 0-1."""

    shares: pd.DataFrame
    hhi: pd.Series
    open_share: pd.Series


def paths_of(result: Run, lens: str) -> Paths:
    """The paths of a run of one seed under a lens. Raises ValueError for a lens whose shares overlap."""
    return Paths(
        shares=result.shares(lens, "lab"),
        hhi=result.concentration(lens)["hhi"],
        open_share=result.shares(lens, "openness")["open"],
    )


@dataclass(frozen=True)
class Outcome:
    """A market at its last quarter: who leads with which share (0-1), HHI, open share (0-1), labs above 1 %."""

    leader: str
    leader_share: float
    hhi: float
    open_share: float
    labs: int


def outcome(paths: Paths) -> Outcome:
    """How the paths end."""
    last = paths.shares.iloc[-1].fillna(0.0)
    return Outcome(
        leader=str(last.idxmax()),
        leader_share=float(last.max()),
        hhi=float(paths.hhi.iloc[-1]),
        open_share=float(paths.open_share.iloc[-1]),
        labs=int((last > 0.01).sum()),
    )


def lens_words(lens: str) -> str:
    """A lens as people say it."""
    return lens.replace("_", " ").replace("api", "API")


def drawn_labs(ours: Paths, theirs: Paths) -> list[str]:
    """The labs worth a line: the largest by mean share over both runs, largest first."""
    means = ours.shares.mean().add(theirs.shares.mean(), fill_value=0.0)
    known = means[[lab for lab in means.index if lab in ours.shares]]
    return [str(lab) for lab in known.nlargest(DRAWN_LABS).index]


def chart(tuned: Run, ghost: Run, lens: str) -> Figure:
    """Shares by lab, HHI and open share of the tuned run, those of the baseline thin and dashed behind them."""
    ours, theirs = paths_of(tuned, lens), paths_of(ghost, lens)
    labs = drawn_labs(ours, theirs)
    names = lab_names(ghost) | lab_names(tuned)
    x = years(tuned.quarters)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.5 * HEIGHT))
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(2, 2, height_ratios=(1.35, 1))
        shares, hhi, opened = (figure.add_subplot(place) for place in (grid[0, :], grid[1, 0], grid[1, 1]))
        for lab in labs:
            _pair(shares, x, (ours.shares[lab], theirs.shares.get(lab)), lab_colour(lab))
        _pair(hhi, x, (ours.hhi, theirs.hhi), SERIES[0])
        _pair(opened, x, (ours.open_share, theirs.open_share), OPENNESS["open"])
        finish_page(figure, _words(ours, names, (tuned, lens)), _caption(tuned, ghost), right=0.84, headings=True)
        figure.subplots_adjust(hspace=0.3, wspace=0.62)
        _dress((shares, hhi, opened), x, lens)
        label_right(shares, x[-1], [_share_label(lab, names, ours, theirs) for lab in labs], 8)
        label_right(hhi, x[-1], _end_labels((ours.hhi, theirs.hhi), _whole, SERIES[0]), 8)
        both = (ours.open_share, theirs.open_share)
        label_right(opened, x[-1], _end_labels(both, percent, OPENNESS["open"]), 8)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a picture for a page; the same figure gives the same bytes."""
    with io.BytesIO() as content, matplotlib.rc_context(STYLE):
        figure.savefig(content, format="png", dpi=CHART_DPI, metadata={"Software": None})
        return content.getvalue()


def _pair(axes: Axes, x: np.ndarray, paths: tuple[pd.Series, pd.Series | None], colour: str) -> None:
    """A path over its ghost; none for a lab that the baseline does not know."""
    ours, theirs = paths
    if theirs is not None:
        ghost = theirs.reindex(ours.index).to_numpy(dtype=np.float64)
        axes.plot(x, ghost, color=colour, lw=1.1, ls=(0, (3, 2)), alpha=GHOST_ALPHA, zorder=1)
    axes.plot(x, ours.to_numpy(dtype=np.float64), color=colour, lw=1.9, solid_capstyle="round", zorder=2)


def _dress(panels: Sequence[Axes], x: np.ndarray, lens: str) -> None:
    """Headings, units and time of the three panels."""
    counted = lens_words(lens)
    titles = (f"share of {counted} by lab", f"HHI of {counted} by owner", f"open models' share of {counted}")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold", pad=5)
        axes.set_ylim(bottom=0)
        time_axis(axes, x)
    for axes in (panels[0], panels[2]):
        percent_axis(axes)
    panels[1].yaxis.set_major_formatter(FuncFormatter(lambda value, _: _whole(value)))


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _share_label(lab: str, names: Mapping[str, str], ours: Paths, theirs: Paths) -> Label:
    end = float(ours.shares[lab].iloc[-1])
    before = f" ({100 * theirs.shares[lab].iloc[-1]:.0f})" if lab in theirs.shares else ""
    return Label(end, f"{names.get(lab, lab)} {100 * end:.0f}{before} %", lab_colour(lab))


def _end_labels(paths: tuple[pd.Series, pd.Series], form: Callable[[float], str], colour: str) -> Iterator[Label]:
    """The end of a path and of its ghost."""
    ours, theirs = (float(path.iloc[-1]) for path in paths)
    yield Label(ours, form(ours), colour)
    if ours != theirs:
        yield Label(theirs, f"{form(theirs)} {REFERENCE}", MUTED)


def _words(ours: Paths, names: Mapping[str, str], of: tuple[Run, str]) -> Words:
    tuned, lens = of
    end = outcome(ours)
    share = f"{percent(end.leader_share)} of {lens_words(lens)}"
    return Words(
        f"{names.get(end.leader, end.leader)} leads in {tuned.quarters[-1]} with {share}",
        f"Lines: as tuned; dashed behind them, and in brackets: the {REFERENCE} with the same luck",
        "One seed is one draw of luck; how sure a difference is, moatsim compare says.",
    )


def _caption(tuned: Run, ghost: Run) -> str:
    size = f"{tuned.info.enterprises:,} enterprises, seed {tuned.seeds[0]}"
    changes = len(diff(load_scenario(tuned.scenario.name), tuned.scenario))
    which = f"{tuned.scenario.name}, {changes} value{'' if changes == 1 else 's'} changed"
    return f"Simulation: moatsim {__version__}, scenario {which}, over {ghost.scenario.name}; {size}."


# ---- in words ----


def outcome_words(tuned: Run, ghost: Run, lens: str) -> str:
    """What the chart shows, for those who cannot see it."""
    ours, theirs = (outcome(paths_of(result, lens)) for result in (tuned, ghost))
    return (
        f"{tuned.quarters[-1]}, {lens_words(lens)}: {ours.leader} leads with {percent(ours.leader_share)} "
        f"({REFERENCE}: {theirs.leader} with {percent(theirs.leader_share)}); HHI {_whole(ours.hhi)} "
        f"({_whole(theirs.hhi)}); open share {percent(ours.open_share)} ({percent(theirs.open_share)}); "
        f"{ours.labs} labs above 1 % ({theirs.labs})"
    )


def heading_html(dial: Dial, changes: Mapping[str, float]) -> str:
    """What stands above a dial: its name and unit, and the scenario's value where it was changed."""
    unit = f", {dial.unit}" if dial.unit else ""
    was = f" (scenario: {dial.value:g})" if dial.lever.key in changes else ""
    return f'<div style="font-size: 0.85rem"><b>{escape(dial.lever.name)}</b>{escape(unit + was)}</div>'


def facts_html(dial: Dial) -> str:
    """What stands below a dial: key, meaning, bounds, source, and the scenario's dated changes of it."""
    facts = [dial.meaning, f"allowed {dial.bounds}", f"source: {dial.source}"]
    facts += [f"dated changes of this scenario: {dial.note}"] if dial.note else []
    style = f"color: {MUTED}; font-size: 0.7rem; line-height: 1.3"
    return f'<div style="{style}"><code>{escape(dial.lever.key)}</code> {escape("; ".join(facts))}</div>'
