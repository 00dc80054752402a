"""Dials, what turning them does to the scenario file and to the chart's data (the page itself: tests/extras)."""

from __future__ import annotations

import runpy
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

from analysis import tuning
from analysis.tuning import LEVERS, as_toml, changed, chart, dials_of, drawn_labs, outcome, paths_of, png
from sim import load_scenario, run
from sim.parameters import Parameters
from sim.scenario import ScenarioError, describe_key, override_scenario, shipped_scenarios

GROWTH, PRIVACY = "technology.training_cost_growth", "demand.privacy"


@pytest.fixture(scope="module")
def baseline():
    return load_scenario("baseline")


@pytest.fixture(scope="module")
def pair(baseline):
    """A tuned run and its ghost: the same luck, seven quarters."""
    tuned = override_scenario(baseline, {GROWTH: 4.0, PRIVACY: 9.0})
    return tuple(run(each, 3, enterprises=200, until="2024Q3") for each in (tuned, baseline))


@pytest.mark.parametrize("name", [entry.name for entry in shipped_scenarios()])
def test_every_dial_starts_at_the_scenario_and_stays_in_bounds(name):
    """Kills the mutants that start all scenarios at the baseline's values or offer what the schema refuses."""
    scenario = load_scenario(name)
    for dial in dials_of(scenario):
        key = dial.lever.key
        assert dial.value == scenario.provenance[key].value and dial.value in dial.steps
        assert list(dial.steps) == sorted(set(dial.steps))
        for end in (dial.steps[0], dial.steps[-1]):
            assert override_scenario(scenario, {key: end}).provenance[key].value == end


def test_a_dial_says_where_its_number_is_from(baseline):
    """Kills the mutants that show another parameter's unit, bounds or source."""
    dials = {dial.lever.key: dial for dial in dials_of(baseline)}
    assert list(dials) == [lever.key for lever in LEVERS] and len(dials) == 10
    growth, said = dials[GROWTH], describe_key(Parameters, GROWTH)
    assert (growth.unit, growth.bounds, growth.meaning) == (said.unit, said.bounds, said.meaning)
    assert growth.source == baseline.provenance[GROWTH].source
    for text in (GROWTH, growth.bounds, growth.source):
        assert text in tuning.facts_html(growth)
    assert "x per year" in tuning.heading_html(growth, {})
    assert "2.4" in tuning.heading_html(growth, {GROWTH: 3.0}) and "2.4" not in tuning.heading_html(growth, {})


def test_a_dial_names_the_dated_changes_that_move_it_too():
    """Kills the mutant that lets the user believe a dial holds for all years."""
    scenario = override_scenario(load_scenario("tradeoff-hybrid"), {})
    noted = {dial.lever.key for dial in dials_of(scenario) if dial.note}
    assert noted == {shock.key for shock in scenario.parameters.shocks} & {lever.key for lever in LEVERS} != set()


def test_only_what_was_turned_is_written_and_it_makes_the_same_scenario(baseline, tmp_path):
    """Kills the mutants that write every value, round one, or leave a section out: the file's hash would be another."""
    dials = dials_of(baseline)
    values = {dial.lever.key: dial.value for dial in dials}
    assert changed(dials, values) == {}
    turned = changed(dials, {**values, GROWTH: 3.05, PRIVACY: 0.0, "technology.distillation": 1.0})
    assert turned == {GROWTH: 3.05, PRIVACY: 0.0, "technology.distillation": 1.0}
    for changes in ({}, turned):
        path = tmp_path / "mine.toml"
        path.write_text(as_toml("baseline", changes), encoding="utf-8")
        assert load_scenario(path).hash == override_scenario(baseline, changes).hash


def test_a_scenario_file_extends_the_scenario_that_was_picked(tmp_path):
    """Kills the mutant that always extends the baseline."""
    path = tmp_path / "mine.toml"
    path.write_text(as_toml("funding-winter", {GROWTH: 2.0}), encoding="utf-8")
    assert load_scenario(path).hash == override_scenario(load_scenario("funding-winter"), {GROWTH: 2.0}).hash


def test_project_runs_the_changed_scenario_at_the_size_asked_for():
    """Kills the mutants that drop the changes, the seed or the size."""
    result = tuning.project("baseline", {GROWTH: 3.0, "run.until": "2023Q2"}, seed=5, enterprises=200)
    assert result.scenario.provenance[GROWTH].value == 3.0
    assert (result.seeds, result.info.enterprises, result.quarters) == ((5,), 200, ("2023Q1", "2023Q2"))
    with pytest.raises(ScenarioError, match=GROWTH):
        tuning.project("baseline", {GROWTH: 50.0}, seed=1)


@pytest.mark.parametrize("lens", tuning.TUNED_LENSES)
def test_paths_are_those_of_the_run(pair, lens):
    """Kills the mutants that read another lens, count labs instead of owners, or closed for open."""
    tuned, _ = pair
    paths = paths_of(tuned, lens)
    assert paths.shares.equals(tuned.shares(lens, "lab"))
    assert paths.hhi.equals(tuned.concentration(lens, "owner")["hhi"])
    assert paths.open_share.equals(tuned.shares(lens, "openness")["open"])
    end = outcome(paths)
    assert end.leader_share == paths.shares.iloc[-1].max() == paths.shares[end.leader].iloc[-1]
    assert end.labs == int((paths.shares.iloc[-1] > 0.01).sum())


def test_the_chart_has_the_tuned_paths_over_the_ghosts(pair):
    """Kills the mutants that draw one run twice, swap the two, or leave the ghost out."""
    ours, theirs = (paths_of(result, "api_spend") for result in pair)
    shares, hhi, opened = chart(*pair, "api_spend").axes[:3]
    labs = drawn_labs(ours, theirs)
    drawn = [line.get_ydata() for line in shares.lines if len(line.get_xdata()) == len(ours.hhi)]
    wanted = [path for lab in labs for path in (theirs.shares[lab], ours.shares[lab])]
    assert len(drawn) == len(wanted)
    for found, path in zip(drawn, wanted, strict=True):
        np.testing.assert_array_equal(found, path)
    for axes, paths in ((hhi, (theirs.hhi, ours.hhi)), (opened, (theirs.open_share, ours.open_share))):
        for line, path in zip(axes.lines, paths, strict=False):
            np.testing.assert_array_equal(line.get_ydata(), path)
        assert axes.lines[0].get_alpha() == tuning.GHOST_ALPHA and axes.lines[1].get_alpha() is None


def test_the_chart_says_what_it_shows(pair):
    """Kills the mutants whose headline names another leader or share, and whose picture is empty."""
    figure = chart(*pair, "deployments")
    texts = " ".join(text.get_text() for text in figure.texts)
    end = outcome(paths_of(pair[0], "deployments"))
    assert f"{100 * end.leader_share:.0f} % of deployments" in texts and "2 values changed" in texts
    assert "deployments" in tuning.outcome_words(*pair, "deployments")
    assert png(figure).startswith(b"\x89PNG") and png(figure) == png(chart(*pair, "deployments"))


def test_the_page_says_what_it_lacks(monkeypatch):
    """Kills: an import that fails without a word of what to do. (Marimo warns of notebooks with a guard before it.)"""
    monkeypatch.setitem(sys.modules, "marimo", None)
    with pytest.raises(ModuleNotFoundError) as failed:
        runpy.run_path(str(Path(tuning.__file__).parent / "notebooks" / "tuning.py"))
    assert "not installed? pip install -e '.[app]', or make app" in "".join(traceback.format_exception(failed.value))
