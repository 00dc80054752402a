"""The sweep folder: whatever is torn, damaged or missing is found and made again, and nothing else is."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
from pathlib import Path

import fake_market
import pytest
import sweep_markets

from sim.records import COLUMNS
from sim.runs import folder as files
from sim.runs.folder import FolderBusyError, FolderError
from sim.sweep import SweepError, ledger, load_plan, open_sweep, retry_sweep, run_sweep, store
from sim.sweep.estimate import BYTES_PER_QUARTER, SECONDS_TO_START, seconds_per_run, seconds_per_sweep
from sim.sweep.jobs import Outcome, simulate
from sim.sweep.ledger import Part, RunRow, ShardRow, append, read_ledger
from sim.sweep.status import sweep_status
from sim.sweep.store import ChangedError, Store
from sim.sweep.work import work_of


@pytest.fixture
def swept(whole, tmp_path):
    """Another copy of the undisturbed sweep, to be damaged."""
    return shutil.copytree(whole, tmp_path / "swept")


# ---- the outcome of a run ----

OUTCOME = Outcome(7, "failed", 1.25, "ValueError: n\u00e9", "line 1\nline 2", {"a": b"123", "b": b"", "c": b"4"})


def test_an_outcome_is_packed_and_unpacked():
    """Kills: a field lost, tables of one name under another."""
    assert Outcome.unpack(OUTCOME.pack()) == OUTCOME


def test_any_damage_to_an_outcome_is_seen():
    """Kills: a hash that leaves out the header, or a file cut at a lucky place."""
    content = OUTCOME.pack()
    for position in range(len(content)):
        with pytest.raises(ValueError, match="damaged|not the outcome"):
            Outcome.unpack(content[:position])
        changed = bytearray(content)
        changed[position] ^= 1
        with pytest.raises(ValueError, match="damaged|not the outcome"):
            Outcome.unpack(bytes(changed))


# ---- the ledger ----

RUNS = (RunRow("ok", 1.5), RunRow("failed", 0.5, "no", "trace\n"))
ROWS = [ShardRow("mine", number, RUNS, {"a": Part(3, "1")}) for number in (0, 1)]


def test_a_torn_line_counts_as_never_written(tmp_path):
    """Kills: a torn last line that ends the reading, or swallows the row written after it."""
    for row in ROWS:
        append(tmp_path, row)
    whole = (tmp_path / "ledger.jsonl").read_bytes()
    first = len(ROWS[0].line())
    for length in range(first, len(whole)):
        (tmp_path / "ledger.jsonl").write_bytes(whole[:length])
        assert read_ledger(tmp_path, "mine") == {0: ROWS[0]}
    append(tmp_path, ROWS[1])
    assert read_ledger(tmp_path, "mine") == dict(enumerate(ROWS))


def test_a_ledger_is_read_for_one_sweep(tmp_path):
    """Kills: a row of another sweep that counts, or that opens a shard of this one."""
    for row in (ROWS[0], ShardRow("other", 0, open=True), ShardRow("other", 1)):
        append(tmp_path, row)
    assert read_ledger(tmp_path, "mine") == {0: ROWS[0]}


def test_a_changed_line_counts_as_never_written(tmp_path):
    """Kills: a line without a check sum."""
    for row in ROWS:
        append(tmp_path, row)
    text = (tmp_path / "ledger.jsonl").read_text()
    (tmp_path / "ledger.jsonl").write_text(text.replace('"seconds":1.5', '"seconds":1.6', 1))
    assert list(read_ledger(tmp_path, "mine")) == [1]


def test_a_ledger_that_cannot_grow_stays_as_it_is(tmp_path, monkeypatch):
    """Kills: half a row left by a full disk."""
    append(tmp_path, ROWS[0])

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ledger.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            append(tmp_path, ROWS[1])
    assert (tmp_path / "ledger.jsonl").read_text() == ROWS[0].line()


# ---- damage ----


def break_off(plan, folder, made=0):
    """Interrupt a sweep as soon as so many runs have been made."""

    def leave(at):
        if at.made >= made:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan, folder, workers=1, progress=leave)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("table", ["market", "shares"])
def test_a_damaged_shard_is_found_and_made_again(whole, swept, plan, alike, damage, table):
    """Kills: a shard taken at its word; one damaged shard that costs another; damage nobody is told of."""
    damage(swept / table / "part-000001.parquet")
    report = run_sweep(plan(), swept, workers=1)
    assert report.made == 4
    assert any("part-000001.parquet is damaged; its 4 runs are made again" in note for note in report.notes)
    alike.same(whole, swept)


def test_runs_of_a_damaged_shard_are_pending_until_they_are_made_again(whole, swept, plan, alike):
    """Kills: a ledger that vouches for a shard which is gone, so that a reader counts runs without rows."""
    truncate(swept / "market" / "part-000001.parquet")
    break_off(plan(), swept)
    found = open_sweep(swept)
    assert (found.status.done, found.status.status) == (6, "interrupted")
    good = found.runs[found.runs["status"] == "ok"]
    rows = found.table("market", ["quarter"]).drop_duplicates(["point", "replication"])
    assert len(good) == len(rows) == 6
    assert (alike.runs(swept)["status"] == "ok").sum() == 6
    run_sweep(plan(), swept, workers=1)
    alike.same(whole, swept)


def test_a_damaged_spool_file_costs_its_run_only(whole, plan, tmp_path, alike):
    """Kills: half an outcome taken for a whole one."""
    break_off(plan(), tmp_path / "a", made=3)
    truncate(next((tmp_path / "a" / "spool").glob("000000001-*.run")))
    report = run_sweep(plan(), tmp_path / "a", workers=1)
    assert report.made == 7
    assert "its run is made again" in report.notes[0]
    alike.same(whole, tmp_path / "a")


def test_what_no_row_vouches_for_goes(whole, swept, plan, alike):
    """Kills: a stray shard that readers count twice; leftovers of a killed process; outcomes kept for ever."""
    stray = [swept / "market" / "part-000009.parquet", swept / "market" / ".part-000001.parquet.1.tmp"]
    for path in stray:
        path.write_bytes(b"x")
    (swept / "spool").mkdir()
    for name in ("000000001.run", "mine.run"):
        (swept / "spool" / name).write_bytes(b"x")
    assert run_sweep(plan(), swept, workers=1).made == 0
    alike.same(whole, swept)
    assert not (swept / "spool").exists()


def test_a_ledger_that_is_lost_costs_time_only(whole, swept, plan, alike):
    """Kills: a sweep that believes its folder empty and doubles the rows."""
    (swept / "ledger.jsonl").unlink()
    assert run_sweep(plan(), swept, workers=1).made == 9
    alike.same(whole, swept)


def test_shards_do_not_depend_on_who_finished_first(whole, plan, tmp_path, alike):
    """Kills: rows in order of finishing."""
    work = work_of(load_plan(plan()))
    order = list(range(9))
    random.Random(3).shuffle(order)
    with Store(tmp_path / "a", work) as target:
        for index in order:
            target.record(simulate(work.job(index), lambda content: None))
            target.record(Outcome(index, "failed"))  # an outcome that comes twice changes nothing
        target.finish(1.0)
    alike.same(whole, tmp_path / "a")


# ---- a folder whose manifest or lists are damaged ----


def change(folder, **values):
    """Change keys of a manifest; one whose value is None goes."""
    path = folder / "manifest.json"
    found = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))


def cut(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:300])


def gone(folder):
    (folder / "manifest.json").unlink()


UNREADABLE = [
    (lambda folder: change(folder, status=None), "status: field required"),
    (lambda folder: change(folder, status="done"), "status: input should be 'running'"),
    (lambda folder: change(folder, sessions=7), "sessions: input should be a valid list"),
    (
        lambda folder: change(folder, sessions=[{"clock": "noon", "ended_before": 0}]),
        r"sessions\.0\.clock: input should",
    ),
    (lambda folder: change(folder, tables=7), "tables: input should be a valid list"),
    (lambda folder: change(folder, tables=["market"]), r"tables: \['market'\], its plan has"),
    (lambda folder: change(folder, until=7), "until: input should be a valid string"),
    (lambda folder: change(folder, scenarios=7), "scenarios: input should be a valid dict"),
    (lambda folder: change(folder, runs=7), "runs: 7, its plan has 9"),
    (lambda folder: change(folder, points=True), "points: input should be a valid integer"),
    (lambda folder: change(folder, plan={}), r"plan\.order: field required"),
    (cut, "no JSON"),
]


@pytest.mark.parametrize(("damage", "message"), UNREADABLE)
def test_a_damaged_manifest_is_said_in_one_way(swept, damage, message):
    """Kills: a KeyError, TypeError or `40 of 7`."""
    damage(swept)
    for ask in (sweep_status, open_sweep, retry_sweep):
        with pytest.raises(
            FolderError, match=rf"manifest\.json is damaged: {message}(.|\n)*same moatsim sweep command"
        ):
            ask(swept)


@pytest.mark.parametrize("damage", [UNREADABLE[0][0], UNREADABLE[2][0], cut])
def test_a_damaged_manifest_is_written_anew(whole, swept, plan, alike, damage):
    """Kills: a dead end, or finished runs made again, where the plan is known; a manifest that lacks something then."""
    before = json.loads((swept / "manifest.json").read_text())
    damage(swept)
    report = run_sweep(plan(), swept, workers=1)
    assert report.made == 0 and "is written anew" in report.notes[0]
    alike.same(whole, swept)
    after = json.loads((swept / "manifest.json").read_text())
    for name in ("sessions", "started", "command", "status"):
        del before[name], after[name]
    assert after == before
    assert open_sweep(swept).status.status == "complete"


@pytest.mark.parametrize(
    "damage",
    [
        gone,
        lambda folder: change(folder, status="preparing"),
        lambda folder: change(folder, shard_runs=7),
        lambda folder: change(folder, model_version="0"),
        lambda folder: change(folder, plan_hash="0"),
    ],
)
def test_results_say_whose_they_are(whole, swept, plan, alike, damage):
    """Kills: a folder refused to its own plan, or made again, for a word of its manifest."""
    damage(swept)
    assert run_sweep(plan(), swept, workers=1).made == 0
    alike.same(whole, swept)
    assert sweep_status(swept).status == "complete"
    assert retry_sweep(swept, workers=1).made == 0


def test_an_interrupted_sweep_survives_its_manifest(whole, plan, tmp_path, alike):
    """Kills: runs outside a shard that are lost with the manifest."""
    break_off(plan(), tmp_path / "a", made=3)
    assert not (tmp_path / "a" / "ledger.jsonl").exists()
    change(tmp_path / "a", status=None)
    with pytest.raises(ChangedError, match="results of another plan"):
        run_sweep(other(plan), tmp_path / "a", workers=1)
    assert run_sweep(plan(), tmp_path / "a", workers=1).made == 6
    alike.same(whole, tmp_path / "a")


def other(plan):
    """Another plan with as many runs."""
    file = plan(name="other.toml")
    file.write_text(file.read_text().replace("[2.0, 2.5, 3.0]", "[2.0, 2.5, 3.4]"))
    return file


@pytest.mark.parametrize(
    "damage", [cut, gone, *(lambda folder, s=status: change(folder, status=s) for status in (None, "preparing"))]
)
def test_another_plan_never_adopts_results(swept, plan, alike, damage):
    """Kills: points of the new plan beside the tables of the old one, without a word."""
    damage(swept)
    before = alike.shards(swept)
    with pytest.raises(ChangedError, match=r"holds results of another plan (.|\n)*--out"):
        run_sweep(other(plan), swept, workers=1)
    assert alike.shards(swept) == before


def test_a_manifest_of_another_sweep_gives_no_results_away(swept, plan, tmp_path):
    """Kills: rows counted under a manifest that they do not belong to; parts of a sweep removed by another."""
    run_sweep(other(plan), tmp_path / "b", workers=1)
    shutil.copy(tmp_path / "b" / "manifest.json", swept)
    assert (sweep_status(swept).status, sweep_status(swept).done) == ("interrupted", 0)
    assert len(open_sweep(swept).table("market")) == 0
    with pytest.raises(ChangedError, match="results of another plan"):
        run_sweep(tmp_path / "other.toml", swept, workers=1)
    with pytest.raises(FolderError, match=r"manifest\.json and ledger\.jsonl are not of the same sweep"):
        retry_sweep(swept)
    assert run_sweep(plan(), swept, workers=1).made == 0


def test_a_damaged_manifest_without_results_is_refused(market, plan, tmp_path):
    """Kills: files removed from a folder of which nobody knows whose it is."""
    place = tmp_path / "a"
    place.mkdir()
    for text, message in (('{"kind": "moatsim sweep"}', "status: field required"), ("{", "no JSON")):
        (place / "manifest.json").write_text(text)
        with pytest.raises(FolderError, match=rf"is damaged: {message}.*choose another folder"):
            run_sweep(plan(), place)
        assert os.listdir(place) == ["manifest.json"]


@pytest.mark.parametrize("name", ["points.parquet", "runs.parquet", "scenarios/00-baseline.toml"])
def test_damaged_lists_are_written_anew(whole, swept, plan, alike, name):
    """Kills: a folder whose points or scenarios stay damaged for ever; a retry that goes by them."""
    before = (swept / name).read_bytes()
    (swept / name).write_bytes(before[:100])
    with pytest.raises(FolderError, match=r"is damaged(.|\n)*same moatsim sweep command"):
        retry_sweep(swept)
    assert run_sweep(plan(), swept, workers=1).made == 0
    assert name == "runs.parquet" or (swept / name).read_bytes() == before
    alike.same(whole, swept)


def test_points_of_another_plan_are_not_gone_by(swept, plan, tmp_path):
    """Kills: a retry that makes runs of other values; a reader that joins them."""
    run_sweep(other(plan), tmp_path / "b", workers=1)
    shutil.copy(tmp_path / "b" / "points.parquet", swept)
    with pytest.raises(FolderError, match="its points and runs are not those it began with"):
        retry_sweep(swept)
    run_sweep(plan(), swept, workers=1)
    assert open_sweep(swept).points["technology.training_cost_growth"].tolist() == [2.0, 2.5, 3.0]


def test_status_says_what_the_folder_holds(swept):
    """Kills: `complete` beside `0 of 9 ended`, and 9 of 9 of tables that are gone or cut short."""
    truncate(swept / "shares" / "part-000001.parquet")
    assert (sweep_status(swept).status, sweep_status(swept).done) == ("interrupted", 5)
    shutil.rmtree(swept / "market")
    assert (sweep_status(swept).status, sweep_status(swept).done) == ("interrupted", 0)
    lines = (swept / "ledger.jsonl").read_text()
    (swept / "ledger.jsonl").write_text(lines[:200])
    assert (sweep_status(swept).status, sweep_status(swept).done) == ("interrupted", 0)


# ---- the disk, at every write ----


class Fault(BaseException):
    """The moment at which a process is killed."""


@pytest.mark.parametrize(
    "kind", ["killed before", pytest.param("killed after", marks=pytest.mark.statistical), "full disk"]
)
def test_any_write_may_be_the_last(market, plan, tmp_path, monkeypatch, alike, sample, kind):
    """The process is killed before or after a rename or a row, or the disk is full there; then the sweep goes on.

    Kills: a row before its shard, an outcome removed before its row, a manifest that says what is not so.
    """
    work = work_of(load_plan(plan(2)))
    outcomes = [simulate(work.job(index), lambda content: None) for index in range(6)]
    fill(tmp_path / "whole", work, outcomes)
    for moment in range(1, 100, sample(1, 6)):
        place = tmp_path / f"{kind}-{moment}"
        with monkeypatch.context() as patch:
            left = trap(patch, moment, kind)
            try:
                fill(place, work, outcomes)
            except Fault:
                pass
            except OSError as error:
                assert error.errno == errno.ENOSPC
                assert str(place) in str(error.filename)
        assert not fill(place, work, outcomes)
        alike.same(tmp_path / "whole", place)
        if left() > 0:
            break
    assert 20 < moment < 99


def fill(place, work, outcomes):
    """Put the outcomes that are missing into a folder; what was found damaged there."""
    with Store(place, work) as target:
        for index in target.missing():
            target.record(outcomes[index])
        target.finish(1.0)
        return target.notes


def trap(patch, moment, kind):
    """Let the write of that number go wrong; the function returned says how many were left before it came."""
    count = [moment]
    replace, fsync = os.replace, os.fsync

    def step(function, *arguments):
        count[0] -= 1
        if kind == "killed after":
            function(*arguments)
        if count[0] <= 0:
            if kind == "full disk":
                raise OSError(errno.ENOSPC, "No space left on device")
            raise Fault
        if kind != "killed after":
            function(*arguments)

    patch.setattr(files.os, "replace", lambda a, b: step(replace, a, b))
    patch.setattr(ledger.os, "fsync", lambda descriptor: step(fsync, descriptor))
    return lambda: count[0]


# ---- what is refused ----


def test_a_changed_plan_is_refused(swept, plan, alike):
    """Kills: runs of two plans in one folder; a refusal that does not say what has changed."""
    before = alike.shards(swept)
    file = plan(4)
    with pytest.raises(ChangedError, match=r"begun otherwise: replications: before 3 -> now 4(.|\n)*--out"):
        run_sweep(file, swept)
    file.write_text(plan(3).read_text().replace("a small sweep", "another title"))
    assert run_sweep(file, swept).made == 0
    assert alike.shards(swept) == before


def test_a_changed_model_is_refused(swept, plan, monkeypatch):
    """Kills: results of two models in one table, by resuming as by repeating the failed."""
    monkeypatch.setattr(store, "model_version", lambda: "0.2.0+abc")
    for again in (lambda: run_sweep(plan(), swept), lambda: retry_sweep(swept)):
        with pytest.raises(ChangedError, match=r"model: before 0.1.0\+[0-9a-f]{12} -> now 0.2.0\+abc"):
            again()


def test_a_second_writer_is_refused(market, plan, tmp_path):
    """Kills: two writers in one folder; a refusal that names nobody."""

    def second(at):
        with pytest.raises(FolderBusyError, match=rf"being written by another sweep \(process {os.getpid()} on "):
            run_sweep(plan(), tmp_path / "a")
        assert sweep_status(tmp_path / "a").writer.startswith(f"{os.getpid()} on ")

    run_sweep(plan(), tmp_path / "a", workers=1, progress=second)
    assert sweep_status(tmp_path / "a").writer is None


def test_other_folders_are_left_alone(market, plan, tmp_path):
    """Kills: a sweep into a folder of something else."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.tex").write_text("years of work")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "manifest.json").write_text(json.dumps({"kind": "moatsim run"}))
    (tmp_path / "c").write_text("a file")
    for name, message in (("a", "left alone"), ("b", "left alone"), ("c", "not a folder")):
        with pytest.raises(FolderError, match=message):
            run_sweep(plan(), tmp_path / name)
    for call in (sweep_status, retry_sweep):
        with pytest.raises(FolderError, match=r"not a sweep folder: it has no manifest\.json"):
            call(tmp_path / "a")
    assert sorted(os.listdir(tmp_path / "a")) == ["thesis.tex"]


