"""The figures of a run, each made to be printed as it is: headline, units, direct labels, scenario and seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.figures import lives, money
from analysis.figures.canvas import (
    STYLE,
    Floats,
    Label,
    Words,
    fan,
    fan_words,
    finish_page,
    label_right,
    line,
    luck_words,
    new_page,
    quantile,
    save_page,
    say_nothing,
    time_axis,
    years,
)
from analysis.figures.palette import ACCENT, INK, MUTED, OPENNESS, REGION_AND_OPENNESS, SERIES, ink, lab_colour, on
from analysis.figures.reading import caption, dollars, lab_names, percent, percent_axis, seeds_of, shares_of
from sim.runs.results import Run

LARGEST_LABS = 12  # by mean share over the run, drawn by name in the stacked chart; the rest is "other labs"
SMALLEST_NAMED = 0.01  # a lab below this mean share is one of the others
LAST_YEAR = 4  # quarters over which a figure that goes up and down is averaged for its headline
HIGHLY_CONCENTRATED = 1_800  # HHI, Merger Guidelines of the US Department of Justice and the FTC (2023), guideline 1
MODERATELY_CONCENTRATED = 1_000
GUIDELINES = (
    "Thresholds: US Department of Justice and Federal Trade Commission, Merger Guidelines (2023), guideline 1 (above "
    "1,800 highly concentrated), and the Department's page on the index (1,000 to 1,800 moderately concentrated)."
)

# Published shares of open models: (end of the period as a decimal year, share, what was counted).
PUBLISHED = (
    (2025.0, 0.19, "usage in enterprises (Menlo 2024)"),
    (2025.0, 0.46, "enterprises that prefer open models (a16z 2024)"),
    (2025.75, 0.70, "commercial AI applications (estimate of 2025)"),
)
# (lens, population, name): the yardsticks of the figure `lenses`.
YARDSTICKS = (
    ("api_spend", "all", "API spend"),
    ("total_spend", "all", "total spend"),
    ("tokens", "all", "tokens"),
    ("deployments", "all", "deployments"),
    ("adopters", "all", "enterprises using any"),
    ("primary_vendor", "all", "primary vendor"),
    ("deployments", "enterprise", "deployments, enterprise"),
    ("developer_tokens", "all", "developers' tokens"),
)


# ---- reading the run ----


def median_shares(result: Run, lens: str, by: str) -> pd.DataFrame:
    """Median over the seeds of each key's share, scaled to sum to 1 in each quarter."""
    keys, values = shares_of(result, lens, by)
    median = np.nan_to_num(quantile(values, 0.5))
    total = median.sum(axis=1, keepdims=True)
    return pd.DataFrame(np.divide(median, total, where=total > 0, out=np.zeros_like(median)), result.quarters, keys)


def _last(values: Floats) -> float:
    """The last value that exists."""
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if finite.size else float("nan")


# ---- who wins ----


def market_share_by_lab(result: Run) -> Figure:
    """Stacked area: each lab's share of API spend."""
    shares = median_shares(result, "api_spend", "lab")
    named = _named_labs(shares)
    names = lab_names(result)
    stack = shares[named].assign(other=1 - shares[named].sum(axis=1))
    x = years(result.quarters)
    figure, (axes,) = new_page()
    colours = [lab_colour(lab) for lab in stack.columns]
    if len(x) > 1:
        axes.stackplot(x, stack.to_numpy().T, colors=colours, edgecolor="white", linewidth=0.6)
    else:
        _bar(axes, x[0], stack.iloc[0].to_numpy(), colours)
    axes.set_ylim(0, 1)
    axes.grid(False)
    percent_axis(axes)
    end, medians = stack.iloc[-1], _last_medians(result, "lab")
    top = str(end[named].idxmax()) if named else "other"
    hidden = max((share for lab, share in medians.items() if lab not in named), default=0.0)
    words = Words(
        f"{names.get(top, top)} leads in {result.quarters[-1]} with {percent(medians.get(top, 0))} of API spend",
        "Share of spending at first-party APIs and hosts of open weights, credited to the model's developer; "
        f"{_median_words(result)}",
        f"Other labs: outside the {LARGEST_LABS} largest by mean share from {result.quarters[0]} to "
        f"{result.quarters[-1]}, or below {percent(SMALLEST_NAMED)}; the largest has {percent(hidden)} at the "
        f"end. {luck_words(len(result.seeds), bands=False)}",
    )
    finish_page(figure, words, caption(result), right=0.82)
    time_axis(axes, x)
    middles = end.cumsum() - end / 2
    labels = [
        Label(float(middles[lab]), _with_share(names.get(lab, lab), medians.get(lab)), lab_colour(lab))
        for lab in stack.columns
        if end[lab] >= 0.005
    ]
    label_right(axes, x[-1], labels, 8)
    _label_faded(axes, x, stack, names)
    return figure


