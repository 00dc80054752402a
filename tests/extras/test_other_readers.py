"""A sweep folder is read as it stands by pandas, polars and DuckDB, and all find the same in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import duckdb
import pandas as pd
import polars as pl
import pytest

from sim.sweep import open_sweep, run_sweep, store

COST = "technology.training_cost_growth"
PLAN = f"""
title = "read by others"
scenarios = ["baseline", "sticky-interface"]
replications = 2
until = "2023Q2"
enterprises = 200
design = "list"
[[points]]
"{COST}" = 1.8
[[points]]
"{COST}" = 3.0
[record]
tables = ["market", "shares", "events"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sweep of eight runs in shards of three."""
    place = tmp_path_factory.mktemp("sweep")
    (place / "plan.toml").write_text(PLAN)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as executor:
        patch.setattr(store, "SHARD_RUNS", 3)
        run_sweep(place / "plan.toml", place / "made", executor=executor)
    assert len(list((place / "made" / "market").iterdir())) == 3
    return place / "made"


def ours(folder, table):
    """The whole table as moatsim reads it."""
    return open_sweep(folder).table(table)


def in_order(frame):
    """Rows by everything they are called by."""
    keys = [name for name in frame.columns if frame[name].dtype.kind != "f"]
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def same(found, expected):
    """Assert that two frames hold the same rows, whatever a library calls its types."""
    assert list(found.columns) == list(expected.columns) and len(found) == len(expected) > 0
    labels = [name for name in expected.columns if expected[name].dtype.kind not in "fi"]
    frames = [in_order(frame.astype(dict.fromkeys(labels, "str"))) for frame in (found, expected)]
    pd.testing.assert_frame_equal(*frames, check_dtype=False, check_exact=True)


TABLES = pytest.mark.parametrize("table", ["market", "shares", "events"])


@TABLES
def test_pandas_reads_it(folder, table):
    """Kills: shards whose columns differ, files in a table's folder that are no Parquet."""
    same(pd.read_parquet(folder / table), ours(folder, table))


@TABLES
def test_polars_reads_it(folder, table):
    """Kills: a type that polars does not know, labels that do not fit together across shards."""
    same(pl.scan_parquet(folder / table / "*.parquet").collect().to_arrow().to_pandas(), ours(folder, table))


@TABLES
def test_duckdb_reads_it(folder, table):
    """Kills: a type that DuckDB does not know, shards whose columns differ."""
    rows = duckdb.sql(f"select * from '{folder}/{table}/*.parquet'")
    same(rows.to_arrow_table().to_pandas(), ours(folder, table))


def test_all_join_points_and_find_the_same_medians(folder):
    """Kills: a point's number that is not its row in points.parquet; runs that are in no table of runs."""
    bands = open_sweep(folder).bands("hhi", (0.5,), ("scenario", COST), "2023Q2")[0.5].to_dict()
    expected = {(scenario, cost): value for (scenario, cost, _), value in bands.items()}
    by_duckdb = duckdb.sql(f"""
        select scenario, p."{COST}", median(hhi) from '{folder}/market/*.parquet' m join '{folder}/points.parquet' p
        using (point) join '{folder}/runs.parquet' r using (point, replication)
        where quarter = '2023Q2' and status = 'ok' group by all
    """).fetchall()
    assert {(scenario, cost): value for scenario, cost, value in by_duckdb} == pytest.approx(expected)
    by_polars = (
        pl.scan_parquet(folder / "market" / "*.parquet")
        .filter(pl.col("quarter") == "2023Q2")
        .join(pl.scan_parquet(folder / "points.parquet"), on="point")
        .group_by("scenario", COST)
        .agg(pl.col("hhi").median())
        .collect()
    )
    assert {(scenario, cost): value for scenario, cost, value in by_polars.rows()} == pytest.approx(expected)


def test_they_read_the_dataset_lazily(folder):
    """Kills: a dataset that others cannot scan, or without the runs that are in no shard yet."""
    market = open_sweep(folder).dataset("market")
    assert duckdb.sql("select count(distinct (point, replication)) from market").fetchall() == [(8,)]
    found = pl.scan_pyarrow_dataset(market).filter(pl.col("point") == 3).select("point", "hhi").collect()
    assert found.shape == (4, 2)
