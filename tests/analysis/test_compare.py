"""Comparisons: the statistics against numbers worked out by hand, the table, the figure, and `moatsim compare`."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import fake_market
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis import compare, paired, plots
from analysis.figures import comparison as compare_figure
from sim import load_scenario, runs
from sim.records import EVENT_COUNTS, LENSES
from sim.runs.folder import FolderError
from sim.runs.results import TABLES, Run, ShareCube

CLI = [sys.executable, "-c", "from analysis.cli import main; main()"]
PLAIN = [sys.executable, "-c", "from analysis import cli, plots; plots.FIGURES = {}; cli.main()"]  # runs undrawn
# 97.5 % quantile of Student's t with two degrees of freedom, (2p - 1) / sqrt(2 p (1 - p)); printed tables: 4.303.
T_975_2 = 0.95 / math.sqrt(2 * 0.975 * 0.025)
NAN = math.nan


# ---- statistics by hand ----


def test_the_interval_of_three_pairs() -> None:
    """Differences 1, 2, 6: mean 3, sd sqrt(7). Kills: normal for t, n for n - 1, unpaired variance, the wrong sign."""
    found = paired.estimate([[11.0], [22.0], [36.0]], [[10.0], [20.0], [30.0]])
    reach = T_975_2 * math.sqrt(7.0) / math.sqrt(3.0)
    assert (found.reference[0], found.scenario[0], found.difference[0], found.n[0]) == (20.0, 23.0, 3.0, 3)
    np.testing.assert_allclose((found.low[0], found.high[0]), (3.0 - reach, 3.0 + reach), rtol=1e-9)


def test_a_pair_with_a_hole_does_not_count() -> None:
    """Kills: NaN that spreads, a level kept whose partner is missing, infinity taken for a number."""
    found = paired.estimate(
        [[1.0, 5.0, NAN], [3.0, NAN, NAN], [9.0, 7.0, 1.0]], [[0.0, 2.0, 1.0], [1.0, 3.0, 1.0], [math.inf, 4.0, NAN]]
    )
    assert found.n.tolist() == [2, 2, 0]
    assert found.reference[:2].tolist() == [0.5, 3.0] and found.scenario[:2].tolist() == [2.0, 6.0]
    assert found.difference[:2].tolist() == [1.5, 3.0]
    assert np.isnan([found.reference[2], found.scenario[2], found.difference[2], found.low[2]]).all()
    assert found.low[1] == found.high[1] == 3.0  # both pairs differ by 3: no spread


def test_one_pair_has_no_interval() -> None:
    """Kills: an interval of width zero, which would call any difference certain."""
    found = paired.estimate([[2.0]], [[1.0]])
    assert found.difference[0] == 1.0 and np.isnan(found.low[0]) and np.isnan(found.high[0])


def test_levels_must_fit() -> None:
    """Kills: broadcasting one seed over all."""
    with pytest.raises(ValueError, match="one shape"):
        paired.estimate(np.ones((3, 2)), np.ones((1, 2)))


def test_standard_error_by_hand() -> None:
    """sd of 1, 2, 6 is sqrt(7). Kills: population variance, a hole counted."""
    np.testing.assert_allclose(paired.standard_error([1.0, 2.0, 6.0]), math.sqrt(7 / 3), rtol=1e-12)
    np.testing.assert_allclose(paired.standard_error([1.0, NAN, 2.0, 6.0]), math.sqrt(7 / 3), rtol=1e-12)
    assert np.isnan(paired.standard_error([1.0]))


@pytest.mark.parametrize(
    ("low", "high", "at"),
    [
        ([-1, 1, 1, 1, 1], [9] * 5, 1),
        ([-9] * 5, [1, -1, -1, -1, -1], 1),  # below zero counts as well
        ([1, 1, 1, -1, 1, 1, 1, 1], [9] * 8, 4),  # three are too few, the row begins anew
        ([1, 1, 1, NAN, 1, 1, 1, 1], [9, 9, 9, NAN, 9, 9, 9, 9], 4),  # a missing interval ends a row
        ([1, 1, 1, -1], [9] * 4, None),
        ([-1, -1, 1, 1, 1], [9] * 5, None),  # cut short by the end
        ([0, 0, 0, 0], [9] * 4, None),  # touching zero excludes nothing
        ([0, 0, 0, 0], [0] * 4, None),  # identical paths
        ([NAN] * 4, [NAN] * 4, None),
        ([], [], None),
    ],
)
def test_where_paths_part(low: list[float], high: list[float], at: int | None) -> None:
    """Kills: >= for >, one side only, a row that skips holes, the last quarter of the row for the first."""
    assert paired.parting(low, high) == at


def test_never_and_unknown_are_told_apart() -> None:
    """Kills: `never` said of one replication, which cannot know."""
    quarters = ["2023Q1", "2023Q2", "2023Q3", "2023Q4"]
    same = paired.estimate(np.ones((2, 4)), np.ones((2, 4)))
    apart = paired.estimate(np.ones((2, 4)), np.zeros((2, 4)))
    alone = paired.estimate(np.ones((1, 4)), np.zeros((1, 4)))
    assert compare.parting_of(same, quarters) == compare.Parting("never")
    assert compare.parting_of(apart, quarters) == compare.Parting("parts", "2023Q1")
    assert compare.parting_of(alone, quarters) == compare.Parting("unknown")
    assert compare.parting_of(paired.estimate(np.ones((2, 3)), np.zeros((2, 3))), quarters[:3]).state == "unknown"


# ---- the comparison of runs ----


def changed(result: Run, quarter: str, table: str = "market", **steps: float) -> Run:
    """The run with numbers of a table raised from a quarter on."""
    tables = {name: result.table(name).copy() for name in TABLES}
    late = tables[table]["quarter"] >= quarter
    for name, step in steps.items():
        tables[table][name] = tables[table][name].astype(float).where(~late, tables[table][name] + step)
    return Run(result.scenario, result.seeds, tables, result.cube, result.info)


def some(result: Run, seeds: tuple[int, ...], until: str) -> Run:
    """Some seeds and the first quarters of a run."""
    tables = {name: result.table(name) for name in TABLES}
    kept = {name: t[t["replication"].isin(seeds) & (t["quarter"] <= until)] for name, t in tables.items()}
    rows, cube = [result.seeds.index(seed) for seed in seeds], result.cube
    quarters = tuple(quarter for quarter in cube.quarters if quarter <= until)
    return Run(
        result.scenario, seeds, kept, replace(cube, values=cube.values[rows][:, : len(quarters)], quarters=quarters),
        result.info,
    )  # fmt: skip


def test_a_run_against_itself_never_parts(several) -> None:
    """Kills: noise made of pairing the wrong rows, `identical` said to part."""
    found = compare.compare({"a": several, "b": several})
    numbers = found.table[found.table["n"] > 0]
    assert (numbers[["difference", "low", "high"]] == 0.0).all(axis=None) and (numbers["n"] <= 4).all()
    assert {parting.state for parting in found.partings["b"].values()} == {"never"}
    assert found.first == {"b": None} and found.notes == (compare.few_seeds(several.seeds),)
    assert compare.first_words(None).endswith("the runs are identical")


def test_the_table_holds_every_measure_of_the_brief(several) -> None:
    """Kills: a lens or a kind of event left out, the checks of the accounts kept, text taken for a measure."""
    found = compare.compare({"a": several, "b": several})
    assert list(found.table.columns) == [column.name for column in compare.TABLE]
    share = found.table[found.table["measure"] == "share"]
    assert set(share["lens"]) == set(LENSES) and set(share["key"]) == {"open"}
    assert set(found.table.loc[found.table["measure"] == "events_so_far", "key"]) == set(EVENT_COUNTS)
    market = set(found.table["measure"]) - {"share", "events_so_far"}
    assert {"hhi", "gap_oom", "adoption", "going_price_customer_facing", "products"} <= market
    assert not {"leader", "quarter", "identity_residual_usd", "identity_gate_usd"} & market
    assert not found.table.duplicated(["scenario", "measure", "lens", "key", "quarter"]).any()
    assert {measure.unit for measure in found.measures} >= {"0-1", "count", "USD"}


def test_shares_and_events_are_those_of_the_tables(several) -> None:
    """Kills: another population or key of the shares, a quarter's events instead of those so far."""
    found = compare.compare({"a": several, "b": several})
    tokens = found.rows("b", found.measure("share.tokens.open"))["mean_reference"]
    wide = several.shares("tokens", "openness", "all")["open"].groupby("quarter").mean()
    np.testing.assert_allclose(tokens.to_numpy(), wide.to_numpy(), rtol=1e-12)
    events = several.table("events")
    total = (events["kind"] == "release").sum() / len(several.seeds)
    assert found.rows("b", found.measure("events_so_far.release"))["mean"].iloc[-1] == total


