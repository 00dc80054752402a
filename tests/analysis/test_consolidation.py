"""Figures of consolidation: what they draw is what the tables say, and nothing to draw is said."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from fake_consolidation import WiderRun
from matplotlib.colors import to_hex

from analysis import plots
from analysis.figures import history, lives, money, palette, reading
from sim.runs.results import Run

NEW = ("funding", "hhi_causes", "ownership", "runway", "survivors", "timeline")


def words(figure):
    texts = [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text().strip()]
    return " ".join(" ".join(texts).split())


def drawn(result, name):
    figure = plots.draw(result, name)
    figure.canvas.draw()
    return figure


def first(result, table):
    rows = result.table(table)
    return rows[rows["replication"] == result.seeds[0]]


def with_table(result, **changed):
    names = ("market", "labs", "funding", "events", "investments", "stakes")
    tables = {name: result.table(name) for name in names} | changed
    return type(result)(result.scenario, result.seeds, tables, result.cube, result.info)


def with_shocks(result):
    tables = {name: result.table(name) for name in ("market", "labs", "funding", "events")}
    events = tables["events"]
    shocks = pd.concat([events[:1]] * 2, ignore_index=True).assign(
        kind="shock", lab="", quarter=["2023Q2", "2025Q3"],
        cause=["a.b: 1 -> 2 (Chips get scarce)", f"a.c: 1 -> 2 ({'a very long story ' * 9})"],
    )  # fmt: skip
    events = pd.concat([events, shocks], ignore_index=True)
    return Run(result.scenario, result.seeds, tables | {"events": events}, result.cube, result.info)


@pytest.mark.parametrize("name", NEW)
def test_figures_of_a_full_history_say_what_they_show(name, controlled):
    """Kills: a single history without its seed, a mean without its seeds, text that leaves the page."""
    figure = drawn(controlled, name)
    said = words(figure)
    single = name in ("timeline", "runway", "ownership")
    assert ("seed 4 drawn, of seeds 4-7" in said) == single
    assert ("of 4 seeds" in said) != single
    assert ("Another seed gives another history" in said) == single
    assert "nan" not in said.lower().split()
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_text().strip() and text.get_visible():
            box = text.get_window_extent()
            assert box.x1 <= figure.bbox.x1 + 2 and box.x0 >= -2, text.get_text()


@pytest.mark.parametrize("name", NEW)
def test_a_history_without_exits_is_drawn_and_told(name, quiet):
    """Kills: a figure that needs an exit; exits made up."""
    said = words(drawn(quiet, name))
    assert "acqui-hired" not in said and "wound down" not in said
    if name in ("timeline", "runway"):
        assert "no exit" in said or "no lab left" in said
    if name == "survivors":
        assert "one seed: no band" in said
        for cohort in lives.cohorts(quiet):
            assert cohort.curve.min() == np.nanmin(cohort.by_seed) == 1.0 and cohort.left == cohort.labs


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("funding", "The run did not record who invested"),
        ("ownership", "The run did not record who owns its labs"),
        ("hhi_causes", "no split of the change of HHI"),
    ],
)
def test_what_was_not_recorded_is_said(name, message, several):
    """A run of an earlier version. Kills: a KeyError for a table or column, a zero told for what is unknown."""
    market = several.table("market")
    old = market.drop(columns=[column for column in market if column.startswith("hhi_change")])
    tables = {table: several.table(table) for table in ("labs", "funding", "events")} | {"market": old}
    said = words(drawn(WiderRun(several.scenario, several.seeds, tables, several.cube, several.info), name))
    assert message in said and "Nobody invested" not in said and "No investor holds" not in said


@pytest.mark.parametrize(
    ("name", "message"), [("funding", "Nobody invested from"), ("ownership", "No investor holds a stake")]
)
def test_nothing_recorded_is_not_nothing_known(name, message, controlled):
    """Kills: a run in which nobody invested taken for one that did not record it."""
    none = {table: controlled.table(table)[:0] for table in ("investments", "stakes")}
    assert message in words(drawn(with_table(controlled, **none), name))


# ---- timeline and runway ----


def test_bars_span_lives(controlled):
    """Kills: bars to the end for labs that are gone, or that begin after the quarter of entry."""
    axes = drawn(controlled, "timeline").axes[0]
    everybody = history.lives(first(controlled, "labs"), controlled.quarters)
    labs = first(controlled, "labs")
    spans = {}
    for bar in axes.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        low, high = spans.get(row, (np.inf, -np.inf))
        spans[row] = (min(low, bar.get_x()), max(high, bar.get_x() + bar.get_width()))
    assert len(spans) == len(everybody)
    for row, life in enumerate(everybody):
        mine = labs[(labs["lab"] == life.lab) & (labs["status"] != "not_entered")].sort_values("quarter")
        gone = mine.loc[mine["status"] == "exited", "quarter"]
        start, end = mine["quarter"].iloc[0], gone.iloc[0] if len(gone) else controlled.quarters[-1]
        expected = [int(q[:4]) + (int(q[-1]) - 1 + late) / 4 for q, late in ((start, 0), (end, 1))]
        np.testing.assert_allclose(spans[row], expected)


def test_bars_change_colour_with_the_strategy(controlled):
    """Kills: one colour for a life; the colour of the last strategy for all of it."""
    axes = drawn(controlled, "timeline").axes[0]
    everybody = history.lives(first(controlled, "labs"), controlled.quarters)
    for row, life in enumerate(everybody):
        mine = sorted(
            (bar for bar in axes.patches if round(bar.get_y() + bar.get_height() / 2) == row), key=lambda b: b.get_x()
        )
        runs = [s for i, s in enumerate(life.strategies) if i == 0 or s != life.strategies[i - 1]]
        assert [to_hex(bar.get_facecolor()) for bar in mine] == [lives.STRATEGY[s] for s in runs]
    assert any(len(set(life.strategies)) > 1 for life in everybody)


def test_every_event_has_its_mark_and_every_exit_its_words(controlled):
    """Kills: a kind not drawn; an exit without how and by whom; rounds drawn at one size."""
    figure = drawn(controlled, "timeline")
    axes, events = figure.axes[0], first(controlled, "events")
    for kind, (_, _, colour, size) in lives.MARKS.items():
        wanted = int((events["kind"] == kind).sum())
        marks = [c for c in axes.collections if to_hex(c.get_facecolor()[0]) == colour] if wanted else []
        if wanted and kind != "failed_round":
            assert wanted in [len(c.get_offsets()) for c in marks], kind
        if kind == "round":
            assert len({round(float(area), 3) for c in marks for area in c.get_sizes()}) > 3
        assert size == 0 or kind != "round"
    said = words(figure)
    names = history.party_names(controlled)
    for row in events[events["kind"].isin(lives.EXITS)].to_dict("records"):
        assert f"{lives.EXITS[row['kind']]} {names.get(row['counterparty'], '')}".strip() in said
    exits = first(controlled, "labs").query("status == 'exited'")["lab"].nunique()
    assert reading.in_words(exits, "exit").lower() in said and exits > 1


def test_timeline_names_its_seed_and_its_shocks(several):
    """Kills: one history sold as the run's; shocks without a name, or with one that leaves the page."""
    figure = drawn(with_shocks(several), "timeline")
    said = words(figure)
    assert said.count("One simulated history (seed 4)") == 1 and "seed 4 drawn, of seeds 4-7" in said
    assert "Chips get scarce" in said and "a very long …" in said
    axes = figure.axes[0]
    named = [t for t in axes.texts if t.get_text().startswith(("Chips", "a very"))]
    assert len({round(t.xy[1]) for t in named}) == len(named) == 2  # a row for each
    for text in named:
        box = text.get_window_extent()
        assert axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1


