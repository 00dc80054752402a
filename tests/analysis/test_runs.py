"""run(): seeds, workers, failures, and what a Run answers."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import fake_market
import numpy as np
import pandas as pd
import pytest

from sim import runs
from sim.records import BY, LENSES, POPULATIONS
from sim.runs.results import TABLES

YEAR = {"until": "2023Q4"}


def same(a, b):
    """Equal tables and shares, bit for bit."""
    for name in TABLES:
        pd.testing.assert_frame_equal(a.table(name), b.table(name), check_exact=True)
    np.testing.assert_array_equal(a.cube.values, b.cube.values)


def test_one_seed_is_indexed_by_quarter_several_by_replication_too(single, several):
    """Kills: a replication level for one seed, or none for several."""
    assert single.market.index.name == "quarter"
    assert list(single.market.index[:2]) == ["2023Q1", "2023Q2"]
    assert several.market.index.names == ["replication", "quarter"]
    assert several.shares().index.equals(several.market.index)
    assert several.labs.loc[(5, "2024Q1")].shape[0] == len(several.scenario.parameters.labs)
    for frame in (
        several.events,
        several.funding,
        several.investors,
        several.investments,
        several.stakes,
        several.gap(),
        several.concentration(),
    ):
        assert frame.index.names == ["replication", "quarter"]


def test_a_seed_is_the_same_alone_and_among_others(single, several):
    """Kills: seeds shifted by one, or replications in order of finishing."""
    pd.testing.assert_frame_equal(several.market.loc[4], single.market)
    pd.testing.assert_frame_equal(several.shares("tokens", "owner").loc[4], single.shares("tokens", "owner"))


def test_workers_change_nothing(scenario, market):
    """Kills: results in order of finishing, or a worker that gets another seed, scenario, size or length."""
    here = runs.run(scenario, seeds=[9, 2, 5], workers=1, **YEAR)
    there = runs.run(scenario, seeds=[9, 2, 5], workers=2, **YEAR)
    same(here, there)
    assert there.seeds == (9, 2, 5)


def test_a_failed_seed_costs_only_itself(scenario, market):
    """Kills: an exception in one seed that loses the others, in process and in workers."""
    market(fake_market.FailingMarket)
    for workers in (1, 2):
        with pytest.warns(UserWarning, match="2 of 5 seeds failed: 2, 4"):
            result = runs.run(scenario, seeds=range(1, 6), workers=workers, **YEAR)
        assert result.seeds == (1, 3, 5)
        assert dict(result.failures) == dict.fromkeys((2, 4), "FloatingPointError: 2023Q3, lab openai: price is NaN")
    with pytest.raises(runs.RunError, match=r"no seed finished; seed 2: FloatingPointError(.|\n)*fake_market\.py"):
        runs.run(scenario, seed=2, **YEAR)


def test_a_killed_worker_costs_only_its_seed(scenario, market):
    """Kills: a pool that is broken for good when one process dies (as concurrent.futures' is)."""
    market(fake_market.DyingMarket)
    with pytest.warns(UserWarning, match="1 of 5 seeds failed: 3"):
        result = runs.run(scenario, seeds=range(1, 6), workers=2, **YEAR)
    assert result.seeds == (1, 2, 4, 5)
    assert "worker process died" in result.failures[3]


def test_leaving_early_ends_the_workers(scenario, market):
    """An interrupt while seeds run leaves no process behind. Kills: workers that outlive the run."""

    def impatient(_seed, _quarter):
        raise KeyboardInterrupt

    before = children()
    with pytest.raises(KeyboardInterrupt):
        runs.run(scenario, seeds=range(8), workers=2, progress=impatient, **YEAR)
    assert children() <= before


def children():
    """Ids of the live child processes of this process (Linux; empty elsewhere)."""
    found = set()
    for task in Path("/proc/self/task").glob("*/children"):
        found |= set(task.read_text().split())
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_ticks_once_for_each_quarter_of_each_seed(scenario, market, workers):
    """Kills: ticks lost between processes, or told of the wrong seed."""
    seen = []
    runs.run(scenario, seeds=[1, 2], workers=workers, progress=lambda *tick: seen.append(tick), **YEAR)
    assert sorted(seen) == [(seed, f"2023Q{quarter}") for seed in (1, 2) for quarter in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1, "seeds": [2]}, "either seed or seeds"),
        ({"seeds": []}, "at least one"),
        ({"seeds": [3, 3]}, "twice"),
        ({"seed": -1}, r"a seed must be a whole number from 0 to 2\^63 - 1, not -1"),
        ({"seed": 1.5}, "a seed must be a whole number .*, not 1.5"),
        ({"seeds": [1, 2**63]}, "a seed must be a whole number .*, not 9223372036854775808"),
        ({"workers": 0}, "workers: at least 1"),
        ({"until": "2022Q4"}, "2022Q4 is before the scenario's first quarter 2023Q1"),
        ({"until": "2032"}, "write a quarter such as 2032Q4, not '2032'"),
        ({"until": "2190Q4"}, "at most 400"),
        ({"enterprises": 3}, "enterprises: .*greater than or equal to 50, not 3"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(scenario, market, options, message):
    """Kills: each check left out."""
    with pytest.raises(ValueError, match=message):
        runs.run(scenario, **options)


@pytest.mark.parametrize("name", ["talent-war", "my.toml", None])
def test_a_name_is_no_scenario(market, name):
    """Kills: an AttributeError deep inside; advice that loads another scenario than the one named."""
    with pytest.raises(TypeError, match=rf"give a scenario: load_scenario\('{name or 'baseline'}'\)"):
        runs.run(name)


def test_the_largest_seed_is_run_and_saved(scenario, market, tmp_path):
    """Kills: seeds that overflow the 64 bits of a table."""
    result = runs.run(scenario, seeds=[2**63 - 2, 2**63 - 1], until="2023Q1")
    result.save(tmp_path / "a")
    assert runs.results.open_run(tmp_path / "a").seeds == (2**63 - 2, 2**63 - 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lens": "api_spnd"}, "unknown lens 'api_spnd'; did you mean 'api_spend'"),
        ({"by": "labs"}, "unknown by 'labs'; did you mean 'lab'"),
        ({"population": "enterprises"}, "unknown population 'enterprises'; did you mean 'enterprise'"),
    ],
)
def test_unknown_names_get_the_nearest_known_one(single, arguments, message):
    """Kills: a bare KeyError."""
    with pytest.raises(ValueError, match=message):
        single.shares(**arguments)


