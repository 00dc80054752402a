"""Figures of who pays and who owns: funding by investor and creed, runway, cap tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from analysis.figures.canvas import (
    QUARTER,
    WIDTH,
    Floats,
    Label,
    Words,
    finish_page,
    label_right,
    luck_words,
    mark_key,
    new_page,
    quantile,
    say_nothing,
    text_inches,
    time_axis,
    years,
)
from analysis.figures.history import (
    OTHERS,
    Life,
    first_history,
    holder_name,
    left_out,
    lives,
    party_names,
    row_height,
    shown_lives,
)
from analysis.figures.palette import INK, LABS, MUTED, OPENNESS, on
from analysis.figures.reading import caption, dollars, has_table, in_words, lab_names, percent, table_or_empty
from sim.runs.results import Run

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
    shown = shown_lives(everybody)
    table = _runway_table(labs, shown, result.quarters)
    figure, (axes,) = new_page(height=row_height(len(shown)))
    ends = table[:, -1] if shown else np.array([])
    short, exits = int((ends < SHORT).sum()), sum(life.exited is not None for life in everybody)
    words = Words(
        f"{in_words(short, 'lab')} {'have' if short > 1 else 'has'} less than a year of cash in "
        f"{result.quarters[-1]}; {in_words(exits, 'lab').lower()} left the market",
        f"Cash over the quarter's burn, in quarters, seed {seed}; white: not yet in the market or gone; cross: exit",
        f"{left_out(everybody, shown)}Cash-positive: revenue, transfers included, covers costs. Another seed gives "
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


# ---- who pays ----

INVESTMENTS = ("replication", "quarter", "investor", "lab", "creed", "amount_usd", "credit_usd")
NAMED_INVESTORS = 10
LABEL_SIZE = 7.5  # points, beside the bars
INVESTOR_COLOURS = (
    *("#832db6", "#1d4f86", "#e76300", "#cf5fae", "#6a5ae0", "#5a3519", "#f2de3a", "#94788e", "#3f8f3a", "#f59ac0"),
    *("#b4cdf0", "#f7c6a0", "#3f90da", "#5f646e"),
)


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
        + ("Above the whiskers: means. " if seeds > 1 and total > 0 else "")
        + "Transfers from parents and states are not in it. Beside the names: sums over the run"
        + (f"; {calendar[-1]} ends with {result.quarters[-1]}. " if not result.quarters[-1].endswith("4") else ". ")
        + luck_words(seeds, bands=False),
    )
    names, whole = party_names(result), _totals_by_seed(rows, result.seeds, calendar)
    by_investor = _largest(_yearly(rows, "investor", seeds, calendar), NAMED_INVESTORS)
    by_creed = _yearly(rows, "creed", seeds, calendar)
    investors = {key: f"{holder_name(key, names)} {dollars(by_investor[key].sum())}" for key in by_investor.columns}
    creeds = {key: f"{key} creed {dollars(by_creed[key].sum())}" for key in by_creed.columns}
    widest = max((text_inches(text, LABEL_SIZE) for text in investors.values()), default=0.0)
    finish_page(figure, words, caption(result), right=min(0.77, 0.955 - widest / WIDTH), left=0.1)
    figure.subplots_adjust(hspace=0.25)
    if total <= 0:
        for axes in (top, bottom):
            say_nothing(axes, "no investment was recorded")
        return figure
    _stacked_bars(top, by_investor, holder_colours(result), whole, investors)
    _stacked_bars(bottom, by_creed, OPENNESS, whole, creeds)
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
    axes: Axes, table: pd.DataFrame, colours: Mapping[str, str], whole: Floats, words: Mapping[str, str]
) -> None:
    """Bars by year (rows), stacked by column, whiskers on their sums, a column's words beside its part."""
    at = np.arange(len(table))
    bottoms = np.zeros(len(table))
    labels = []
    for key in table.columns:
        parts = table[key].to_numpy()
        colour = colours.get(key, MUTED)
        axes.bar(at, parts, 0.78, bottom=bottoms, color=colour, edgecolor="white", linewidth=0.3)
        labels.append(Label(float(bottoms[-1] + parts[-1] / 2), words[key], colour))
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
    label_right(axes, at[-1] + 0.4, labels, LABEL_SIZE)


# ---- who owns whom ----

STAKES = ("replication", "quarter", "lab", "holder", "stake", "value_usd")
OWNED_ROWS = 12  # labs in a panel, the most valuable
NAMED_HOLDERS = 14  # with a colour of their own


def cap_tables(stakes: pd.DataFrame, quarter: str) -> pd.DataFrame:
    """The cap tables that hold at a quarter's end: rows of each lab's last change up to then. stakes: one seed."""
    known = stakes[stakes["quarter"] <= quarter]
    return known[known["quarter"] == known.groupby("lab")["quarter"].transform("max")]


