"""A plan's file: what it means, what it must not say, what decides its hash; the plans that come with the program."""

import csv
import itertools
import json
import pickle
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from sim.scenario import SHIPPED, ScenarioError, load_scenario, override_scenario
from sim.sweep import PlanError, load_plan
from sim.sweep import plan as plan_module
from sim.sweep.plan import Plan, difference
from sim.sweep.planfile import PLANS

SHIPPED_PLANS = sorted(path.stem for path in PLANS.glob("*.toml"))

GRID = """
title = "two by two"
scenarios = ["baseline", "talent-war"]
design = "grid"
replications = 2
until = "2024Q4"
enterprises = 300
[factors]
"technology.public_diffusion" = { values = [0.1, 0.3] }
"technology.distillation" = { low = 0.2, high = 0.8, levels = 2, source = "assumption: a guess" }
"""
SOBOL = """
scenarios = ["baseline"]
design = "sobol"
points = 8
[factors]
"technology.public_diffusion" = { low = 0.04, high = 0.64, distribution = "log-uniform" }
"technology.leak_delay" = { low = 1, high = 4 }
"switches.run_noise" = { values = [true, false] }
"release.creed" = { mean = 1.0, sd = 0.4 }
"""

Read = Callable[[str], Plan]


@pytest.fixture(autouse=True)
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenario files are read once for all tests of this file: reading is tested elsewhere."""
    monkeypatch.setattr(plan_module, "load_scenario", scenario_named)


@cache
def grid_plan(path: Path) -> Plan:
    path.write_text(GRID, encoding="utf-8")
    return load_plan(path)


@pytest.fixture
def original(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan of GRID, read once."""
    return grid_plan(tmp_path_factory.getbasetemp() / "original.toml")


@cache
def shipped(name: str) -> Plan:
    return load_plan(name)


