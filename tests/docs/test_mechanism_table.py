"""The tables of mechanisms in docs/model.md claim nothing that the project does not have."""

import ast
import csv
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from analysis import modeldoc
from sim.parameters import Parameters, Switches
from sim.scenario.schema import describe

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
HEADING = "## A Mechanisms of the articles\n"
COLUMNS = ["id", "claim", "function", "switch or key", "test", "scenario", "left out"]
ARTICLES = 5
LONGEST_CLAIM = 12  # words
SWITCH_TESTS = {  # off is off, whatever the mechanism does when it is on
    "market/test_switches.py::test_off_is_strength_nought_and_nothing_else",
    "market/test_switches.py::test_a_mode_switched_off_is_not_chosen",
    "market/test_mechanisms.py::test_no_mechanism_is_decoration",
}
NONE, ABSENT = "-", "not modelled: "


class Claim(NamedTuple):
    """A row: what an article says and where the model has it; `table` counts the tables from 0."""

    table: int
    id: str
    claim: str
    functions: list[str]
    switches: list[str]  # switches and keys
    tests: list[str]
    scenarios: list[str]
    left_out: str


def cells(line: str) -> list[str]:
    return line.removeprefix("| ").removesuffix(" |").split(" | ")


def names(cell: str) -> list[str]:
    """What a cell names, in backticks between commas; `-` for nothing. Raises ValueError for anything else."""
    found = [] if cell == NONE else cell.split(", ")
    if not all(re.fullmatch(r"`[^`\s]+`", name) for name in found):
        raise ValueError(f"not a list of names: {cell}")
    return [name.strip("`") for name in found]


@cache
def part() -> str:
    """The section, from its heading to the next one of its level."""
    assert PAGE.count(HEADING) == 1
    return PAGE.split(HEADING)[1].split("\n## ")[0]


@cache
def tables() -> list[list[str]]:
    """The lines of each table, header first."""
    blocks = re.findall(r"(?:^\|.*\n?)+", part(), re.MULTILINE)
    return [block.rstrip("\n").split("\n") for block in blocks]


@cache
def claims() -> list[Claim]:
    found = []
    for table, lines in enumerate(tables()):
        for line in lines[2:]:
            which, claim, *named, left_out = cells(line)
            found.append(Claim(table, which, claim, *map(names, named), left_out))
    return found


def test_tables_have_the_stated_columns() -> None:
    """Kills: a column dropped or moved, a table left out, a line that is no row of seven cells."""
    assert len(tables()) == ARTICLES + 1
    assert [cells(lines[0]) for lines in tables()] == [COLUMNS] * len(tables())
    assert {lines[1] for lines in tables()} == {"|" + "---|" * len(COLUMNS)}
    assert {len(cells(line)) for lines in tables() for line in lines[2:]} == {len(COLUMNS)}


def test_every_mechanism_fact_is_there_once() -> None:
    """In the table of its article. Kills: a claim left out, twice, at another article, an id without a row."""
    with (ROOT / "scenarios" / "facts.csv").open(encoding="utf-8", newline="") as file:
        wanted = [row["id"] for row in csv.DictReader(file) if row["use"] == "mechanism"]
    assert len(wanted) > 60
    ids = [claim.id for claim in claims()]
    assert len(ids) == len(set(ids))
    assert sorted(which for which in ids if re.fullmatch(r"S\d-\d\d", which)) == sorted(wanted)
    article = [re.fullmatch(r"S(\d)-\d\d|00(\d)-m\d+|X-\d+", claim.id) for claim in claims()]
    assert all(article)
    stated = [int(m[1] or m[2] or ARTICLES) for m in article if m]
    assert stated == [claim.table for claim in claims()]


