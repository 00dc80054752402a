"""The command line as a user meets it: outputs, exit codes, short errors, nothing written on bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_market
import pytest

from analysis import cli, plots
from analysis.commands.scenarios import change_lines
from sim import __version__, runs
from sim.records import COLUMNS

BAD = 'title = "bad"\nextends = "baseline"\n[technology]\ntraining_cost_grwth = 3.0\npublic_diffusion = "much"\n'
CLI = [sys.executable, "-c", "from analysis.cli import main; main()"]
ONE_FIGURE = [
    *(sys.executable, "-c"),
    "from analysis import cli, plots; plots.FIGURES = {'hhi': plots.FIGURES['hhi']}; cli.main()",
]


@pytest.fixture
def shell(monkeypatch, program):
    few = {name: plots.FIGURES[name] for name in ("hhi", "timeline")}  # all of them are drawn in test_plots.py
    monkeypatch.setattr(plots, "FIGURES", few)
    return program


@pytest.fixture
def user_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('title = "Mine"\nextends = "baseline"\n[technology]\ntraining_cost_growth = 3.0\n')
    return path


def run(shell, *words):
    return shell("run", "baseline", "--until", "2023Q4", "--workers", 1, *words)


def test_run_writes_a_folder_and_says_where(shell):
    """Kills: tables or figures not named, another default folder, seeds not N..N+R-1."""
    assert run(shell, "--replications", 3, "--seed", 7, "--csv") == 0
    folder = Path("runs/baseline")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["seeds"] == [7, 8, 9] and manifest["status"] == "complete"
    assert manifest["command"][:3] == ["moatsim", "run", "baseline"]
    assert {f"{name}.{kind}" for name in COLUMNS for kind in ("csv", "parquet")} <= set(os.listdir(folder))
    assert len(list((folder / "figures").glob("*.png"))) == len(list((folder / "figures").glob("*.svg"))) == 2
    for expected in (
        "3 replications, seeds 7-9",
        "HHI",
        "2023Q4",
        "share of API spend in 2023Q4",
        "runs/baseline/figures",
    ):
        assert expected in shell.out
    assert "market.parquet" in shell.out and "hhi.png" in shell.out
    assert shell.err == ""


def test_run_as_json_is_one_document(shell):
    """Kills: a summary table or a path printed beside the JSON."""
    assert run(shell, "--replications", 2, "--json", "--out", "here") == 0
    (report,) = json.loads(shell.out)["runs"]
    assert report["folder"] == "here" and report["status"] == "complete"
    assert report["summary"]["seeds"] == [1, 2]
    assert all(Path(path).exists() for path in report["tables"] + report["figures"])


def test_several_scenarios_get_a_folder_each(shell, user_file):
    """Kills: the second scenario written over the first."""
    words = ["--until", "2023Q2", "--workers", 1, "--replications", 1]
    assert shell("run", "baseline", user_file, *words, "--out", "both") == 0
    assert sorted(os.listdir("both")) == ["baseline", "mine"]
    assert 'title = "Mine"' in Path("both/mine/scenario.resolved.toml").read_text()
    assert shell("run", user_file, *words) == 0
    assert Path("runs/mine/manifest.json").exists()
    assert shell("run", user_file, f"./{user_file.name}", *words) == 2
    assert "would share a folder" in shell.err


def test_options_reach_the_run_and_the_resolved_scenario(shell):
    """Kills: --set, --until or --enterprises dropped; a resolved scenario that does not repeat the run."""
    change = "technology.training_cost_growth=3"
    assert run(shell, "--replications", 1, "--set", change, "--enterprises", 700) == 0
    manifest = json.loads(Path("runs/baseline/manifest.json").read_text())
    assert manifest["enterprises"] == 700 and manifest["quarters"] == ["2023Q1", "2023Q4"]
    assert shell("show", "runs/baseline/scenario.resolved.toml", "--diff", "baseline", "--json") == 0
    changed = {row["key"]: row["value"] for row in json.loads(shell.out)["values"]}
    assert changed == {"technology.training_cost_growth": 3, "run.until": "2023Q4", "run.enterprises": 700}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a scenario"),
        (["baslin"], "did you mean 'baseline'"),
        (["baseline", "baseline"], "'baseline' is named twice"),
        (["baseline", "--until", "2032"], "--until: expected a quarter such as 2032Q4, was given the text '2032'"),
        (["baseline", "--until", "2022Q4"], "2022Q4 is before"),
        (["baseline", "--until", "2199Q4"], "at most 400"),
        (["baseline", "--enterprises", "3"], "--enterprises"),
        (["baseline", "--enterprises", "many"], "--enterprises"),
        (["baseline", "--seed", "-1"], "--seed"),
        (["baseline", "--seed", "99999999999999999999999"], "from 0 to 9223372036854775807 (2^63 - 1)"),
        (["baseline", "--seed", str(2**63 - 2), "--replications", "3"], "3 replications from 9223372036854775806 on"),
        (["baseline", "--replications", "0"], "--replications"),
        (["baseline", "--workers", "0"], "--workers"),
        (["baseline", "--set", "technology"], "KEY=VALUE"),
        (["baseline", "--set", "technology.training_cost_grwth=3"], "training_cost_growth"),
        (["baseline", "--set", "technology.training_cost_growth=300"], "training_cost_growth"),
        (["baseline", "--nonsense"], "--nonsense"),
        (["baseline", "--out", "taken"], "left alone"),
    ],
)
def test_bad_input_is_refused_in_few_words_and_writes_nothing(shell, words, message):
    """Exit 2, one to three lines on standard error. Kills: each check left out, a folder made too early."""
    Path("taken").mkdir()
    Path("taken/thesis.tex").write_text("years of work")
    assert shell("run", *words) == 2
    assert message in shell.err and 1 <= len(shell.err.splitlines()) <= 3
    assert shell.out == ""
    assert os.listdir() == ["taken"] and os.listdir("taken") == ["thesis.tex"]


def test_all_problems_of_all_scenarios_are_told_at_once(shell):
    """Kills: stopping at the first bad file."""
    Path("bad.toml").write_text(BAD)
    assert shell("run", "bad.toml", "nowhere.toml") == 2
    assert "bad.toml:4: technology.training_cost_grwth" in shell.err and "nowhere.toml" in shell.err
    assert os.listdir() == ["bad.toml"]


def test_failed_seeds_give_exit_3_and_the_others_are_kept(shell, market):
    """Kills: exit 0 or 1 for a partly failed run; failures not named."""
    market(fake_market.FailingMarket)
    assert run(shell, "--replications", 3) == 3
    assert "seed 2 failed: FloatingPointError: 2023Q3, lab openai: price is NaN" in shell.err
    manifest = json.loads(Path("runs/baseline/manifest.json").read_text())
    assert manifest["status"] == "partial" and manifest["seeds"] == [1, 3]
    assert manifest["failed_seeds"][0]["seed"] == 2
    assert run(shell, "--seed", 2, "--replications", 1, "--out", "none") == 1
    assert len(shell.err.splitlines()) == 1 and not Path("none").exists()


def test_a_fault_of_ours_is_one_line_and_exit_1(shell, monkeypatch):
    """Kills: a traceback for an unexpected error."""
    monkeypatch.setattr(runs, "settings", lambda *_: 1 / 0)
    assert run(shell) == 1
    assert shell.err.startswith("moatsim: unexpected ZeroDivisionError") and len(shell.err.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_one_line(shell):
    """Kills: a traceback for a file system error."""
    Path("file").write_text("")
    assert run(shell, "--out", "file/below") in (1, 2)
    assert len(shell.err.splitlines()) == 1 and "file" in shell.err


def test_check_prints_every_problem_and_ok(shell, user_file):
    """Kills: exit 0 on a bad file, stopping at the first problem or file, no line number."""
    assert shell("check", user_file, "baseline") == 0
    assert shell.out.splitlines() == [f"{user_file}: ok", "baseline: ok"]
    Path("bad.toml").write_text(BAD)
    assert shell("check", "bad.toml", user_file) == 2
    first, second, third = shell.out.splitlines()
    assert first.startswith("bad.toml:4: technology.training_cost_grwth: ") and "training_cost_growth" in first
    assert second.startswith("bad.toml:5: technology.public_diffusion: ")
    assert third == f"{user_file}: ok"
    assert shell("check", "bad.toml", "--json") == 2
    (entry,) = json.loads(shell.out)["files"]
    assert not entry["ok"] and [problem["line"] for problem in entry["problems"]] == [4, 5]


def test_show_gives_value_unit_source_and_file(shell, user_file):
    """Kills: a column left out, a value of the parent shown as the child's."""
    assert shell("show", user_file) == 0
    (line,) = [line for line in shell.out.splitlines() if line.startswith("technology.training_cost_growth ")]
    assert line.split()[1] == "3" and "x per year" in line and "mine.toml:4" in line
    assert shell("show", user_file, "--diff", "baseline") == 0
    heading, change = shell.out.splitlines()
    assert heading.split()[:3] == ["key", "mine", "baseline"]
    assert change.split()[:3] == ["technology.training_cost_growth", "3", "2.4"]
    assert shell("show", "baseline", "--diff", "baseline") == 0
    assert "same values" in shell.out