def test_entries_stand_at_the_start_of_their_quarter(several):
    """Kills: a lab that enters after the quarter in which it sells."""
    entries = first(several, "events").query("kind == 'entry'")
    expected = sorted(int(quarter[:4]) + (int(quarter[-1]) - 1) / 4 for quarter in entries["quarter"])
    axes = plots.draw(several, "timeline").axes[0]
    colour = lives.MARKS["entry"][2]
    marks = [c for c in axes.collections if to_hex(c.get_facecolor()[0]) == colour and len(c.get_offsets()) > 1]
    assert [sorted(c.get_offsets()[:, 0]) for c in marks] == [expected]


def test_pivots_stand_where_the_bar_changes_colour(controlled):
    """Kills: a pivot drawn a quarter after the colour that it changes."""
    axes = drawn(controlled, "timeline").axes[0]
    events = first(controlled, "events").query("kind == 'pivot'")
    mark = lives.MARKS["pivot"]
    points = [
        tuple(p) for c in axes.collections if to_hex(c.get_facecolor()[0]) == mark[2] for p in c.get_offsets().tolist()
    ]
    edges = {(bar.get_x(), round(bar.get_y() + bar.get_height() / 2)) for bar in axes.patches}
    on_edge = [p for p in points if any(p[0] == pytest.approx(x) and p[1] == row for x, row in edges)]
    assert len(on_edge) == len(events) > 3