def _last_medians(result: Run, by: str) -> dict[str, float]:
    """The median over the seeds of each key's share of API spend in the last quarter."""
    keys, values = shares_of(result, "api_spend", by)
    return dict(zip(keys, np.nan_to_num(quantile(values[-1], 0.5)), strict=True))


def _with_share(name: str, share: float | None) -> str:
    return name if share is None else f"{name} {percent(share)}"


def _named_labs(shares: pd.DataFrame) -> list[str]:
    """Labs worth a colour of their own: the largest by mean share over the run, the largest first."""
    mean = shares.mean()
    return [str(lab) for lab in mean[mean >= SMALLEST_NAMED].nlargest(LARGEST_LABS).index]


def _bar(axes: Axes, x: float, parts: Floats, colours: Sequence[str]) -> None:
    """One stacked bar where there is only one quarter."""
    bottoms = np.cumsum(parts) - parts
    axes.bar(np.full(len(parts), x), parts, 0.2, bottom=bottoms, color=colours, edgecolor="white", linewidth=0.6)


def _label_faded(axes: Axes, x: Floats, stack: pd.DataFrame, names: Mapping[str, str]) -> None:
    """Name a lab inside its area where it was large, when nothing of it is left at the right edge."""
    tops = stack.cumsum(axis=1)
    for lab in stack.columns:
        at = int(stack[lab].to_numpy().argmax())
        if stack[lab].iloc[-1] < 0.005 and stack[lab].iloc[at] > 0.04 and 0 < at < len(x) - 1:
            height = float(tops[lab].iloc[at] - stack[lab].iloc[at] / 2)
            axes.text(
                x[at], height, names.get(lab, lab), ha="center", va="center", fontsize=7.5, color=on(lab_colour(lab))
            )


def _median_words(result: Run) -> str:
    return "one seed" if len(result.seeds) == 1 else f"medians of {len(result.seeds)} seeds, areas scaled to 100 %"


def market_share_fan(result: Run) -> Figure:
    """Fans in small multiples: the share of the six largest labs."""
    keys, values = shares_of(result, "api_spend", "lab")
    medians = quantile(values, 0.5)
    ranking = np.argsort(-np.nan_to_num(medians[-1]), kind="stable")[:6]
    names = lab_names(result)
    figure, panels = new_page(2, 3, share_y=True)
    x = years(result.quarters)
    for axes, key in zip(panels, ranking, strict=False):
        colour = lab_colour(keys[key])
        fan(axes, x, values[:, key], colour)
        low, high = (quantile(values[-1, key][None, :], q)[0] for q in (0.1, 0.9))
        several = f" ({100 * low:.0f}-{100 * high:.0f})" if len(result.seeds) > 1 else ""
        axes.set_title(
            f"{names.get(keys[key], keys[key])}  {100 * medians[-1, key]:.0f}{several} %",
            loc="left", fontsize=9.5, fontweight="bold", color=ink(colour), pad=4,
        )  # fmt: skip
        percent_axis(axes)
    for axes in panels[len(ranking) :]:
        axes.set_axis_off()
    leader = keys[ranking[0]]
    words = Words(
        f"How sure is {names.get(leader, leader)}'s lead? Six largest labs in {result.quarters[-1]}",
        f"Share of API spend, %; {fan_words(len(result.seeds))}; in the headings: {result.quarters[-1]}",
        luck_words(len(result.seeds)),
    )
    finish_page(figure, words, caption(result), headings=True)
    figure.subplots_adjust(hspace=0.38, wspace=0.1)
    panels[0].set_ylim(bottom=0)
    for axes in panels[: len(ranking)]:
        time_axis(axes, x)
    return figure