def test_a_lasting_step_parts_where_it_begins(several) -> None:
    """Every seed moves by 10 from 2024Q2. Kills: partings of another measure, the sign of the difference turned."""
    found = compare.compare({"a": several, "b": changed(several, "2024Q2", hhi=10.0)})
    rows = found.rows("b", found.measure("hhi"))
    assert rows.loc[:"2024Q1", "difference"].eq(0.0).all()
    np.testing.assert_allclose(rows.loc["2024Q2":, "difference"], 10.0, rtol=1e-9)
    assert found.partings["b"]["hhi"] == compare.Parting("parts", "2024Q2")
    assert found.partings["b"]["cr3"] == compare.Parting("never")
    assert found.first["b"] == compare.FirstDifference("2024Q2", ("market.hhi",))


def test_the_first_number_that_differs_is_exact_and_may_be_anywhere(several) -> None:
    """Kills: a tolerance, tables or lenses left out, a later quarter, the residuals of the accounts counted."""
    nudged = changed(several, "2024Q3", "labs", cash_usd=1e-9)
    cube = several.cube
    values = cube.values.copy()
    values[1, 5, 0, LENSES.index("tokens"), 0] += 1e-15
    shares = Run(several.scenario, several.seeds, {n: several.table(n) for n in TABLES},
                 replace(cube, values=values), several.info)  # fmt: skip
    checks = changed(several, "2023Q1", identity_residual_usd=1.0)
    late = changed(changed(several, "2024Q3", "labs", cash_usd=1.0, debt_usd=1.0), "2025Q1", hhi=1.0)
    given = {"nudged": nudged, "shares": shares, "checks": checks, "late": late}
    found = compare.compare({"a": several, **given}).first
    assert found["nudged"] == compare.FirstDifference("2024Q3", ("labs.cash_usd",))
    assert found["shares"] == compare.FirstDifference("2024Q2", ("shares.tokens",))
    assert found["checks"] is None
    assert found["late"] == compare.FirstDifference("2024Q3", ("labs.cash_usd", "labs.debt_usd"))