@cache
def scenario_named(name: str | Path) -> object:
    return load_scenario(name)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def from_text(text: str) -> Plan:
        (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
        return load_plan(tmp_path / "plan.toml")

    return from_text


@pytest.fixture
def refused(read: Read, tmp_path: Path) -> Callable[[str], list[str]]:
    def problems(text: str) -> list[str]:
        with pytest.raises(PlanError) as error:
            read(text)
        return [str(problem).removeprefix(f"{tmp_path}/") for problem in error.value.problems]

    return problems


# ---- what a plan means ----


def test_points_go_scenario_by_scenario_row_by_row(read: Read) -> None:
    """Kills points numbered row by row, and rows that differ between scenarios."""
    plan = read(GRID)
    rows = [dict(point.values) for point in plan.points]
    assert [point.number for point in plan.points] == list(range(8))
    assert [point.scenario for point in plan.points] == ["baseline"] * 4 + ["talent-war"] * 4
    assert [point.row for point in plan.points] == [0, 1, 2, 3] * 2
    assert rows[:4] == rows[4:]
    expected = set(itertools.product((0.1, 0.3), (0.2, 0.8)))
    assert {(row["technology.public_diffusion"], row["technology.distillation"]) for row in rows} == expected
    assert (plan.until, plan.enterprises, plan.title, plan.run_count) == ("2024Q4", 300, "two by two", 16)


def test_every_point_has_the_same_luck(read: Read) -> None:
    """Kills a seed that depends on the point although common random numbers are on, which they are unless switched."""
    runs = list(read("seed = 5\n" + GRID).runs())
    assert [(run.point, run.replication, run.seed) for run in runs[:4]] == [(0, 5, 5), (0, 6, 6), (1, 5, 5), (1, 6, 6)]
    assert len(runs) == 16


def test_luck_of_its_own_differs_from_point_to_point(read: Read) -> None:
    """Kills a switch that does nothing, and seeds that a table's 64 bits cannot hold."""
    runs = list(read("common_random_numbers = false\n" + GRID).runs())
    assert len({run.seed for run in runs}) == len(runs)
    assert all(0 <= run.seed < 2**63 for run in runs)
    assert [run.replication for run in runs[:3]] == [1, 2, 1]


def test_the_scenario_of_a_point_is_the_scenario_with_its_values(read: Read) -> None:
    """Kills the mutant that lays values over the base in place, so that points infect each other."""
    plan = read(GRID)
    found = [plan.scenario_of(point) for point in (plan.points[1], plan.points[6], plan.points[1])]
    for scenario, point in zip(found, (plan.points[1], plan.points[6], plan.points[1]), strict=True):
        assert scenario.hash == load_scenario(point.scenario, overrides=point.values).hash
    assert plan.bases["baseline"].hash == load_scenario("baseline").hash


def test_an_override_is_what_loading_with_it_gives() -> None:
    """Kills an `override_scenario` that forgets provenance, expectations or a check that loading makes, or that lays
    the values over the tree of the scenario it was given."""
    given = {"technology.public_diffusion": 0.2, "labs.openai.cash": 6e8}
    base = load_scenario("talent-war")
    override_scenario(base, {"technology.distillation": 0.9})
    one, two = override_scenario(base, given), load_scenario("talent-war", given)
    assert (one, one.tree) == (two, two.tree)
    with pytest.raises(ScenarioError, match="two regimes"):
        override_scenario(one, {"switches.exogenous_rounds": True})


def test_values_have_the_type_of_their_key(read: Read) -> None:
    """Kills the mutant that hands 2.0 to a key of whole numbers, or 1 to a switch."""
    for point in read(SOBOL).points:
        types = {key: type(value) for key, value in point.values.items()}
        assert types["technology.leak_delay"] is int
        assert types["switches.run_noise"] is bool
        assert types["technology.public_diffusion"] is float


def test_a_normal_factor_ends_at_the_bounds_of_its_key(read: Read) -> None:
    """Kills the mutant that lets a tail leave the schema's bounds: a distillation of 1.4 would stop a run."""
    text = 'scenarios = ["baseline"]\ndesign = "latin"\npoints = 200\n[factors]\n'
    plan = read(text + '"technology.distillation" = { mean = 0.9, sd = 0.5 }\n')
    values = [float(point.values["technology.distillation"]) for point in plan.points]
    assert 0.0 <= min(values) < 0.05
    assert 0.95 < max(values) <= 1.0
    assert len(set(values)) == 200  # none piled up on a bound


def test_a_list_takes_its_values_as_they_stand(read: Read) -> None:
    """Kills a product of the listed values, and rows in another order."""
    plan = read("""
scenarios = ["baseline"]
design = "list"
[[points]]
"technology.public_diffusion" = 0.3
technology.leak_delay = 3.0
[[points]]
"technology.leak_delay" = 1
[points.technology]
public_diffusion = 0.1
""")
    expected = [(0.3, 3), (0.1, 1)]
    keys = ("technology.public_diffusion", "technology.leak_delay")
    assert [tuple(point.values[key] for key in keys) for point in plan.points] == expected
    assert list(plan.factors) == list(keys)


def test_one_at_a_time_stands_on_each_scenario(read: Read) -> None:
    """Kills a base taken from the first scenario for all, and columns left empty where a factor rests."""
    text = GRID.replace('"grid"', '"one-at-a-time"').replace(", levels = 2", "").replace("talent-war", "funding-winter")
    plan = read(text)
    base = load_scenario("baseline").parameters.technology
    assert len(plan.points) == 10
    assert dict(plan.points[0].values) == {
        "technology.public_diffusion": base.public_diffusion,
        "technology.distillation": base.distillation,
    }
    assert plan.scenario_of(plan.points[5]).hash == load_scenario("funding-winter").hash


def test_keys_need_no_quotes(read: Read) -> None:
    """Kills the mutant that takes an unquoted dotted key for a table of factors."""
    bare = GRID.replace('"technology.public_diffusion"', "technology.public_diffusion")
    nested = bare.replace('"technology.distillation" =', "[factors.technology.distillation]\n").replace(
        '{ low = 0.2, high = 0.8, levels = 2, source = "assumption: a guess" }', "low = 0.2\nhigh = 0.8\nlevels = 2"
    )
    assert read(nested).hash == read(bare).hash == read(GRID).hash


def test_a_plan_without_factors_compares_scenarios(read: Read) -> None:
    """Kills the mutant that asks for a factor where the scenarios are all that differs."""
    plan = read('scenarios = ["baseline", "talent-war"]\ndesign = "grid"\nreplications = 3')
    assert [(point.scenario, dict(point.values)) for point in plan.points] == [("baseline", {}), ("talent-war", {})]


def test_a_scenario_may_be_a_file_beside_the_plan(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kills the mutant that looks in the folder where the command was typed."""
    monkeypatch.setattr(plan_module, "load_scenario", load_scenario)
    (tmp_path / "mine.toml").write_text('extends = "baseline"\n[technology]\ndistillation = 0.3\n', encoding="utf-8")
    plan = read(GRID.replace("talent-war", "mine.toml"))
    assert plan.points[4].scenario == "mine.toml"
    assert plan.bases["mine.toml"].parameters.technology.distillation == 0.3


def test_what_the_caller_says_goes_before_the_plan(read: Read) -> None:
    """Kills a `load_plan` that ignores `until` or `enterprises`, or leaves them out of the hash."""
    plan = read(GRID)
    short = load_plan(plan.path, until="2023Q4", enterprises=400)
    assert (short.until, short.enterprises) == ("2023Q4", 400)
    assert short.hash != plan.hash
    with pytest.raises(PlanError, match="^overrides: until: write a quarter"):
        load_plan(plan.path, until="soon")


def test_a_plan_travels_between_processes(read: Read) -> None:
    """Kills a field that cannot be pickled: executors send plans to workers."""
    plan = read(SOBOL)
    again = pickle.loads(pickle.dumps(plan))
    assert (again, again.hash) == (plan, plan.hash)


# ---- what decides the hash ----


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('title = "two by two"', 'title = "another"  # and a comment'),
        ('scenarios = ["baseline", ', "common_random_numbers = true\nscenarios = ['baseline', "),
        (', source = "assumption: a guess"', ""),
        ("0.2,", "0.20,"),
        ("replications = 2", "replications = 2\nseed = 1"),
    ],
)  # fmt: skip
def test_the_hash_leaves_alone(old: str, new: str, original: Plan, read: Read) -> None:
    """Kills a hash of the text, by which a comment would throw away finished runs."""
    assert old in GRID
    one, two = original, read(GRID.replace(old, new))
    assert one.hash == two.hash
    assert difference(one.document(), two.document()) == []


@pytest.mark.parametrize("design", ["grid", "list", "one-at-a-time"])
def test_values_stand_in_the_order_of_the_plan(read: Read, design: str) -> None:
    """Kills columns and options by the alphabet: who writes cost first wants it first in the table and across a map."""
    keys = ["technology.training_cost_growth", "demand.assurance"]
    ranges = [f'"{key}" = {{ values = [2.5, 3.0] }}' for key in keys]
    rows = f'[[points]]\n"{keys[0]}" = 2.5\n"{keys[1]}" = 3.0\n'
    plan = read(
        "\n".join(
            [f'scenarios = ["baseline"]\ndesign = "{design}"', rows if design == "list" else "[factors]"]
            + (ranges if design != "list" else [])
        )
    )
    assert [list(point.values) for point in plan.points] == [keys] * len(plan.points)


def test_the_order_of_factors_moves_no_point(read: Read) -> None:
    """Kills dimensions of a Sobol sequence dealt out in the order of the file."""
    *head, a, b, c, d = SOBOL.strip().splitlines()
    one, two = read(SOBOL), read("\n".join([*head, c, d, b, a]))
    assert [point.values for point in one.points] == [point.values for point in two.points]
    assert one.hash == two.hash


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("replications = 2", "replications = 3", "replications: before 2 -> now 3"),
        ("0.3]", "0.4]", 'factors.technology.public_diffusion: before { values = [0.1, 0.3] } -> now { values = '),
        (', "talent-war"', "", "scenarios.talent-war: before values "),
        ("2024Q4", "2025Q1", 'until: before "2024Q4" -> now "2025Q1"'),
        ("enterprises = 300\n", "", "enterprises: before 300 -> now absent"),
        ("[factors]", "[record]\ntables = ['market']\n[factors]", 'tables: before ["market", "shares"] -> now ["ma'),
        ("replications = 2", "replications = 2\ncommon_random_numbers = false", "common_random_numbers: before true "),
        ("replications = 2", "replications = 2\nseed = 7", "seed: before 1 -> now 7"),
    ],
)  # fmt: skip
def test_the_hash_follows_and_the_difference_says(old: str, new: str, line: str, original: Plan, read: Read) -> None:
    """Kills each part of the document left out of the hash, and a difference that does not name it."""
    assert old in GRID
    one, two = original, read(GRID.replace(old, new))
    assert one.hash != two.hash
    told = difference(one.document(), two.document())
    assert any(each.startswith(line) for each in told), told
    assert not any(each.startswith("points") for each in told)


def test_a_change_of_the_points_alone_is_told(read: Read) -> None:
    """Kills a difference of nothing where another library drew other points, or the hash missing them."""
    old = read(SOBOL).document()
    new = json.loads(json.dumps(old))
    new["points"]["digest"] = "0" * 64
    assert [line.split(":")[0] for line in difference(old, new)] == ["points"]
    assert difference(old, json.loads(json.dumps(old))) == []  # as a manifest keeps it


def test_a_changed_scenario_changes_the_hash(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kills a hash of the scenarios' names, by which results of other values would be taken for these."""
    monkeypatch.setattr(plan_module, "load_scenario", load_scenario)
    text = GRID.replace("talent-war", "mine.toml")
    documents = []
    for value in (0.3, 0.4):
        (tmp_path / "mine.toml").write_text(f'extends = "baseline"\n[technology]\nbase_added = {value}\n', "utf-8")
        documents.append(read(text).document())
    (line,) = difference(documents[0], documents[1])
    assert line.startswith("scenarios.mine.toml: before values ")


def test_the_description_counts_runs_and_names_units(read: Read) -> None:
    """Kills a description without the number of runs, or that JSON cannot hold."""
    told = json.loads(json.dumps(read(GRID).describe()))
    assert (told["points"], told["runs"]) == (8, 16)
    assert told["factors"]["technology.public_diffusion"]["unit"] == "per year"
    assert told["factors"]["technology.distillation"]["source"] == "assumption: a guess"
    assert "runs          16" in read(GRID).summary()


# ---- what a plan must not say ----

FAULTY = """
titel = "a word too few"
scenarios = ["baselin", "baseline"]
design = "grid"
points = 7
replications = "8"
until = "2020Q1"
seed = -1
[factors]
"technology.training_cost_grwth" = { low = 1, high = 2, levels = 2 }
"technology.public_diffusion" = { low = 0.5, high = 0.1, levels = 2 }
"technology.distillation" = { low = 0.5, high = 1.5 }
"technology.leak_delay" = { low = 0.5, high = 3, levels = 2 }
"switches.training" = { low = 0, high = 1, levels = 2 }
"run.seed" = { values = [1, 2] }
"run.enterprises" = { values = [100, 200] }
"labs.openai" = { values = [1, 2] }
"labs.meta.creed" = { values = ["open", "clsed"] }
"technology.research_rate" = { lo = 0.5, high = 3 }
"technology.run_noise" = 3
"technology.base_added" = { mean = 0.5 }
"technology.base_delay" = { values = [1, 1] }
"technology.elo_per_oom" = { low = 0.0, high = 200.0, distribution = "log-uniform", levels = 2 }
"technology.closed_life" = { low = 1.0, mode = 9.0, high = 8.0, levels = 2 }
"technology.inflation" = { mean = 50.0, sd = 0.1, levels = 2 }
"technology.small_lag" = { mean = 1.0, sd = 0.0, levels = 2 }
"technology.serving_progress" = { low = 1.2, high = 2.0, distribution = "normal", levels = 2 }
"technology.frontier_before_start.0.name" = { values = ["a", nan] }
[record]
tables = ["market", "share"]
[recod]
x = 1
"""

EXPECTED = """
2: titel: unknown key; did you mean 'title'?
3: scenarios.0: 'baselin': no such scenario or file; did you mean 'baseline'?
5: points: a design 'grid' makes its own, leave it out
6: replications: expected a whole number from 1 to 10,000 (count), was given the text '8'
7: until: 2020Q1 is before the scenario's first quarter 2023Q1
8: seed: expected a whole number from 0 to 1,000,000,000, was given -1
10: factors.technology.training_cost_grwth: no such key in the scenario; did you mean 'technology.training_cost_growth'?
11: factors.technology.public_diffusion.low: must be below high, 0.5 is not below 0.1
12: factors.technology.distillation.levels: a grid needs them
12: factors.technology.distillation.high: expected a number from 0 to 1, was given 1.5
13: factors.technology.leak_delay.low: expected a whole number from 0 to 12 (quarters), was given 0.5
14: factors.switches.training: expected true or false, which has no range; give { values = [true, false] }
15: factors.run.seed: the seed is never a factor
16: factors.run.enterprises: length and size are the same for all runs
17: factors.labs.openai: is a table of the scenario
18: factors.labs.meta.creed.values: expected one of open, closed, was given the text 'clsed'; did you mean 'closed'?
19: factors.technology.research_rate.lo: unknown key; did you mean 'factors.technology.research_rate.low'?
20: factors.technology.run_noise: expected { low, high }, { low, mode, high }, { mean, sd } or { values }, was given 3
21: factors.technology.base_added: give { low, high }, { low, mode, high }, { mean, sd } or { values }, not mean
22: factors.technology.base_delay.values: 1 stands there twice
23: factors.technology.elo_per_oom.low: a log-uniform factor is above 0, was given 0
24: factors.technology.closed_life.mode: must lie from low to high, 9 does not
25: factors.technology.inflation.mean: expected a number from
26: factors.technology.small_lag.sd: expected a number above 0, was given 0
27: factors.technology.serving_progress.distribution: normal is made of mean, sd
28: factors.technology.frontier_before_start.0.name.values: expected
30: record.tables: no table 'share', did you mean 'shares'?
31: recod: unknown key; did you mean 'record'?
"""


def test_every_fault_comes_at_once_with_its_line(refused: Callable[[str], list[str]]) -> None:
    """Kills the mutant of each rule that lets its fault pass, and a reader that stops at the first stage's faults."""
    found = refused(FAULTY)
    expected = [f"plan.toml:{line}" for line in EXPECTED.strip().splitlines()]
    assert len(found) == len(expected), "\n".join(found)
    for one, two in zip(found, expected, strict=True):
        assert one.startswith(two)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('design = "sobol"', "1: points: a sobol design needs their number, such as points = 64"),
        ('design = "latin"', "1: factors: a design 'latin' needs at least one"),
        ('design = "grid"\ndesign_seed = 2', "2: design_seed: a design 'grid' draws nothing, leave it out"),
        ('design = "list"', "1: points: a list needs rows, [[points]]"),
        ('design = "list"\n[factors]\n"a" = { values = [1] }', "2: factors: a list takes its values from [[points]]"),
        ('design = "grid"\n[[points]]\n"a" = 1', '2: points: rows of [[points]] belong to design = "list"'),
        ('design = "grid"\nfactors = 3', "2: factors: expected a table of factors by dotted key, was given 3"),
        ('design = "sobel"', "1: design: expected one of grid, sobol, latin, list, one-at-a-time, was given the"),
        ('design = { value = "list", source = "x" }', "1: design: expected a bare value, was given a table"),
        ("seed = 2", "1: design: required key is missing: how the points are laid"),
        ('design = "grid"\nenterprises = 3', "2: enterprises: expected a whole number from 50 to 2,000,000 (count)"),
        ('design = "grid"\nlevels = 1', "2: levels: expected a whole number from 2 to 1,000 (count), was given 1"),
        (
            'design = "grid"\n[factors]\n"technology.distillation" = { low = 0, high = 1, levels = 1 }',
            "3: factors.technology.distillation.levels: expected a whole number from 2 to 1,000 (count), was given 1",
        ),
        (
            'design = "list"\n[[points]]\n"technology.leak_delay" = 2\n[[points]]\n"technology.distillation" = 2',
            "4: points.1: gives no value for 'technology.leak_delay', as other points do",
        ),
        (
            'design = "list"\n[[points]]\n"technology.leak_delay" = 2\n[[points]]\n"technology.leak_delay" = 2.5',
            "5: points.1.technology.leak_delay: expected a whole number from 0 to 12 (quarters), was given 2.5",
        ),
        (
            'design = "grid"\nlevels = 1000\n[factors]\n"technology.distillation" = { low = 0, high = 1 }\n'
            '"release.creed" = { low = 0, high = 1 }\n"technology.leak_delay" = { values = [1, 2] }',
            "1: design: makes 2,000,000 points, at most 1,000,000 are possible",
        ),
        (
            'design = "latin"\npoints = 9\n[factors]\n"technology.distillation" = { low = 0, high = 1, levels = 3 }',
            "4: factors.technology.distillation.levels: a design 'latin' has none, leave it out",
        ),
        (
            'design = "grid"\n[factors]\n"technology.distillation" = { values = [0.1] }\n'
            "technology.distillation = { values = [0.2] }",
            "4: 'technology.distillation' stands there twice",
        ),
    ],
)  # fmt: skip
def test_a_fault_alone(text: str, problem: str, refused: Callable[[str], list[str]]) -> None:
    """Kills the mutant of each rule that lets a plan pass whose parts do not go together."""
    table = text.find("\n[")
    head, rest = (text, "") if table < 0 else (text[:table], text[table:])
    found = refused(f'{head}\nscenarios = ["baseline"]{rest}')
    line, _, reason = problem.partition(": ")
    moved = int(line) + (int(line) > 1 + head.count("\n"))  # the line of the scenarios stands between
    assert any(each.startswith(f"plan.toml:{moved}: {reason}") for each in found), found


