"""Figures of sweeps: they show what the runs say, of every design, also while some runs are missing."""

from __future__ import annotations

import itertools
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest

from analysis import readme
from analysis.commands import sweep as sweep_command
from analysis.figures import sweeps
from analysis.figures.canvas import Words, finish_page, new_page, time_axis, years
from analysis.figures.sweep_data import (
    UNDECIDED,
    cells,
    correlation_ratio,
    cut,
    cuts,
    factor_words,
    main_factors,
    majority,
    plain,
    regions,
    view,
    widest_run,
)
from analysis.figures.sweep_words import amount
from analysis.figures.sweeps import KINDS, draw, draw_all, draw_overview, possible
from sim.sweep import SweepReport, open_sweep, run_sweep

COST, SPREAD = "technology.training_cost_growth", "technology.public_diffusion"
PLAN = f"""
title = "costs against diffusion"
scenarios = ["baseline", "sticky-interface"]
replications = 2
until = "2023Q3"
enterprises = 200
design = "grid"
[factors]
"{COST}" = {{ values = [1.6, 2.4, 3.2] }}
"{SPREAD}" = {{ values = [0.1, 0.4] }}
[record]
tables = ["market"]
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sweep")
    (place / "plan.toml").write_text(PLAN)
    with ThreadPoolExecutor(1) as executor:
        run_sweep(place / "plan.toml", place / "made", executor=executor)
    return place / "made"


@pytest.fixture
def grid(folder):
    return open_sweep(folder)


def one_scenario(sweep):
    """The same runs as if both scenarios were one that has two points in each cell."""
    manifest = {**sweep.manifest, "scenarios": {"baseline": sweep.manifest["scenarios"]["baseline"]}}
    return replace(sweep, manifest=manifest, points=sweep.points.assign(scenario="baseline"))


def sampled(sweep):
    """The same runs as if 12 points had been drawn from three ranges and a switch."""
    luck = np.random.default_rng(7)
    drawn = {
        COST: luck.uniform(1.5, 3.5, 12),
        SPREAD: 10 ** luck.uniform(-2, 0, 12),
        "funding.parent_cap": luck.uniform(1e9, 3e10, 12),
        "switches.parent_transfers": luck.permutation([True, False] * 6),
    }
    points = sweep.points.assign(scenario="baseline", **drawn)
    manifest = {**sweep.manifest, "plan": {**sweep.plan, "design": "sobol"}}
    return replace(sweep, points=points, manifest=manifest)


def partial(sweep):
    """As if only the first replication of the first seven points had been made."""
    runs = sweep.runs.copy()
    runs.loc[(runs["replication"] > 1) | (runs["point"] > 6), "status"] = "pending"
    counts = {"ok": 7}
    return replace(sweep, runs=runs, status=replace(sweep.status, status="running", counts=counts))


KINDS_OF_SWEEPS = {"grid": lambda sweep: sweep, "one scenario": one_scenario, "sampled": sampled, "partial": partial}


def texts(figure):
    hidden = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    found = figure.findobj(matplotlib.text.Text)
    return [text for text in found if text.get_text().strip() and text.get_visible() and text not in hidden]


def words(figure):
    return " ".join(" ".join(text.get_text() for text in texts(figure)).split())


def overlaps(figure):
    """Pairs of texts that stand on one another, by more than a hair."""
    figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent().shrunk(0.96, 0.8)) for text in texts(figure)]
    return [(a, b) for i, (a, one) in enumerate(boxes) for b, other in boxes[i + 1 :] if one.overlaps(other)]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("state", sorted(KINDS_OF_SWEEPS))
def test_every_figure_of_every_sweep(kind, state, grid):
    """Kills: a crash on a thin sweep, labels on one another, a caption that does not say which runs are shown."""
    sweep = KINDS_OF_SWEEPS[state](grid)
    figure = draw(view(sweep, "hhi"), kind)
    check_page(figure, sweep, state)


@pytest.mark.parametrize("state", sorted(KINDS_OF_SWEEPS))
def test_several_measures_stand_on_one_page(state, grid):
    """Kills: a column of another measure, one scale of colours for all, a scenario that is left out."""
    sweep = KINDS_OF_SWEEPS[state](grid)
    views = [view(sweep, name) for name in ("hhi", "active_labs")]
    figure = draw_overview(views)
    check_page(figure, sweep, state)
    headings = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert len(headings) == 2 and len(figure.axes) == 2 * len(views[0].shown)
    for seen, heading in zip(views, headings, strict=True):
        words_ = heading.split("\n")[1].split(",")[:-1]
        assert seen.title.lower() in heading.lower()
        if state == "grid":  # elsewhere cells are medians over points
            ends = (amount(float(end), seen.measure.unit) for end in np.quantile(seen.table["value"], (0, 1)))
            assert ",".join(words_) == " to ".join(ends)
    said = words(figure)
    assert all(name in said for name in sweep.scenarios)
    explained = [f"{100 * seen.effects[COST]:.0f}" for seen in views]
    assert state != "grid" or f"training cost growth {', '.join(explained)} %" in said


def check_page(figure, sweep, state):
    """A page names its sweep and the runs it shows, and its labels neither overlap nor leave it."""
    said = words(figure)
    assert "moatsim" in said and "costs against diffusion" in said and f"{sweep.plan['design']} design" in said
    assert ("seed 1," if state == "partial" else "seeds 1-2,") in said
    shown = "7 of 24 runs have ended; shown: 7 of 12 points, one replication of each; the others are still to come."
    assert (shown in said) == (state == "partial")
    assert "nan" not in said.lower().split()
    assert overlaps(figure) == []
    width, height = figure.canvas.get_width_height()
    for text in texts(figure):
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text.get_text()


# ---- phase maps ----


def test_a_phase_map_shows_medians_and_leaders(grid):
    """Kills: rows and columns swapped, a mean for a median, the leader of another cell."""
    seen = view(grid, "hhi", "2023Q2")
    first, second = main_factors(seen, 2)
    table = seen.table.query("scenario == 'sticky-interface'")
    found = cells(table, *cuts(table, first, second))
    rows = grid.table("market", ["hhi", "leader", "scenario", first, second], {"quarter": "2023Q2"})
    for row, column in np.ndindex(*found.value.shape):
        place = {first: sorted(rows[first].unique())[column], second: sorted(rows[second].unique())[row]}
        runs = rows[(rows["scenario"] == "sticky-interface") & (rows[list(place)] == pd.Series(place)).all(axis=1)]
        assert len(runs) == 2
        assert found.value[row, column] == pytest.approx(runs["hhi"].median())
        alike = runs["leader"].nunique() == 1
        assert found.leader[row, column] == (runs["leader"].iloc[0] if alike else UNDECIDED)


def test_a_cell_of_several_points_shows_their_median_and_commonest_leader():
    """Kills: the highest, the mean or the last of the points in a cell; the first of two leaders."""
    table = pd.DataFrame({"value": [1.0, 2.0, 9.0, 5.0], "leader": ["meta", "google", "meta", None]})
    found = cells(table, cut(pd.Series([1, 1, 1, 2])), cut(pd.Series([3, 3, 3, 3])))
    assert found.value.tolist() == [[2.0, 5.0]] and found.points.tolist() == [[3, 1]]
    assert found.leader.tolist() == [["meta", None]]
    assert cells(table[:2], cut(pd.Series([1, 1])), cut(pd.Series([3, 3]))).leader.tolist() == [[UNDECIDED]]


def test_a_leader_leads_in_more_than_half_of_the_runs(grid):
    """Kills: a tie given to one of the two, a plurality taken for a majority, the leader of another quarter."""
    assert majority(pd.Series(["a", "a", "b"])) == "a"
    assert majority(pd.Series(["a", "b"])) == majority(pd.Series(["a", "a", "b", "c"])) == UNDECIDED
    seen = view(grid, "hhi")
    rows = grid.table("market", ["leader"], {"quarter": "2023Q3"})
    for point, leader in zip(seen.table["point"], seen.table["leader"], strict=True):
        assert leader == majority(rows.loc[rows["point"] == point, "leader"])


def test_undecided_cells_are_not_won(grid):
    """Kills: a title that counts ties as wins."""
    seen = view(grid, "hhi")
    table = seen.table.assign(leader=["google", UNDECIDED] * 6)
    said = words(draw(replace(seen, table=table), "phase_map"))
    assert "Google leads in 6 of 12 cells; 6 undecided" in said


def test_cells_without_a_run_are_hatched(grid):
    """Seven of twelve points: five cells. Kills: a missing cell drawn as if it were the lowest."""
    figure = draw(view(partial(grid), "hhi"), "phase_map")
    hatched = [patch for axes in figure.axes for patch in axes.patches if patch.get_hatch()]
    assert len(hatched) == 5 and "Hatched: no run to show" in words(figure)


def test_regions_of_one_leader_are_named_once():
    """Kills: a name in every cell, regions that touch at a corner taken for one, a label outside its region."""
    leader = np.array([["a", "a", "b"], ["b", "a", "b"], [None, "a", "a"]], object)
    (first, region), *others = regions(leader)
    assert first == "a" and [name for name, _ in others] == ["b", "b"]
    assert region == [(0, 0), (0, 1), (1, 1), (2, 1), (2, 2)]
    assert widest_run(region) in ((0, 0, 2), (2, 1, 2))
    assert widest_run([(0, 0), (0, 1), (0, 3), (0, 4), (0, 5), (1, 0)]) == (0, 3, 3)


def test_drawn_values_are_cut_into_equally_full_bins():
    """Kills: the largest value left out, bins of equal width, a switch cut into bins."""
    values = pd.Series(np.logspace(0, 3, 80))
    found = cut(values, 4)
    assert np.bincount(found.codes).tolist() == [20] * 4 and not found.whole and len(found.labels) == 5
    few = cut(pd.Series([True, False, True]))
    assert few.whole and few.labels == ["off", "on"] and few.codes.tolist() == [1, 0, 1]


def test_many_points_make_many_cells():
    """Four points to a cell. Kills: bins that ignore how few values the other factor has."""
    table = pd.DataFrame(
        {"scenario": "baseline", "x": np.arange(256.0), "y": np.arange(256.0), "on": [True, False] * 128}
    )
    assert [found.count for found in cuts(table, "x", "y")] == [8, 8]
    assert [found.count for found in cuts(table[:64], "x", "y")] == [4, 4]
    assert [found.count for found in cuts(table[:32], "x", "on")] == [4, 2]


# ---- responses, extremes ----


def test_the_factor_that_matters_is_found():
    """Kills: the square of a slope (blind to a hump), a measure that grows with the number of groups."""
    luck = np.random.default_rng(3)
    groups = np.repeat(np.arange(8), 25)
    hump = pd.Series((groups - 3.5) ** 2 + luck.normal(0, 0.1, 200))
    assert correlation_ratio(groups, hump) > 0.99
    noise = [correlation_ratio(groups, pd.Series(luck.normal(size=200))) for _ in range(20)]
    assert np.mean(noise) < 0.03
    assert correlation_ratio(np.arange(5), pd.Series(range(5))) == 0.0


def test_extremes_list_both_ends_in_order(grid):
    """Kills: an end missing, the table sorted the other way, a point in both ends."""
    seen = view(grid, "hhi")
    table = seen.table.sort_values(["value", "point"], ascending=[True, False])
    figure = draw(seen, "extremes")
    said = [text.get_text() for text in figure.axes[0].texts]
    points = [
        int(text.get_text())
        for text in figure.axes[0].texts
        if text.get_position()[0] == 0.05 and text.get_text() != "point"
    ]
    assert points == [*table["point"][::-1][:6], *table["point"][:6]]
    assert amount(float(table["value"].iloc[-1]), "0-10,000") in said and "sticky-interface" in said


def test_the_range_of_few_replications_is_lowest_to_highest(grid, monkeypatch):
    """Kills: quantiles made up between two runs; words that say of one what is the other."""
    seen = view(grid, "hhi")
    rows = grid.table("market", ["hhi"], {"quarter": "2023Q3"}).groupby("point")["hhi"]
    wanted = {f"{amount(low, 'x')} to {amount(high, 'x')}" for low, high in zip(rows.min(), rows.max(), strict=True)}
    figure = draw(seen, "extremes")
    told = {text.get_text() for text in figure.axes[0].texts if " to " in text.get_text()}
    assert told == wanted and "range: lowest to highest of them" in words(figure)
    monkeypatch.setattr(sweeps, "FEW", 2)
    figure = draw(seen, "extremes")
    told = {text.get_text() for text in figure.axes[0].texts if " to " in text.get_text()}
    assert told != wanted and "range: 10-90 % over replications" in words(figure)


@pytest.mark.parametrize(("part", "headline"), [(0.11, "no factor alone explains much"), (0.25, "matters most")])
def test_a_response_claims_no_more_than_it_explains(part, headline, grid):
    """Kills: the largest of small effects called what matters most."""
    seen = view(grid, "hhi")
    seen.__dict__["effects"] = {SPREAD: part, COST: 0.01}
    figure = draw(seen, "response")
    assert headline in words(figure) and f"explains {100 * part:.0f} %" in words(figure)


@pytest.mark.parametrize("kind", ["response", "scenarios", "extremes"])
def test_a_file_is_named_without_its_ending(kind, grid):
    """Kills: a file's ending for a scenario's name in headings, rows and captions."""
    entries = grid.manifest["scenarios"]
    named = {"baseline": entries["baseline"], "mine.toml": entries["sticky-interface"]}
    points = grid.points.replace({"scenario": {"sticky-interface": "mine.toml"}})
    figure = draw(view(replace(grid, manifest={**grid.manifest, "scenarios": named}, points=points), "hhi"), kind)
    assert "mine" in words(figure) and ".toml" not in words(figure)


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("quarters", range(1, 9))
def test_names_of_quarters_have_room(columns, quarters):
    """Kills: a name at every quarter where there is room for every second one; a last quarter without its name."""
    figure, panels = new_page(1, columns)
    finish_page(figure, Words("title", "subtitle"), "caption", 0.95, 0.095)
    for axes in panels:
        time_axis(axes, years([f"{2023 + i // 4}Q{i % 4 + 1}" for i in range(quarters)]))
        names = [label.get_text() for label in axes.get_xticklabels()]
        assert names[0] == f"{2023 + (quarters - 1) // 4}Q{(quarters - 1) % 4 + 1}"
        assert len(names) == (quarters if columns == 1 else len(names)) >= quarters / 2
        boxes = sorted(label.get_window_extent().extents[::2].tolist() for label in axes.get_xticklabels())
        assert all(b[0] - a[1] > 4 for a, b in itertools.pairwise(boxes))


def test_response_panels_stand_in_order_of_effect(grid):
    """Kills: panels in the plan's order, headings of another factor."""
    seen = view(sampled(grid), "hhi")
    figure = draw(seen, "response")
    names = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]
    assert names == [factor_words(key) for key in seen.effects]
    assert list(seen.effects.values()) == sorted(seen.effects.values(), reverse=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "on"), ("open", "open"), (2.4, "2.4"), (0.0565685, "0.0566"), (2.7e10, "27 bn"), (None, "-"), (3, "3")],
)
def test_values_of_factors_in_words(value, text):
    """Kills: True as 1, twelve digits on an axis."""
    assert plain(value) == text


