"""Reasons as sentences."""

from __future__ import annotations

from typing import Any

import pytest

from valuedrift.workflow.parameter_changes import Change
from valuedrift.workflow.why import FRESH, StaleJob, explain, sentence


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ({"changed": (Change("judge.prompt", "a", "b"),)}, 'judge.prompt changed ("a" → "b")'),
        ({"changed": (Change("settings.lora", None, {"rank": 8}),)}, 'settings.lora changed (nothing → {"rank": 8})'),
        ({"changed": (Change("", 7, None),)}, "a parameter was 7"),
        ({"missing": ("results/a",)}, "results/a is gone"),
        ({"missing": ("results/a",), "made_before": False}, "results/a was never made"),
        ({"missing": ("a", "b", "c", "d", "e")}, "a, b, c and 2 more are gone"),
        ({"cut_off": ("results/a",)}, "a killed job left results/a"),
        ({"added": ("a", "b")}, "it reads a and b as well"),
        ({"removed": ("a",)}, "it no longer reads a"),
        ({"edited": ("a",)}, "a has changed"),
        (
            {"after": ("world", "data of pocket/wildchat")},
            "it needs world and data of pocket/wildchat, which run first",
        ),
        ({}, "its run was requested"),
    ],
)
def test_each_reason_has_its_words(reason: dict[str, Any], expected: str) -> None:
    job = StaleJob("stances of pocket/base", "stances", ("x",), **{"made_before": True, **reason})
    assert sentence(job) == f"stances of pocket/base: {expected}."


def test_reasons_are_joined_in_one_sentence() -> None:
    job = StaleJob("drift of pocket", "drift", ("x",), True, edited=("a",), after=("statistics of pocket",))
    expected = "drift of pocket: a has changed; it needs statistics of pocket, which runs first."
    assert explain([job, job]) == f"{expected}\n{expected}"


def test_long_values_are_shortened() -> None:
    job = StaleJob("x", "x", ("x",), True, changed=(Change("a", "b" * 100, "c"),))
    assert len(sentence(job)) < 100


def test_up_to_date_results_are_reported() -> None:
    assert explain([]) == FRESH
