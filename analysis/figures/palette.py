"""Colours: one for each lab for ever, so that figures of different runs can be laid side by side.

OpenAI, Anthropic, Google, Meta and Amazon carry colours of Petroff (2021, "Accessible color sequences for data
visualization", arXiv:2107.02270). Any order of labs can meet in a stacked chart, so the fourteen most often drawn are
far apart from each other in CIELAB, and the others at least discernible from all.
"""

from __future__ import annotations

import colorsys
from zlib import crc32

LABS: dict[str, str] = {
    "openai": "#3f90da",
    "anthropic": "#e76300",
    "google": "#bd1f01",
    "meta": "#832db6",
    "microsoft": "#8fdde0",
    "amazon": "#ffa90e",
    "mistral": "#3f8f3a",
    "deepseek": "#1d4f86",
    "alibaba": "#a48a4e",
    "xai": "#5f646e",
    "apple": "#c4a9a4",
    "nvidia": "#7f9a1c",
    "cohere": "#a8d672",
    "baidu": "#6a5ae0",
    "tencent": "#2f9f8b",
    "zhipu": "#a99be6",
    "moonshot": "#3d2a52",
    "zero_one_ai": "#cf5fae",
    "stability": "#f2de3a",
    "inflection": "#94788e",
    "adept": "#b4cdf0",
    "character_ai": "#f7c6a0",
    "ai21": "#f59ac0",
    "aleph_alpha": "#1f7f9c",
    "databricks": "#5a3519",
    "tii": "#2e6b4a",
    "community": "#94a4a2",
    "other": "#d5d9d8",
}

# Owners that are not labs themselves keep their lab's colour; labs of a user's own scenario get one of these.
_SPARE = ("#6f4e9b", "#3c9d9b", "#c2703d", "#7d8f2b", "#b0487a", "#4c7fb0", "#8a8a5c", "#a0522d")

OPENNESS: dict[str, str] = {"open": "#2f8f8b", "closed": "#717581"}

# Developers' home regions within the two camps: one hue for open, greys for closed.
REGION_AND_OPENNESS: dict[str, str] = {
    "us_open": "#1f6f6c",
    "china_open": "#5fb3ae",
    "eu_open": "#9bd3cf",
    "gulf_open": "#c4e6e3",
    "other_open": "#dff1ef",
    "us_closed": "#717581",
    "china_closed": "#9a9da7",
    "eu_closed": "#b8bbc2",
    "gulf_closed": "#cfd1d6",
    "other_closed": "#e2e3e6",
}

INK = "#1f2328"
MUTED = "#5c6370"
GRID = "#e4e6e8"
ACCENT = "#bd1f01"
SERIES = ("#3f90da", "#e76300", "#832db6", "#2f8f8b", "#bd1f01", "#717581", "#b08a00", "#a96b59")


def lab_colour(lab: str) -> str:
    """The colour of a lab id: fixed for known ones, for others the same in every figure and run."""
    return LABS.get(lab) or _SPARE[crc32(lab.encode()) % len(_SPARE)]


def ink(colour: str, luminance: float = 0.36) -> str:
    """The colour, darkened where needed so that small text in it can be read on white."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    perceived = 0.299 * red + 0.587 * green + 0.114 * blue
    factor = min(1.0, luminance / perceived) if perceived > 0 else 1.0
    rgb = colorsys.hls_to_rgb(hue, lightness * factor, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def on(colour: str) -> str:
    """Black or white, whichever can be read on the colour."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.58 else INK
