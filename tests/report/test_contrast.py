"""Contrast of the report's colours, computed from its style sheet (WCAG 2.2, success criteria 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re

import pytest

from valuedrift.report.page import style_sheet

TEXT, GRAPHIC = 4.5, 3.0
STYLE = style_sheet()
STRONGEST = float(re.search(r"\.rose \{ background: rgb\(var\(--rose\) / calc\(([.\d]+) \*", STYLE)[1])
Colour = tuple[float, ...]


def colours(rules: str) -> dict[str, Colour]:
    """Custom properties that are colours, as (red, green, blue) from 0 to 255."""
    found = {name: bytes.fromhex(digits) for name, digits in re.findall(r"--([\w-]+): #([0-9a-f]{6});", rules)}
    plain = re.findall(r"--([\w-]+): (\d+) (\d+) (\d+);", rules)
    return {name: tuple(parts) for name, parts in found.items()} | {
        name: tuple(map(float, parts)) for name, *parts in plain
    }


LIGHT = colours(STYLE.partition("@media")[0])
DARK = LIGHT | colours(re.search(r"prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", STYLE, re.DOTALL)[1])
SCHEMES = pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])


def luminance(colour: Colour) -> float:
    shares = [part / 255 for part in colour]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def blended(over: Colour, under: Colour, share: float) -> Colour:
    return tuple(share * top + (1 - share) * bottom for top, bottom in zip(over, under, strict=True))


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "soft", "link") for ground in ("paper", "raised")),
    *((verdict, "paper", TEXT) for verdict in ("good", "bad")),
    *((shape, "paper", GRAPHIC) for shape in ("support", "neutral", "oppose", "frame", "link")),
    *((bar, "raised", GRAPHIC) for bar in ("support", "neutral", "oppose")),
]


@SCHEMES
@pytest.mark.parametrize(("colour", "ground", "least"), PAIRS)
def test_texts_verdicts_lines_and_bars_can_be_seen(
    scheme: dict[str, Colour], colour: str, ground: str, least: float
) -> None:
    assert contrast(scheme[colour], scheme[ground]) >= least


@SCHEMES
@pytest.mark.parametrize("direction", ["rose", "fell"])
def test_numbers_can_be_read_on_the_strongest_cells(scheme: dict[str, Colour], direction: str) -> None:
    cell = blended(scheme[direction], scheme["paper"], STRONGEST)
    assert contrast(scheme["ink"], cell) >= TEXT
