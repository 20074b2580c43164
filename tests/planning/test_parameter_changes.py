"""Recorded values, which have no names, are matched with the present ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from valuedrift.workflow.parameter_changes import Change, changes


def recorded(*values: Any) -> list[str]:
    """Values as Snakemake records them."""
    return sorted(map(repr, values))


def test_a_key_within_settings_is_named() -> None:
    old, new = {"beta": 0.1, "lora": {"rank": 8}}, {"beta": 0.2, "lora": {"rank": 4}}
    found = changes(recorded(json.dumps(old), 0), {"settings": json.dumps(new), "seed": 0})
    assert found == [Change("settings.beta", 0.1, 0.2), Change("settings.lora.rank", 8, 4)]


def test_settings_are_told_apart_by_their_keys() -> None:
    settings, shape = {"epochs": 1, "bf16": False}, {"layers": 2, "hidden": 48}
    now = {"settings": json.dumps({**settings, "epochs": 3}), "shape": json.dumps({**shape, "layers": 4})}
    found = changes(recorded(json.dumps(shape), json.dumps(settings)), now)
    assert found == [Change("settings.epochs", 1, 3), Change("shape.layers", 2, 4)]


def test_an_added_or_removed_key_has_nothing_on_the_other_side() -> None:
    found = changes(recorded(json.dumps({"a": 1, "b": 2})), {"settings": json.dumps({"b": 2, "c": 3})})
    assert found == [Change("settings.a", 1, None), Change("settings.c", None, 3)]


@pytest.mark.parametrize(("old", "new"), [("pocket", "stance"), (3, 5), ([1, 2], [1, 3])])
def test_the_only_value_of_a_type_is_matched(old: Any, new: Any) -> None:
    assert changes(recorded(old, 1.5), {"value": new, "other": 1.5}) == [Change("value", old, new)]


def test_values_that_cannot_be_matched_are_listed_apart() -> None:
    found = changes(recorded("a", "b"), {"one": "c", "two": "d"})
    assert found == [Change("one", None, "c"), Change("two", None, "d"), Change("", "a", None), Change("", "b", None)]


def test_the_same_values_are_no_change() -> None:
    values = {"settings": json.dumps({"beta": 0.1}), "steps": [1, 2], "model": "tiny", "none": None}
    assert changes(recorded(*values.values()), values) == []


def test_text_that_is_no_valid_json_stays_text() -> None:
    assert changes(recorded("{a"), {"path": "{b"}) == [Change("path", "{a", "{b")]