def test_an_event_that_only_one_has_differs(several) -> None:
    """Kills: rows that only one side has dropped by the join, missing text that never matches."""
    tables = {name: several.table(name) for name in TABLES}
    extra = pd.DataFrame([{"replication": 5, "quarter": "2025Q2", "kind": "merger", "lab": "adept", "amount_usd": 0.0}])
    more = Run(several.scenario, several.seeds, {**tables, "events": pd.concat([tables["events"], extra])},
               several.cube, several.info)  # fmt: skip
    found = compare.compare({"a": several, "b": more})
    assert found.first["b"] == compare.FirstDifference("2025Q2", ("events.amount_usd",))
    assert found.rows("b", found.measure("events_so_far.merger")).loc["2025Q2", "difference"] == 0.25


def with_events(result, events):
    """The run with another table of events."""
    tables = {name: result.table(name) for name in TABLES} | {"events": events}
    return Run(result.scenario, result.seeds, tables, result.cube, result.info)


def test_shocks_that_begin_or_end_and_incidents_are_counted_apart(several):
    """Three begin, two end, one incident in one of four seeds. Kills: one count of all, ends counted as beginnings.

    A run that does not say which they are is not compared in any of the three.
    """
    events = several.table("events").query("kind != 'shock'")
    extra = pd.DataFrame({"replication": 5, "quarter": "2024Q2", "kind": "shock", "lab": [""] * 5 + ["openai"],
                          "what": ["begins"] * 3 + ["ends"] * 2 + ["incident"]})  # fmt: skip
    found = compare.compare({"a": with_events(several, events), "b": with_events(several, pd.concat([events, extra]))})
    counts = {"shock": 0.75, "shock_end": 0.5, "incident": 0.25}
    for name, mean in counts.items():
        rows = found.rows("b", found.measure(f"events_so_far.{name}"))
        assert rows.loc["2024Q1", "difference"] == 0.0 and rows["difference"].iloc[-1] == mean, name
    kinds = {row[0] for row in compare.event_rows(found, "b")}
    assert kinds >= {*counts, "release"}
    older = with_events(several, pd.concat([events, extra]).drop(columns="what"))
    held = {measure.name for measure in compare.compare({"a": several, "b": older}).measures}
    assert "events_so_far.release" in held and not held & {f"events_so_far.{name}" for name in counts}