def test_scenarios_and_schema(shell):
    """Kills: JSON mixed with text, a shipped scenario left out."""
    assert shell("scenarios") == 0
    assert "baseline" in shell.out
    assert shell("scenarios", "--json") == 0
    listed = json.loads(shell.out)["scenarios"]
    assert listed[0]["name"] == "baseline" and listed[0]["changes"] == []
    assert all(entry["changes"] and entry["thesis"] for entry in listed[1:])
    assert shell("schema") == 0
    assert "technology" in json.loads(shell.out)["properties"]


def test_changes_read_like_changes():
    """Kills: a shock printed as five keys, or its factor taken for its value."""
    shock = {"quarter": "2025Q3", "key": "technology.leak_delay", "value": 5, "factor": None, "quarters": None}
    lines = change_lines([{"key": "demand.peers", "from": 1.0, "to": 2.5}, {"shock": shock}])
    assert lines == ["demand.peers: 1 -> 2.5", "2025Q3: technology.leak_delay -> 5"]
    halved = shock | {"value": None, "factor": 0.5, "quarters": 4}
    assert change_lines([{"shock": halved}] * 9)[5:] == [
        "2025Q3 for 4 quarters: technology.leak_delay x 0.5",
        "and 3 more",
    ]


def test_plot_draws_again(shell):
    """Kills: --figure ignored, another folder written, a traceback for a folder that is no run."""
    assert run(shell, "--replications", 1) == 0
    figure = Path("runs/baseline/figures/hhi.png")
    before = figure.read_bytes()
    figure.unlink()
    assert shell("plot", "runs/baseline", "--figure", "hhi") == 0
    assert figure.read_bytes() == before
    assert shell.out.splitlines() == ["runs/baseline/figures/hhi.png", "runs/baseline/figures/hhi.svg"]
    assert shell("plot", "runs/baseline", "--figure", "hi") == 2
    assert "did you mean 'hhi'" in shell.err
    assert shell("plot", ".") == 2
    assert "not a run folder" in shell.err and len(shell.err.splitlines()) == 1