# ---- open or closed ----


def openness(result: Run) -> Figure:
    """Stacked by licence and home region, and the fan of the open share."""
    shares = median_shares(result, "api_spend", "region_and_openness")
    order = [key for key in REGION_AND_OPENNESS if key in shares and shares[key].max() > 0.002]
    x = years(result.quarters)
    figure, (left, right) = new_page(1, 2, share_y=True)
    colours = [REGION_AND_OPENNESS[key] for key in order]
    if len(x) > 1:
        left.stackplot(x, shares[order].to_numpy().T, colors=colours, edgecolor="white", linewidth=0.6)
    else:
        _bar(left, x[0], shares[order].iloc[0].to_numpy(), colours)
    left.grid(False)
    left.set_ylim(0, 1)
    percent_axis(left)
    median = fan(right, x, seeds_of(result, "open_share"), OPENNESS["open"])
    right.tick_params(labelleft=True)
    words = Words(
        f"Open weights take {percent(_last(median))} of API spend in {result.quarters[-1]}"
        + (f", {percent(median[0])} in {result.quarters[0]}" if len(x) > 1 and np.isfinite(median[0]) else ""),
        f"Share of API spend; left: by licence and the developer's region ({_median_words(result)}); "
        f"right: all open weights, {fan_words(len(result.seeds))}",
        f"Open: weights can be downloaded, licences with a user threshold included. {luck_words(len(result.seeds))}",
    )
    finish_page(figure, words, caption(result), right=0.93)
    figure.subplots_adjust(wspace=0.52)
    for axes in (left, right):
        time_axis(axes, x)
    end = shares[order].iloc[-1]
    middles = end.cumsum() - end / 2
    labels = [
        Label(float(middles[key]), _region_words(key), REGION_AND_OPENNESS[key]) for key in order if end[key] >= 0.004
    ]
    label_right(left, x[-1], labels, 8)
    label_right(right, x[-1], [Label(_last(median), percent(_last(median)), OPENNESS["open"])], 8)
    return figure


def _region_words(key: str) -> str:
    region, kind = key.rsplit("_", 1)
    names = {"us": "US", "eu": "Europe", "china": "China", "gulf": "Gulf", "other": "others"}
    return f"{kind}, {names.get(region, region)}"


def lenses(result: Run) -> Figure:
    """The open share under every lens beside three published ones."""
    x = years(result.quarters)
    figure, (axes,) = new_page()
    labels, lines = [], []
    for (lens, population, name), colour in zip(YARDSTICKS, SERIES, strict=True):
        keys, values = shares_of(result, lens, "openness", population)
        median = quantile(values[:, keys.index("open")], 0.5)
        line(axes, x, median, colour, dashed=population != "all")
        labels.append(Label(_last(median), name, colour))
        lines.append(median)
    axes.set_ylim(0, 1)
    percent_axis(axes)
    finite = [end for end in map(_last, lines) if np.isfinite(end)]
    spread = f"{100 * min(finite):.0f} to {100 * max(finite):.0f} %" if finite else "nothing"
    words = Words(
        f"One market, many yardsticks: open models hold {spread} in {result.quarters[-1]}",
        "Share of open weights by what is counted, "
        + ("one seed" if len(result.seeds) == 1 else f"median of {len(result.seeds)} seeds")
        + "; diamonds: published shares, which count different things",
        "Enterprise: large, large regulated, mid-market and public sector. Published: Menlo Ventures 2024 (S1-02); "
        "46 % as attributed to a16z 2024, a preference and no market share "
        "(S4-10); an estimate of 2025 (S3-01). Enterprises using any: does not sum to 100 % with closed.",
    )
    finish_page(figure, words, caption(result), right=0.8)
    time_axis(axes, x)
    label_right(axes, x[-1], labels, 8)
    _published(axes, x, *(float(bound(np.nan_to_num(lines))) for bound in (np.max, np.min)))
    return figure