def test_counts_are_those_of_the_tables() -> None:
    """Kills: a row whose state changed and the paragraph above it did not."""
    whole = sum(claim.left_out == NONE for claim in claims())
    absent = sum(claim.left_out.startswith(ABSENT) for claim in claims())
    said = re.search(r"(\d+) claims: (\d+) expressed wholly, (\d+) in part, (\d+) not modelled\.\*\* (\d+) are", part())
    assert said
    untried = sum(not claim.scenarios for claim in claims())
    counts = [len(claims()), whole, len(claims()) - whole - absent, absent, untried]
    assert [int(number) for number in said.groups()] == counts


def test_claims_that_rest_on_their_switch_are_counted() -> None:
    """Kills: a claim called expressed whose only tests are of its switch, and the paragraph does not say so."""
    bare = [c for c in claims() if c.left_out == NONE and all(test.split("[")[0] in SWITCH_TESTS for test in c.tests)]
    said = re.search(r"(\d+) rest on tests of their switch alone", part())
    assert said and int(said[1]) == len(bare)


def test_a_row_says_what_its_state_asks_for() -> None:
    """Kills: an empty claim, a long one, "wholly" without function, switch or test, "not modelled" with a function."""
    for claim in claims():
        assert 0 < len(claim.claim.split()) <= LONGEST_CLAIM, claim.id
        evidence = (claim.functions, claim.switches, claim.tests)
        if claim.left_out.startswith(ABSENT):
            assert not any(evidence) and len(claim.left_out) > len(ABSENT), claim.id
        else:
            assert claim.functions and claim.switches and claim.left_out, claim.id
        if claim.left_out == NONE:
            assert all(evidence), claim.id


def resolve(path: str) -> object:
    """What a dotted path names: the longest module of it, then attributes. Raises AttributeError where it ends."""
    parts = path.split(".")
    cut = 1
    while cut < len(parts) and is_package(".".join(parts[:cut])) and find_spec(".".join(parts[: cut + 1])):
        cut += 1
    found: object = import_module(".".join(parts[:cut]))
    for name in parts[cut:]:
        found = getattr(found, name)
    return found


def is_package(name: str) -> bool:
    return hasattr(import_module(name), "__path__")


@pytest.mark.parametrize("path", sorted({name for claim in claims() for name in claim.functions}))
def test_functions_resolve(path: str) -> None:
    """Kills: a function that moved, was renamed, or never was; a module or a number in its place."""
    assert path.startswith("sim.")
    assert callable(resolve(path))


def test_switches_and_keys_exist() -> None:
    """Kills: a switch or key that was renamed or is not in the schema."""
    known = {modeldoc.written_key(row.key) for row in describe(Parameters)}
    named = {name for claim in claims() for name in claim.switches}
    assert not sorted(named - known)


def test_every_switch_is_somebodys_claim() -> None:
    """Kills: a mechanism that nobody claimed and the page does not own up to."""
    claimed = {name.removeprefix("switches.") for claim in claims() for name in claim.switches if "switches." in name}
    assert claimed == set(Switches.model_fields)


@cache
def syntax(path: str) -> ast.Module:
    return ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))


def test_tests_exist() -> None:
    """Kills: a test that moved; a case in brackets that is neither a switch of the row nor stands in the file."""
    for claim in claims():
        for test in claim.tests:
            found = re.fullmatch(r"([\w/]+\.py)::(test_\w+)(?:\[([\w-]+)\])?", test)
            assert found, test
            path, name, case = found.groups()
            tree = syntax(path)
            assert name in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}, test
            if case in Switches.model_fields:
                assert f"switches.{case}" in claim.switches, f"{claim.id}: {test}"
            elif case:
                assert case in {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}, test


def test_scenarios_are_files() -> None:
    """Kills: a scenario that was renamed; the baseline named as one that puts a claim to the test."""
    shipped = {path.stem for path in (ROOT / "scenarios").glob("*.toml")} - {"baseline"}
    named = {name for claim in claims() for name in claim.scenarios}
    assert not sorted(named - shipped)
    assert not sorted(shipped - named)
