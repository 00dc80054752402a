"""Files a user may get wrong: each is refused with the line, the key and what was expected, by ScenarioError alone."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import BaseModel

from sim.scenario import Scenario, ScenarioError, load_scenario

Load = Callable[..., Scenario]


class Bad(NamedTuple):
    """A bad file: its content, the line and the key of the problem, a part of the reason."""

    name: str
    content: str | bytes
    line: int
    key: str
    reason: str


BASE = 'extends = "baseline"\n'  # so that the content under test begins on line 2
TECH = BASE + "[technology]\n"  # ... on line 3
LAB = BASE + "[labs.openai]\n"

CASES = [
    # numbers
    Bad("nan", TECH + "growth = nan", 3, "technology.growth", "not a finite number"),
    Bad("inf", TECH + "growth = inf", 3, "technology.growth", "was given inf"),
    Bad("minus inf", TECH + "growth = -inf", 3, "technology.growth", "not a finite number"),
    Bad("1e999 reads as inf", TECH + "growth = 1e999", 3, "technology.growth", "beyond 1.8e308"),
    Bad("nan in a list", TECH + "grid = [1.0, nan]", 3, "technology.grid", "not a finite number"),
    Bad("above its bound", TECH + "growth = 12", 3, "technology.growth", "from 1 to 10 (x per year), was given 12"),
    Bad("below its bound", TECH + "growth = 0.5", 3, "technology.growth", "a number from 1 to 10"),
    Bad("bound of a map's entry", LAB + "bias = { us = 1.5 }", 3, "labs.openai.bias.us", "from 0 to 1"),
    Bad("integer of 2^63", TECH + "growth = 9223372036854775808", 3, "technology.growth", "2^63 or more"),
    Bad("integer of 4,500 digits", TECH + "growth = " + "9" * 4500, 3, "", "4,500 characters"),
    Bad("hexadecimal monster", TECH + "growth = 0x" + "f" * 60, 3, "technology.growth", "2^63 or more"),
    Bad("float for an integer", TECH + "lag = 2.5", 3, "technology.lag", "a whole number from 0 to 12 (quarters)"),
    # types
    Bad("bool for a number", TECH + "growth = true", 3, "technology.growth", "was given true"),
    Bad("number for a bool", TECH + "active = 1", 3, "technology.active", "expected true or false, was given 1"),
    Bad("number in a string", TECH + 'growth = "3"', 3, "technology.growth", "was given the text '3'"),
    Bad("date for a number", TECH + "growth = 2024-01-01", 3, "technology.growth", "the date or time 2024-01-01"),
    Bad("time for a text", TECH + "label = 07:32:00", 3, "technology.label", "was given the date or time 07:32:00"),
    Bad("number for a text", TECH + "label = 5", 3, "technology.label", "expected text, was given 5"),
    Bad("no such choice", TECH + 'creed = "opne"', 3, "technology.creed", "did you mean 'open'?"),
    Bad("number for a list", TECH + "grid = 1.0", 3, "technology.grid", "a list of numbers, was given 1"),
    Bad("text in a list", TECH + 'grid = [1.0, "x"]', 3, "technology.grid", "item 2 is the text 'x'"),
    Bad("list for a number", TECH + "growth = [2]", 3, "technology.growth", "was given a list of 1"),
    Bad("lists in lists", TECH + "grid = [[[[[1]]]]]", 3, "technology.grid", "lists in lists"),
    Bad("table for a number", TECH + "growth = { low = 1 }", 3, "technology.growth", "was given a table"),
    Bad("header for a number", BASE + "[technology.growth]\nlow = 1", 2, "technology.growth", "was given a table"),
    Bad("number for a table", BASE + "technology = 3", 2, "technology", "expected a table"),
    Bad("rows for a table", BASE + "[[technology]]\nlag = 1", 2, "technology", "was given a list of 1"),
    Bad("number for a keyed table", BASE + "labs = 3", 2, "labs", "expected a table"),
    Bad("number for a lab", BASE + "[labs]\nopenai = 3", 3, "labs.openai", "expected a table"),
    Bad("table for rows", BASE + "[shocks]\nquarter = 'x'", 2, "shocks", "expected a list of tables"),
    Bad("list of numbers for rows", BASE + "shocks = [1, 2]", 2, "shocks", "expected a list of tables"),
    Bad("no quarter", LAB + "rounds = [{quarter='2024', amount=5}]", 3, "labs.openai.rounds.0.quarter", "as 2032Q4"),
    Bad("control character", TECH + 'label = "a\\u0007b"', 3, "technology.label", "control characters"),
    Bad("a novel", TECH + f'label = "{"a" * 1001}"', 3, "technology.label", "1,001 characters"),
    # value and source
    Bad("extra key", TECH + "growth = { value = 3, source = 'S', u = 1 }", 3, "technology.growth.u", "unknown key"),
    Bad("source missing", TECH + "growth = { value = 3 }", 3, "technology.growth", "'source' is missing"),
    Bad("value missing", TECH + "growth = { source = 'S' }", 3, "technology.growth", "'value' is missing"),
    Bad("no value after =", TECH + "growth = { value = }", 3, "", "not valid TOML"),
    Bad("source no text", TECH + "growth = { value = 3, source = 4 }", 3, "technology.growth.source", "was given 4"),
    Bad("source empty", TECH + "growth = { value = 3, source = ' ' }", 3, "technology.growth.source", "not empty"),
    Bad("value in a sub-table", BASE + "[technology.lag]\nvalue = 99\nsource = 'S'", 3, "technology.lag", "to 12"),
    Bad("pair in a row", BASE + "[[shocks]]\nquarter = {value='a'}", 3, "shocks.1.quarter", "values are bare"),
    # keys
    Bad("unknown section", BASE + "[technolgy]\nlag = 1", 2, "technolgy", "did you mean 'technology'?"),
    Bad("unknown key", TECH + "growht = 3", 3, "technology.growht", "did you mean 'technology.growth'?"),
    Bad("key at the wrong place", BASE + "growth = 3", 2, "growth", "did you mean 'technology.growth'?"),
    Bad("key of another table", TECH + "cash = 3", 3, "technology.cash", "did you mean 'labs.NAME.cash'?"),
    Bad("unknown meta key", 'extend = "baseline"', 1, "extend", "did you mean 'extends'?"),
    Bad("unknown in a row", BASE + "[[shocks]]\nquater = 'a'", 3, "shocks.1.quater", "mean 'shocks.1.quarter'?"),
    Bad("unknown name", LAB + "bias = { usa = 0.1 }", 3, "labs.openai.bias.usa", "mean 'labs.openai.bias.us'?"),
    Bad("impossible name", BASE + '[labs."a.b"]\ncash = 1', 2, "labs.a.b", "letters, digits"),
    Bad("line break in a key", TECH + '"a\\nb" = 3', 3, "technology.a\nb", "unknown key"),
    Bad("dotted key", BASE + "\ntechnology.growth = 99", 3, "technology.growth", "from 1 to 10"),
    Bad("key after a text of many lines", TECH + 'label = """a\nb\nc"""\nlag = 99', 6, "technology.lag", "to 12"),
    Bad("inside a list of many lines", TECH + "lag = 1\ngrid = [\n1,\nnan,\n]", 4, "technology.grid", "finite"),
    Bad("the same key twice", TECH + "lag = 1\nlag = 2", 4, "", "'technology.lag' is given twice (first on line 3)"),
    Bad("the same table twice", TECH + "lag = 1\n[technology]", 4, "", "'technology' is given twice (first on line 2)"),
    Bad("required key missing", BASE + "[labs.new]\nregion='us'\nbias={}", 2, "labs.new.cash", "required key is"),
    Bad("nothing to inherit", "[technology]\nlag = 1", 1, "technology.growth", "required key is"),
    # what fits together
    Bad("validator of the whole", LAB + "cash = 1\nparent = 'nobody'", 4, "labs.openai.parent", "no lab 'nobody'"),
    Bad("validator of a row", BASE + "\n[[shocks]]\nquarter = 'x'", 3, "shocks.1", "either 'value' or 'factor'"),
    Bad("no validator on half a row", BASE + "[[shocks]]\nquarter = 'x'\nfactor = nan", 4, "shocks.1.factor", "finite"),
    # title and family
    Bad("title no text", BASE + "title = 3", 2, "title", "expected a text"),
    Bad("empty title", BASE + "title = ''", 2, "title", "not empty"),
    Bad("endless thesis", BASE + f"thesis = '{'x' * 2001}'", 2, "thesis", "2,001 characters"),
    Bad("extends no text", "extends = 3", 1, "extends", "was given 3"),
    Bad("extends nothing", "\nextends = ''", 2, "extends", "name of a scenario"),
    Bad("extends unknown", "extends = 'baselin'", 1, "extends", "did you mean 'baseline'?"),
    Bad("family first", "extends = 'baselin'\n[[shocks]]\nquarter = 'x'", 1, "extends", "did you mean 'baseline'?"),
    Bad("extends itself", "extends = 'my.toml'", 1, "extends", "goes round in a circle: my.toml -> my.toml"),
    Bad("extends a file elsewhere", "extends = '../own/x.toml'", 1, "extends", "in the folder of this"),
    Bad("extends an absolute path", "extends = '/etc/passwd'", 1, "extends", "in the folder of this"),
    Bad("extends a Windows path", "extends = '..\\x.toml'", 1, "extends", "in the folder of this"),
    Bad("extends with NUL", 'extends = "a\\u0000b"', 1, "extends", "in the folder of this"),
    Bad("remove no list", BASE + "remove = 'labs.openai'", 2, "remove", "a list of keys"),
    Bad("remove nothing known", BASE + "remove = [\n'labs.opnai']", 3, "remove", "did you mean 'labs.openai'?"),
    Bad("remove a needed key", BASE + "remove = ['technology.lag']", 2, "remove", "only entries of a table"),
    # text that is not TOML
    Bad("syntax", TECH + "growth 3", 3, "", "not valid TOML: expected '=' after a key"),
    Bad("unclosed text", TECH + 'label = "abc', 3, "", "not valid TOML"),
    Bad("unclosed long text", TECH + 'label = """abc\n\n', 3, "", "not valid TOML"),
    Bad("bare word", TECH + "lag = 1\ncreed = open", 4, "", "not valid TOML: invalid value in 'creed = open'"),
    Bad("empty file", "", 1, "", "is empty"),
    Bad("only a comment", "# nothing\n", 1, "", "is empty"),
    Bad("byte-order mark", b"\xef\xbb\xbftitle = 'x'", 1, "", "byte-order mark"),
    Bad("UTF-16", "title = 'x'".encode("utf-16"), 1, "", "UTF-16"),
    Bad("UTF-16 without mark", "title = 'x'".encode("utf-16-le"), 1, "", "NUL byte"),
    Bad("Latin-1", "a = 1\ntitle = 'é'".encode("latin-1"), 2, "", "not UTF-8 text (byte 0xe9)"),
    Bad("NUL byte", b"a = 1\n\nb = '\0'", 3, "", "NUL byte"),
    Bad("CR only", b"title = 'x'\rthesis = 'y'\r", 1, "", "carriage return without a line feed"),
    Bad("deep lists", "\nx = " + "[" * 2000 + "]" * 2000, 2, "", "nested more than 12 deep"),
    Bad("deep lists over lines", "x = " + "[\n" * 100_000, 13, "", "nested more than 12 deep"),
    Bad("deep inline tables", "x = " + "{a=" * 1000, 1, "", "nested more than 12 deep"),
    Bad("deep dotted key", "y = 1\n" + "a." * 2000 + "a = 1", 2, "", "more than 12 dotted parts"),
    Bad("deep header", "[" + "a." * 2000 + "a]", 1, "", "more than 12 dotted parts"),
    Bad("deep quoted key", '"x".' * 900 + '"y" = 1', 1, "", "more than 12 dotted parts"),
    Bad("long line", "x = 1\ny = '" + "z" * 6000 + "'", 2, "", "line of 6,006 characters"),
    Bad("over a megabyte", b"# comment\n" * 100_001, 0, "", "larger than 1,000,000 bytes"),
]