def test_a_wrong_size_comes_with_the_other_faults(refused: Callable[[str], list[str]]) -> None:
    """Kills a size held against scenarios alone, which nobody looks at where the scenario or the end is wrong."""
    text = 'scenarios = ["{}"]\ndesign = "grid"\nuntil = "{}"\nenterprises = -5'
    for scenario, until, wrong in (
        ("nope", "soon", ["scenarios.0", "until", "enterprises"]),
        ("baseline", "2020Q1", ["until", "enterprises"]),
    ):
        assert [problem.split(": ")[1] for problem in refused(text.format(scenario, until))] == wrong


def test_a_point_that_does_not_hold_together_is_named(refused: Callable[[str], list[str]]) -> None:
    """Kills the mutant that leaves to the runs what the scenario's own rules refuse, hours later."""
    text = GRID.replace('"technology.public_diffusion" = { values = [0.1, 0.3] }',
                        '"switches.exogenous_rounds" = { values = [false, true] }')  # fmt: skip
    found = refused(text)
    assert len(found) == 2  # once in each scenario
    assert "point 2 of 'baseline' (switches.exogenous_rounds = true" in found[0]
    assert "is refused: switches: exogenous_rounds and funding_market are two regimes" in found[0]


def test_a_key_must_be_in_every_scenario(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         refused: Callable[[str], list[str]]) -> None:  # fmt: skip
    """Kills the mutant that looks into the first scenario only."""
    monkeypatch.setattr(plan_module, "load_scenario", load_scenario)
    (tmp_path / "mine.toml").write_text('extends = "baseline"\nremove = ["labs.adept"]\n', encoding="utf-8")
    text = GRID.replace("talent-war", "mine.toml").replace("technology.public_diffusion", "labs.adept.safety")
    assert refused(text) == ["plan.toml:9: factors.labs.adept.safety: no such key in scenario 'mine.toml'"]


