"""Reading a sweep back: the tables of its runs, measures by name, whatever state it is in, and no byte too many."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from analysis.paired import reader
from sim import run
from sim.records.names import named
from sim.runs.folder import FolderError
from sim.sweep import load_plan, open_sweep, run_sweep, store
from sim.sweep.balance import balanced
from sim.sweep.reading import BINS, _bins
from sim.sweep.status import sweep_status

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
"{SPREAD}" = {{ values = [0.1] }}
[record]
tables = ["market", "shares", "funding", "events"]
"""
POINTS, RUNS, SHARD = 6, 12, 5
MEASURES = (
    *("hhi", "open_share", "share.tokens.open", "share.api_spend.lab.openai", "share.deployments.region.eu"),
    *("events_so_far.release", "so_far.api_spend_usd", "funding.funding_usd"),
)


def make(plan, folder, progress=None):
    """The sweep, made in this process by the market itself, five runs in a shard."""
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as executor:
        patch.setattr(store, "SHARD_RUNS", SHARD)
        run_sweep(plan, folder, executor=executor, progress=progress)


@pytest.fixture(scope="session")
def plan(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    path.write_text(PLAN)
    return load_plan(path)


@pytest.fixture(scope="session")
def made(plan, tmp_path_factory):
    """(folder of the whole sweep, folder of one broken off after 8 runs, what was seen of it meanwhile)."""
    whole, broken = (tmp_path_factory.mktemp("sweeps") / name for name in ("whole", "broken"))
    seen = []

    def stop(at):
        found = open_sweep(broken)
        seen.append((at.done, found.status, found.runs, found.table("market", ["hhi"])))
        if at.done == 8:
            raise KeyboardInterrupt

    make(plan, whole)
    with pytest.raises(KeyboardInterrupt):
        make(plan, broken, stop)
    return whole, broken, seen


@pytest.fixture
def whole(made):
    return open_sweep(made[0])


@pytest.fixture
def broken(made):
    return open_sweep(made[1])


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "copy")


@pytest.fixture(scope="session")
def alone(plan):
    """The run of point 4 with seed 2, made without a sweep."""
    return run(plan.scenario_of(plan.points[4]), seed=2, until=plan.until, enterprises=plan.enterprises)


# ---- tables and measures ----


def test_tables_are_those_of_the_runs(whole, alone):
    """Kills: the rows of one run under the name of another; a lost column."""
    for table in ("market", "funding", "events"):
        found = whole.table(table, filters={"point": 4, "replication": 2}).drop(columns=["point", "replication"])
        expected = alone.table(table).drop(columns="replication", errors="ignore")
        pd.testing.assert_frame_equal(found, expected.reset_index(drop=True)[list(found.columns)], check_dtype=False)


def test_every_run_is_there_once(whole):
    """Kills: rows read twice, from the spool and from a shard."""
    rows = whole.table("market", ["quarter"])
    assert len(rows) == RUNS * len(whole.quarters) == len(rows.drop_duplicates())
    assert whole.quarters == ("2023Q1", "2023Q2", "2023Q3")
    assert (whole.runs["status"] == "ok").all() and whole.status.status == "complete"
    assert whole.points["point"].tolist() == list(range(POINTS)) == whole.complete_points()["point"].tolist()


@pytest.mark.parametrize("name", MEASURES)
def test_measures_are_those_of_comparisons(whole, alone, name):
    """Kills: a sum that runs on into the next run, a lens or key mixed up, quarters out of order."""
    rows = whole.measure(name)
    assert len(rows) == RUNS * len(whole.quarters)
    ours = rows[(rows["point"] == 4) & (rows["replication"] == 2)]
    np.testing.assert_array_equal(ours["value"], reader(named(name))(alone)[0])
    assert ours["quarter"].tolist() == list(whole.quarters)