def test_a_lab_that_one_side_does_not_know_counts_from_its_entry(several) -> None:
    """Kills: rows of zeros before entry taken for the difference, a key of the shares without partner left out."""
    labs = several.table("labs")
    known = labs[labs["lab"] != "stability"]
    silent = labs["lab"] == "stability"
    waiting = labs.assign(status=labs["status"].mask(silent & (labs["quarter"] < "2024Q1"), "not_entered"))
    tables = {name: several.table(name) for name in TABLES}
    cube = several.cube
    pairs = [i for i, pair in enumerate(cube.keys.pairs) if pair != ("lab", "stability")]
    keys = type(cube.keys)(tuple(cube.keys.pairs[i] for i in pairs))
    values = cube.values.copy()
    values[:, :4, :, :, cube.keys.position("lab", "stability")] = 0.0
    full = ShareCube(values, cube.quarters, cube.populations, cube.lenses, cube.keys)
    small = ShareCube(values[..., pairs], cube.quarters, cube.populations, cube.lenses, keys)
    with_it = Run(several.scenario, several.seeds, {**tables, "labs": waiting}, full, several.info)
    without = Run(several.scenario, several.seeds, {**tables, "labs": known}, small, several.info)
    found = compare.first_difference(with_it, without, several.seeds, several.quarters)
    assert found is not None and found.quarter == "2024Q1"
    assert "labs.revenue_usd" in found.numbers and "shares.tokens" in found.numbers
    assert compare.first_difference(without, with_it, several.seeds, several.quarters) == found


def test_only_common_seeds_and_quarters_are_compared(several) -> None:
    """Kills: rows matched by position instead of seed, a shorter run padded, silence about either."""
    found = compare.compare({"a": several, "b": some(several, (6, 5), "2024Q4")})
    assert found.seeds == (5, 6) and found.quarters[-1] == "2024Q4"
    assert (found.table.loc[found.table["n"] > 0, "difference"] == 0.0).all()
    assert any("2 common replications" in note for note in found.notes)
    assert any("horizons differ, 2023Q1 to 2024Q4 are compared" in note for note in found.notes)


def test_what_cannot_be_compared_is_refused(several, single) -> None:
    """Kills: an empty table instead of a reason."""
    with pytest.raises(compare.CompareError, match="no common replications.*a has seeds 5-7; b has seed 4"):
        compare.compare({"a": some(several, (5, 6, 7), "2024Q4"), "b": single})
    with pytest.raises(compare.CompareError, match="at least one other"):
        compare.compare({"a": several})
    with pytest.raises(compare.CompareError, match="did you mean 'gap_months'"):
        compare.known_measures(["gap_month"])


