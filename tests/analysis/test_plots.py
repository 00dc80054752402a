"""Figures: none crashes on a thin run, words and lines say what they should, labels do not overlap."""

from __future__ import annotations

import dataclasses
import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from analysis import plots
from analysis.figures import canvas, palette
from sim.runs.results import Run

LABS = [
    *("openai", "anthropic", "google", "meta", "microsoft", "amazon", "apple", "nvidia", "mistral", "cohere", "xai"),
    *(
        "deepseek",
        "alibaba",
        "baidu",
        "tencent",
        "zhipu",
        "moonshot",
        "zero_one_ai",
        "stability",
        "inflection",
        "adept",
    ),
    *("character_ai", "ai21", "aleph_alpha", "databricks", "tii"),
]


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text().strip()]


def words(figure):
    return " ".join(" ".join(texts(figure)).split())


def without_events(result):
    tables = {name: result.table(name) for name in ("market", "labs", "funding", "events")}
    return Run(result.scenario, result.seeds, tables | {"events": tables["events"][:0]}, result.cube, result.info)


def without_labs(result):
    labs = result.table("labs").assign(status="not_entered")
    tables = {name: result.table(name) for name in ("market", "funding", "events")}
    return Run(result.scenario, result.seeds, tables | {"labs": labs}, result.cube, result.info)


def with_nothing_sold(result):
    market = result.table("market").copy()
    market[market.select_dtypes("float").columns] = np.nan
    tables = {name: result.table(name) for name in ("labs", "funding", "events")}
    cube = dataclasses.replace(result.cube, values=np.full_like(result.cube.values, np.nan))
    return Run(result.scenario, result.seeds, tables | {"market": market}, cube, result.info)


@pytest.mark.parametrize("name", sorted(plots.FIGURES))
@pytest.mark.parametrize("kind", ["several", "single", "moment"])
def test_every_figure_can_be_drawn_from_thin_runs(name, kind, request):
    """Several seeds, one seed, one quarter. Kills: a crash, or a caption without scenario and seeds."""
    result = request.getfixturevalue(kind)
    figure = plots.draw(result, name)
    figure.canvas.draw()
    said = words(figure)
    assert result.scenario.title in said and "moatsim" in said
    assert ("seeds 4-7" if kind == "several" else "seed 4") in said
    assert "nan" not in said.lower().split()


@pytest.mark.parametrize("name", sorted(plots.FIGURES))
@pytest.mark.parametrize("thin", [without_events, without_labs, with_nothing_sold])
def test_nothing_to_show_is_said_and_not_a_crash(name, thin, several):
    """Kills: max() of nothing, a log axis without a number, an empty heat map."""
    figure = plots.draw(thin(several), name)
    figure.canvas.draw()
    assert "nan" not in words(figure).replace("$", " ").lower().split()
    if name == "timeline" and thin is without_events:
        assert "no events" in words(figure)
    if name == "runway" and thin is without_labs:
        assert "no lab was active" in words(figure)


@pytest.mark.parametrize("name", ["market_share_fan", "openness", "hhi", "gap", "training_cost", "price_frontier"])
def test_one_seed_has_no_fan_and_says_so(name, single, several):
    """Kills: bands of a single seed; a fan that is not explained."""
    assert "one seed: no fan" in words(plots.draw(single, name))
    said = words(plots.draw(several, name))
    assert "median of 4 seeds" in said and "25-75 %" in said and "10-90 %" in said


def test_fans_are_the_quantiles_of_the_seeds(several):
    """Kills: bands at other quantiles, or over quarters instead of seeds."""
    figure = plots.draw(several, "hhi")
    values = plots.seeds_of(several, "hhi")
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), np.median(values, axis=1))
    outer = axes.collections[0].get_paths()[0].vertices[:, 1]
    low, high = np.quantile(values, (0.1, 0.9), axis=1)
    assert set(np.round(np.concatenate([low, high]), 6)) <= set(np.round(outer, 6))


def test_hhi_has_its_thresholds_and_their_source(several):
    """Kills: a threshold moved or unsourced."""
    figure = plots.draw(several, "hhi")
    levels = {float(line.get_ydata()[0]) for line in figure.axes[0].lines if len(set(line.get_ydata())) == 1}
    assert {1000.0, 1800.0} <= levels
    assert "Merger Guidelines (2023)" in words(figure)


def test_published_shares_stand_beside_the_lenses(scenario, several):
    """Kills: a published share at another height, or one that does not say what it counted."""
    figure = plots.draw(several, "lenses")
    marks = {tuple(line.get_xydata()[0]) for line in figure.axes[0].lines if line.get_marker() == "D"}
    assert marks == {(2025.0, 0.19), (2025.0, 0.46), (2025.75, 0.70)}
    said = words(figure)
    for expected in ("Menlo", "a16z", "S1-02", "S4-10", "S3-01", "developers' tokens", "primary vendor"):
        assert expected in said