def _published(axes: Axes, x: Floats, highest: float, lowest: float) -> None:
    """Mark the published shares that fall into the time shown; what they counted stands where the lines leave room."""
    shown = [entry for entry in PUBLISHED if x[0] <= entry[0] <= x[-1]]
    for year, share, _ in shown:
        axes.plot(year, share, "D", color=INK, ms=6, mec="white", mew=0.8, zorder=5)
        axes.annotate(
            percent(share), (year, share), xytext=(7, 0), textcoords="offset points", va="center", fontsize=8.5,
            fontweight="bold", zorder=6, bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.7},
        )  # fmt: skip
    key = [f"◆ {percent(share)}: {counted}" for _, share, counted in sorted(shown, key=lambda entry: -entry[1])]
    height, edge = (0.98, "top") if 1 - highest >= lowest else (0.02, "bottom")
    axes.text(
        0.985, height, "\n".join(key), transform=axes.transAxes, ha="right", va=edge, fontsize=8, linespacing=1.5,
    )  # fmt: skip


# ---- concentration, gap, cost, price ----


def hhi(result: Run) -> Figure:
    """The Herfindahl-Hirschman index with the thresholds of merger control."""
    values = seeds_of(result, "hhi")
    x = years(result.quarters)
    figure, (axes,) = new_page()
    median = fan(axes, x, values, SERIES[0])
    highest = np.nanmax(values) if np.isfinite(values).any() else 0
    axes.set_ylim(0, max(2_200, 1.08 * highest))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylabel("HHI of API spend by owner, 0-10,000")
    end = _last(median)
    words = Words(
        f"The market for models is {_concentration_words(end)} in {result.quarters[-1]}: HHI {end:,.0f}",
        f"Herfindahl-Hirschman index, labs under common control counted as one; {fan_words(len(result.seeds))}",
        f"{GUIDELINES} {luck_words(len(result.seeds))}",
    )
    finish_page(figure, words, caption(result), right=0.83, left=0.1)
    time_axis(axes, x)
    for level in (HIGHLY_CONCENTRATED, MODERATELY_CONCENTRATED):
        axes.axhline(level, color=ACCENT, lw=1, ls=(0, (4, 3)))
    labels = [
        Label(HIGHLY_CONCENTRATED, "1,800: highly\nconcentrated", ACCENT),
        Label(MODERATELY_CONCENTRATED, "1,000: moderately\nconcentrated", ACCENT),
        Label(end, f"{end:,.0f}" + ("" if len(result.seeds) == 1 else "\n(median)"), SERIES[0]),
    ]
    label_right(axes, x[-1], labels, 8)
    return figure


def _concentration_words(value: float) -> str:
    if value > HIGHLY_CONCENTRATED:
        return "highly concentrated"
    return "moderately concentrated" if value >= MODERATELY_CONCENTRATED else "not concentrated"