def test_words_on_an_exit_stay_on_the_page(controlled):
    """Of a lab that ends in the last quarter. Kills: a buyer's long name cut off at the edge of the page."""
    labs, events = controlled.table("labs").copy(), controlled.table("events")
    labs.loc[(labs["lab"] == "openai") & (labs["quarter"] == "2028Q4"), "status"] = "exited"
    deal = events[:1].assign(kind="merger", lab="openai", quarter="2028Q4", counterparty="some_buyer_of_a_long_name")
    deal = deal.assign(replication=controlled.seeds[0])
    figure = drawn(with_table(controlled, labs=labs, events=pd.concat([events, deal], ignore_index=True)), "timeline")
    said = [text for text in figure.axes[0].texts if "Some Buyer Of A Long Name" in text.get_text()]
    assert said and said[0].get_window_extent().x1 < figure.bbox.x1


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("world", ["no events", "one lab", "one seed", "odd events", "no lab"])
def test_odd_histories_are_drawn(name, world, controlled):
    """Kills: a figure that needs events, several labs or seeds, or knows all kinds of events; a shock without words."""
    tables = {table: controlled.table(table) for table in ("labs", "events", "stakes", "investments")}
    if world == "no events":
        tables["events"] = tables["events"][:0]
    if world == "one lab":
        tables = {table: rows[rows["lab"] == "mistral"] for table, rows in tables.items()}
    if world == "no lab":
        tables = {table: rows[:0] for table, rows in tables.items()}
    if world == "odd events":
        odd = tables["events"][:3].assign(kind=["shock", "earthquake", "earthquake"], lab=["", "", "openai"], cause="")
        tables["events"] = pd.concat([tables["events"], odd], ignore_index=True)
    result = with_table(controlled, **tables)
    if world == "one seed":
        tables = {n: t[t["replication"] == 4] for n, t in result._tables.items()}
        result = type(result)(result.scenario, (4,), tables, result.cube, result.info)
    said = words(drawn(result, name))
    assert "nan" not in said.lower().split() and result.quarters[-1] in said
    if (name, world) == ("timeline", "odd events"):
        assert "not named" in said and "earthquake" not in said
    if (name, world) == ("survivors", "one lab"):
        assert "Of 1 independent lab" in said and "1 lab," in said


def test_names_of_marks_do_not_touch_the_next_mark(controlled):
    """Kills: a key spaced by the number of letters, with collisions; a row of the key that leaves the page."""
    figure = drawn(controlled, "timeline")
    axes = figure.axes[0]
    names = {mark[0] for mark in lives.MARKS.values()} | set(lives.STRATEGY)
    key = [t for t in axes.texts if t.get_text() in names]
    rows, boxes = {}, [t.get_window_extent() for t in key]
    for text, box in zip(key, boxes, strict=True):
        rows.setdefault(round(text.get_position()[1], 6), []).append(box)
    assert len(boxes) >= 10 and len(rows) >= 2
    for row in rows.values():
        row.sort(key=lambda box: box.x0)
        assert all(after.x0 - before.x1 > 14 for before, after in zip(row, row[1:], strict=False))
    heights = [box.y0 for box in boxes] + [box.y1 for box in boxes]
    assert min(heights) > axes.bbox.y1 - 2