def test_shares_are_those_of_the_run(several):
    """Kills: the stacked chart of another lens, unscaled, or with labs left out of "other labs"."""
    shares = plots.median_shares(several, "api_spend", "lab")
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    raw = several.shares("api_spend", "lab")["openai"].unstack("replication").median(axis=1)
    assert shares["openai"].rank().tolist() == pytest.approx(shares["openai"].rank().tolist())
    _, values = plots.shares_of(several, "api_spend", "lab")
    total = np.median(values, axis=2).sum(axis=1)
    np.testing.assert_allclose(shares["openai"] * total, raw)


def test_labs_named_are_the_largest_by_mean_share():
    """Kills: a lab of 1 % on average named for one good quarter while the others hide a larger one."""
    labs = [f"lab{number:02d}" for number in range(15)]
    shares = pd.DataFrame(np.tile(np.linspace(0.12, 0.02, 15), (10, 1)), columns=labs)
    shares.loc[0, "lab14"] = 0.3  # the highest peak of all, below the twelfth on average
    shares.loc[1:, "lab14"] = 0.0
    shares["tiny"] = 0.001
    assert plots._named_labs(shares) == sorted(
        shares.columns, key=lambda lab: (-shares[lab].mean(), lab)
    )[: plots.LARGEST_LABS]  # fmt: skip
    assert plots._named_labs(shares[["tiny"]]) == []


def test_caption_says_how_large_the_largest_of_the_others_is(several):
    """Kills: a lab hidden among the others that is larger at the end than one with a name, without a word."""
    named = plots._named_labs(plots.median_shares(several, "api_spend", "lab"))
    end = several.shares("api_spend", "lab").xs("2025Q4", level="quarter").median().drop(named)
    assert f"the largest has {100 * end.max():.0f} % at the end" in words(plots.draw(several, "market_share_by_lab"))


@pytest.mark.parametrize(
    "name",
    ["market_share_by_lab", "market_share_fan", "openness", "hhi", "gap", "training_cost", "price_frontier"],
)
def test_captions_say_what_seeds_leave_out(name, single, several):
    """Kills: bands that look like the whole uncertainty."""
    for result in (single, several):
        said = words(plots.draw(result, name))
        assert "with all parameters held fixed, not the whole uncertainty" in said
        assert ("Bands are" in said) == (result is several and name != "market_share_by_lab")


def test_price_lines_are_called_what_their_columns_are(several):
    """Kills: the cheapest open model called the best one; a median called the best; a label on the years."""
    figure = plots.draw(several, "price_frontier")
    figure.canvas.draw()
    said = words(figure)
    assert "cheapest open model at a host $" in said and "closed flagships (median of the three best) $" in said
    axes = figure.axes[0]
    years = [tick.get_window_extent() for tick in axes.get_xticklabels()]
    for label in axes.texts:
        assert not any(label.get_window_extent().overlaps(year) for year in years)


def test_a_number_keeps_its_per_cent_sign():
    """Kills: a line that begins with %."""
    for length in range(60, 140):
        assert not any(
            part.startswith("%") for part in canvas.fitted("x" * length + " 10-90 % of seeds", 9).split("\n")
        )


def test_a_low_label_keeps_clear_of_the_years():
    """Kills: three lines of text centred on the bottom of the axes."""
    figure, (axes,) = canvas.new_page()
    canvas.finish_page(figure, canvas.Words("title", "subtitle"), "caption", right=0.8)
    canvas.time_axis(axes, np.array([2023.25, 2033.0]))
    axes.set_ylim(0, 1)
    canvas.label_right(axes, 2033.0, [canvas.Label(0.0, "one\ntwo\nthree", "#000000")])
    figure.canvas.draw()
    year = axes.get_xticklabels()[-1].get_window_extent()
    assert axes.texts[0].get_window_extent().y0 >= year.y1


def test_gap_headline_is_the_mean_of_the_last_year_in_the_median_seed(several):
    """Kills: one quarter of a saw-tooth; the mean of medians; undefined quarters counted as zero."""
    values = np.array([[9.0, 9.0, 9.0], [1.0, 2.0, np.nan], [3.0, 2.0, 8.0], [1.0, 2.0, 8.0], [3.0, 2.0, 8.0]])
    assert plots._last_year(values) == 2.0
    assert np.isnan(plots._last_year(np.full((3, 2), np.nan)))
    elo = plots.seeds_of(several, "gap_elo")[-4:].mean(axis=0)
    assert f"({np.median(elo):.0f} Elo points) in 2025" in words(plots.draw(several, "gap"))
    assert plots._last_year_words(["2024Q4", "2025Q1"]) == "from 2024Q4 to 2025Q1"
    assert plots._last_year_words(["2025Q1"]) == "in 2025Q1"


@pytest.mark.parametrize(
    ("share", "text"), [(0.0074, "0.7 %"), (0.0004, "0.04 %"), (0.043, "4.3 %"), (0.0996, "10 %"), (0.62, "62 %")]
)
def test_small_percents_are_not_rounded_away(share, text):
    """Kills: 0.7 % of trend printed as 1 %."""
    assert plots._small_percent(share) == text