def gap(result: Run) -> Figure:
    """How far the best open model is behind: arena points and months."""
    x = years(result.quarters)
    figure, panels = new_page(1, 2)
    levels = []
    for axes, column, unit in zip(panels, ("gap_elo", "gap_months"), ("Elo points", "months"), strict=True):
        values = seeds_of(result, column)
        fan(axes, x, values, SERIES[2])
        level = _last_year(values)
        levels.append(level)
        axes.plot(x[-LAST_YEAR:], np.full(len(x[-LAST_YEAR:]), level), color=INK, lw=1.2, ls=(0, (2, 1.5)))
        if np.nanmin(values, initial=0) >= 0:
            axes.set_ylim(bottom=0)
        else:
            axes.axhline(0, color=MUTED, lw=0.8)
        axes.set_title(unit, loc="left", fontsize=9.5, fontweight="bold", color=ink(SERIES[2]), pad=4)
    words = Words(
        f"The best open model {_gap_words(*levels)} {_last_year_words(result.quarters)}",
        f"Best closed less best open model served; {fan_words(len(result.seeds))}",
        "Headline and dashed line: mean of the last four quarters of the run"
        + (", median of the seeds. " if len(result.seeds) > 1 else ". ")
        + "Months: time since the first closed model had what the best open one has now. "
        + luck_words(len(result.seeds)),
    )
    finish_page(figure, words, caption(result), right=0.93, headings=True)
    figure.subplots_adjust(wspace=0.34)
    for axes, level in zip(panels, levels, strict=True):
        time_axis(axes, x)
        label_right(axes, x[-1], [Label(level, f"mean\n{level:,.1f}" if level < 20 else f"mean\n{level:,.0f}", INK)], 8)
    return figure


def _last_year(values: Floats) -> float:
    """Mean over the last year in each seed, the median over the seeds; values (quarter, seed), NaN where undefined."""
    last = values[-LAST_YEAR:]
    means = [float(np.mean(seed[np.isfinite(seed)])) for seed in last.T if np.isfinite(seed).any()]
    return float(np.median(means)) if means else float("nan")


def _last_year_words(quarters: Sequence[str]) -> str:
    """The time over which a headline averages."""
    span = quarters[-LAST_YEAR:]
    if len(span) == 1:
        return f"in {span[0]}"
    whole = len(span) == LAST_YEAR and span[-1].endswith("Q4")
    return f"in {span[-1][:4]}" if whole else f"from {span[0]} to {span[-1]}"


def _gap_words(elo: float, months: float) -> str:
    """Who is ahead, in a headline; ten points of Elo are a coin's toss."""
    if abs(elo) < 10:
        return "is level with the best closed one"
    if elo < 0:
        return f"leads by about {-elo:.0f} Elo points"
    points = f"{elo:.0f} Elo points"
    if not np.isfinite(months):
        return f"trails by about {points}"
    late = "less than a month" if months < 0.5 else f"about {round(months)} month{'s' if round(months) > 1 else ''}"
    return f"trails by {late} ({points})"


def training_cost(result: Run) -> Figure:
    """Record run against the price of staying on trend."""
    x = years(result.quarters)
    figure, (axes,) = new_page()
    record = fan(axes, x, seeds_of(result, "record_training_cost_usd"), SERIES[1])
    trend = quantile(seeds_of(result, "trend_training_cost_usd"), 0.5)
    line(axes, x, trend, MUTED, dashed=True)
    _log_dollars(axes)
    end, ratio = _last(record), _last(record) / _last(trend)
    against = f"{_small_percent(ratio)} of" if ratio < 1.95 else f"{ratio:.1f} times"
    words = Words(
        f"The dearest training run costs {dollars(end)} by {result.quarters[-1]}: {against} trend",
        f"Compute cost of the final training run, nominal US dollars, log scale; {fan_words(len(result.seeds))}",
        "Trend: X*, the price of staying on the path of training cost growth; record: dearest model released so far. "
        f"{luck_words(len(result.seeds))}",
    )
    finish_page(figure, words, caption(result), right=0.86, left=0.1)
    time_axis(axes, x)
    labels = [
        Label(end, f"record\n{dollars(end)}", SERIES[1]),
        Label(_last(trend), f"trend\n{dollars(_last(trend))}", MUTED),
    ]
    label_right(axes, x[-1], labels, 8)
    return figure


def _small_percent(share: float) -> str:
    """A share in words of a headline that may be a very small one: below 10 % with one digit after the point."""
    if not 0 < share < 0.0995:
        return percent(share)
    return f"{100 * share:.1f} %" if share >= 0.0005 else f"{100 * share:.1g} %"


