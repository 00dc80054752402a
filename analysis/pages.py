"""Pages with a part that is generated: what stands between two marks is replaced, all else is left alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

MARKED = re.compile(r"(<!-- generated: (?P<name>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(page: str, parts: Mapping[str, str]) -> str:
    """The page with every marked part written anew. Raises KeyError for a marker of an unknown part."""
    return MARKED.sub(lambda found: f"{found[1]}{parts[found['name']]}{found[3]}", page)


def placed(text: str, page: str, marks: tuple[str, str], refusal: type[ValueError]) -> str:
    """The page with `text` between its two marks, spaced as the text brings it. Raises `refusal` when it has none."""
    before, mark, rest = page.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not end:
        raise refusal(f"the page has no place for the tables: write {marks[0]} and {marks[1]}")
    return f"{before}{mark}{text}{end}{after}"