def test_files_are_the_same_every_time(moment, tmp_path, sample):
    """Every figure twice with --full, every fourth else. Kills: dates or random ids in PNG and SVG."""
    first = plots.draw_all(moment, tmp_path / "a")
    second = plots.draw_all(moment, tmp_path / "b", sorted(plots.FIGURES)[:: sample(1, 4)])
    assert {path.stem for path in first} == set(plots.FIGURES)
    assert len(list((tmp_path / "a").iterdir())) == len(first) == 2 * len(plots.FIGURES)
    for path in second:
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    "name", ["market_share_by_lab", "lenses", "hhi", "training_cost", "price_frontier", "openness"]
)
def test_direct_labels_do_not_overlap_and_stay_on_the_page(name, several):
    """Kills: labels at the heights of their lines without being moved apart; labels cut off by the page."""
    figure = plots.draw(several, name)
    figure.canvas.draw()
    page = figure.bbox
    for axes in figure.axes:
        right = [
            t.get_window_extent() for t in axes.texts if t.get_transform() == axes.transAxes and t.get_position()[0] > 1
        ]
        for number, box in enumerate(right):
            assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
            assert not any(box.overlaps(other.padded(-1)) for other in right[:number])
    for text in figure.texts:
        assert text.get_window_extent().x1 <= page.x1


@given(
    st.lists(st.floats(-0.5, 1.5, allow_nan=False), min_size=1, max_size=30),
    st.floats(0.001, 0.3),
)
def test_labels_are_spread_apart_in_order_and_inside(wanted, gap):
    """Kills: a gap too small, order changed, a label outside; and labels moved without need."""
    placed = canvas.spread_apart(wanted, gap, 0.0, 1.0)
    room = min(gap, 1.0 / max(len(wanted) - 1, 1))
    assert placed.min() >= -1e-9 and placed.max() <= 1 + 1e-9
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(placed[order]) >= room - 1e-9).all()
    ordered = np.sort(wanted)
    if ordered[0] >= 0 and ordered[-1] <= 1 and (np.diff(ordered) >= gap).all():
        np.testing.assert_allclose(placed, wanted, atol=1e-9)


def test_each_lab_has_one_colour_of_its_own_for_ever():
    """Kills: two labs of one colour; a colour that depends on who else is drawn; a colour changed."""
    colours = [palette.lab_colour(lab) for lab in [*LABS, "community", "other"]]
    assert len(set(colours)) == len(colours)
    assert palette.lab_colour("a_new_lab") == palette.lab_colour("a_new_lab")
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
    fixed = {"openai": "#3f90da", "anthropic": "#e76300", "google": "#bd1f01", "meta": "#832db6", "deepseek": "#1d4f86"}
    assert {lab: palette.LABS[lab] for lab in fixed} == fixed


MOST_DRAWN = [
    *("google", "openai", "anthropic", "meta", "mistral", "ai21", "databricks", "stability", "deepseek", "alibaba"),
    *("xai", "microsoft", "amazon", "cohere"),
]


@pytest.mark.parametrize(("names", "least"), [(MOST_DRAWN, 24), ([*palette.LABS], 13)])
def test_labs_are_told_apart_whoever_their_neighbours_are(names, least):
    """Smallest distance of any two in CIELAB (2.3 can just be seen). Kills: two reds, or two browns, side by side."""
    lab = np.array([cielab(palette.LABS[name]) for name in names])
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    assert distance[~np.eye(len(lab), dtype=bool)].min() > least


def cielab(colour):
    """CIE L*a*b* (1976, D65) of a hex colour."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(
    "colour", sorted({*palette.LABS.values(), *palette.SERIES, *palette.REGION_AND_OPENNESS.values()})
)
def test_label_ink_can_be_read_on_white(colour):
    """Contrast of small text on white at least 4.5 (WCAG 2.1). Kills: pale labels."""
    text = palette.ink(colour)
    rgb = np.array([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    assert 1.05 / (float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05) >= 4.5
    assert to_hex(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(4.2e7, "$42 m"), (2.15e11, "$215 bn"), (9.996e8, "$1 bn"), (3e12, "$3 tn"), (12.0, "$12"), (0.0083, "$0.0083")],
)
def test_dollars_read_well(value, text):
    """Kills: 1,000 m for a billion."""
    assert plots.dollars(value) == text


@pytest.mark.parametrize(
    ("elo", "months", "text"),
    [
        (42, 2.8, "trails by about 3 months (42 Elo points)"),
        (42, 1.2, "trails by about 1 month (42"),
        (42, 0.2, "trails by less than a month (42"),
        (42, np.nan, "trails by about 42 Elo points"),
        (-40, 6.0, "leads by about 40 Elo points"),
        (4, 3, "is level with"),
    ],
)
def test_gap_headline_does_not_contradict_itself(elo, months, text):
    """Kills: "leads by 4 Elo points and 6 months" where months look back."""
    assert text in plots._gap_words(elo, months)
    assert ("month" in plots._gap_words(elo, months)) == (elo >= 10 and np.isfinite(months))