def test_factors_and_scenario_can_be_joined_and_asked_for(whole):
    """Kills: factors joined by row instead of by point; a filter on a factor that is dropped."""
    rows = whole.table(
        "market", ["quarter", "hhi", COST], {"scenario": "sticky-interface", COST: [1.6, 3.2], "quarter": "2023Q2"}
    )
    assert list(rows.columns) == ["point", "replication", COST, "quarter", "hhi"]
    assert sorted(zip(rows["point"], rows[COST], strict=True)) == [(3, 1.6), (3, 1.6), (5, 3.2), (5, 3.2)]
    every = whole.table("market", ["hhi"], pc.field("point") == 2, factors=True)
    assert list(every.columns) == ["point", "replication", "scenario", *whole.factors, "hhi"]
    assert set(every[COST]) == {3.2} and set(every["scenario"]) == {"baseline"}


def test_bands_are_quantiles_over_the_runs(whole):
    """Kills: quantiles over quarters, one scenario's runs in another's band."""
    bands = whole.bands("hhi", (0.25, 0.5), by=("scenario",))
    rows = whole.table("market", ["hhi", "scenario"], {"quarter": "2023Q3"})
    expected = np.quantile(rows.loc[rows["scenario"] == "sticky-interface", "hhi"], (0.25, 0.5))
    assert bands.index.names == ["scenario", "quarter"]
    np.testing.assert_allclose(bands.loc[("sticky-interface", "2023Q3"), [0.25, 0.5]].to_list(), expected)
    assert bands.loc[("sticky-interface", "2023Q3"), "runs"] == 6
    assert whole.bands("hhi", quarters="2023Q2").index.tolist() == [(point, "2023Q2") for point in range(POINTS)]


def test_response_is_told_by_scenario_and_value(whole):
    """Kills: a value's runs counted at another; scenarios in one heap."""
    found = whole.response(COST, "hhi", "2023Q2", (0.5,))
    assert list(found.columns) == ["scenario", "value", "low", "high", "points", "runs", 0.5]
    assert list(zip(found["scenario"], found["value"], found["points"], found["runs"], strict=True)) == [
        (scenario, value, 1, 2) for scenario in ("baseline", "sticky-interface") for value in (1.6, 2.4, 3.2)
    ]
    rows = whole.table("market", ["hhi"], {"quarter": "2023Q2", "point": 5})
    assert found[0.5].iloc[-1] == pytest.approx(rows["hhi"].median())


def test_many_values_are_sorted_into_equally_full_bins():
    """Kills: bins of equal width; ends that leave values out; a bin for each of many values."""
    values = pd.Series(np.random.default_rng(1).permutation(np.logspace(0, 3, 200)))
    bins = _bins(values)
    assert bins["bin"].value_counts().to_dict() == dict.fromkeys(range(BINS), 20)
    assert ((bins["low"] <= values) & (values <= bins["high"])).all()
    assert bins["high"].max() == values.max() and bins["low"].min() == values.min()
    assert _bins(pd.Series([True, False, True]))["middle"].tolist() == [True, False, True]


def test_one_at_a_time_moves_no_other_factor(whole):
    """Kills: points that move another factor counted at the base value of this one."""
    points = whole.points.assign(**{COST: [2.4, 1.6, 2.4] * 2, SPREAD: [0.1, 0.1, 0.3] * 2})
    manifest = {**whole.manifest, "plan": {**whole.plan, "design": "one-at-a-time"}}
    found = replace(whole, points=points, manifest=manifest).response(COST, "hhi")
    assert found["value"].tolist() == [1.6, 2.4] * 2 and found["points"].tolist() == [1] * 4


# ---- not a byte too many ----


def spoil(path, keep):
    """Overwrite the chunks of a Parquet file for which keep(row group, column) is false."""
    metadata, content = pq.ParquetFile(path).metadata, bytearray(path.read_bytes())
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(number)
            if not keep(group, chunk.path_in_schema):
                start = chunk.data_page_offset
                start = min(start, chunk.dictionary_page_offset) if chunk.has_dictionary_page else start
                content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(bytes(content))


def test_only_the_columns_asked_for_are_read(whole, copy):
    """Other columns are spoilt: whoever reads them finds out. Kills: a table read whole and cut afterwards."""
    for path in (copy / "market").glob("*.parquet"):
        spoil(path, lambda group, column: column in ("point", "replication", "quarter", "hhi"))
    spoilt = open_sweep(copy)
    pd.testing.assert_frame_equal(spoilt.measure("hhi"), whole.measure("hhi"))
    with pytest.raises(OSError, match="."):
        spoilt.measure("open_share")