def test_scenarios_that_end_apart_need_one_last_quarter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                        refused: Callable[[str], list[str]]) -> None:  # fmt: skip
    """Kills the mutant that takes the first scenario's end for all without saying so."""
    monkeypatch.setattr(plan_module, "load_scenario", load_scenario)
    (tmp_path / "mine.toml").write_text('extends = "baseline"\n[run]\nuntil = "2026Q4"\n', encoding="utf-8")
    text = GRID.replace("talent-war", "mine.toml").replace('until = "2024Q4"\n', "")
    ends = "the scenarios end at 2026Q4 and 2032Q4; give one last quarter for all runs"
    assert refused(text) == [f"plan.toml:1: until: {ends}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "plan.toml:1: is empty"),
        ("scenarios = [", "plan.toml:1: not valid TOML"),
        ("a = 1\n\0", "plan.toml:"),
    ],
)
def test_what_is_no_plan_at_all_is_one_problem(text: str, problem: str, refused: Callable[[str], list[str]]) -> None:
    """Kills the mutant that shows a user a traceback of the parser."""
    (found,) = refused(text)
    assert found.startswith(problem)


def test_a_name_that_is_none_gets_a_near_one() -> None:
    """Kills the mutant that raises FileNotFoundError, or suggests a scenario."""
    with pytest.raises(PlanError, match="no such plan or file; did you mean 'what-decides-open-share'"):
        load_plan("what-decides-openshare")
    with pytest.raises(PlanError, match="is a directory"):
        load_plan(SHIPPED)


