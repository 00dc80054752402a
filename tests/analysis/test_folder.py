"""The run folder: complete, labelled, crash-safe, and careful with what is not ours."""

from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from sim import load_scenario, open_run
from sim.records import COLUMNS
from sim.runs import folder as folder_module
from sim.runs.folder import FolderBusyError, FolderError, RunFolder
from sim.runs.results import TABLES

FILES = {"manifest.json", "scenario.resolved.toml", "summary.json", *(f"{name}.parquet" for name in COLUMNS)}


def test_a_folder_read_back_is_the_same_run(several, tmp_path):
    """Kills: a table, a seed or the order of the shares lost on the way; null and inf changed."""
    back = open_run(several.save(tmp_path / "a"))
    assert {path.name for path in (tmp_path / "a").iterdir()} == FILES
    assert back.seeds == several.seeds and back.quarters == several.quarters
    assert back.scenario.name == several.scenario.name and back.scenario.hash == several.scenario.hash
    for name in TABLES:
        pd.testing.assert_frame_equal(back.table(name), several.table(name), check_exact=True)
    np.testing.assert_array_equal(back.cube.values, several.cube.values)
    pd.testing.assert_frame_equal(
        back.shares("tokens", "region_and_openness", "large"), several.shares("tokens", "region_and_openness", "large")
    )


def test_shares_on_disk_are_tidy(several, tmp_path):
    """Kills: key columns that do not belong to their share."""
    several.save(tmp_path / "a")
    tidy = pd.read_parquet(tmp_path / "a" / "shares.parquet")
    assert list(tidy.columns) == ["replication", "quarter", "population", "lens", "by", "key", "share"]
    one = tidy.query(
        "replication == 6 and quarter == '2024Q3' and population == 'all' and lens == 'tokens' and by == 'lab'"
    )
    expected = several.shares("tokens", "lab").loc[(6, "2024Q3")]
    assert dict(zip(one["key"], one["share"], strict=True)) == expected.to_dict()
    assert tidy["quarter"].dtype == tidy["lens"].dtype != "category"


def test_every_column_carries_unit_and_meaning(single, tmp_path):
    """Kills: metadata lost between the schema and the file."""
    single.save(tmp_path / "a")
    for name, columns in COLUMNS.items():
        schema = pq.read_schema(tmp_path / "a" / f"{name}.parquet")
        assert schema.names == ["replication", *(column.name for column in columns)]
        for column in columns:
            metadata = schema.field(column.name).metadata
            assert metadata == {b"unit": column.unit.encode(), b"meaning": column.meaning.encode()}


def test_manifest_summary_and_scenario_say_what_was_run(several, tmp_path):
    """Kills: a manifest without seeds, hash or versions; a resolved scenario of another hash."""
    several.save(tmp_path / "a", command=["moatsim", "run"])
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["status"] == "complete" and manifest["seeds"] == [4, 5, 6, 7]
    assert (
        manifest["scenario_hash"] == several.scenario.hash == load_scenario(tmp_path / "a/scenario.resolved.toml").hash
    )
    assert {"moatsim", "python", "mesa", "numpy"} <= set(manifest["versions"])
    assert {"commit", "platform", "wall_time_seconds", "command", "quarters", "enterprises"} <= set(manifest)
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["measures"]["open_share"]["2025Q4"]["median"] > 0


def test_csv_comes_on_request_and_goes_with_the_next_run(single, moment, tmp_path):
    """Kills: CSV or figures of an earlier run beside the tables of a later one."""
    place = single.save(tmp_path / "a", csv=True)
    data = pd.read_csv(place / "shares.csv")
    assert len(data) == single.cube.values.size
    assert len(pd.read_csv(place / "labs.csv")) == len(single.table("labs"))
    (place / "figures").mkdir()
    (place / "figures" / "hhi.png").write_bytes(b"old")
    (place / "notes.txt").write_text("mine")
    moment.save(place)
    assert {path.name for path in place.iterdir()} == FILES | {"figures", "notes.txt"}
    assert not list((place / "figures").iterdir())
    assert open_run(place).quarters == ("2023Q1",)


def test_other_peoples_folders_are_left_alone(single, tmp_path):
    """Kills: writing into a folder that holds something else, or over a file."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.tex").write_text("years of work")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "manifest.json").write_text('{"kind": "another program"}')
    (tmp_path / "c").write_text("a file")
    for name, message in (("a", "left alone"), ("b", "left alone"), ("c", "not a folder")):
        with pytest.raises(FolderError, match=message):
            single.save(tmp_path / name)
    assert sorted(os.listdir(tmp_path / "a")) == ["thesis.tex"]
    assert os.listdir(tmp_path / "b") == ["manifest.json"]
    assert (tmp_path / "c").read_text() == "a file"


def test_only_one_writer_at_a_time(single, tmp_path):
    """Kills: no lock, or one that outlives its holder."""
    with RunFolder(tmp_path / "a", {}), pytest.raises(FolderBusyError, match="being written by another run"):
        single.save(tmp_path / "a")
    single.save(tmp_path / "a")
    assert (tmp_path / "a" / "manifest.json").exists()


def test_an_interrupted_first_run_leaves_nothing(tmp_path):
    """Kills: an empty folder, or a manifest that says running for ever."""
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path / "x" / "y", {"seeds": [1]}) as claimed:
        assert json.loads((claimed.path / "manifest.json").read_text())["status"] == "running"
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_second_run_leaves_the_first(single, tmp_path):
    """Kills: a finished run marked as running, or deleted, before the next one has anything to put in its place."""
    single.save(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path / "a", {}):
        raise KeyboardInterrupt
    assert open_run(tmp_path / "a").seeds == single.seeds


def test_a_crash_while_saving_is_seen(single, tmp_path, monkeypatch):
    """Kills: the manifest written before the tables; half a file under its final name."""

    def fail(*_):
        raise OSError("disk full")

    single.save(tmp_path / "a")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(folder_module.pq.ParquetWriter, "write_table", fail)
        single.save(tmp_path / "a")
    with pytest.raises(FolderError, match="not finished"):
        open_run(tmp_path / "a")
    assert not [name for name in os.listdir(tmp_path / "a") if name.endswith(".tmp") or name == ".lock"]
    single.save(tmp_path / "a")  # an unfinished folder of ours may be written again
    assert open_run(tmp_path / "a").seeds == single.seeds


def test_what_is_not_a_finished_run_is_not_opened(single, tmp_path):
    """Kills: a traceback from pyarrow or json for a folder that is none or damaged."""
    with pytest.raises(FolderError, match="no manifest.json"):
        open_run(tmp_path)
    single.save(tmp_path / "a")
    (tmp_path / "a" / "shares.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(FolderError, match="damaged"):
        open_run(tmp_path / "a")
    (tmp_path / "a" / "manifest.json").write_text("{")
    with pytest.raises(FolderError, match="cannot be read"):
        open_run(tmp_path / "a")
