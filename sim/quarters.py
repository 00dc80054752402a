"""Quarters as text (2026Q3) and as integers that can be added."""

from __future__ import annotations

from functools import cache

QUARTERS_PER_YEAR = 4
DT = 1.0 / QUARTERS_PER_YEAR  # years in a step


@cache
def quarter_number(text: str) -> int:
    """Quarters since the year 0 of a label such as `2023Q1`."""
    year, quarter = text.split("Q")
    return int(year) * QUARTERS_PER_YEAR + int(quarter) - 1


@cache
def quarter_label(number: int) -> str:
    """The label of a quarter number: the inverse of `quarter_number`."""
    year, quarter = divmod(number, QUARTERS_PER_YEAR)
    return f"{year}Q{quarter + 1}"


def decimal_year(number: int) -> float:
    """The year at the start of a quarter as a decimal number."""
    return number / QUARTERS_PER_YEAR