def test_only_the_runs_asked_for_are_read(whole, copy):
    """Shares of other runs are spoilt. Kills: a filter that is applied after reading."""
    wanted = {"point": 2, "replication": 1}
    for shard, path in enumerate(sorted((copy / "shares").glob("*.parquet"))):
        spoil(path, lambda group, column, shard=shard: (shard, group) == (0, 2))
    found = open_sweep(copy).table("shares", filters={**wanted, "lens": "tokens"})
    pd.testing.assert_frame_equal(found, whole.table("shares", filters={**wanted, "lens": "tokens"}))
    assert set(found["lens"]) == {"tokens"} and not found.empty


def test_opening_reads_no_table(copy):
    """Kills: tables read before anybody asks for them."""
    for path in [*(copy / "market").iterdir(), *(copy / "shares").iterdir()]:
        path.write_bytes(b"x" * path.stat().st_size)
    assert open_sweep(copy).balance.runs == RUNS


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 100)])
def test_a_part_that_is_gone_or_cut_short_is_named(copy, damage):
    """Kills: a sweep opened as if its runs were there; an ArrowInvalid later."""
    damage(copy / "market" / "part-000001.parquet")
    with pytest.raises(FolderError, match=r"market/part-000001\.parquet is damaged or gone; the same moatsim sweep"):
        open_sweep(copy)
    assert sweep_status(copy).done == RUNS - SHARD


def test_a_part_with_other_bytes_is_named_when_it_is_read(copy):
    """Kills: an error of Arrow that names nothing; one that blames a sound part for a wrong question."""
    path = copy / "market" / "part-000001.parquet"
    spoil(path, lambda group, column: False)
    with pytest.raises(FolderError, match=r"market/part-000001\.parquet is damaged"):
        open_sweep(copy).measure("hhi")
    with pytest.raises((pa.ArrowException, TypeError)):
        open_sweep(copy).table("events", filters=pc.field("kind") > 1)


@pytest.mark.parametrize("name", ["points.parquet", "runs.parquet"])
def test_lists_of_another_length_are_refused(copy, name):
    """Kills: an IndexError, or runs without points."""
    pq.write_table(pq.read_table(copy / name).slice(1), copy / name)
    with pytest.raises(FolderError, match=rf"{name} is damaged: it has other rows(.|\n)*same moatsim sweep"):
        open_sweep(copy)


def test_a_file_that_no_row_vouches_for_is_not_read(whole, copy):
    """Kills: reading whatever lies in the folder, such as a shard whose row never came to be."""
    shutil.copy(copy / "market" / "part-000000.parquet", copy / "market" / "part-000009.parquet")
    shutil.copy(copy / "market" / "part-000000.parquet", copy / "market" / "mine.parquet")
    assert len(open_sweep(copy).table("market", [])) == len(whole.table("market", []))


def test_a_run_both_loose_and_in_a_shard_counts_once(made, copy):
    """A writer killed between the row of a shard and the removal of its loose runs. Kills: such runs read twice."""
    loose = list((made[1] / "spool").glob("*.run"))
    assert len(loose) == 3
    (copy / "spool").mkdir()
    for path in loose:
        shutil.copy(path, copy / "spool")
    assert len(open_sweep(copy).table("market", [])) == RUNS * 3


# ---- while it is at work, and after it was broken off ----


def test_a_sweep_at_work_can_be_read(made):
    """Opened after each run: what has ended is there, in shards or not yet. Kills: waiting for the shard to be full."""
    _, _, seen = made
    assert [done for done, *_ in seen] == list(range(1, 9))
    for done, status, runs, market in seen:
        assert status.status == "running"
        assert (runs["status"] == "ok").sum() == done == len(market.drop_duplicates(["point", "replication"]))
        assert len(market) == 3 * done