def _log_dollars(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(10, numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(dollars))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", which="minor", length=0)


PRICES = {
    "closed_flagship_price_usd_per_mtok": ("closed flagships (median\nof the three best)", SERIES[0]),
    "cheapest_hosted_price_usd_per_mtok": ("cheapest open\nmodel at a host", SERIES[3]),
    "price_of_2023q1_frontier_quality": ("quality of the best\nmodel of 2023Q1", SERIES[1]),
}


def price_frontier(result: Run) -> Figure:
    """Price of a fixed quality against the flagships of the day."""
    x = years(result.quarters)
    figure, (axes,) = new_page()
    labels, fixed = [], np.array([np.nan])
    for column, (name, colour) in PRICES.items():
        median = fan(axes, x, seeds_of(result, column), colour)
        labels.append(Label(_last(median), f"{name}\n{dollars(_last(median))}", colour))
        fixed = median
    _log_dollars(axes)
    finite = fixed[np.isfinite(fixed)]
    fall = finite[0] / finite[-1] if finite.size > 1 else float("nan")
    title = (
        f"What the best model of early 2023 could do becomes {_times(fall)} cheaper by {result.quarters[-1]}"
        if np.isfinite(fall) and fall > 1
        else f"Prices of models, {result.quarters[0]} to {result.quarters[-1]}"
    )
    words = Words(
        title,
        f"US dollars per million tokens, log scale; {fan_words(len(result.seeds))}",
        luck_words(len(result.seeds)),
    )
    finish_page(figure, words, caption(result), right=0.79, left=0.1)
    time_axis(axes, x)
    label_right(axes, x[-1], labels, 8)
    return figure


def _times(factor: float) -> str:
    """A factor in a headline: two significant digits."""
    return f"{float(f'{factor:.2g}'):,.0f} times" if factor >= 10 else f"{factor:.1f} times"


FIGURES: dict[str, Callable[[Run], Figure]] = {
    "market_share_by_lab": market_share_by_lab,
    "market_share_fan": market_share_fan,
    "openness": openness,
    "lenses": lenses,
    "hhi": hhi,
    "gap": gap,
    "training_cost": training_cost,
    "price_frontier": price_frontier,
    "timeline": lives.timeline,
    "survivors": lives.survivors,
    "funding": money.funding,
    "runway": money.runway,
    "ownership": money.ownership,
    "hhi_causes": lives.hhi_causes,
}


# Columns of the market without which a figure has nothing to show; the share charts need shares.
NEEDED = {
    "hhi": "hhi",
    "hhi_causes": "hhi",
    "gap": "gap_elo",
    "training_cost": "record_training_cost_usd",
    "price_frontier": "closed_flagship_price_usd_per_mtok",
}
NEED_SHARES = ("market_share_by_lab", "market_share_fan", "openness", "lenses")


def draw(result: Run, name: str) -> Figure:
    """One figure of a run. Raises KeyError for a name that is not in FIGURES."""
    with matplotlib.rc_context(STYLE):
        if _has_data(result, name):
            return FIGURES[name](result)
        figure, (axes,) = new_page()
        finish_page(figure, Words(name.replace("_", " ").capitalize(), "no figure"), caption(result))
        say_nothing(axes, "this run has no quarter" if not result.quarters else "this run has no data for this figure")
        return figure


def _has_data(result: Run, name: str) -> bool:
    """Whether a run holds any number that the figure could show."""
    if not result.quarters:
        return False
    if name in NEED_SHARES:
        return bool(np.isfinite(result.cube.values).any())
    return name not in NEEDED or bool(np.isfinite(seeds_of(result, NEEDED[name])).any())


def draw_all(result: Run, folder: Path, names: Iterable[str] | None = None) -> list[Path]:
    """Draw the figures (all unless named) as PNG and SVG into a folder; the paths written."""
    return [path for name in (names or FIGURES) for path in save_page(draw(result, name), folder, name)]
