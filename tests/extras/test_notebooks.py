"""The tutorial and the page of dials, used as a reader would. Needs the extras `notebook` and `app`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from analysis import notebook, tuning
from analysis.notebooks.tuning import app
from sim import load_scenario
from sim.scenario import override_scenario

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "analysis" / "notebooks"
LARGEST_NOTEBOOK = 600_000  # bytes: it is shown on the web, pictures included
GROWTH = "technology.training_cost_growth"


# ---- the tutorial ----


@pytest.fixture(scope="module")
def shipped():
    return nbformat.read(notebook.TUTORIAL, as_version=4)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The tutorial, run in an empty folder, with its cells and its living kernel."""
    with notebook.executed(notebook.TUTORIAL, tmp_path_factory.mktemp("anywhere")) as client:
        yield client


def value(ran, expression):
    return json.loads(notebook.printed(ran, f"__import__('json').dumps({expression})"))


def code_cells(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def test_every_cell_runs_in_silence(ran):
    """Kills the mutants of a cell that is left out, and of one that warns the reader."""
    assert all(cell.execution_count for cell in code_cells(ran.nb))
    streams = [o for cell in code_cells(ran.nb) for o in cell.outputs if o.output_type in ("stream", "error")]
    assert not [o for o in streams if o.output_type == "error" or o.name == "stderr"]


def test_shares_are_shares(ran):
    """Kills the mutant that plots spending, or the shares of a single seed."""
    assert value(ran, "sorted(set(shares.index.get_level_values('replication')))") == list(range(1, 9))
    assert value(ran, "float((shares.sum(axis=1) - 1).abs().max())") < 1e-9
    assert value(ran, "bool((spread.xs(0.1, axis=1, level=1) <= spread.xs(0.9, axis=1, level=1)).all(axis=None))")


def test_one_number_is_changed_and_the_luck_is_equal(ran):
    """Kills the mutants that change nothing, that compare other seeds, and that pair seed i with seed i + 1."""
    assert value(ran, "[baseline.provenance[asked[0]].value, dearer.provenance[asked[0]].value]") == [2.4, 3.0]
    assert value(ran, "list(result.seeds) == list(dear.seeds) == list(winter.seeds)")
    assert value(ran, "float(levels['difference'].mean())") > 0.0  # costs that rise faster make dearer record runs
    assert value(ran, "float(gain['2024Q4'])") > 3.0


def test_the_comparison_is_of_three_worlds(ran):
    """Kills the mutant that compares a run with itself: its record runs would never part."""
    assert value(ran, "list(comparison.scenarios)") == ["dearer", "funding-winter"]
    assert value(ran, "comparison.partings['dearer']['record_training_cost_usd'].state") == "parts"


def test_the_sweep_is_whole_and_taken_up_again(ran):
    """Kills the mutants of a sweep with failed runs, and of one that begins anew when called again."""
    assert value(ran, "[report.status, report.ok, again.made]") == ["complete", 27, 0]
    assert value(ran, "len(ends)") == 27


def test_the_map_has_each_factor_on_its_axis(ran):
    """Kills the mutant that confuses the factors, and that of a share or an HHI outside its range."""
    assert value(ran, "list(effective.columns)") == [1.5, 2.4, 3.5]
    assert value(ran, "list(effective.index)") == [0.02, 0.16, 1.28]
    assert value(ran, "bool(effective.stack().between(1, 30).all())")
    assert value(ran, "sorted(set(leaders['key']) - set(baseline.parameters.labs))") == []


def test_it_leaves_nothing_behind(ran):
    """Kills the mutant that leaves the sweep in the reader's folder or in the temporary one."""
    assert value(ran, "[str(path) for path in Path.cwd().iterdir()]") == []
    assert value(ran, "sweep_folder.exists()") is False


def test_shipped_outputs_are_those_of_the_cells(ran, shipped):
    """Kills the mutant of a cell changed without `python -m analysis.notebook`: its outputs are of another kind."""

    def kinds(nb):
        return [[sorted(o.get("data", {o.output_type: ""})) for o in cell.outputs] for cell in code_cells(nb)]

    assert kinds(shipped) == kinds(ran.nb)


def test_shipped_tutorial_is_small_and_of_no_machine(shipped):
    """Kills the mutants that keep times, users, kernels or large pictures."""
    assert notebook.TUTORIAL.stat().st_size < LARGEST_NOTEBOOK
    assert nbformat.writes(notebook.tidied(shipped)) + "\n" == notebook.TUTORIAL.read_text(encoding="utf-8")
    texts = [
        str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", ""))
        for c in code_cells(shipped)
        for o in c.outputs
    ]
    assert not re.search(r"/(?:tmp|home|root|usr|Users)/|site-packages|0x[0-9a-f]{6}", "\n".join(texts))


# ---- the page of dials ----


def test_the_page_runs_as_a_script(tmp_path):
    """Kills the mutant of a cell that fails, and of one that needs the project's folder."""
    done = subprocess.run(
        [sys.executable, str(NOTEBOOKS / "tuning.py")],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_untouched_page_shows_the_baseline_over_itself():
    """Kills the mutants whose dials do not start at the scenario's values or whose ghost has other luck."""
    _, found = app.run()
    assert found["changes"] == {}
    assert found["tuned"].market.equals(found["ghost"].market)
    assert tomllib.loads(found["toml"])["extends"] == "baseline"
    assert len(found["sliders"]) == 10


def test_a_turned_dial_changes_the_file_and_the_chart():
    """Kills the mutants that forget to run anew, to write the value down, or that turn the ghost as well."""
    scenario = load_scenario("baseline")
    values = {dial.lever.key: dial.value for dial in tuning.dials_of(scenario)}
    _, found = app.run(defs={"values": {**values, GROWTH: 3.0}})
    assert found["toml"].splitlines()[-2:] == ["[technology]", "training_cost_growth = 3.0"]
    assert found["tuned"].scenario.hash == override_scenario(scenario, {GROWTH: 3.0}).hash
    assert found["ghost"].scenario.hash == scenario.hash
    ours, theirs = (tuning.paths_of(found[name], "api_spend") for name in ("tuned", "ghost"))
    assert not ours.shares.equals(theirs.shares) and not ours.hhi.equals(theirs.hhi)


def test_values_that_do_not_go_together_are_said_on_the_page():
    """Kills the mutant that lets the page break instead of saying why."""
    scenario = load_scenario("baseline")
    values = {dial.lever.key: dial.value for dial in tuning.dials_of(scenario)}
    _, found = app.run(defs={"values": {**values, GROWTH: 50.0}})
    assert found["tuned"] is None and GROWTH in found["refused"]
    assert "do not go together" in found["view"].text