def test_no_more_rows_than_fit(controlled, monkeypatch):
    """Kills: a page of a hundred labs; labs left out without a word, or the large ones left out."""
    monkeypatch.setattr(history, "MOST_ROWS", 10)
    everybody = history.lives(first(controlled, "labs"), controlled.quarters)
    largest = {life.lab for life in sorted(everybody, key=lambda life: -life.revenue)[:10]}
    assert {life.lab for life in history.shown_lives(everybody)} == largest
    for name in ("timeline", "runway"):
        assert f"Not shown: the {len(everybody) - 10} labs of least revenue" in words(drawn(controlled, name))


def test_runway_cells_are_those_of_the_first_seed_and_exits_are_crossed(controlled):
    """Kills: medians of other histories; an exit without its cross; a finite runway drawn as cash-positive."""
    figure = drawn(controlled, "runway")
    axes, labs = figure.axes[0], first(controlled, "labs")
    everybody = history.lives(labs, controlled.quarters)
    mesh = next(c for c in axes.collections if hasattr(c, "get_coordinates"))
    cells = np.ma.filled(mesh.get_array().reshape(len(everybody), len(controlled.quarters)), np.nan)
    for life, row in zip(everybody, cells, strict=True):
        mine = labs[labs["lab"] == life.lab].sort_values("quarter")
        truth = np.where(mine["status"] == "active", mine["runway_quarters"], np.nan)
        np.testing.assert_allclose(row, np.where(np.isinf(truth), 1.5e6, truth))
    crosses = max((len(c.get_offsets()) for c in axes.collections if c is not mesh), default=0)
    assert crosses == sum(life.exited is not None for life in everybody) > 0


# ---- survivors ----


def _masters(labs, quarter):
    now = labs[(labs["quarter"] == quarter) & (labs["status"] == "active") & (labs["owner"] == labs["lab"])]
    return now[now["ownership"] == "independent"]


def test_survivors_are_counted_by_hand(controlled):
    """The first cohort against plain counting. Kills: owned or exited labs counted, another denominator, one seed."""
    labs, quarters = controlled.table("labs"), list(controlled.quarters)
    found = lives.cohorts(controlled)
    assert sum(cohort.labs for cohort in found) > 10 and found[0].name == "there in 2023Q1"
    entered = labs[labs["status"] != "not_entered"].sort_values("quarter").drop_duplicates(["replication", "lab"])
    early = entered[(entered["quarter"] == "2023Q1") & (entered["ownership"] == "independent")]["lab"].unique()
    assert len(found[0].curve) == len(quarters)
    for t, quarter in enumerate(quarters):
        alive = _masters(labs, quarter)
        alive = alive[alive["lab"].isin(early)].groupby("replication").size()
        np.testing.assert_allclose(found[0].by_seed[t], alive.reindex(controlled.seeds).fillna(0) / len(early))
        assert found[0].curve[t] == pytest.approx(found[0].by_seed[t].mean())  # the same labs in every seed
    left = _masters(labs, quarters[-1])
    assert sum(c.left for c in found) == pytest.approx(len(left) / len(controlled.seeds))
    assert f"{sum(c.left for c in found):.0f} are still their own masters" in words(drawn(controlled, "survivors"))


@pytest.mark.parametrize("sign", [{"owner": "microsoft"}, {"ownership": "giant"}])
def test_a_lab_that_is_taken_over_is_no_survivor(controlled, sign):
    """Kills: ownership of the first quarter used for all; an acquired lab that lives on under a parent counted."""
    labs = controlled.table("labs").copy()
    target = (labs["lab"] == "openai") & (labs["quarter"] >= "2026Q1")
    labs.loc[target, list(sign)] = list(sign.values())
    before, after = (lives.cohorts(r)[0] for r in (controlled, with_table(controlled, labs=labs)))
    at = controlled.quarters.index("2026Q1")
    np.testing.assert_allclose(after.by_seed[:at], before.by_seed[:at])
    assert (after.by_seed[at:] < before.by_seed[at:]).all() and (after.curve[at:] < before.curve[at:]).all()
    assert after.labs == before.labs and after.left == pytest.approx(before.left - 1)


def test_labs_that_the_run_cuts_off_leave_the_risk_set():
    """By hand. Kills: a lab no longer seen counted as a survivor, or as lost; a loss booked a quarter late."""
    gone, seen = np.array([1, np.inf, 2, np.inf]), np.array([5, 1, 5, 5])
    np.testing.assert_allclose(lives.kaplan_meier(gone, seen, 4), [1, 3 / 4, 3 / 8, 3 / 8])
    np.testing.assert_allclose(lives.kaplan_meier(np.array([np.inf]), np.array([1]), 4), 1)  # then nobody is at risk


