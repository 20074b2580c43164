"""The reference page says what the configuration's models declare, and they describe every key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field

from valuedrift.cli import main
from valuedrift.config.reference import reference
from valuedrift.config.section import Count, Name, Section, Several

PAGE = Path(__file__).parents[2] / "docs/configuration.md"


class Toy(Section):
    """A toy."""

    name: str
    """Its name."""


class Ball(Toy):
    """A ball."""

    size: float = 2.0
    """Its size."""


class Meal(Section):
    """A meal."""

    fish: bool = True
    """Fish."""


class Cat(Section):
    """One cat in <house>."""

    one_of: ClassVar = ("age", "toys")

    age: Annotated[int, Field(ge=0, le=30)] | None = None
    """Its age, or | none."""
    toys: Several[Toy] = ()
    """Toys."""
    best: Toy | None = None
    """The best."""
    ball: Ball | None = None
    """Its ball."""
    meals: Several[Meal]
    """Meals."""
    weights: dict[str, Count]
    """Weights."""


class House(Section):
    """A house."""

    colour: Literal["red", "blue"]
    """Its colour."""
    cats: dict[Name, Cat]
    """Cats."""


def test_the_page_is_what_the_models_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configuration-reference"]) == 0
    said = capsys.readouterr().out
    assert said == PAGE.read_text(encoding="utf-8"), "run: valuedrift configuration-reference > docs/configuration.md"


def test_every_key_is_described() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("\n| ") > 200
    assert " |  |" not in text


@pytest.mark.parametrize(
    "line",
    [
        "## House\n\nA house.\n\n| key | value | meaning |\n| --- | --- | --- |\n| **`colour`** |",
        "| **`colour`** | `red`, `blue` | Its colour. |",
        "| **`cats`** | [Cat](#cat), by name matching `^[a-z0-9_]+$` | Cats. |",
        "One cat in ‹house›.\n\nAt `cats.‹name›`.\n\nExactly one of `age`, `toys` is given.\n",
        "| `age` | integer ≥ 0 ≤ 30 | Its age, or \\| none. |",
        "| `toys` | list of [Toy](#toy) | Toys. |",
        "At `cats.‹name›.toys[]`, `cats.‹name›.best`.",
        "| `fish` | `true`, `false` | Fish. Default: `true`. |",
        "| **`weights`** | integer ≥ 1, by name | Weights. |",
        "It has the keys of [Toy](#toy) as well.\n\n| key | value | meaning |\n| --- | --- | --- |\n| `size` |",
    ],
)
def test_a_small_configuration(line: str) -> None:
    assert line in reference(House)