def test_a_changed_scenario_in_the_folder_is_refused(market, plan, tmp_path):
    """Kills: a retry with other values than the sweep began with."""
    market(sweep_markets.FailingMarket)
    run_sweep(plan(), tmp_path / "a", workers=1)
    path = tmp_path / "a" / "scenarios" / "00-baseline.toml"
    text = path.read_text()
    path.write_text(text.replace("training_cost_growth = { value = 2.4", "training_cost_growth = { value = 2.5"))
    assert path.read_text() != text
    with pytest.raises(FolderError, match=r"00-baseline\.toml is not what the sweep began with"):
        retry_sweep(tmp_path / "a")


def test_status_is_read_while_the_sweep_is_written(market, plan, tmp_path):
    """Kills: counts that forget the spool or the shards; a rate that counts runs of sessions before."""
    market(fake_market.FailingMarket)
    text = plan().read_text().replace("2023Q2", "2023Q3")
    plan().write_text(text)
    seen = []

    def watch(at):
        found = sweep_status(tmp_path / "a")
        assert (found.done, found.failed, found.status) == (at.done, at.failed, "running")
        assert found.rate > 0
        seen.append(found)
        if at.made == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(tmp_path / "plan.toml", tmp_path / "a", workers=1, progress=watch)
    assert seen[-1].left > 0
    found = sweep_status(tmp_path / "a")
    assert (found.status, found.done, found.left) == ("interrupted", 6, None)
    run_sweep(tmp_path / "plan.toml", tmp_path / "a", workers=1)
    found = sweep_status(tmp_path / "a")
    assert (found.status, found.done, found.failed, found.left) == ("partial", 9, 3, None)
    assert found.failures[0].error.endswith("price is NaN")
    run_sweep(tmp_path / "plan.toml", tmp_path / "a", workers=1)
    assert sweep_status(tmp_path / "a").rate == found.rate  # a call that makes nothing is no session


def test_a_sweep_that_never_began_is_said_so(market, plan, tmp_path):
    """Kills: a traceback for a folder whose process was killed in its first moment."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "manifest.json").write_text(json.dumps({"kind": "moatsim sweep", "status": "preparing"}))
    with pytest.raises(FolderError, match="has not begun"):
        sweep_status(tmp_path / "a")
    with pytest.raises(SweepError, match="never began"):
        retry_sweep(tmp_path / "a")
    assert run_sweep(plan(), tmp_path / "a", workers=1).status == "complete"


def test_every_table_has_an_estimated_size():
    """Kills: a new table that no plan may record, because nobody knows its size."""
    assert set(BYTES_PER_QUARTER) == set(COLUMNS)


def test_short_runs_are_not_expected_in_no_time(plan):
    """Kills: an estimate in proportion to quarters, far too low where starting is most of the work."""
    work = work_of(load_plan(plan()))  # nine runs of two quarters
    assert seconds_per_run(work) > 0.1
    assert seconds_per_sweep(work, 2) == pytest.approx(SECONDS_TO_START + 5 * seconds_per_run(work))
