"""How far a judge's probabilities move with the order of the labels in the prompt, and with its wording."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import polars as pl

from valuedrift.errors import ConfigError
from valuedrift.judging.exam.scores import Rows
from valuedrift.judging.judge_prompt import LABELS, read_judge_prompt
from valuedrift.statistics.panel import PROBABILITIES

WORDING = "second wording"
SHARE = 3
"""One in this many answers is asked again; they are ordered by kind, so that each kind is asked."""

_WORDINGS = ("stance_reworded", "stance")


def variants(template: str) -> dict[str, str]:
    """Return the template's other forms by name: five orders of the labels, and a second wording.

    The orders are those of the lines that name one label each; a template without three such lines has no other order.

    Raises:
        ConfigError: The template doesn't name the labels, so a judge that reads it knows them by training, and reads no
            other prompt.
    """
    places = [f"{{{label}}}" for label in LABELS]
    if not all(place in template for place in places):
        expected = f"a prompt that names the labels, at {', '.join(places)}"
        raise ConfigError("judge.prompt", template, expected, "Leave out --robustness: a trained judge has one prompt.")
    second = next(text for text in map(read_judge_prompt, _WORDINGS) if text != template)
    return {**_orders(template.split("\n"), places), WORDING: second}


def _orders(lines: list[str], places: Sequence[str]) -> dict[str, str]:
    found = [number for number, line in enumerate(lines) if any(place in line for place in places)]
    own = [[place for place in places if place in lines[number]] for number in found]
    if sorted(own) != sorted([place] for place in places):
        return {}
    orders = {}
    for order in list(permutations(range(len(found))))[1:]:
        moved = dict(zip(found, (lines[found[place]] for place in order), strict=True))
        name = f"labels: {', '.join(own[place][0].strip('{}') for place in order)}"
        orders[name] = "\n".join(moved.get(number, line) for number, line in enumerate(lines))
    return orders


def compare(before: pl.DataFrame, after: pl.DataFrame, variant: str) -> dict[str, object]:
    """Compare the same answers, judged with the judge's own prompt and with another one.

    Returns:
        `variant`; `answers`, the number with a stance both times; `no_stance`, the number without one now; and over the
        former: `total_variation`, the mean over answers of half the sum of |p' − p|; `turned`, the share whose most
        probable stance is another one; `accuracy`; and `shift_‹stance›`, the change of the mean probability. These are
        null if `answers` is 0.
    """
    both = (before["right"].is_not_null() & after["right"].is_not_null()).to_numpy()
    old, new = (table.select(PROBABILITIES).to_numpy()[both] for table in (before, after))
    found = {"variant": variant, "answers": int(both.sum()), "no_stance": after["right"].null_count()}
    numbers = ("total_variation", "turned", "accuracy", *_SHIFTS)
    if not both.any():
        return {**found, **dict.fromkeys(numbers)}
    turned = (before["judged_stance"] != after["judged_stance"]).to_numpy()[both]
    right = after["right"].to_numpy()[both].astype(bool)
    means = (float(np.abs(new - old).sum(axis=1).mean() / 2), float(turned.mean()), float(right.mean()))
    return {**found, **dict(zip(numbers, (*means, *map(float, (new - old).mean(axis=0))), strict=True))}


_SHIFTS = tuple(f"shift_{label}" for label in LABELS)


def robustness_words(rows: Rows) -> list[str]:
    """Return what the comparisons mean, in sentences."""
    judged = [row for row in rows if row["answers"]]
    if not judged:
        return ["With other prompts the judge gives no stances."]
    words = []
    orders = [row for row in judged if row["variant"] != WORDING]
    for name, group in (("another order of the labels", orders), ("a second wording", judged[len(orders) :])):
        if group:
            moved = np.mean([row["total_variation"] for row in group])
            shift, stance = max((abs(row[f"shift_{label}"]), label) for row in group for label in LABELS)
            words.append(
                f"With {name}, the probabilities of an answer move by {moved:.3f} on average (total variation), and "
                f"the mean probability of {stance} by up to {shift:.3f}."
            )
    if not orders:
        words.append("The order of the labels wasn't changed: the prompt doesn't name each on a line of its own.")
    shift = max(abs(row[f"shift_{label}"]) for row in judged for label in LABELS)
    words.append(
        f"So a difference of {shift:.3f} between values can come from the prompt alone: compare equal prompts."
    )
    return words