def test_a_share_of_survivors_never_rises(controlled):
    """Kills: labs that join a cohort lifting its share; seeds that join lifting a mean or the edge of a band."""
    for cohort in lives.cohorts(controlled):
        assert (np.diff(cohort.curve) <= 1e-12).all() and cohort.curve[0] <= 1
        for q in (0.1, 0.9):
            assert (np.diff(plots.quantile(cohort.by_seed, q)) <= 1e-12).all()


def test_a_curve_ends_where_half_of_its_labs_were_seen():
    """Kills: a share of the one oldest lab drawn as the cohort's; a curve cut at the youngest lab's age."""
    some = lives.Fates(np.array([1, 1, 2]), np.array([0, 4, 8]), np.array([11, 7, 3]), np.array([np.inf, 2.0, 1.0]))
    curve, by_seed = lives._curves(some, (1, 2, 3))
    assert len(curve) == 8
    np.testing.assert_allclose(by_seed[-1], [1 / 2, 0, np.nan])


def test_cohorts_are_few_and_in_order(controlled):
    """Kills: a panel for every year; years lost between two cohorts."""
    found = lives.cohorts(controlled)
    assert 2 < len(found) <= lives.MOST_COHORTS
    total = sum(cohort.labs for cohort in found)
    labs = controlled.table("labs")
    entered = labs[labs["status"] != "not_entered"].sort_values("quarter").drop_duplicates(["replication", "lab"])
    assert total == pytest.approx((entered["ownership"] == "independent").sum() / len(controlled.seeds))
    assert all(len(after.curve) <= len(before.curve) for before, after in zip(found, found[1:], strict=False))


@pytest.mark.parametrize(
    ("entries", "spans"),
    [
        ({2023: 9, 2024: 4, 2025: 1, 2026: 1}, [[2023], [2024, 2025, 2026]]),
        ({2023: 1, 2024: 1, 2025: 1, 2026: 3}, [[2023, 2024, 2025], [2026]]),
        ({2026: 1}, [[2026]]),
        ({2023 + i: 50 for i in range(13)}, [[2023 + i for i in range(k, min(k + 3, 13))] for k in range(0, 13, 3)]),
        ({}, []),
    ],
)
def test_no_cohort_of_one_or_two_labs_where_it_can_be_helped(entries, spans):
    """Kills: a panel in which one lab's fate moves the share from 100 to 0 %; more cohorts than panels; years lost."""
    assert lives._spans(np.repeat(list(entries), list(entries.values())).astype(int), 1) == spans


def test_a_band_takes_labs_enough(controlled, quiet):
    """Kills: a band of seeds with a lab or two each, which spans the whole panel."""
    figure = drawn(controlled, "survivors")
    for axes, cohort in zip(figure.axes, lives.cohorts(controlled), strict=False):
        assert bool(axes.collections) == (cohort.labs >= lives.ENOUGH)
    assert not any(axes.collections for axes in drawn(quiet, "survivors").axes)


# ---- funding ----


def test_bars_are_the_means_of_the_investments(controlled):
    """Kills: sums instead of means over the seeds, credits left out or counted twice, a year shifted."""
    rows = controlled.table("investments")
    figure = drawn(controlled, "funding")
    for axes, by in zip(figure.axes, ("investor", "creed"), strict=True):
        bars = [bar for bar in axes.patches if bar.get_height() > 0]
        for number, year in enumerate(range(2023, 2029)):
            height = sum(bar.get_height() for bar in bars if abs(bar.get_x() + bar.get_width() / 2 - number) < 0.1)
            wanted = rows.loc[rows["quarter"].str.startswith(str(year)), "amount_usd"].sum() / len(controlled.seeds)
            assert height == pytest.approx(wanted), (by, year)
    total = rows["amount_usd"].sum() / len(controlled.seeds)
    opened = rows.loc[rows["creed"] == "open", "amount_usd"].sum() / rows["amount_usd"].sum()
    said = words(figure)
    assert f"{reading.dollars(total)} into labs by 2028Q4, {100 * opened:.0f} % of it" in said
    assert f"{100 * rows['credit_usd'].sum() / rows['amount_usd'].sum():.0f} % of it was paid in compute" in said