def test_what_is_allowed_and_hardly_meant_is_a_warning(read: Read) -> None:
    """Kills a refusal, or silence, about an unbalanced Sobol design and about a shock that overrules a factor."""
    assert read(SOBOL).warnings == ()
    (warning,) = read(SOBOL.replace("points = 8", "points = 9")).warnings
    assert warning.startswith("points: a sobol design is balanced for a power of two only")
    text = GRID.replace("talent-war", "frontier-slowdown").replace("public_diffusion", "training_cost_growth")
    (warning,) = read(text.replace("[0.1, 0.3]", "[2.0, 3.0]")).warnings
    assert warning == (
        "factors.technology.training_cost_growth: a shock of 'frontier-slowdown' sets it from 2025Q3 for good"
    )


# ---- the plans that come with the program ----


def sources(plan: Plan) -> Iterator[tuple[str, str]]:
    for key, factor in plan.factors.items():
        yield key, factor.source


@pytest.mark.parametrize("name", SHIPPED_PLANS)
def test_a_shipped_plan_is_sound(name: str) -> None:
    """Kills a shipped plan that a changed schema or scenario has broken, or that has a range from nowhere."""
    with (SHIPPED / "facts.csv").open(encoding="utf-8", newline="") as stream:
        facts = {row["id"] for row in csv.DictReader(stream)}
    plan = shipped(name)
    assert plan.warnings == ()
    assert plan.title != name
    for key, source in sources(plan):
        reason = source.removeprefix("assumption: ")
        named = [each.strip() for each in source.partition(";")[0].split(",")]
        assert (reason and reason != source) or set(named) <= facts, f"{key}: {source!r}"