def test_one_replication_says_so(single) -> None:
    """Kills: an interval from one seed, silence about it."""
    found = compare.compare({"a": single, "b": changed(single, "2023Q1", hhi=5.0)})
    assert found.table["low"].isna().all() and any("one replication" in note for note in found.notes)
    assert {parting.state for parting in found.partings["b"].values()} == {"unknown"}
    row = compare.summary_rows(found, "b", ["hhi"])[-1]
    assert row[4:] == ("+5.00", "-", "-")


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [(1234.5, 0, False, "1,234"), (0.5, 2, True, "+0.50"), (-0.001, 2, True, "0"), (NAN, 1, True, "-")],
)
def test_numbers_in_words(value: float, digits: int, signed: bool, text: str) -> None:
    """Kills: a signed zero, `nan` printed, no separator of thousands."""
    assert compare.figures(value, digits, signed) == text


def test_units_in_words() -> None:
    """Kills: shares printed as 0-1, dollars in full, prices in billions."""
    assert compare.in_unit(0.5, "0-1") == 50.0
    assert compare.in_unit(2.5e9, "USD per quarter") == pytest.approx(2.5)
    assert compare.in_unit(2.5, "USD per Mtok") == 2.5
    assert compare.measure_words(compare.all_measures()["api_spend_usd"]) == "api_spend_usd, USD bn"


# ---- the figure ----


def test_the_figure_shows_levels_and_differences(several) -> None:
    """Kills: a measure or scenario left out, the difference drawn as level, a shared shock marked."""
    found = compare.compare({"a": several, "b": changed(several, "2024Q2", hhi=10.0)})
    shock = load_scenario("talent-war").parameters.shocks[-1].model_copy(update={"quarter": "2024Q2"})
    figure = compare_figure.draw(found, ["hhi", "api_spend_usd"], [("b", shock)])
    left, right = figure.axes[:2]
    np.testing.assert_allclose(right.lines[1].get_ydata()[-1], 10.0, rtol=1e-9)
    assert left.lines[0].get_ydata()[-1] == found.rows("b", found.measure("hhi"))["mean_reference"].iloc[-1]
    assert len(figure.axes) == 4 and " +10 " in {text.get_text() for text in right.texts}
    assert "2024Q2" in figure.texts[-1].get_text() and shock.title[:20] in figure.texts[-1].get_text().replace(
        "\n", " "
    )
    assert any(line.get_xdata()[0] == 2024.25 for line in left.lines)


def test_only_dated_changes_that_differ_are_marked() -> None:
    """Kills: every shock of the baseline marked, one that a scenario drops forgotten."""
    base, war = load_scenario("baseline"), load_scenario("talent-war")
    found = compare_figure.dated_changes({"baseline": base, "talent-war": war}, "baseline")
    assert [(name, shock.quarter) for name, shock in found] == [
        ("talent-war", shock.quarter) for shock in war.parameters.shocks[len(base.parameters.shocks) :]
    ]
    common = war.parameters.shocks[-1]
    assert not compare_figure.dated_changes({"a": war, "b": war}, "a") and common in war.parameters.shocks
    turned = compare_figure.dated_changes({"baseline": base, "talent-war": war}, "talent-war")
    assert {name for name, _ in turned} == {"talent-war"} and len(turned) == len(found)


def test_the_caption_names_a_change_of_every_scenario() -> None:
    """Kills: a scenario of many dated changes that crowds out the others."""
    shock = load_scenario("talent-war").parameters.shocks[-1]
    text = compare_figure._shock_words([*[("many", shock)] * 9, ("few", shock)])
    assert f"many: {shock.quarter}" in text and "and 6 more" in text and f"few: {shock.quarter}" in text
    assert compare_figure._shock_words([]) == ""


# ---- the command ----


@pytest.fixture
def shell(monkeypatch, program):
    monkeypatch.setattr(plots, "FIGURES", {})  # those of the runs are drawn in test_plots.py
    monkeypatch.setattr(compare_figure, "DRAWN", ("hhi",))
    return program


SHORT = ("--until", "2023Q4", "--workers", 1, "--replications", 2)
FAST = "cost-growth-3.1x"