@pytest.mark.parametrize("bad", CASES, ids=[bad.name for bad in CASES])
def test_a_bad_file_is_refused_by_line_and_reason(bad: Bad, load: Load) -> None:
    """Kills, case by case, the mutant that drops that check, reports another line or names another key."""
    with pytest.raises(ScenarioError) as caught:
        load(bad.content)
    found = [problem for problem in caught.value.problems if bad.reason in problem.reason]
    assert found, str(caught.value)
    assert (found[0].line, found[0].key) == (bad.line, bad.key)
    assert all(problem.file.endswith("my.toml") for problem in caught.value.problems)
    assert len(str(caught.value).splitlines()) == len(caught.value.problems)


ALONE = [bad for bad in CASES if bad.name not in ("nothing to inherit", "unknown meta key", "deep quoted key")]


@pytest.mark.parametrize("bad", ALONE, ids=[bad.name for bad in ALONE])
def test_one_fault_is_one_line(bad: Bad, load: Load) -> None:
    """Kills the mutant that reports a misspelt or refused key as missing as well, or one value once per type tried."""
    with pytest.raises(ScenarioError) as caught:
        load(bad.content)
    assert len(caught.value.problems) == 1, str(caught.value)


def test_all_faults_come_at_once_in_the_order_of_lines(load: Load) -> None:
    """Kills the mutant that stops at the first fault, or lists what the schema says before what the reader found."""
    with pytest.raises(ScenarioError) as caught:
        load(TECH + "lag = 99\ngrowht = 3\ngrowth = nan\ncreed = 1\n[labs.openai]\ncash = -1\nregion = { value = 3 }\n")
    assert [problem.line for problem in caught.value.problems] == [3, 4, 5, 6, 8, 9]