@pytest.mark.parametrize("name", SHIPPED_PLANS)
def test_the_baseline_lies_within_a_shipped_plan(name: str) -> None:
    """Kills a plan whose ranges leave out what the model holds most likely."""
    plan = shipped(name)
    for key, factor in plan.factors.items():
        values = [float(point.values[key]) for point in plan.points]
        baseline = plan.bases["baseline"].provenance[key].value
        assert min(values) <= baseline <= max(values), f"{key}: {factor.document()}"


def test_the_shipped_plans_are_those_promised() -> None:
    """Kills a plan lost or shrunk: the core experiment on two scenarios, and twelve factors of the open share."""
    assert SHIPPED_PLANS == ["cost-growth-by-catch-up", "what-decides-open-share"]
    core, shares = map(shipped, SHIPPED_PLANS)
    assert (core.design, len(core.scenarios), len(core.points), core.run_count) == ("grid", 2, 126, 1008)
    growth = {point.values["technology.training_cost_growth"] for point in core.points}
    assert (min(growth), max(growth)) == (1.5, 3.5)
    assert (shares.design, len(shares.factors), len(shares.points)) == ("sobol", 12, 256)


def test_a_wheel_would_hold_the_shipped_plans() -> None:
    """Kills a plan folder outside what the build packs: the scenarios' folder travels whole beside the package."""
    text = (SHIPPED.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert 'packages = ["sim", "analysis", "scenarios"]' in text
    assert PLANS.parent == SHIPPED
