"""What docs/sweeps.md and scenarios/README.md say of sweeps is so: plans load, code runs, every name is the code's."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest
import typer.main

from analysis.commands.sweep import sweep_app
from sim.parameters import Parameters
from sim.records import COLUMNS
from sim.scenario import load_scenario
from sim.sweep import executors, load_plan, run_sweep
from sim.sweep.jobs import Status
from sim.sweep.planfile import PLANS, Design, FactorEntry, PlanEntry
from sim.sweep.store import PENDING, RUN_COLUMNS
from sim.sweep.work import SHARD_RUNS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
SCENARIOS = (ROOT / "scenarios" / "README.md").read_text(encoding="utf-8")


def blocks(page, language):
    """The fenced blocks of a language, free of their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def table(head):
    """The rows below a table's head, as cells without code marks."""
    lines = PAGE.split(head)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


class Inline:
    """Makes runs in this process."""

    def __init__(self, idle=None):
        pass

    def call(self, task, argument, tick, limit=None):
        return task(argument, tick)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """runs/sweeps/mine: the page's plan, of two levels, one seed and one year."""
    text = re.sub(r"levels = \d", "levels = 2", blocks(PAGE, "toml")[0])
    text = text.replace('"2032Q4"', '"2023Q4"\nenterprises = 200').replace("replications = 8", "replications = 1")
    (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(executors, "Crew", Inline)
    executors._crew.cache_clear()
    with ThreadPoolExecutor(1) as pool:
        assert run_sweep("plan.toml", "runs/sweeps/mine", executor=pool).ok == 8
    yield tmp_path / "runs" / "sweeps" / "mine"
    executors._crew.cache_clear()


def test_the_python_of_the_page_runs(mine):
    """Kills: a renamed method, column or factor in what a reader copies. (Polars and DuckDB: tests/extras.)"""
    for name in ("part-1", "part-2"):
        shutil.copytree(mine, mine.with_name(name))
    ran = [text for text in blocks(PAGE, "python") if "polars" not in text]
    assert len(ran) == 4
    names = {"__name__": "page"}  # what a main module would start is not started
    for text in ran:
        exec(compile(text, "docs/sweeps.md", "exec"), names)  # noqa: S102
    assert len(names["hhi"]) == len(names["points"]) / 2 == 4
    assert names["both"].count_rows() == 2 * names["market"].shape[0] == 2 * 8 * 4
    assert len(names["response"]) == 4 and len(names["bands"]) == 2 * 4


@pytest.mark.parametrize("page", [PAGE, SCENARIOS], ids=["sweeps", "scenarios"])
def test_the_plans_load(page, tmp_path):
    """Kills: a renamed key, a range out of bounds, a scenario that is gone, in the first plan a reader writes."""
    plans = [text for text in blocks(page, "toml") if "design" in text]
    assert len(plans) == 1
    (tmp_path / "plan.toml").write_text(plans[0], encoding="utf-8")
    assert load_plan(tmp_path / "plan.toml").run_count > 500


def test_keys_and_designs_of_a_plan_are_all_there():
    """Kills: a key or design that the page forgets or invents, and a wrong default."""
    rows = {row[0]: row[2] for row in table("| key | means |")}
    assert set(rows) == {*PlanEntry.model_fields, "[record] tables"} - {"record", "factors"}
    for key in ("design_seed", "replications", "seed", "common_random_numbers"):
        assert rows[key] == str(PlanEntry.model_fields[key].default).lower()
    assert {row[0] for row in table("| design | points")} == set(get_args(Design))
    forms = " ".join(row[0] for row in table("| form | distribution"))
    assert set(re.findall(r"[a-z]+(?=[, }]| =)", forms)) - {"log", "uniform"} == (
        set(FactorEntry.model_fields) - {"levels", "source"}
    )


def test_columns_statuses_and_tables_are_all_there():
    """Kills: a column, status or table that the page forgets, invents or gives another unit."""
    assert [tuple(row[:2]) for row in table("| column of `runs.parquet`")] == [(c.name, c.unit) for c in RUN_COLUMNS]
    assert {row[0] for row in table("| status of a run")} == {*get_args(Status), PENDING}
    assert not [name for name in COLUMNS if f"`{name}`" not in PAGE]
    assert f"with {SHARD_RUNS} runs each" in PAGE


def test_dotted_keys_and_shipped_plans_exist():
    """Kills: a key or plan that was renamed."""
    known = load_scenario("baseline").provenance
    keys = {key for key in re.findall(r'"([a-z]+\.[a-z_.]+)"', PAGE + SCENARIOS) if key.split(".")[0] in sections()}
    assert len(keys) >= 2
    assert not [key for key in keys if not any(f"{name}.".startswith(f"{key}.") for name in known)]
    plans = {path.stem for path in PLANS.glob("*.toml")}
    assert not [name for name in plans if f"`{name}`" not in SCENARIOS]
    assert set(re.findall(r"moatsim sweep ([a-z-]{8,})", PAGE)) <= plans


def sections():
    """The sections of a scenario."""
    return set(Parameters.model_fields)


def test_commands_and_options_exist():
    """Kills: an option or command of `moatsim sweep` that was renamed."""
    group = typer.main.get_command(sweep_app)
    options = {option for command in group.commands.values() for param in command.params for option in param.opts}
    lines = [line for line in PAGE.splitlines() if "moatsim" in line and "sweep" in line and "image" not in line]
    said = set(re.findall(r"(?<![\w-])--[a-z-]+", "\n".join([*lines, PAGE.split("## A plan")[0]])))
    assert len(said) >= 7 and said <= options
    assert {"status", "retry"} <= set(re.findall(r"`?moatsim sweep (\w+) ", PAGE)) & set(group.commands)