def test_investors_that_are_not_named_are_pooled():
    """Kills: small investors dropped from the stack; a single one hidden behind `other`."""
    table = pd.DataFrame({f"i{k}": [20.0 - k, 1.0] for k in range(14)})
    few = money._largest(table, 10)
    assert list(few.columns)[-1] == history.OTHERS and few.shape[1] == 11
    np.testing.assert_allclose(few.sum(axis=1), table.sum(axis=1))
    assert history.OTHERS not in money._largest(table.iloc[:, :11], 10)


def test_holders_keep_their_colours(controlled, quiet):
    """Kills: colours by who happens to be drawn; a group that has two colours; two investors of one colour."""
    colours = money.holder_colours(controlled)
    assert colours == money.holder_colours(quiet)
    assert colours["microsoft"] == palette.LABS["microsoft"]
    investors = sorted(controlled.scenario.parameters.investors)
    assert len({colours[investor] for investor in investors}) == len(investors)


# ---- ownership ----


def test_bars_of_stakes_are_the_cap_tables_of_the_day(controlled):
    """Kills: a later cap table, tables of several quarters added, holders left out."""
    figure = drawn(controlled, "ownership")
    stakes, labs = first(controlled, "stakes"), first(controlled, "labs")
    names = {name: lab for lab, name in reading.lab_names(controlled).items()}
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["2025Q4", "2028Q4"]
    for axes, quarter in zip(figure.axes, ("2025Q4", "2028Q4"), strict=True):
        rows = [names[tick.get_text()] for tick in axes.get_yticklabels()]
        alive = set(labs[(labs["quarter"] == quarter) & (labs["status"] == "active")]["lab"])
        assert set(rows) <= alive and len(rows) == min(len(alive & set(stakes["lab"])), money.OWNED_ROWS)
        for row, lab in enumerate(rows):
            widths = sorted(b.get_width() for b in axes.patches if round(b.get_y() + b.get_height() / 2) == row)
            known = stakes[(stakes["lab"] == lab) & (stakes["quarter"] <= quarter)]
            table = known[known["quarter"] == known["quarter"].max()]
            np.testing.assert_allclose(widths, sorted(table["stake"]))
            assert sum(widths) == pytest.approx(1.0)


def test_stakes_are_worth_what_the_labs_mark_says(controlled):
    """By hand at both dates. Kills: the value of the day of the last round; marks of another quarter; dead labs."""
    stakes, labs = first(controlled, "stakes"), first(controlled, "labs")
    figure = drawn(controlled, "ownership")
    for axes, quarter in zip(figure.axes, ("2025Q4", "2028Q4"), strict=True):
        held = money.holdings(stakes, labs, quarter)
        now = labs[(labs["quarter"] == quarter) & (labs["status"] == "active")].set_index("lab")["valuation_usd"]
        assert set(held["lab"]) <= set(now.index)
        worth = held.groupby("lab")["value_usd"].sum().sort_values(ascending=False)
        np.testing.assert_allclose(worth, now[worth.index])
        np.testing.assert_allclose(held["value_usd"], held["stake"] * held["lab"].map(now))
        old = money.cap_tables(stakes, quarter).groupby("lab")["value_usd"].sum()[worth.index]
        assert (abs(old / worth - 1) > 0.05).mean() > 0.4, "the fake's marks do not tell the two apart"
        shown = [text.get_text() for text in axes.texts if text.get_text().startswith("$")]
        assert shown == [reading.dollars(value) for value in worth[: money.OWNED_ROWS]]