def test_explain_tells_a_story(shell):
    """Kills: another seed than the one named, --quarter ignored, JSON mixed with text."""
    assert shell("run", "baseline", "--until", "2025Q1", "--workers", 1, "--replications", 2, "--seed", 4) == 0
    assert shell("explain", "runs/baseline", "--lab", "stability") == 0
    assert shell.out.startswith("Stability AI (stability), replication 4: European lab, independent")
    assert "2024Q4  was wound down\n        why: runway 0.4 quarters." in shell.out and shell.err == ""
    assert shell("explain", "runs/baseline", "--lab", "stability", "--replication", 5, "--json") == 0
    story = json.loads(shell.out)
    assert story["replication"] == 5 and story["ending"]["kind"] == "winddown"
    assert shell("explain", "runs/baseline", "--lab", "stability", "--quarter", "2024Q4") == 0
    assert "was wound down" in shell.out and "cash_usd" in shell.out and "raised" not in shell.out
    assert shell("explain", "runs/baseline", "--lab", "stability", "--quarter", "2024Q3", "--json") == 0
    told = json.loads(shell.out)
    assert told["quarter"] == "2024Q3" and told["steps"] == [] and told["after"]["status"] == "active"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs/baseline", "--lab", "stabilty"], "no lab 'stabilty' in replication 1; nearest: stability"),
        (
            ["runs/baseline", "--lab", "openai", "--quarter", "2031Q1"],
            "openai has no quarter '2031Q1'; its rows go from 2023Q1 to 2023Q4",
        ),
        (["runs/baseline", "--lab", "openai", "--replication", "9"], "no replication 9; the run has 1"),
        (["runs/baseline"], "--lab"),
        (["nowhere", "--lab", "openai"], "not a run folder"),
        (["runs/baseline/manifest.json", "--lab", "openai"], "manifest.json is a file; name the folder"),
        (["old", "--lab", "openai"], "has no table 'events'; run the scenario again"),
    ],
)
def test_explain_refuses_what_is_not_there(shell, words, message):
    """Exit 2 in one to three lines. Kills: a traceback, an empty story, a guess."""
    folder = "old" if words[0] == "old" else "runs/baseline"
    assert run(shell, "--replications", 1, "--out", folder) == 0
    if folder == "old":
        Path("old/events.parquet").unlink()
    assert shell("explain", *words) == 2
    assert message in shell.err and 1 <= len(shell.err.splitlines()) <= 3 and shell.out == ""


