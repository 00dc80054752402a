"""The tables of `docs/model.md` that the code itself can write: every parameter, output column and payment's purpose.

`python -m analysis.modeldoc` (`make docs`) rewrites what stands between the markers of that page and nothing else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from analysis import pages
from analysis.pages import MARKED
from sim.journal import PURPOSES
from sim.parameters import Parameters
from sim.records import COLUMNS, REPLICATION_COLUMN, Column
from sim.scenario import Scenario, load_scenario
from sim.scenario.schema import Described, describe

PAGE = Path(__file__).resolve().parent.parent / "docs" / "model.md"

# How a name in a keyed table is written: by the table it stands in.
PLACEHOLDERS = {
    "labs": "<lab>",
    "shares": "<lab>",
    "investors": "<investor>",
    "segments": "<segment>",
    "workloads": "<type>",
    "mix": "<type>",
    "modes": "<mode>",
    "tiers": "<tier>",
    "regions": "<region>",
    "distrust": "<region>",
    "language": "<region>",
    "banned": "<region>",
    "rounds": "<n>",
    "shocks": "<n>",
    "frontier_before_start": "<n>",
}
FILES = {
    "market": "`market.parquet`: one row a quarter",
    "labs": "`labs.parquet`: one row for each lab and quarter",
    "shares": "`shares.parquet`: one row for each quarter, population, lens, by and key",
    "funding": "`funding.parquet`: one row a quarter",
    "events": "`events.parquet`: one row for each event",
    "investors": "`investors.parquet`: one row for each investor and quarter",
    "investments": "`investments.parquet`: one row for each investor, lab and quarter with new money",
    "stakes": "`stakes.parquet`: one row for each lab and holder in quarters in which the lab's cap table changed",
    "switches": "`switches.parquet`: one row for each quarter and pair of vendors with workloads between them",
    "flows": "`flows.parquet`: one row for each quarter, payer, payee and purpose",
}


def written_key(pattern: str) -> str:
    """A key pattern of the schema for people: `labs.*.cash` -> `labs.<lab>.cash`."""
    parts = pattern.split(".")
    return ".".join(
        PLACEHOLDERS[before] if part == "*" else part for before, part in zip(["", *parts], parts, strict=False)
    )


def parameter_tables(scenario: Scenario) -> str:
    """One table for each section of a scenario file; the value column is that of `scenario`."""
    lines: list[str] = []
    for name, info in Parameters.model_fields.items():
        rows = [row for row in describe(Parameters) if row.key.split(".")[0] == name]
        lines += [f"### `{name}`", ""]
        about = _about(info.annotation)
        lines += [about, ""] if about else []
        lines += ["| key | unit | bounds | baseline | meaning |", "|---|---|---|---|---|"]
        lines += [_parameter_row(row, scenario) for row in rows]
        lines.append("")
    return "\n".join(lines)


def _about(annotation: Any) -> str:
    """First line of the docstring of a section, or of what a table holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation.__doc__ or "").split("\n")[0]
    inner = [a for a in getattr(annotation, "__args__", ()) if isinstance(a, type) and issubclass(a, BaseModel)]
    return _about(inner[-1]) if inner else ""


def _parameter_row(row: Described, scenario: Scenario) -> str:
    bounds = "`2023Q1` form" if "Q[1-4]" in row.bounds else row.bounds.replace("|", "\\|")
    if "^[a-z0-9]" in bounds:
        bounds = "an id"
    return f"| `{written_key(row.key)}` | {row.unit} | {bounds or '-'} | {_value(row.key, scenario)} | {row.meaning} |"


def _value(pattern: str, scenario: Scenario) -> str:
    """The one value, the range of the numbers in a keyed table, or a dash."""
    wanted = re.compile(pattern.replace(".", r"\.").replace("*", r"[^.]+") + r"\Z")
    found = [entry.value for key, entry in scenario.provenance.items() if wanted.match(key)]
    if "*" not in pattern:
        return _text(found[0]) if found else "-"
    numbers = [value for value in found if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if not numbers or len(numbers) < len(found):
        return "-"
    low, high = min(numbers), max(numbers)
    return _text(low) if low == high else f"{_text(low)} to {_text(high)}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, (int, float)) else str(value)


def column_tables() -> str:
    """One table for each file of a run folder."""
    lines: list[str] = []
    for table, columns in COLUMNS.items():
        lines += [f"### {FILES[table]}", "", "| column | unit | holds | meaning |", "|---|---|---|---|"]
        lines += [_column_row(column) for column in (REPLICATION_COLUMN, *columns)]
        lines.append("")
    return "\n".join(lines)


def _column_row(column: Column) -> str:
    return f"| `{column.name}` | {column.unit} | {column.kind} | {column.meaning} |"


def payment_table() -> str:
    """One row for each purpose of the journal's postings."""
    lines = ["| purpose | from | to | stands under | invoiced | meaning |", "|---|---|---|---|---|---|"]
    for p in PURPOSES:
        heading, invoiced = p.line.replace("_", " "), "yes" if p.invoiced else "no"
        lines.append(f"| `{p.name}` | {_name(p.payer)} | {_name(p.payee)} | {heading} | {invoiced} | {p.meaning} |")
    return "\n".join([*lines, ""])


def _name(party: str) -> str:
    return party.replace("_", " ")


def tables(scenario: Scenario) -> dict[str, str]:
    """Every generated part of the page by the name in its marker."""
    return {"parameters": parameter_tables(scenario), "columns": column_tables(), "payments": payment_table()}


def rendered(page: str, scenario: Scenario) -> str:
    """The page with every marked part written anew. Raises KeyError for a marker of an unknown part."""
    return pages.rendered(page, tables(scenario))


def rows(page: str, part: str) -> Iterator[str]:
    """The first cells, without backticks, of the tables between the markers of a part, in order."""
    for found in MARKED.finditer(page):
        if found["name"] == part:
            yield from re.findall(r"^\| `([^`]+)` \|", found[0], re.MULTILINE)


def main() -> int:
    """Write the page anew and say whether it changed."""
    before = PAGE.read_text(encoding="utf-8")
    after = rendered(before, load_scenario("baseline"))
    PAGE.write_text(after, encoding="utf-8")
    print(f"{PAGE.name}: {'written anew' if after != before else 'was up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
