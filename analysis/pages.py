"""Pages with a part that is generated: what stands between two marks is replaced, all else is left alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

MARKED = re.compile(r"(?P<head><!-- generated: (?P<name>[\w ]+) -->\n)(?P<text>.*?)(?P<end><!-- end -->)", re.DOTALL)


def rendered(page: str, texts: Mapping[str, str]) -> str:
    """The page with every marked part written anew. Raises KeyError for a marker of an unknown part."""
    return MARKED.sub(lambda found: f"{found['head']}{texts[found['name']]}{found['end']}", page)


def parts(page: str) -> dict[str, str]:
    """The marked parts of a page as they stand, by name."""
    return {found["name"]: found["text"] for found in MARKED.finditer(page)}


def placed(text: str, page: str, marks: tuple[str, str], refusal: type[ValueError]) -> str:
    """The page with `text` between its two marks, spaced as the text brings it. Raises `refusal` when it has none."""
    before, mark, rest = page.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not end:
        raise refusal(f"the page has no place for the tables: write {marks[0]} and {marks[1]}")
    return f"{before}{mark}{text}{end}{after}"