def test_the_readme_tells_the_ends_of_a_map(grid):
    """Kills: ends of the wrong factor, of all scenarios together, columns in another order than their heads."""
    seen = view(grid, "hhi")
    head, _, row = readme.mapped([seen]).split("\n\n")[2].splitlines()
    assert "from 1.6 to 3.2" in head and head.index("baseline") < head.index("sticky-interface") < head.index(
        "explained"
    )
    table = seen.table[(seen.table["scenario"] == "sticky-interface") & (seen.table[COST] == 3.2)]
    cells_ = [cell.strip() for cell in row.strip("| ").split("|")]
    assert cells_[2].endswith(f" to {amount(float(table['value'].median()), seen.measure.unit)}")
    assert cells_[3:] == [f"{100 * seen.effects[key]:.0f} %" for key in (COST, SPREAD)]


# ---- what is drawn when ----


def test_what_a_sweep_cannot_show_is_not_drawn(grid):
    """Kills: a phase map of one factor or of points that cross nothing, figures of a sweep without a run."""
    alone = replace(grid, manifest={**grid.manifest, "plan": {**grid.plan, "design": "one-at-a-time"}})
    assert not possible(alone, "phase_map") and possible(alone, "response")
    assert not possible(replace(grid, points=grid.points.drop(columns=COST)), "phase_map")
    nothing = replace(grid, runs=grid.runs.assign(status="pending"))
    assert not any(possible(nothing, kind) for kind in KINDS)


