"""What a scenario file expects: read with its line and key, kept in the resolved file, of no weight in the hash."""

from pathlib import Path

import pytest

from sim.records.names import Named, named
from sim.scenario import Expectation, ScenarioError, load_scenario

HEAD = 'title = "t"\nextends = "baseline"\nsource = "S0-04"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(HEAD + text)
    return path


def test_expectations_are_of_the_file_itself(tmp_path: Path) -> None:
    """Read, written into the resolved file, not inherited, and the hash is the baseline's.

    Kills: rows lost on the way, a scenario that expects what its parent does, values that hang on words.
    """
    path = write(
        tmp_path,
        'expects = [{ measure = "hhi", quarter = "2030Q4", sign = "+", why = "fewer" },\n'
        ' { measure = "share.tokens.open", quarter = "2027Q4", sign = "-" }]\n',
    )
    found = load_scenario(path)
    assert found.expects == (
        Expectation("hhi", "2030Q4", "+", "fewer"),
        Expectation("share.tokens.open", "2027Q4", "-"),
    )
    assert found.source == "S0-04"
    assert found.hash == load_scenario("baseline").hash
    (tmp_path / "whole.toml").write_text(found.to_toml())
    again = load_scenario(tmp_path / "whole.toml")
    assert (again.expects, again.source, again.hash) == (found.expects, found.source, found.hash)
    (tmp_path / "child.toml").write_text('title = "c"\nextends = "mine.toml"\n')
    assert load_scenario(tmp_path / "child.toml").expects == ()


@pytest.mark.parametrize(
    ("row", "key", "reason"),
    [
        ('{ measure = "hhj", quarter = "2030Q4", sign = "+" }', "measure", "did you mean 'hhi'?"),
        ('{ measure = "share.token.open", quarter = "2030Q4", sign = "+" }', "measure", "did you mean 'tokens'?"),
        ('{ measure = "hhi", quarter = "2022Q4", sign = "+" }', "quarter", "not after the first quarter, 2023Q1"),
        ('{ measure = "share.tokens.region.eur", quarter = "2030Q4", sign = "+" }', "measure", "did you mean 'eu'?"),
        (
            '{ measure = "share.tokens.lab.opnai", quarter = "2030Q4", sign = "+" }',
            "measure",
            "owner 'opnai'",
        ),
        ('{ measure = "hhi", quarter = "2030", sign = "+" }', "quarter", "expected a quarter such as 2030Q4"),
        (
            '{ measure = "hhi", quarter = "2030Q4", sign = "up" }',
            "sign",
            "expected '+' or '-', was given the text 'up'",
        ),
        ('{ measure = "hhi", quarter = "2030Q4" }', "sign", "required key is missing"),
        ('{ measure = "hhi", quartr = "2030Q4", quarter = "2030Q4", sign = "+" }', "quartr", "mean 'quarter'?"),
        ('{ measure = "hhi", quarter = "2030Q4", sign = "+", why = 3 }', "why", "expected a text"),
    ],
)
def test_a_fault_names_line_key_and_reason(tmp_path: Path, row: str, key: str, reason: str) -> None:
    """Kills: an expectation that nobody can judge, taken in silence."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(write(tmp_path, f"expects = [\n  {row},\n]\n"))
    (problem,) = caught.value.problems
    assert (problem.key, problem.line) == (f"expects.0.{key}", 5)
    assert reason in problem.reason


def test_a_run_cut_short_is_no_fault_of_the_file() -> None:
    """Kills: `--until` that makes every shipped scenario invalid."""
    assert load_scenario("talent-war", {"run.until": "2023Q4"}).expects == load_scenario("talent-war").expects


def test_expects_must_be_rows(tmp_path: Path) -> None:
    """Kills: a crash on what is no list of tables."""
    for wrong in ("expects = 3\n", 'expects = ["hhi"]\n'):
        with pytest.raises(ScenarioError, match="expected rows such as"):
            load_scenario(write(tmp_path, wrong))


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("hhi", Named("market", "hhi")),
        ("funding.cumulative_open_usd", Named("funding", "cumulative_open_usd")),
        ("share.tokens.open", Named("shares", "tokens", "openness", "open")),
        ("share.deployments.region.eu", Named("shares", "deployments", "region", "eu")),
        ("events_so_far.merger", Named("events", "merger")),
        ("events_so_far.incident", Named("events", "incident")),
        ("so_far.subscale_exits_and_rescues", Named("so_far", "subscale_exits_and_rescues")),
    ],
)
def test_names_say_where_a_measure_is_read(name: str, where: Named) -> None:
    """There and back. Kills: an axis or key swapped, a name that does not lead back."""
    assert named(name) == where
    assert where.name == name


@pytest.mark.parametrize("name", ["", "leader", "share", "share.tokens", "share.tokens.shut", "events_so_far.sale"])
def test_no_such_measure(name: str) -> None:
    """Text columns are no numbers, a share needs a key. Kills: a name that fails only after a long run."""
    with pytest.raises(ValueError, match=r"^no .*; (did you mean|such as)"):
        named(name)
