"""Numbers as the ledger, the stories and the figures put them."""

from __future__ import annotations


def dollars(value: float) -> str:
    """US dollars to three digits, the unit written out: $1.25 bn, -$94 m."""
    sign, size = ("-" if value < 0.0 else ""), abs(value)
    for scale, unit in ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if size >= 0.9995 * scale:
            return f"{sign}${size / scale:,.3g} {unit}"
    return f"{sign}${size:,.3g}"