@pytest.mark.parametrize(
    "words", [["rnu"], ["check"], ["show"], ["plot"], ["explain"], ["sweep"], ["score"], ["--nonsense"]]
)
def test_usage_errors_are_short(shell, words):
    """Exit 2; reserved commands of later releases are not there as stubs. Kills: usage boxes of many lines."""
    assert shell(*words) == 2
    assert 1 <= len(shell.err.splitlines()) <= 3


def test_names_of_later_commands_are_refused_as_such(shell):
    """Kills: a guess at another command for `score`, a reserved name listed as if it were there."""
    for name in cli.RESERVED:
        assert shell(name, "baseline") == 2
        assert f"'{name}' is not in this version" in shell.err
    assert shell("--help") == 0
    assert not {line.split()[0] for line in shell.out.splitlines() if line.strip()} & set(cli.RESERVED)


def test_a_bad_option_is_named_as_typed(shell):
    """Kills: a value of the command line called an override of the Python call, in messages or as a source."""
    assert run(shell, "--set", "technology.training_cost_growth=300") == 2
    assert shell.err.startswith("--set: technology.training_cost_growth: ")
    assert run(shell, "--set", "technology.training_cost_growth=3", "--replications", 1) == 0
    assert "given in --set" in Path("runs/baseline/scenario.resolved.toml").read_text()


def test_help_and_version(shell):
    """Kills: -h missing on a command."""
    assert shell("--version") == 0
    assert shell.out == f"moatsim {__version__}\n"
    for words in ([], ["-h"], ["--help"]):
        assert shell(*words) == 0
        assert all(name in shell.out for name in ("run", "check", "show", "scenarios", "schema", "plot", "explain"))
    for name in ("run", "check", "show", "scenarios", "schema", "plot", "explain"):
        assert shell(name, "-h") == 0 and "--json" in shell.out


@pytest.mark.parametrize(
    "command", [[], ["run"], ["check"], ["show"], ["scenarios"], ["schema"], ["plot"], ["explain"]]
)
def test_help_answers_at_once(command):
    """What takes time is not loaded (`make bench` has the seconds). Kills: numpy, pandas or mesa imported for help."""
    subprocess.run([*CLI, *command, "--help"], check=True, capture_output=True)
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, analysis.cli; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert not {"numpy", "pandas", "mesa", "matplotlib", "pyarrow", "pydantic"} & set(loaded)


def test_a_real_market_on_two_workers_gives_the_same_bytes(tmp_path):
    """The real market, 500 enterprises, a year. Kills: results that depend on workers."""
    folders = []
    for workers, program in (("1", CLI), ("2", ONE_FIGURE)):
        folder = tmp_path / workers
        options = ["--until", "2023Q4", "--enterprises", "500", "--replications", "2", "--workers", workers]
        done = subprocess.run(
            [*program, "run", "baseline", *options, "--out", folder], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        folders.append(folder)
    assert {path.stem for path in (folders[0] / "figures").iterdir()} == set(plots.FIGURES)
    for name in (
        "market.parquet",
        "shares.parquet",
        "labs.parquet",
        "events.parquet",
        "funding.parquet",
        "figures/hhi.svg",
    ):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupt_ends_cleanly(tmp_path, workers):
    """Ctrl-C: exit 130, one line, no folder, no process left. Kills: a traceback, half a folder, orphans."""
    options = ["--replications", "40", "--workers", workers, "--out", tmp_path / "a"]
    process = subprocess.Popen(
        [*CLI, "run", "baseline", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "a" / "manifest.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, err) == ("", "moatsim: interrupted\n")
    assert os.listdir(tmp_path) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
