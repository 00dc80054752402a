"""The line finder against TOML of every form, and against the parser on whatever the parser accepts."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.scenario.lines import KeyPath, TomlError, decode, parse_toml

FORMS = '''\
a = 1
b.c = 2 # [not.a.header]
"quoted.key"."x\\u0041" = 3
'single # key' = 4

  [ table . inner ]   # comment
  text = "[no.header]\\" = 5"
  long = """
x = 1
[neither]
""" # ends
  raw = \'\'\'
y = 2 \'\' \'
\'\'\'
list = [
    1, # one
    "two", [ 3 ],
]
inline = { p = 1, q.r = { s = 2 }, t = [ { u = 3 }, { u = 4 } ] }
when = 1979-05-27 07:32:00.5
[[rows]]
k = 1
[rows.sub]
m = 1
[[rows.deep]]
n = 1
[[rows.deep]]
n = 2
[[rows]]
k = 2
last = 9'''

EXPECTED: dict[KeyPath, int] = {
    ("a",): 1,
    ("b",): 2,
    ("b", "c"): 2,
    ("quoted.key", "xA"): 3,
    ("single # key",): 4,
    ("table",): 6,
    ("table", "inner"): 6,
    ("table", "inner", "text"): 7,
    ("table", "inner", "long"): 8,
    ("table", "inner", "raw"): 12,
    ("table", "inner", "list"): 15,
    ("table", "inner", "list", 1): 17,
    ("table", "inner", "inline"): 19,
    ("table", "inner", "inline", "p"): 19,
    ("table", "inner", "inline", "q", "r", "s"): 19,
    ("table", "inner", "inline", "t", 1, "u"): 19,
    ("table", "inner", "when"): 20,
    ("rows", 0): 21,
    ("rows", 0, "k"): 22,
    ("rows", 0, "sub", "m"): 24,
    ("rows", 0, "deep", 0, "n"): 26,
    ("rows", 0, "deep", 1, "n"): 28,
    ("rows", 1): 29,
    ("rows", 1, "k"): 30,
    ("rows", 1, "last"): 31,
    ("rows", 1, "nowhere"): 29,
    ("nowhere",): 1,
}


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: ".".join(map(str, path)))
def test_each_key_has_its_line(path: KeyPath) -> None:
    """Kills mutants that miss a form of key, or miscount after a text or list of many lines."""
    assert parse_toml(FORMS).line(path) == EXPECTED[path]


def paths_of(tree: Any, path: KeyPath = ()) -> list[KeyPath]:
    """Every key of a parsed tree, tables in lists by their index."""
    if isinstance(tree, dict):
        return [found for key, inner in tree.items() for found in [(*path, key), *paths_of(inner, (*path, key))]]
    if isinstance(tree, list):
        return [found for index, inner in enumerate(tree) for found in paths_of(inner, (*path, index))]
    return []


KEYS = st.sampled_from(["a", "b", "'c.d'", '"e\\u0066"', "a.b", "g . h", "1", "true"])
SCALARS = st.sampled_from(
    ["1", "-1.5e3", "true", '"x"', '"a = 1 # \\" ["', "'[y]'", "1979-05-27 07:32:00.5", '"""\na=1\n"""']
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ",\n".join(items) + " # ]\n]"),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda pairs: "{ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " }"
        ),
    ),
    max_leaves=4,
)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(" = ".join),
    KEYS.map(lambda key: f"[{key}]"),
    KEYS.map(lambda key: f"[[ {key} ]]"),
    st.sampled_from(["# comment [x]", "", "   "]),
)


@given(st.lists(LINES, max_size=12))
def test_every_key_the_parser_finds_has_a_line_that_names_it(lines: list[str]) -> None:
    """Kills mutants of the scanner on mixtures of forms: a key it misses, or puts on a line without its name."""
    text = "\n".join(lines)
    try:
        document = parse_toml(text)
    except TomlError:
        with pytest.raises(tomllib.TOMLDecodeError):
            tomllib.loads(text)
        return
    numbered = text.split("\n")
    for path in paths_of(document.tree):
        assert path in document.lines, (path, text)
        name = str(path[-1]).replace("ef", "e\\u0066")
        assert name in numbered[document.lines[path] - 1], (path, text)


@given(st.text(alphabet="ab=.[]{},\"'\\#\n \t1", max_size=60))
def test_the_scanner_never_disagrees_with_the_parser_on_what_is_toml(text: str) -> None:
    """Kills the mutant that refuses what tomllib accepts, lets another exception out, or hides a syntax error."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(TomlError) as caught:
            parse_toml(text)
        assert 1 <= caught.value.line <= text.count("\n") + 1
    else:
        assert parse_toml(text).tree == tomllib.loads(text)


def test_nesting_too_deep_for_the_parser_is_an_error_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kills the mutant that lets RecursionError out, which a caller deep in its own stack can meet at any nesting."""

    def overflow(text: str) -> None:
        raise RecursionError

    monkeypatch.setattr(tomllib, "loads", overflow)
    with pytest.raises(TomlError, match="nested too deeply"):
        parse_toml("x = [[1]]")


@given(st.binary(max_size=80))
def test_any_bytes_are_text_or_a_toml_error(data: bytes) -> None:
    """Kills the mutant that lets UnicodeDecodeError out."""
    try:
        assert "\r" not in decode(data)
    except TomlError as error:
        assert error.reason
