"""What a scenario amounts to: inheritance, sources, overrides, hash, difference, the resolved file."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from sim.scenario import (
    Scenario,
    ScenarioError,
    describe,
    describe_key,
    diff,
    json_schema,
    load_scenario,
    parse_override,
    shipped_scenarios,
)

Load = Callable[..., Scenario]

BASE = 'extends = "baseline"\n'


def values(scenario: Scenario) -> dict[str, object]:
    return {key: entry.value for key, entry in scenario.provenance.items()}


def test_every_value_carries_its_source_file_and_line(load: Load) -> None:
    """Kills mutants that lose the source of a leaf, of a map given whole, of a map's entry or of a row."""
    baseline = load()
    seen = {key: (entry.value, entry.source, entry.line) for key, entry in baseline.provenance.items()}
    assert seen["technology.growth"] == (2.4, "S0-04", 5)
    assert seen["technology.lag"] == (3, "S0-05, P-076; by eye", 6)
    assert seen["labs.openai.bias.eu"] == (0.1, "P-002", 15)
    assert seen["labs.mistral.bias.us"] == (0.3, "P-003", 26)
    assert seen["labs.openai.rounds.0.backers.microsoft"] == (1.0, "P-241", 20)
    assert seen["shocks.0.factor"] == (0.5, "P-300", 30)
    assert {entry.file for entry in baseline.provenance.values()} == {"shipped/baseline.toml"}


def test_a_child_says_only_what_differs(load: Load) -> None:
    """Kills mutants that replace a whole table, blame the parent for the child's value, or drop inherited entries."""
    child = load(BASE + "[technology]\ngrowth = 3\n[labs.openai]\nbias = { eu = 0.4 }\n")
    assert [key for key, _, _ in diff(load(), child)] == ["technology.growth", "labs.openai.bias.eu"]
    assert child.provenance["technology.growth"].source == "given in my.toml"
    assert child.provenance["technology.growth"].line == 3
    assert child.provenance["labs.openai.bias.us"].source == "P-001"
    assert [path.name for path in child.files] == ["baseline.toml", "my.toml"]
    assert (child.name, child.title, child.thesis) == ("my", "my", "")


def test_a_child_adds_and_drops_entries(load: Load) -> None:
    """Kills the mutant that ignores `remove`, or applies it after what the file itself gives."""
    new = "[labs.new]\ncash = 1\nregion = 'us'\nbias = {}\n"
    again = "[labs.mistral]\ncash = 7\nregion = 'eu'\nbias = {}\n"
    child = load(BASE + "remove = ['labs.openai', 'labs.mistral']\n" + new + again)
    assert list(child.parameters.model_dump()["labs"]) == ["new", "mistral"]
    assert "labs.mistral.bias.us" not in child.provenance
    assert load(BASE + "remove = ['labs.openai.bias.eu']").parameters.model_dump()["labs"]["openai"]["bias"] == {
        "us": 0.0
    }


@pytest.mark.parametrize(
    ("text", "quarters"),
    [
        ("[[shocks]]\nquarter = 'b'\nvalue = 'x'\n", ["2024Q1", "b"]),
        ("shocks = [{ quarter = 'b', value = 1.0 }]\n", ["b"]),
        ("shocks = []\n", []),
        ("remove = ['shocks']\n[[shocks]]\nquarter = 'b'\nvalue = 1.0\n", ["b"]),
    ],
)
def test_double_brackets_add_rows_and_an_equals_sign_replaces_them(load: Load, text: str, quarters: list[str]) -> None:
    """Kills the mutant for which a user's shock silently wipes the inherited ones, and the one that cannot replace."""
    assert [row["quarter"] for row in load(BASE + text).parameters.model_dump()["shocks"]] == quarters


def test_an_added_row_keeps_its_own_line_and_source(load: Load) -> None:
    """Kills the mutant that counts the rows of a file from the inherited ones when it looks for their lines."""
    child = load(BASE + "\n[[shocks]]\nquarter = 'b'\nvalue = 1.0\nsource = 'mine'\n")
    entry = child.provenance["shocks.1.value"]
    assert (entry.value, entry.source, entry.line, Path(entry.file).name) == (1.0, "mine", 5, "my.toml")
    assert child.provenance["shocks.0.factor"].line == 30


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"technology.growth": 3}, "[technology]\ngrowth = 3.0\n"),
        ({"technology.grid": (1, 2)}, "[technology]\ngrid = [1, 2]\n"),
        ({"technology.growth": {"value": 3.0, "source": "S"}}, "technology.growth = { value = 3, source = 'S' }\n"),
        ({"labs.openai.bias.eu": 0.5}, "[labs.openai]\nbias = { eu = 0.5 }\n"),
        ({"labs.openai.bias": {"eu": 0.5}}, "[labs.openai]\nbias = { eu = 0.5 }\n"),
        ({"remove_nothing": None}, ""),
        ({"shocks": []}, "shocks = []\n"),
        ({"shocks.0.factor": 0.25}, "shocks = [{ quarter = '2024Q1', factor = 0.25 }]\n"),
        ({"labs.new": {"cash": 1, "region": "us", "bias": {}}}, "[labs.new]\ncash = 1\nregion = 'us'\nbias = {}\n"),
        ({"technology.growth": np.float64(3), "technology.lag": np.int64(4)}, "[technology]\ngrowth = 3\nlag = 4\n"),
    ],
)
def test_an_override_equals_an_edit_of_the_file(load: Load, overrides: dict[str, object], text: str) -> None:
    """Kills the mutant whose overrides skip validation, merging or conversion."""
    overrides.pop("remove_nothing", None)
    assert load(BASE, overrides).hash == load(BASE + text).hash