def holdings(stakes: pd.DataFrame, labs: pd.DataFrame, quarter: str) -> pd.DataFrame:
    """Cap tables of the labs active at a quarter's end, each stake at its lab's mark of that quarter.

    stakes, labs: rows of one seed. Returns lab, holder, stake (0-1) and value_usd = stake x mark, 0 without a mark;
    the value that `stakes` carries is of the day when the cap table last changed.
    """
    now = labs[(labs["quarter"] == quarter) & (labs["status"] == "active")]
    marks = now.set_index("lab")["valuation_usd"].astype(float).fillna(0.0)
    table = cap_tables(stakes, quarter)
    table = table.loc[table["lab"].isin(marks.index), ["lab", "holder", "stake"]]
    return table.assign(value_usd=table["stake"] * table["lab"].map(marks).astype(float))


def ownership(result: Run) -> Figure:
    """Stakes in the most valuable labs, half-way and at the end; the first seed."""
    seed, names = result.seeds[0], party_names(result)
    stakes = table_or_empty(result, "stakes", STAKES)
    stakes = stakes[stakes["replication"] == seed]
    labs = first_history(result, "labs")
    dates = sorted({result.quarters[(len(result.quarters) - 1) // 2], result.quarters[-1]})
    held = [holdings(stakes, labs, date) for date in dates]
    rows = [max(min(OWNED_ROWS, table["lab"].nunique()), 3) for table in held]
    figure, panels = new_page(len(dates), 1, height=2.6 + 0.24 * sum(rows))
    panels[0].get_gridspec().set_height_ratios(rows)
    words = Words(
        _ownership_title(held[-1], names, dates[-1])
        if has_table(result, "stakes")
        else "The run did not record who owns its labs",
        f"Stakes in labs with shareholders, % of equity, seed {seed}; right: equity at the lab's mark of the quarter",
        f"At most {OWNED_ROWS} active labs, the most valuable; the headline counts all. Mark: post-money at the last "
        f"round, moved since towards what the lab is worth. "
        f"{_wholly_owned(labs, held[-1], dates[-1], names)}Another seed gives another history.",
    )
    finish_page(figure, words, caption(result, seed), left=0.165, right=0.89, headings=True)
    figure.subplots_adjust(hspace=0.62 / (0.24 * sum(rows) / len(rows)))  # 0.62 inches of a panel's mean height
    main, colours = _main_holders(pd.concat(held)), holder_colours(result)
    chosen = {holder: colours.get(holder, MUTED) for holder in main}
    if main:
        rest = {} if set(pd.concat(held)["holder"]) <= set(main) else {"other holders": LABS["other"]}
        key = [(holder_name(h, names), colour) for h, colour in chosen.items()] + list(rest.items())
        mark_key(panels[0], [(name, "s", colour, 40.0) for name, colour in key], lift=1.3)
    for axes, table, date in zip(panels, held, dates, strict=True):
        axes.set_title(date, loc="left", fontsize=9.5, fontweight="bold", color=INK, pad=4)
        if table.empty:
            say_nothing(axes, "no lab with shareholders" if len(stakes) else "no cap table was recorded")
        else:
            _stake_bars(axes, table, chosen, names)
    return figure


def _main_holders(table: pd.DataFrame) -> list[str]:
    """Founders, staff and the investors whose holdings are worth most."""
    worth = table.groupby("holder")["value_usd"].sum().sort_values(ascending=False, kind="stable")
    investors = [holder for holder in worth.index if holder not in ("founders", "staff")]
    insiders = [holder for holder in ("founders", "staff") if holder in worth.index]
    return [*insiders, *investors[:NAMED_HOLDERS]]


def _ownership_title(table: pd.DataFrame, names: Mapping[str, str], quarter: str) -> str:
    """Investors' part of the value of all labs with shareholders, and who of them holds most of it."""
    worth = table.groupby("holder")["value_usd"].sum()
    investors = worth.drop(["founders", "staff"], errors="ignore")
    total = float(worth.sum())
    if not len(investors):
        return f"No investor holds a stake in a lab in {quarter}"
    if total <= 0:
        return f"No lab with shareholders has a mark in {quarter}"
    count = table.loc[table["value_usd"] > 0, "lab"].nunique()
    return (
        f"Investors hold {percent(float(investors.sum()) / total)} of {count} lab{'s' if count > 1 else ''} worth "
        f"{dollars(total)} in {quarter}; {holder_name(str(investors.idxmax()), names)}, the largest, "
        f"{dollars(float(investors.max()))}"
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
        price = dollars(float(worth[lab])) if worth[lab] > 0 else "no mark"
        axes.text(1.012, row, price, va="center", fontsize=7.5, color=MUTED)
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
