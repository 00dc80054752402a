"""What a scenario expects of the market, against the baseline: written down before a run and judged after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

from sim.parameters import Parameters
from sim.scenario.schema import nearest
from sim.scenario.tree import Reader, shown

EXPECTS = "expects"
Named = Callable[[str], object]
_QUARTER = re.compile(r"20\d\dQ[1-4]")
LONGEST_WHY = 500


@dataclass(frozen=True)
class Expectation:
    """A measure (a name of `sim.records.names`), the quarter that ends the year it is read in, the sign of its
    difference from the baseline, and why."""

    measure: str
    quarter: str
    sign: Literal["+", "-"]
    why: str = ""


def read_expectations(raw: object, reader: Reader, named: Named) -> tuple[Expectation, ...]:
    """The rows of `expects`; every fault is noted with its line and key. `named` raises ValueError for no measure."""
    if not isinstance(raw, list) or not all(isinstance(row, Mapping) for row in raw):
        reader.fail((EXPECTS,), "expected rows such as { measure = 'hhi', quarter = '2030Q4', sign = '+' }")
        return ()
    rows = cast(list[Mapping[str, Any]], raw)
    faults = [(i, key, reason) for i, row in enumerate(rows) for key, reason in _faults(row, named)]
    for i, row in enumerate(rows):
        for key in row:
            reader.findings.places[EXPECTS, i, key] = (reader.file, reader.line((EXPECTS, i, key)))
    for i, key, reason in faults:
        reader.fail((EXPECTS, i, key), reason)
    return () if faults else tuple(Expectation(**row) for row in rows)


def _faults(row: Mapping[str, Any], named: Named) -> Iterator[tuple[str, str]]:
    """Key at fault and reason, for one row."""
    known = [field.name for field in fields(Expectation)]
    for key in (key for key in row if key not in known):
        guess = nearest(key, known)
        yield key, "unknown key" + (f"; did you mean '{guess}'?" if guess else f"; known: {', '.join(known)}")
    for key in known[:3]:
        if key not in row:
            yield key, "required key is missing"
    if "measure" in row:
        try:
            named(str(row["measure"]))
        except ValueError as error:
            yield "measure", str(error)
    if "quarter" in row and not (isinstance(row["quarter"], str) and _QUARTER.fullmatch(row["quarter"])):
        yield "quarter", f"expected a quarter such as 2030Q4, was given {shown(row['quarter'])}"
    if "sign" in row and row["sign"] not in ("+", "-"):
        yield "sign", f"expected '+' or '-', was given {shown(row['sign'])}"
    if "why" in row and not (isinstance(row["why"], str) and len(row["why"]) <= LONGEST_WHY):
        yield "why", f"expected a text of at most {LONGEST_WHY} characters"


def unseen(expects: Iterable[Expectation], p: Parameters) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Path and reason of each expectation that no run of the scenario shows: a time before it, a lab it has not."""
    for i, x in enumerate(expects):
        if x.quarter <= p.run.first_quarter:  # a run that ends before is a short look, no fault of the file
            yield (EXPECTS, i, "quarter"), f"{x.quarter} is not after the first quarter, {p.run.first_quarter}"
        axis, _, key = x.measure.removeprefix("share.").partition(".")[2].partition(".")
        if x.measure.startswith("share.") and axis in ("lab", "owner") and not _known_party(key, p):
            yield (EXPECTS, i, "measure"), f"no lab or owner '{key}' in this scenario"


def _known_party(name: str, p: Parameters) -> bool:
    parents = {lab.parent for lab in p.labs.values()}
    return name in p.labs or name in parents or name in ("community", "other") or name.startswith("entrant_")