def test_compare_writes_tables_a_figure_and_the_runs(shell) -> None:
    """Kills: a file not named or not written, another default folder, seeds not common, units lost on disk."""
    assert shell("compare", "baseline", "talent-war", *SHORT, "--seed", 7) == 0
    place = Path("runs/compare-baseline-talent-war")
    assert {"baseline", "talent-war", *(f"compare{s}" for s in compare.SUFFIXES)} == set(os.listdir(place))
    assert json.loads((place / "talent-war/manifest.json").read_text())["seeds"] == [7, 8]
    table = pd.read_parquet(place / "compare.parquet")
    assert list(table.columns) == [column.name for column in compare.TABLE] and set(table["n"]) == {0, 2}
    assert pq.read_schema(place / "compare.parquet").field("low").metadata[b"meaning"].startswith(b"lower end")
    pd.testing.assert_frame_equal(pd.read_csv(place / "compare.csv", keep_default_na=False, na_values={
        name: [""] for name in compare._NUMBERS}), table, check_exact=True)  # fmt: skip
    for words in ("talent-war less baseline", "seeds 7-8", "2023Q4", "hhi", "release", "parts from", str(place)):
        assert words in shell.out
    assert shell.err.splitlines() == [f"moatsim: {compare.few_seeds((7, 8))}"]


@pytest.mark.parametrize(
    ("count", "words"), [(1, "one replication"), (2, "only 2 replications"), (4, "only 4"), (5, "")]
)
def test_few_seeds_are_said_once(count: int, words: str, shell) -> None:
    """On standard error and in the document; five say nothing. Kills: a rule off by one, once a pair, silence."""
    short = ("--until", "2023Q2", "--workers", 1, "--replications", count, "--json")
    assert shell("compare", "baseline", "talent-war", "cost-growth-3.1x", *short) == 0
    said = [note for note in json.loads(shell.out)["notes"] if "replication" in note]
    assert shell.err.splitlines() == [f"moatsim: {note}" for note in said]
    assert len(said) == (words != "") and words in "".join(said)


def test_json_is_one_document(shell) -> None:
    """Kills: text beside the JSON, --measure ignored, NaN, a file that is not the printed document."""
    assert shell("compare", "baseline", "talent-war", *SHORT, "--out", "x", "--json", "--measure", "gap_months") == 0
    document = json.loads(shell.out, parse_constant=lambda name: pytest.fail(name))
    (pair,) = document["pairs"]
    assert [measure["name"] for measure in pair["measures"]] == ["gap_months"]
    assert pair["partings"]["hhi"] == {"state": "never", "quarter": None}
    assert document["seeds"] == [1, 2] and all(Path(p).exists() for p in document["files"] + document["figures"])
    stored = json.loads(Path("x/compare.json").read_text())
    assert stored == {key: value for key, value in document.items() if key not in ("files", "figures", "runs")}


def test_folders_give_what_scenarios_give(shell) -> None:
    """Kills: folders read in another order, a mixed comparison with other seeds, quarters or size than its folder."""
    assert shell("compare", "baseline", "talent-war", *SHORT, "--seed", 7, "--out", "x", "--enterprises", 700) == 0
    assert shell("compare", "x/baseline", "x/talent-war", "--out", "y") == 0
    assert shell("compare", "x/baseline", "talent-war", "--out", "z", "--workers", 1) == 0
    assert (Path("x/compare.csv").read_bytes() == Path("y/compare.csv").read_bytes()
            == Path("z/compare.csv").read_bytes())  # fmt: skip
    assert json.loads(Path("z/talent-war/manifest.json").read_text())["enterprises"] == 700
    assert sorted(os.listdir("z")) == sorted([*(f"compare{s}" for s in compare.SUFFIXES), "talent-war"])
    assert Path("x/compare.svg").read_bytes() == Path("y/compare.svg").read_bytes()