def test_every_lens_by_and_population_answers(several):
    """Kills: axes of the cube swapped: each slice must sum to 1 over its keys, save overlapping lenses."""
    for population in POPULATIONS:
        for lens in LENSES:
            for by in BY:
                frame = several.shares(lens, by, population)
                np.testing.assert_allclose(frame.sum(axis=1), 1.0, atol=1e-12)


def test_concentration_is_that_of_the_owners(several):
    """Kills: concentration by lab instead of owner, or of another lens than asked."""
    pd.testing.assert_series_equal(several.concentration()["hhi"], several.market["hhi"])
    owner = several.shares("tokens", "owner").to_numpy()
    np.testing.assert_allclose(several.concentration("tokens")["hhi"], 1e4 * (owner**2).sum(axis=1))
    np.testing.assert_allclose(several.concentration("tokens")["cr3"], np.sort(owner)[:, -3:].sum(axis=1))
    with pytest.raises(ValueError, match="no concentration"):
        several.concentration("adopters")


def test_gap_and_summary_read_the_market(several):
    """Kills: months and Elo swapped; quantiles over quarters instead of seeds; the last quarter left out."""
    gap = several.gap()
    pd.testing.assert_series_equal(gap["elo"], several.market["gap_elo"], check_names=False)
    summary = several.summary()
    assert list(summary["measures"]["hhi"]) == ["2024Q4", "2025Q4"]
    last = several.market["hhi"].xs("2025Q4", level="quarter")
    spread = summary["measures"]["hhi"]["2025Q4"]
    assert [spread["p10"], spread["median"], spread["p90"]] == pytest.approx(last.quantile([0.1, 0.5, 0.9]).tolist())
    assert next(iter(summary["api_spend_shares_by_owner"])) == "openai"


def test_a_script_without_a_main_guard_may_use_workers(tmp_path):
    """Kills: multiprocessing's spawn, which runs such a script again in each worker, and fails."""
    script = tmp_path / "study.py"
    script.write_text(
        "import sys\n"
        f"sys.path[:0] = {[str(Path(__file__).parent), str(Path(runs.__file__).parent.parent)]!r}\n"
        "import fake_market\n"
        "from sim import load_scenario, run, runs\n"
        "runs.Market = fake_market.FakeMarket\n"
        "result = run(load_scenario('baseline'), seeds=range(2), workers=2, until='2023Q2')\n"
        "print('rows', len(result.market))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "rows 4\n", "")


def test_a_print_in_a_worker_harms_nothing(scenario, market, capfd):
    """Kills: worker messages on a pipe that stray output can reach."""
    market(fake_market.TalkingMarket)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = runs.run(scenario, seeds=[1, 2], workers=2, **YEAR)
    assert result.seeds == (1, 2)
    assert "hello from a worker" in capfd.readouterr().err