def test_the_headline_of_ownership_is_the_sum_of_its_parts(controlled):
    """Kills: the holder of most stakes instead of most value; founders called an investor; values of other days."""
    stakes, labs = first(controlled, "stakes"), first(controlled, "labs")
    marks = labs[(labs["quarter"] == "2028Q4") & (labs["status"] == "active")].set_index("lab")["valuation_usd"]
    last = stakes[stakes["lab"].isin(marks.index)]
    last = last[last["quarter"] == last.groupby("lab")["quarter"].transform("max")]
    worth = (last["stake"] * last["lab"].map(marks)).groupby(last["holder"]).sum()
    outside = worth.drop(["founders", "staff"])
    count, part = last["lab"].nunique(), 100 * outside.sum() / worth.sum()
    said = words(drawn(controlled, "ownership"))
    assert f"Investors hold {part:.0f} % of {count} labs worth {reading.dollars(worth.sum())} in 2028Q4" in said
    largest = history.party_names(controlled)[outside.idxmax()]
    assert f"{largest}, the largest, {reading.dollars(outside.max())}" in said
    assert "Wholly owned by a parent or a state: Alibaba" in said


def test_labs_without_a_mark_are_worth_nothing_and_that_is_said(controlled):
    """Kills: nan in a headline; a lab without a mark left out of the figure."""
    labs = controlled.table("labs")
    said = words(drawn(with_table(controlled, labs=labs.assign(valuation_usd=np.nan)), "ownership"))
    assert "No lab with shareholders has a mark in 2028Q4" in said and "no mark" in said and "nan" not in said


@pytest.mark.parametrize("name", ["funding", "ownership"])
def test_investors_go_by_the_scenarios_name(controlled, name):
    """Kills: an id made readable where the scenario has a name, as for the pool of all other venture funds."""
    paid = controlled.table("investments").replace({"investor": {"a16z": "other_venture"}})  # else too small to name
    said = words(drawn(with_table(controlled, investments=paid), name))
    assert "The rest of the venture market" in said and "Other Venture" not in said


# ---- causes of concentration ----


def test_causes_add_up_to_the_path_of_the_index(controlled):
    """Kills: a cause left out or counted twice, the first quarter counted as a change."""
    changes = lives.hhi_changes(controlled)
    level = plots.seeds_of(controlled, "hhi")
    np.testing.assert_allclose(sum(changes.values()), level - level[0], atol=1e-6)
    figure = drawn(controlled, "hhi_causes")
    black = next(line for line in figure.axes[0].lines if line.get_color() == palette.INK)
    np.testing.assert_allclose(black.get_ydata(), (level - level[0]).mean(axis=1), atol=1e-6)
    said = words(figure)
    for cause, values in changes.items():
        assert f"{cause} {values[-1].mean():+,.0f}" in said


def test_areas_are_stacked_away_from_zero():
    """Kills: a negative cause that hides a positive one."""
    figure, (axes,) = plots.new_page()
    means = {"reallocation": np.array([0.0, 50.0]), "entry": np.array([0.0, -20.0]), "mergers": np.array([0.0, 30.0])}
    lives._signed_areas(axes, np.array([2023.0, 2024.0]), means)
    reach = [collection.get_paths()[0].vertices[:, 1] for collection in axes.collections]
    assert max(part.max() for part in reach) == 80.0 and min(part.min() for part in reach) == -20.0
    assert lives._middles(means) == {"reallocation": 25.0, "entry": -10.0, "mergers": 65.0}


@pytest.mark.parametrize(
    ("ends", "title"),
    [
        (
            {"reallocation": 300, "entry": -20, "exits": 5, "mergers": 15},
            "HHI of API spend rose by 300 points from 2023Q1 to 2024Q4: reallocation +300, entry -20, mergers +15, "
            "exits +5",
        ),
        ({"reallocation": 0, "entry": -200, "exits": 0, "mergers": 0}, "fell by 200 points"),
        ({"reallocation": 5, "entry": 0, "exits": 0, "mergers": 90}, "2024Q4: mergers +90"),
        ({"reallocation": 20, "entry": -20, "exits": 0, "mergers": 0}, "did not change from 2023Q1 to 2024Q4: reall"),
        ({"reallocation": 0, "entry": 0, "exits": 0, "mergers": 0}, "is in 2024Q4 where it was in 2023Q1"),
    ],
)
def test_headline_of_the_causes(ends, title):
    """Kills: a fall called a rise; a cause left out, so that the parts do not sum; movement where there is none."""
    said = lives._causes_title({c: np.array([0.0, v]) for c, v in ends.items()}, ["2023Q1", "2024Q4"])
    assert title in said and said.count("mergers") <= 1
