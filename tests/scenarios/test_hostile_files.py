"""Files made to hurt are answered within 2 seconds and 300 MB; random ones load or are refused, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.scenario import Scenario, ScenarioError

Load = Callable[..., Scenario]

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 2.0
MEGABYTES = 300.0

# Runs in a process of its own, so that its peak of memory is that of the loader alone.
PROBE = """
import json, resource, sys, time
from sim.scenario import ScenarioError, load_scenario
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))

def peak_megabytes():
    # of this program alone: the usual figure keeps that of the process that started it
    status = dict(line.split(":", 1) for line in open("/proc/self/status")) if sys.platform == "linux" else {}
    if "VmHWM" in status:
        return int(status["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024)

result = {}
for path in sys.argv[1:]:
    start = time.process_time()
    try:
        load_scenario(path)
        outcome = "loaded"
    except ScenarioError as error:
        outcome = str(error)
    peak = peak_megabytes()
    result[path] = (time.process_time() - start, peak, outcome)
print(json.dumps(result))
"""


def lines(template: str, size: int = 990_000) -> str:
    """As many copies of a line as fit; `%d` in it counts them."""
    count = size // (len(template) + 5 if "%d" in template else len(template) + 1)
    return "\n".join(template.replace("%d", str(number)) for number in range(count))


HOSTILE = {
    "long_integer": "[technology]\ntraining_cost_growth = " + "9" * 4900,
    "many_long_integers": lines("k%d = " + "9" * 90),
    "deep_lists": "x = " + "[" * 4900,
    "deep_lists_over_lines": "x = " + "[\n" * 490_000,
    "deep_inline_tables": lines("k%d = " + "{ a = " * 800),
    "deep_dotted_keys": lines("a." * 2400 + "k%d = 1"),
    "deep_headers": lines("[" + "a." * 2400 + "k%d]"),
    "many_deep_headers": lines("[" + "a." * 11 + "k%d]"),
    "many_dotted_keys": lines("a." * 11 + "k%d = 1"),
    "many_keys": lines("k%d=1"),
    "many_keys_in_a_section": "[technology]\n" + lines("k%d=1", 400_000),
    "many_keys_close_to_a_known_one": "[technology]\n" + lines("training_cost_growth_%d = 1"),
    "many_labs": lines("[labs.l%d]"),
    "a_few_hundred_empty_labs": "extends = 'baseline'\n" + lines("[labs.l%d]", 6_000),
    "many_rows": "extends = 'baseline'\n" + lines("[[shocks]]"),
    "a_few_hundred_empty_rows": "extends = 'baseline'\n" + lines("[[shocks]]", 5_000),
    "rows_of_many_labs": lines("[labs.l%d]\n[[labs.l%d.rounds]]", 20_000),
    "many_numbers": "x = [\n" + lines("1," * 2000) + "\n]",
    "many_numbers_in_a_leaf": "[technology]\ntraining_cost_growth = [\n" + lines("1," * 2000, 190_000) + "\n]",
    "many_empty_tables": "shocks = [\n" + lines("{}," * 1000) + "\n]",
    "many_empty_lists": "x = [\n" + lines("[]," * 1000) + "\n]",
    "open_text": 'x = """' + lines('\\"""', 900_000),
    "open_texts": lines("x = '''"),
    "quotes": lines('"' * 4000),
    "escapes": 'title = """\n' + lines("\\n" * 2000) + '"""',
    "escaped_keys": lines('"\\u0041%d" = 1'),
    "comments": lines("#"),
    "blank": "\n" * 990_000,
    "no_line_break": "x" * 990_000,
    "brackets": lines("[" * 15),
    "duplicates": lines("a = 1"),
    "dates": "x = [\n" + lines("1979-05-27," * 400) + "\n]",
    "over_a_megabyte": "#" * 1_000_001,
}


def probe(folder: Path) -> dict[str, tuple[float, float, str]]:
    """Seconds of CPU, peak of memory so far (MB) and outcome for each hostile file, by its name."""
    paths = [folder / f"{name}.toml" for name in HOSTILE]
    for path, text in zip(paths, HOSTILE.values(), strict=True):
        path.write_text(text)
    command = [sys.executable, "-c", PROBE, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {Path(path).stem: tuple(found) for path, found in json.loads(done.stdout).items()}


def test_hostile_files_are_refused_in_time_and_space(tmp_path: Path) -> None:
    """Kills mutants without a limit on size, depth, keys, rows or values, or with a scan that is not linear."""
    found = probe(tmp_path)
    assert list(found) == list(HOSTILE)
    breaches = [
        (name, seconds, megabytes, outcome[:200])
        for name, (seconds, megabytes, outcome) in found.items()
        if seconds > SECONDS
        or megabytes > MEGABYTES
        or f"{name}.toml" not in outcome
        or len(outcome.splitlines()) > 51
        or max(map(len, outcome.splitlines())) > 1_000
    ]
    assert not breaches


FILE_PARTS = st.sampled_from(
    [
        'extends = "baseline"',
        "[technology]",
        "[labs.openai]",
        "[labs.x]",
        "[[labs.openai.rounds]]",
        "[[shocks]]",
        "shocks = []",
        "remove = ['labs.openai']",
        "growth = 3",
        "growth = { value = 3, source = 'S' }",
        "growth = { value = nan }",
        "lag = 1_0",
        "bias = { us = 0.5 }",
        "bias = { value = { us = 0.5, eu = inf }, source = 'S' }",
        "cash = 1e999",
        "parent = 'x'",
        "quarter = '2024Q1'",
        "factor = 2",
        "value = [1, {a = 2}]",
        "source = 3",
        "title = 2024-01-01",
        "grid = [true, [1]]",
        "'' = 1",
        '"\\u0000" = 1',
        "x = 0x" + "f" * 30,
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(FILE_PARTS, max_size=10, unique=True))
def test_any_mixture_of_lines_loads_or_is_refused(parts: list[str], load: Load) -> None:
    """Kills the mutant that lets KeyError, TypeError or the like out; what loads survives being written and read."""
    try:
        scenario = load("\n".join(parts) + "\n")
    except ScenarioError as error:
        assert error.problems
        assert len(str(error).splitlines()) == len(error.problems)
    else:
        assert load(scenario.to_toml()).hash == scenario.hash


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_loads_or_is_refused(load: Load, toy_text: str, data: st.DataObject) -> None:
    """Kills the mutant that trusts a file that once was good: bytes are cut out, overwritten or put in."""
    raw = bytearray(toy_text.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=8))
    try:
        load(bytes(raw))
    except ScenarioError as error:
        assert str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
OVERRIDE_KEYS = st.sampled_from(
    ["technology", "technology.growth", "labs", "labs.openai", "labs.openai.bias", "labs.openai.rounds", "shocks.0"]
) | st.text(max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(overrides=st.dictionaries(OVERRIDE_KEYS, JSON, max_size=3))
def test_any_override_is_taken_or_refused(load: Load, overrides: dict[str, object]) -> None:
    """Kills the mutant that lets another exception out of a value nobody expected."""
    try:
        scenario = load(None, overrides)
    except ScenarioError as error:
        assert error.problems
    else:
        assert load(scenario.to_toml()).hash == scenario.hash