def test_a_fault_in_the_extended_file_names_that_file(load: Load, home: Path) -> None:
    """Kills the mutant that blames the file given."""
    (home / "mid.toml").write_text(BASE + "[technology]\nlag = 99\ngrowth = 99\n")
    with pytest.raises(ScenarioError) as caught:
        load('extends = "mid.toml"\n[technology]\ngrowth = 3\nlabel = 5\n')
    found = [(Path(problem.file).name, problem.line, problem.key) for problem in caught.value.problems]
    assert found == [("mid.toml", 3, "technology.lag"), ("my.toml", 4, "technology.label")]


def test_a_lab_with_a_misspelt_name_is_pointed_at_its_neighbour(load: Load) -> None:
    """Kills the mutant that drops the names of inherited entries from the suggestions."""
    rest = "".join(f"x{number} = 1\n" for number in range(3))
    with pytest.raises(ScenarioError) as caught:
        load(BASE + "[labs.opennai]\n" + rest)
    assert "required key is missing" in str(caught.value)
    with pytest.raises(ScenarioError, match=r"overrides: labs\.opennai\.cash: .*mean 'labs\.openai\.cash'"):
        load(BASE, {"labs.opennai.cash": 3})


@pytest.mark.parametrize(
    ("key", "sibling"),
    [("entry_quarter", "entry"), ("initial_capability", "capability"), ("revenue_share_cap", "revenue_share")],
)
def test_a_key_near_a_sibling_is_pointed_at_it(key: str, sibling: str, home: Path) -> None:
    """Kills the mutant that prefers a key elsewhere, such as `quarter` of a shock for a lab's `entry_quarter`."""
    (home / "my.toml").write_text(f'extends = "baseline"\n[labs.openai]\n{key} = 1\n')
    with pytest.raises(ScenarioError, match=f"labs.openai.{key}: unknown key; did you mean 'labs.openai.{sibling}'"):
        load_scenario(home / "my.toml")


