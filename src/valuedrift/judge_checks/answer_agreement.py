"""How often two judges give the same answers the same stance, by stage and topic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from valuedrift.judge_checks.agreement_scores import accuracy, cohen_kappa, defined_estimate, number
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.panel import ALL, PROBABILITIES, STANCES

MEASURES = ("agreement", "kappa", "distance")
ENDS = ("", "_low", "_high")

_PLACE = ("model", "stage", "topic")
_COUNTS = ("both", "only_old", "only_new")
_SCHEMA = {
    **dict.fromkeys(_PLACE, pl.String),
    **dict.fromkeys(_COUNTS, pl.Int64),
    **dict.fromkeys((f"{measure}{end}" for measure in MEASURES for end in ENDS), pl.Float64),
}
_CELLS = len(STANCES) ** 2


@dataclass(frozen=True)
class _Sums:
    """Sums over some answers on one topic: nine confusion counts and the distance.

    Attributes:
        value: (10,).
        replicates: (10, replicates).
    """

    value: FloatArray
    replicates: FloatArray

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(self.value + other.value, self.replicates + other.replicates)


def agreement_table(matched: pl.DataFrame, bootstrap: Bootstrap) -> pl.DataFrame:
    """Agreement of two judges on one model's answers, by stage and topic, with "all" for either.

    Args:
        matched: One model's answers; see `match`.
        bootstrap: Questions are drawn within topics.

    Returns:
        Columns `model, stage, topic, both, only_old, only_new`, then `agreement` of the most probable stance (the first
        in the order support, neutral, oppose if several are), `kappa`, and `distance`, the mean total-variation
        distance of the probabilities, each with `_low` and `_high`. "all" pools the answers.
    """
    sums = _stage_sums(matched, bootstrap)
    rows = []
    for stage in dict.fromkeys(stage for stage, _ in sums):
        own = {topic: cell for (s, topic), cell in sums.items() if s == stage}
        answers = matched if stage == ALL else matched.filter(stage=stage)
        for topic, cell in {**own, ALL: _total(list(own.values()))}.items():
            place = dict(zip(_PLACE, (matched["model"][0], stage, topic), strict=True))
            counts = _counts(answers if topic == ALL else answers.filter(topic=topic))
            rows.append(place | counts | _measures(cell, bootstrap))
    return pl.DataFrame(rows, schema=_SCHEMA)


def _stage_sums(matched: pl.DataFrame, bootstrap: Bootstrap) -> dict[tuple[str, str], _Sums]:
    """By stage and topic; stage "all" comes last."""
    stages = matched["stage"].unique(maintain_order=True).to_list()
    found = {}
    for topic in matched["topic"].unique().sort():
        answers = matched.filter(topic=topic)
        place = pl.col("question_id").rank("dense").cast(pl.Int64) - 1
        judged = answers.filter("in_old", "in_new").with_columns(question=place)
        weights = bootstrap.weights(topic, max(1, judged["question"].n_unique()))
        for stage in answers["stage"].unique(maintain_order=True):
            found[stage, topic] = _cell_sums(judged.filter(stage=stage), weights)
        found[ALL, topic] = _total([found[stage, topic] for stage in stages if (stage, topic) in found])
    return {key: found[key] for stage in (*stages, ALL) for key in found if key[0] == stage}


def _cell_sums(judged: pl.DataFrame, weights: FloatArray) -> _Sums:
    size, question = len(weights), judged["question"].to_numpy()
    old, new = (judged.select(f"{p}{end}" for p in PROBABILITIES).to_numpy() for end in ("", "_new"))
    cell = old.argmax(axis=1) * len(STANCES) + new.argmax(axis=1)
    counts = np.bincount(question * _CELLS + cell, minlength=size * _CELLS).reshape(size, _CELLS)
    distance = np.bincount(question, np.abs(old - new).sum(axis=1) / 2, minlength=size)
    sums = np.column_stack([counts, distance])
    return _Sums(sums.sum(axis=0), sums.T @ weights)


def _total(cells: list[_Sums]) -> _Sums:
    first, *others = cells
    return sum(others, start=first)


def _counts(answers: pl.DataFrame) -> dict[str, int]:
    old, new = pl.col("in_old"), pl.col("in_new")
    return {
        name: answers.filter(which).height
        for name, which in zip(_COUNTS, (old & new, old & ~new, new & ~old), strict=True)
    }


def _measures(sums: _Sums, bootstrap: Bootstrap) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, values, drawn in zip(MEASURES, _three(sums.value[:, None]), _three(sums.replicates), strict=True):
        one = defined_estimate(float(values[0]), drawn, bootstrap)
        found |= {f"{name}{end}": number(x) for end, x in zip(ENDS, (one.value, one.low, one.high), strict=True)}
    return found


def _three(sums: FloatArray) -> FloatArray:
    """Agreement, κ and mean distance, (3, replicates), of sums (10, replicates)."""
    counts, distance = sums[:_CELLS].reshape(len(STANCES), len(STANCES), -1), sums[_CELLS]
    answers = counts.sum(axis=(0, 1))
    mean = np.divide(distance, answers, out=np.full(answers.shape, np.nan), where=answers > 0)
    return np.stack([accuracy(counts), cohen_kappa(counts), mean])