@pytest.mark.parametrize(
    ("key", "value", "fragment"),
    [
        ("technology.growht", 3, "unknown key; did you mean 'technology.growth'?"),
        ("technolgy.growth", 3, "unknown key; did you mean 'technology.growth'?"),
        ("labs.opnai.cash", 3, "did you mean 'labs.openai.cash'?"),
        ("shocks.4.factor", 3, "did you mean 'shocks.0.factor'?"),
        ("technology.growth.value", 3, "unknown key"),
        ("", 3, "unknown key"),
        ("technology", 3, "expected a table"),
        ("technology.growth", 99, "from 1 to 10 (x per year), was given 99"),
        ("technology.growth", float("nan"), "not a finite number"),
        ("technology.growth", 2**5000, "2^63 or more"),
        ("technology.growth", None, "was given a NoneType"),
        ("technology.growth", object(), "was given a object"),
        ("technology.label", "a\ud800", "control characters"),
        ("labs.openai.parent", "nobody", "no lab 'nobody'"),
    ],
    ids=[str(number) for number in range(14)],  # a number of 1,505 digits makes no name
)
def test_a_bad_override_is_named_as_such(load: Load, key: str, value: object, fragment: str) -> None:
    """Kills the mutant that creates what it does not find, or blames a file for a value of the command line."""
    with pytest.raises(ScenarioError) as caught:
        load(BASE, {key: value})
    assert fragment in str(caught.value)
    assert str(caught.value).startswith("overrides: ")
    assert len(caught.value.problems) == 1


def test_an_override_is_its_own_source(load: Load) -> None:
    """Kills the mutant that keeps the source of the value it replaced."""
    entry = load(BASE, {"technology.growth": 3}).provenance["technology.growth"]
    assert (entry.value, entry.source, entry.file) == (3.0, "given in overrides", "overrides")


def test_a_scenario_is_printed_in_one_short_line() -> None:
    """Kills the mutant that prints every parameter."""
    scenario = load_scenario("baseline")
    assert repr(scenario) == f"<Scenario 'baseline': {scenario.title}>"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=3", 3),
        ("a.b = 3.5e2", 350.0),
        ("a.b=true", True),
        ("a.b=open", "open"),
        ("a.b=2032Q4", "2032Q4"),
        ("a.b=True", "True"),
        ('a.b="x = y"', "x = y"),
        ("a.b=[1, 2]", [1, 2]),
        ("a.b={ us = 1 }", {"us": 1}),
        ("a.b=two words", "two words"),
    ],
)
def test_an_override_is_read_as_toml_or_a_bare_word(text: str, value: object) -> None:
    """Kills the mutant that reads numbers as texts, or splits at the last equals sign."""
    key, found = parse_override(text)
    assert (key, found, type(found)) == ("a.b", value, type(value))


@pytest.mark.parametrize(
    "text", ["", "a.b", "=3", "a b=3", "a.b=", "a.b=[1", "a.b=1\nc=2", "a..b=1", "a=" + "[" * 9999]
)
def test_what_is_no_override_is_refused(text: str) -> None:
    """Kills the mutant that takes a second line, an unclosed bracket or an empty value for a text."""
    with pytest.raises(ScenarioError, match="--set: "):
        parse_override(text)


def test_the_resolved_file_is_the_scenario(load: Load) -> None:
    """Kills mutants of the writer: escapes, empty tables and lists, rows, sources, order of tables."""
    awkward = "[technology]\nlabel = \"tab\\t, 'q', \\\\, é, \\n\"\ngrowth = 1\n"
    rows = "[[labs.openai.rounds]]\nquarter = '2024Q2'\namount = 5\nsource = 'S \"quoted\"'\n"
    first = load(
        BASE + "title = 'A \"title\"'\nthesis = '''two\nlines'''\n" + awkward + rows, {"labs.mistral.bias": {}}
    )
    second = load(first.to_toml())
    assert second.hash == first.hash
    assert (second.title, second.thesis) == (first.title, first.thesis)
    assert values(second) == values(first)
    assert {key: entry.source for key, entry in second.provenance.items()} == {
        key: entry.source for key, entry in first.provenance.items()
    }
    assert second.to_toml() == first.to_toml()
    assert "extends" not in first.to_toml()