def test_runs_of_one_name_are_told_apart(shell) -> None:
    """Kills: one label for two folders of the same scenario, of which one would be lost."""
    for name in ("a", "b"):
        assert shell("run", "baseline", *SHORT, "--out", name) == 0
    assert shell("compare", "a", "b", "--json") == 0
    document = json.loads(shell.out)
    assert (document["reference"], document["scenarios"]) == ("a", ["b"])
    assert document["pairs"][0]["first_difference"] is None


def test_different_horizons_and_seeds_are_said(shell) -> None:
    """Kills: a silent cut."""
    assert shell("run", "baseline", *SHORT, "--out", "a") == 0
    words = ["--until", "2024Q2", "--replications", 3, "--workers", 1]
    assert shell("run", "talent-war", *words, "--out", "b") == 0
    assert shell("compare", "a", "b") == 0
    assert "note: horizons differ, 2023Q1 to 2023Q4 are compared" in shell.out
    assert "note: only the 2 common replications are compared" in shell.out


def damaged_folders(shell) -> None:
    """Two finished runs without a common seed, and copies of one with a torn, a short and an incomplete file."""
    assert shell("run", "baseline", *SHORT, "--out", "folder") == 0
    assert shell("run", "talent-war", *SHORT, "--seed", 5, "--out", "other") == 0
    for name in ("torn", "short", "bare"):
        shutil.copytree("folder", name)
    Path("torn/labs.parquet").write_bytes(b"PAR1")
    pd.read_parquet("short/market.parquet").iloc[:-1].to_parquet("short/market.parquet")
    manifest = json.loads(Path("bare/manifest.json").read_text())
    Path("bare/manifest.json").write_text(json.dumps({k: v for k, v in manifest.items() if k != "scenario"}))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "A B"),
        (["baseline"], "name two or more"),
        (["baseline", "talentwar"], "did you mean 'talent-war'"),
        (["baseline", "baseline"], "named twice"),
        (["baseline", "talent-war", "--measure", "hi"], "did you mean 'hhi'"),
        (["baseline", "talent-war", "--until", "2032"], "--until"),
        (["baseline", "talent-war", "--until", "2022Q4"], "2022Q4 is before"),
        (["baseline", "talent-war", "--set", "technology.training_cost_grwth=3"], "training_cost_growth"),
        (["baseline", "talent-war", "--replications", "0"], "--replications"),
        (["baseline", "talent-war", "--out", "taken"], "left alone"),
        (["baseline", "talent-war", "--out", "folder"], "holds a run"),
        (["baseline", "talent-war", "--out", "taken/compare.csv"], "not a folder"),
        (["folder", "taken"], "not a run folder"),
        (["folder", "nowhere"], "no such scenario or file"),
        (["folder", "talent-war", "--seed", "9"], "no common replications"),
        (["folder", "other"], "no common replications, and only the same seeds can be compared"),
        (["folder", "other", "--until", "2023Q2"], "--until is for scenarios"),
        (["folder", "torn"], "torn is damaged"),
        (["folder", "short"], "short is damaged"),
        (["folder", "bare"], "bare is damaged"),
    ],
)
def test_bad_input_is_refused_in_few_words_before_anything_runs(shell, words, message) -> None:
    """Exit 2, one to three lines on standard error. Kills: each check left out or made after an hour of running."""
    if "folder" in words:
        damaged_folders(shell)
    Path("taken").mkdir()
    Path("taken/compare.csv").write_text("mine")
    before = sorted(Path().rglob("*"))
    assert shell("compare", *words) == 2
    assert message in shell.err and 1 <= len(shell.err.splitlines()) <= 3 and shell.out == ""
    assert sorted(Path().rglob("*")) == before and Path("taken/compare.csv").read_text() == "mine"


def test_a_folder_that_is_compared_is_not_written_over(shell) -> None:
    """Kills: the reference replaced by the run it should be compared with."""
    assert shell("run", "talent-war", *SHORT, "--out", "talent-war") == 0
    before = Path("talent-war/manifest.json").read_bytes()
    assert shell("compare", "./talent-war", "talent-war", "--out", ".") == 2
    assert "is compared and would be written over" in shell.err
    assert Path("talent-war/manifest.json").read_bytes() == before


