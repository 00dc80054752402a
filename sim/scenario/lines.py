"""TOML text read with care: which line a key stands on, and a plain refusal of text that would hurt the parser.

`tomllib` keeps no line numbers, is quadratic in the depth of dotted keys, raises `RecursionError` on deep nesting and
`ValueError` on very long integers. One linear pass over the tokens, before the parser, finds the line of each key and
refuses what no scenario file needs. Where the text is malformed the pass stops quietly: the parser names the fault.
"""

from __future__ import annotations

import re
import stat
import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

MAX_BYTES = 1_000_000
MAX_LINE = 5_000
MAX_DEPTH = 12
MAX_KEYS = 20_000
MAX_VALUES = 100_000
MAX_BARE = 100
_LONGEST_QUOTE = 60

KeyPath = tuple[str | int, ...]

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r]++)
    | (?P<comment>\#[^\n]*+)
    | (?P<newline>\n(?:[ \t\r\n]|\#[^\n]*+)*+)
    | (?P<text>\"\"\"[^"\\]*+(?:(?:\\[\s\S]|"{1,2}(?!"))[^"\\]*+)*+\"\"\""{0,2}
              |'''[^']*+(?:'{1,2}(?!')[^']*+)*+''''{0,2}
              |"(?!"")(?:[^"\\\n]|\\.)*+"
              |'(?!'')[^'\n]*+')
    | (?P<mark>[\[\]{}=,.])
    | (?P<bare>[^\s\[\]{}=,."'\#]++)
    """,
    re.VERBOSE,
)
# The usual line of a scenario file, `key = 3` or `key = { value = 3, source = "S0-04" }`, taken in one bite for speed.
_SCALAR = r'(?:"[^"\\\n]++"|[A-Za-z0-9_.+:-]{1,100}+)'
_USUAL_LINE = re.compile(
    r"([A-Za-z0-9_-]{1,64}+)[ ]*+=[ ]*+"
    rf'(?:{_SCALAR}|\{{[ ]*+value[ ]*+=[ ]*+{_SCALAR}[ ]*+,[ ]*+source[ ]*+=[ ]*+"[^"\\\n]*+"[ ]*+\}})'
    r"[ \t]*+(?:\#[^\n]*+)?\n"
)
_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class TomlError(ValueError):
    """A text that is not a usable TOML document: `line` (1 is the first; 0 when it has none) and `reason`."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True)
class TomlDocument:
    """A parsed TOML text: `tree` as tomllib gives it and `lines`, the line of each key path (table rows by index).

    `added` holds the lists written as `[[rows]]`, as against `rows = [...]`.
    """

    tree: dict[str, Any]
    lines: dict[KeyPath, int]
    added: frozenset[KeyPath]
    size: int

    def line(self, path: KeyPath) -> int:
        """Line of `path`, or of the nearest table around it that the text names; 1 when it names none."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


def read_toml(path: Path) -> TomlDocument:
    """The TOML file at `path`. Raises TomlError for whatever keeps it from being read, never another exception."""
    return parse_toml(decode(_read_bytes(path)))


@lru_cache(maxsize=4)  # most scenarios extend one file: documents are only read, so one may serve them all
def parse_toml(text: str) -> TomlDocument:
    """Parse TOML `text`. Raises TomlError with the line of the first fault."""
    _refuse_long_lines(text)
    scan = _Scan()
    scan.run(text)
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise TomlError(0, "nested too deeply") from None
    except ValueError as error:
        raise _syntax_error(str(error), text, scan) from None
    return TomlDocument(tree, scan.lines, frozenset(scan.rows), len(text))


def _read_bytes(path: Path) -> bytes:
    """The bytes of a regular file of acceptable size."""
    try:
        # A pipe or a device would block or never end, so the kind is looked at before the file is opened.
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise TomlError(0, "is a directory, not a scenario file")
        if not stat.S_ISREG(mode):
            raise TomlError(0, "is not a regular file")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise TomlError(0, "no such file") from None
    except OSError as error:
        raise TomlError(0, f"cannot be read ({error.strerror or type(error).__name__})") from None
    if len(data) > MAX_BYTES:
        raise TomlError(0, f"is larger than {MAX_BYTES:,} bytes, the most a scenario file may have")
    return data


def decode(data: bytes) -> str:
    """UTF-8 text with Unix line ends. Raises TomlError for a byte-order mark, another encoding or a NUL byte."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TomlError(1, "is UTF-16 text (byte-order mark at the start); save the file as UTF-8")
    if data.startswith(b"\xef\xbb\xbf"):
        raise TomlError(1, "starts with a byte-order mark; save the file as UTF-8 without one")
    nul = data.find(b"\0")
    if nul >= 0:
        raise TomlError(_line_at(data, nul), "NUL byte; a scenario file is UTF-8 text")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 text (byte 0x{data[error.start]:02x}); save the file as UTF-8"
        raise TomlError(_line_at(data, error.start), reason) from None
    text = text.replace("\r\n", "\n")
    lone = text.find("\r")
    if lone >= 0:
        raise TomlError(text.count("\n", 0, lone) + 1, "carriage return without a line feed; use Unix or DOS line ends")
    return text


def _line_at(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _refuse_long_lines(text: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MAX_LINE:
            raise TomlError(number, f"line of {len(line):,} characters; the longest allowed has {MAX_LINE:,}")


def _syntax_error(message: str, text: str, scan: _Scan) -> TomlError:
    """tomllib's message as a line and a reason; a repeated key is named with the line of its first appearance."""
    found = _POSITION.search(message)
    if found is None:
        return TomlError(0, f"not valid TOML: {message}")
    line = int(found[1]) if found[1] else text.rstrip("\n").count("\n") + 1
    reason = message[: found.start()]
    if scan.repeated and ("overwrite" in reason or "twice" in reason or "Duplicate" in reason):
        key, line, first = scan.repeated
        return TomlError(line, f"'{key}' is given twice (first on line {first})")
    content = text.split("\n")[line - 1].strip()[:_LONGEST_QUOTE]
    quoted = f" in '{content}'" if content else ""
    return TomlError(line, f"not valid TOML: {reason[:1].lower()}{reason[1:]}{quoted}")


@dataclass
class _Frame:
    """A container being read: `kind` is root, table (inline) or array; `item` counts an array's commas."""

    kind: str
    path: KeyPath
    item: int = 0


@dataclass
class _Scan:
    """One pass over the tokens of a TOML text that notes the line of each key and refuses excess."""

    lines: dict[KeyPath, int] = field(default_factory=dict)
    repeated: tuple[str, int, int] | None = None
    line: int = 1
    state: str = "key"  # key, value, done (after a value), header, tail (after a header)
    values: int = 0
    in_rows_header: bool = False
    parts: list[str] = field(default_factory=list)
    rows: dict[KeyPath, int] = field(default_factory=dict)
    given: dict[KeyPath, int] = field(default_factory=dict)
    target: KeyPath = ()
    frames: list[_Frame] = field(default_factory=lambda: [_Frame("root", ())])

    def run(self, text: str) -> None:
        """Scan `text` to its end or to the first token that TOML does not allow there."""
        position = 0
        length = len(text)
        while position < length:
            if self.state == "key" and not self.parts and len(self.frames) == 1:
                usual = _USUAL_LINE.match(text, position)
                if usual is not None:
                    self._note((*self.frames[0].path, usual[1]))
                    self.line += 1
                    position = usual.end()
                    continue
            token = _TOKEN.match(text, position)
            if token is None or not self._take(str(token.lastgroup), token[0]):
                return
            position = token.end()

    def _take(self, kind: str, token: str) -> bool:
        """Digest one token; False where the text stops making sense."""
        if kind == "mark":
            return self._mark(token)
        if kind == "newline":
            return self._newline(token.count("\n"))
        if kind == "bare" and len(token) > MAX_BARE:
            reason = f"'{token[:12]}...' has {len(token):,} characters; no number or key is that long"
            raise TomlError(self.line, reason)
        if kind in ("bare", "text"):
            taken = self._word(token)
            self.line += token.count("\n")
            return taken
        return True

    def _newline(self, count: int) -> bool:
        self.line += count
        if len(self.frames) > 1:
            return True
        finished = self.state in ("done", "tail") or (self.state == "key" and not self.parts)
        self.state = "key"
        return finished

    def _word(self, token: str) -> bool:
        if self.state == "value":
            self.values += 1
            if self.values > MAX_VALUES:
                raise TomlError(self.line, f"more than {MAX_VALUES:,} values in one file")
            self.state = "done"
            self.lines.setdefault(self.target, self.line)
        elif self.state in ("key", "header"):
            name = _unquoted(token)
            if name is None:
                return False
            self.parts.append(name)
            if len(self.parts) > MAX_DEPTH:
                raise TomlError(self.line, f"key of more than {MAX_DEPTH} dotted parts")
        # After a value another word is the rest of a date such as 2023-01-01 07:00, or of a number such as 1.5.
        return True

    def _mark(self, mark: str) -> bool:
        if mark == "." or self.state in ("header", "tail"):
            return mark == "." or self._header_mark(mark)
        if mark == "[":
            return self._open("array") if self.state == "value" else self._open_header()
        if mark == "{":
            return self.state == "value" and self._open("table")
        if mark == "=":
            return self._equals()
        if mark == ",":
            return self._comma()
        return self._close("array" if mark == "]" else "table")

    def _open_header(self) -> bool:
        if self.state != "key" or self.parts or len(self.frames) > 1:
            return False
        self.state = "header"
        self.in_rows_header = False
        return True

    def _header_mark(self, mark: str) -> bool:
        if mark == "[" and not self.parts and self.state == "header" and not self.in_rows_header:
            self.in_rows_header = True
            return True
        if mark != "]":
            return False
        if self.state == "header":
            self._enter_header()
            self.state = "tail"
        return True

    def _enter_header(self) -> None:
        """Move to the table that a header names; a header of rows starts a new row of its list."""
        path: KeyPath = ()
        for part in self.parts[:-1]:
            path = (*path, part)
            self.lines.setdefault(path, self.line)
            path = self._inside(path)
        path = (*path, *self.parts[-1:])
        if self.in_rows_header:
            self.lines.setdefault(path, self.line)
            self.rows[path] = self.rows.get(path, 0) + 1
            path = self._inside(path)
        self._note(path)
        self.frames[0].path = path
        self.parts = []

    def _inside(self, path: KeyPath) -> KeyPath:
        """`path`, or its last row where it names a list of tables."""
        return (*path, self.rows[path] - 1) if path in self.rows else path

    def _equals(self) -> bool:
        if self.state != "key" or not self.parts:
            return False
        path = self.frames[-1].path
        for part in self.parts[:-1]:
            path = (*path, part)
            self.lines.setdefault(path, self.line)
        self.target = (*path, self.parts[-1])
        self._note(self.target)
        self.parts = []
        self.state = "value"
        return True

    def _note(self, path: KeyPath) -> None:
        if len(path) > MAX_DEPTH:
            raise TomlError(self.line, f"nested more than {MAX_DEPTH} deep")
        if path in self.given:
            self.repeated = self.repeated or (".".join(map(str, path)), self.line, self.given[path])
        elif len(self.given) >= MAX_KEYS:
            raise TomlError(self.line, f"more than {MAX_KEYS:,} keys in one file")
        self.given[path] = self.line
        self.lines.setdefault(path, self.line)

    def _open(self, kind: str) -> bool:
        if len(self.frames) > MAX_DEPTH:
            raise TomlError(self.line, f"nested more than {MAX_DEPTH} deep")
        self.values += 1
        if self.values > MAX_VALUES:
            raise TomlError(self.line, f"more than {MAX_VALUES:,} values in one file")
        self.lines.setdefault(self.target, self.line)
        self.frames.append(_Frame(kind, self.target))
        self.state = "key" if kind == "table" else "value"
        if kind == "array":
            self.target = (*self.target, 0)
        return True

    def _comma(self) -> bool:
        frame = self.frames[-1]
        if frame.kind == "root" or self.state != "done":
            return False
        frame.item += 1
        self.state = "key" if frame.kind == "table" else "value"
        self.target = (*frame.path, frame.item)
        return True

    def _close(self, kind: str) -> bool:
        # An array may end in a comma and a container may be empty, so every state but a half-read key will do.
        if self.frames[-1].kind != kind or self.parts:
            return False
        self.frames.pop()
        self.state = "done"
        return True


def _unquoted(token: str) -> str | None:
    """The key that a token spells; None where it spells none."""
    if token[0] == "'":
        return token[1:-1]
    if token[0] != '"':
        return token
    if "\\" not in token:
        return token[1:-1]
    try:
        return str(tomllib.loads(f"key = {token}")["key"])
    except ValueError:
        return None