def test_the_hash_is_of_values_alone(load: Load) -> None:
    """Kills the mutant that hashes titles, sources, spelling or order, and the one that misses a value."""
    baseline = load()
    assert load(BASE + "title = 'other'\ntechnology.growth = { value = 2.40, source = 'mine' }").hash == baseline.hash
    assert load(BASE + "[technology]\ngrowth = 2.400001").hash != baseline.hash
    assert load(BASE + "remove = ['labs.mistral']").hash != baseline.hash
    again = "rounds = [{ quarter = '2023Q1', amount = 1_000_000_000, backers = { microsoft = 1 }, source = 'mine' }]"
    assert load(BASE + "[labs.openai]\n" + again).hash == baseline.hash


def test_dos_line_ends_are_fine(load: Load, toy_text: str) -> None:
    """Kills the mutant that refuses every carriage return, or counts DOS lines twice."""
    dos = load(toy_text.replace("\n", "\r\n").encode())
    assert dos.hash == load().hash
    assert dos.provenance["shocks.0.factor"].line == 30


def test_difference_names_what_only_one_has(load: Load) -> None:
    """Kills the mutant that walks the keys of one side only."""
    child = load(BASE + "remove = ['labs.mistral']\n[labs.openai]\nparent = ''\n")
    changes = {key: (a, b) for key, a, b in diff(load(), child)}
    assert changes["labs.mistral.cash"] == (1e8, None)
    assert changes["labs.openai.parent"] == (None, "")


def test_files_of_the_same_folder_can_be_extended(load: Load, home: Path) -> None:
    """Kills the mutant that knows shipped scenarios only; a sub-folder does not leave the folder."""
    (home / "sub").mkdir()
    (home / "sub" / "near.toml").write_text(BASE + "[technology]\ngrowth = 5\n")
    child = load("extends = 'sub/near.toml'\n[technology]\nlag = 1\n")
    assert (child.parameters.model_dump()["technology"]["growth"], len(child.files)) == (5.0, 3)


def test_shipped_scenarios_are_listed(shipped: Path) -> None:
    """Kills the mutant that sorts the baseline among the others, or drops the thesis."""
    (shipped / "a_first.toml").write_text("extends = 'baseline'\ntitle = 'First'\nthesis = 'It is.'\n")
    listed = shipped_scenarios(shipped)
    assert [(entry.name, entry.title, entry.thesis) for entry in listed] == [
        ("baseline", "The toy", "Small is testable."),
        ("a_first", "First", "It is."),
    ]
    assert listed[1].path == shipped / "a_first.toml"


def test_a_path_and_a_name_find_the_same_scenario(toy: type[BaseModel], shipped: Path) -> None:
    """Kills the mutant that takes a path for a name."""
    by_path = load_scenario(shipped / "baseline.toml", schema=toy, folder=shipped)
    assert by_path.hash == load_scenario("baseline", schema=toy, folder=shipped).hash
    assert load_scenario(str(shipped / "baseline.toml"), schema=toy, folder=shipped).hash == by_path.hash


def test_an_error_survives_the_way_between_processes(load: Load) -> None:
    """Kills the mutant whose exception cannot be rebuilt from a pickle."""
    with pytest.raises(ScenarioError) as caught:
        load("extends = 3")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.problems, str(again)) == (caught.value.problems, str(caught.value))


def test_description_gives_unit_bounds_and_meaning(toy: type[BaseModel]) -> None:
    """Kills mutants that lose the bounds of a map's entries or the leaves of rows."""
    rows = {row.key: tuple(row[1:]) for row in describe(toy)}
    assert rows["technology.growth"] == ("x per year", "from 1 to 10", "growth of cost")
    assert rows["technology.creed"][1] == "one of open, closed"
    assert rows["labs.*.bias.*"] == ("", "from 0 to 1", "bias")
    assert rows["labs.*.rounds.*.amount"] == ("USD", "from 1 to 1e+12", "new money")
    assert describe_key(toy, "labs.openai.cash") == ("labs.openai.cash", "USD", "from 0 to 1e+12", "cash")
    assert describe_key(toy, "labs.openai") is None
    assert describe_key(toy, "labs.openai.bias.asia") is None


def test_json_schema_takes_a_value_bare_or_with_its_source(toy: type[BaseModel]) -> None:
    """Kills mutants that require a key, allow an unknown one, or forget the pair of value and source."""
    schema = json_schema(toy)
    growth = schema["properties"]["technology"]["properties"]["growth"]
    bare, pair = growth["anyOf"]
    assert (bare["type"], bare["minimum"], bare["maximum"]) == ("number", 1, 10)
    assert pair["required"] == ["value", "source"]
    assert pair["properties"]["value"] == bare
    assert "required" not in schema["properties"]["technology"]
    assert schema["additionalProperties"] is False
    said = {"title", "thesis", "source", "expects", "extends", "remove"}
    assert {*said, "technology", "labs", "shocks"} == set(schema["properties"])
    lab = schema["properties"]["labs"]["additionalProperties"]["properties"]
    assert lab["bias"]["anyOf"][0]["propertyNames"] == {"enum": ["us", "eu"]}
    row = lab["rounds"]["items"]["properties"]
    assert (row["amount"]["type"], row["source"]["type"]) == ("number", "string")