def test_failed_seeds_give_exit_3_and_the_others_are_compared(shell, market) -> None:
    """Kills: exit 0 after a failed seed; a comparison of nothing called a success."""
    market(fake_market.FailingMarket)
    words = ["--until", "2023Q4", "--workers", 1]
    assert shell("compare", "baseline", "talent-war", *words, "--replications", 3, "--json") == 3
    assert "seed 2 failed" in shell.err and json.loads(shell.out)["seeds"] == [1, 3]
    assert shell("compare", "baseline", "talent-war", *words, "--seed", 2, "--replications", 1, "--out", "n") == 1
    assert "nothing is left to compare" in shell.err and not Path("n").exists()


def test_a_folder_of_another_version_is_said(shell) -> None:
    """Kills: versions that differ passed over."""
    assert shell("run", "baseline", *SHORT, "--out", "a") == 0
    shutil.copytree("a", "b")
    manifest = Path("b/manifest.json")
    manifest.write_text(manifest.read_text().replace('"moatsim": "', '"moatsim": "9'))
    assert shell("compare", "a", "b") == 0
    assert "note: the runs are of different versions of moatsim" in shell.out


def test_help_names_every_option(shell) -> None:
    """Kills: an option left out of the command."""
    assert shell("compare", "-h") == 0
    for option in ("--set", "--seed", "--replications", "--until", "--enterprises", "--workers", "--measure", "--json"):
        assert option in shell.out
    assert shell("--help") == 0 and "compare" in shell.out


def test_help_answers_at_once() -> None:
    """What takes time is not loaded. Kills: numpy, pandas or matplotlib imported for help."""
    program = "import sys; sys.argv = ['moatsim', 'compare', '-h']\nfrom analysis.cli import main\ntry: main()\n"
    program += "except SystemExit: print('loaded:', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    shown, loaded = done.stdout.split("loaded:")
    assert not {"numpy", "pandas", "mesa", "matplotlib", "pyarrow", "scipy"} & set(loaded.split())
    assert "--measure" in shown


def test_real_markets_do_not_depend_on_workers(tmp_path) -> None:
    """The real market, 300 enterprises, a year. Kills: results that depend on workers or on being read from disk."""
    common = ["--until", "2023Q4", "--enterprises", "300", "--replications", "2", "--measure", "hhi"]
    for workers in ("1", "2"):
        done = subprocess.run(
            [*PLAIN, "compare", "baseline", FAST, *common, "--workers", workers, "--out", tmp_path / workers],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, f"moatsim: {compare.few_seeds(range(2))}\n")
    for name in ("compare.parquet", "compare.csv", "compare.json", "compare.svg"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    pair = json.loads((tmp_path / "1/compare.json").read_text())["pairs"][0]
    assert pair["first_difference"]["quarter"] <= "2023Q4"
    opened = {name: compare.open_checked(tmp_path / "1" / name) for name in ("baseline", FAST)}
    table = compare.compare(opened).table
    pd.testing.assert_frame_equal(table, pd.read_parquet(tmp_path / "1/compare.parquet"), check_exact=True)
    fresh = {
        name: runs.run(load_scenario(name), seeds=(1, 2), until="2023Q4", enterprises=300) for name in opened
    }  # fmt: skip
    pd.testing.assert_frame_equal(compare.compare(fresh).table, table, check_exact=True)


def test_an_interrupt_ends_cleanly(tmp_path) -> None:
    """Ctrl-C: exit 130, one line, no folder. Kills: a traceback, half a folder."""
    process = subprocess.Popen(
        [*CLI, "compare", "baseline", "talent-war", "--workers", "1", "--out", tmp_path / "a"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (tmp_path / "a/baseline/manifest.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "moatsim: interrupted\n")
    assert os.listdir(tmp_path) == []


def test_open_checked_names_the_folder(tmp_path) -> None:
    """Kills: a damaged folder reported without its name."""
    with pytest.raises(FolderError, match="not a run folder"):
        compare.open_checked(tmp_path)
