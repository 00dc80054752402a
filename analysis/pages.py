"""Pages with a part that is generated: what stands between two marks is replaced, all else is left alone."""

from __future__ import annotations


def placed(text: str, page: str, marks: tuple[str, str], refusal: type[ValueError]) -> str:
    """The page with `text` between its two marks, spaced as the text brings it. Raises `refusal` when it has none."""
    before, mark, rest = page.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not end:
        raise refusal(f"the page has no place for the tables: write {marks[0]} and {marks[1]}")
    return f"{before}{mark}{text}{end}{after}"