def test_many_missing_keys_are_one_line_with_advice(toy: type[BaseModel], home: Path, shipped: Path) -> None:
    """Kills the mutant that floods the user who forgot `extends`."""
    (home / "my.toml").write_text("[technology]\n[labs.a]\ncash = 1\nregion = 'us'\nbias = {}\n")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(home / "my.toml", schema=toy, folder=shipped)
    assert [problem.key for problem in caught.value.problems] == ["technology"]
    assert "6 required keys are missing (growth, lag, active, ...)" in str(caught.value)


def test_very_many_problems_are_counted_not_listed(load: Load) -> None:
    """Kills the mutant without the cap, and the one whose count forgets the problem it replaces."""
    with pytest.raises(ScenarioError) as caught:
        load(TECH + "".join(f"k{number} = 1\n" for number in range(9000)))
    assert len(caught.value.problems) == 51
    assert str(caught.value).splitlines()[-1].endswith("...: and 8,950 more")


def test_a_chain_of_files_may_not_go_round(load: Load, home: Path) -> None:
    """Kills the mutant that only looks for a file that extends itself."""
    (home / "a.toml").write_text("extends = 'b.toml'")
    (home / "b.toml").write_text("\nextends = 'a.toml'")
    with pytest.raises(ScenarioError, match=r"b\.toml:2: extends: goes .* my\.toml -> a\.toml -> b\.toml -> a\.toml"):
        load("extends = 'a.toml'")