def test_a_broken_sweep_counts_what_every_point_has(broken, whole):
    """8 of 12 runs: the second replication has reached two points only. Kills: bands over unlike replications."""
    assert broken.status.status == "interrupted"
    assert (broken.runs["status"] == "pending").sum() == 4
    assert broken.balance.replications == (1,) and broken.balance.points == tuple(range(POINTS))
    assert broken.balance.every_point and "the same at every one of the 6 points" in broken.balance.why
    assert broken.complete_points()["point"].tolist() == [0, 1]
    bands = broken.bands("share.tokens.open")
    assert (bands["runs"] == 1).all() and len(bands) == POINTS * 3
    first = whole.measure("share.tokens.open").query("replication == 1")
    np.testing.assert_array_equal(bands[0.5].to_numpy(), first["value"].to_numpy())
    assert (broken.bands("hhi", balanced_only=False).loc[[0, 1], "runs"] == 2).all()


T, F = True, False


@pytest.mark.parametrize(
    ("ended", "good", "points", "replications", "every_point"),
    [
        pytest.param([[T, T], [T, T]], [[T, T], [T, T]], (0, 1), (5, 6), True, id="whole"),
        pytest.param([[T, T], [T, F]], [[T, T], [T, F]], (0, 1), (5,), True, id="second replication under way"),
        pytest.param([[T, T]] * 3, [[F, F], [T, T], [T, T]], (1, 2), (5, 6), True, id="a point that always fails"),
        pytest.param([[T] * 3] * 2, [[T, F, T], [T, T, T]], (0, 1), (5, 7), True, id="one run failed, few points"),
        pytest.param([[T, F], [F, F]], [[T, F], [F, F]], (0,), (5,), False, id="first replication under way"),
        pytest.param([[F, F]] * 2, [[F, F]] * 2, (), (), False, id="nothing yet"),
        pytest.param([[T, T]] * 2, [[F, F]] * 2, (), (), False, id="all failed"),
    ],
)
def test_only_like_runs_are_compared(ended, good, points, replications, every_point):
    """Kills: a failing point that drops every replication, and points not yet reached taken for the whole design."""
    found = balanced(np.array(ended), np.array(good), [5, 6, 7])
    assert (found.points, found.replications, found.every_point) == (points, replications, every_point)
    assert found.runs == len(points) * len(replications)
    assert set(found.left_out) == set(range(len(good))) - set(points)


# ---- what cannot be read ----


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s: s.table("markt"), "no table 'markt'; did you mean 'market'"),
        (lambda s: s.table("labs"), "no table 'labs'"),
        (lambda s: s.table("market", ["hhhi"]), "no column 'hhhi'; did you mean 'hhi'"),
        (lambda s: s.table("market", filters={"technology.costs": 1}), "no column 'technology.costs'"),
        (lambda s: s.measure("hhhi"), "no measure 'hhhi'; did you mean 'hhi'"),
        (lambda s: s.measure("hhi", "2024Q1"), "no quarter '2024Q1'"),
        (lambda s: s.measure("share.tokens.lab.opnai"), "no run has shares of 'opnai' by lab"),
        (lambda s: s.response("technology.costs", "hhi"), "no factor 'technology.costs'"),
        (lambda s: s.bands("hhi", by=("point", "scenrio")), "no column 'scenrio'; did you mean 'scenario'"),
        (lambda s: s.bands("hhi", (10, 50)), "quantiles: give numbers from 0 to 1"),
        (lambda s: s.scenario("basline"), "no scenario 'basline'; did you mean 'baseline'"),
    ],
)
def test_what_is_not_there_is_named(whole, ask, message):
    """Kills: a KeyError, or an empty table for a name that does not exist."""
    with pytest.raises(ValueError, match=message):
        ask(whole)


def test_what_is_no_sweep_is_refused(tmp_path, copy):
    """Kills: a traceback for a wrong folder or a damaged one."""
    with pytest.raises(FolderError, match="is not a sweep folder"):
        open_sweep(tmp_path)
    (copy / "points.parquet").write_bytes(b"PAR1")
    with pytest.raises(FolderError, match="is damaged"):
        open_sweep(copy)