def test_figures_are_files_named_by_kind_and_measure(grid, tmp_path):
    """Kills: a measure asked for that is not drawn; a PNG without its SVG."""
    paths = draw_all(grid, tmp_path, ["extremes"], ["so_far.api_spend_usd", "hhi"])
    assert [path.name for path in paths] == [
        f"extremes_{name}.{kind}" for name in ("so_far_api_spend_usd", "hhi") for kind in ("png", "svg")
    ]


def test_plot_draws_a_sweep_folder(program, folder, tmp_path):
    """Kills: `moatsim plot` that takes a sweep for a run; a wrong name that ends in a traceback."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert program("plot", copy, "--figure", "scenarios", "--measure", "open_share", "--json") == 0
    assert json.loads(program.out)["figures"][0] == str(copy / "figures" / "scenarios_open_share.png")
    assert sorted(path.name for path in (copy / "figures").iterdir()) == [
        *("scenarios_open_share.png", "scenarios_open_share.svg")
    ]
    for words_, message in (
        (("--figure", "fan"), "no figure 'fan'"),
        (("--measure", "hhhi"), "did you mean 'hhi'"),
        (("--measure", "share.tokens.open"), "no table 'shares'"),
    ):
        assert program("plot", copy, *words_) == 2
        assert message in program.err and len(program.err.strip().splitlines()) <= 3


def test_nothing_to_draw_is_said(program, folder, tmp_path, monkeypatch):
    """Kills: an empty line and exit 0 where no run has given a result; a sweep that ends in that error."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(copy / "market")
    assert program("plot", copy) == 2
    assert "market/part-000000.parquet is damaged or gone" in program.err
    (copy / "ledger.jsonl").unlink()
    assert program("plot", copy) == 2
    assert "nothing to draw: no run has given a result" in program.err
    sweep_command._conclude(SweepReport(copy, 24, 0, 0, 24, 1.0, ()), as_json=False)
    monkeypatch.setattr("analysis.figures.sweeps.DRAWN", ())
    assert program("plot", folder) == 2
    assert "name one with --measure" in program.err


def test_a_sweep_draws_its_figures_at_its_end(folder, tmp_path, capsys, monkeypatch):
    """New figures when runs were made, none anew otherwise. Kills: a sweep that ends without its figures."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    drawn = []

    def drawing(path):
        drawn.append(path)
        (path / "figures").mkdir(exist_ok=True)
        (path / "figures" / "a.png").touch()
        return [path / "figures" / "a.png"]

    monkeypatch.setattr(sweep_command, "draw_sweep", drawing)
    for made in (24, 0):
        sweep_command._conclude(SweepReport(copy, 24, 24, 0, made, 1.0, ()), as_json=True)
        assert json.loads(capsys.readouterr().out)["figures"] == [str(copy / "figures" / "a.png")]
    assert drawn == [copy]