def test_a_chain_of_files_has_an_end(load: Load, home: Path) -> None:
    """Kills the mutant without a limit; ten files are fine."""
    for number in range(1, 11):
        (home / f"f{number}.toml").write_text(f"extends = 'f{number - 1}.toml'")
    (home / "f0.toml").write_text(BASE)
    with pytest.raises(ScenarioError, match="more than 10 files"):
        load("extends = 'f10.toml'")
    load("extends = 'f7.toml'")  # my, f7 .. f0, baseline: ten


def test_files_of_a_chain_share_the_limit_of_size(load: Load, home: Path) -> None:
    """Kills the mutant that lets ten files of a megabyte through, one by one."""
    for number, parent in enumerate(("baseline", "f0.toml", "f1.toml")):
        (home / f"f{number}.toml").write_text(f"extends = '{parent}'\n" + "# padding\n" * 40_000)
    with pytest.raises(ScenarioError, match="together larger than 1,000,000 bytes"):
        load("extends = 'f2.toml'")


def test_a_link_may_not_lead_out_of_the_folder(load: Load, home: Path, shipped: Path) -> None:
    """Kills the mutant that compares paths before it follows links."""
    (home / "link.toml").symlink_to(shipped / "baseline.toml")
    with pytest.raises(ScenarioError, match="a link leads elsewhere"):
        load("extends = 'link.toml'")


def test_what_is_no_file_is_refused(toy: type[BaseModel], home: Path, shipped: Path) -> None:
    """Kills the mutant that opens whatever it is pointed at: a pipe blocks, a device never ends."""
    os.mkfifo(home / "pipe.toml")
    (home / "loop.toml").symlink_to(home / "loop.toml")
    faults = {
        home: "is a directory",
        home / "pipe.toml": "is not a regular file",
        Path("/dev/zero"): "is not a regular file",
        home / "loop.toml": "cannot be read",
        home / "missing.toml": "no such scenario or file; shipped are baseline",
        home / ("x" * 5000): "no such scenario or file",
    }
    for path, reason in faults.items():
        with pytest.raises(ScenarioError, match=reason):
            load_scenario(path, schema=toy, folder=shipped)
    for name, reason in {"baselin": "did you mean 'baseline'", "": "no name", "a\0b": "no such scenario"}.items():
        with pytest.raises(ScenarioError, match=reason):
            load_scenario(name, schema=toy, folder=shipped)


def test_a_file_that_may_not_be_read_is_refused(load: Load, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kills the mutant that lets PermissionError through (raised by hand: an administrator may read everything)."""

    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ScenarioError, match=r"cannot be read \(Permission denied\)"):
        load(None)


def test_nothing_is_written(load: Load, home: Path, shipped: Path) -> None:
    """Kills the mutant that leaves a file behind, when it fails or when it succeeds."""
    before = sorted(path.name for folder in (home, shipped) for path in folder.iterdir())
    load(BASE)
    with pytest.raises(ScenarioError):
        load("x = [")
    assert sorted(path.name for folder in (home, shipped) for path in folder.iterdir()) == [*before, "my.toml"]
