"""How well a judge's stances agree with the true labels of a held-out set."""

from __future__ import annotations

import math
from statistics import NormalDist

import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.statistics.panel import ALL, PROBABILITIES, STANCES

_SCHEMA = {
    "measure": pl.String,
    "stance": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "count": pl.Int64,
    "answers": pl.Int64,
}
_Row = tuple[str, str, float | None, float | None, float | None, int | None, int]


def agreement_table(labelled: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """Agreement of a judge with `true_stance`: `measure, stance, value, low, high, count, answers`.

    labelled: one row an answer, `true_stance, p_support, p_neutral, p_oppose, unassigned`. The judged stance
    is the most probable (the first in the order support, neutral, oppose if several are); answers with a null
    probability count as unjudged and enter nothing else.

    Measures: accuracy (stance "all"), recall and precision per stance, and the share `unjudged`, each as
    count / answers with its Wilson interval at `level`; and `unassigned`, the mean probability mass outside
    the three labels, without interval. Values over no answers are null.
    Raises ArtifactError if there is no row, a column is missing or a true stance is none of the three.
    """
    judged = _judged(labelled)
    right = judged.filter(pl.col("true_stance") == pl.col("judged_stance"))
    rows = [
        _share("accuracy", ALL, right.height, judged.height, level),
        *(_conditional("recall", "true_stance", stance, right, judged, level) for stance in STANCES),
        *(_conditional("precision", "judged_stance", stance, right, judged, level) for stance in STANCES),
        _share("unjudged", ALL, labelled.height - judged.height, labelled.height, level),
        _unassigned(judged["unassigned"].drop_nulls()),
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def confusion_table(labelled: pl.DataFrame) -> pl.DataFrame:
    """Counts `true_stance, judged_stance, answers`: nine rows, of the judged answers (see `agreement_table`)."""
    judged = _judged(labelled)
    rows = [
        (true, found, judged.filter(pl.col("true_stance") == true, pl.col("judged_stance") == found).height)
        for true in STANCES
        for found in STANCES
    ]
    return pl.DataFrame(rows, schema=["true_stance", "judged_stance", "answers"], orient="row")


def most_probable() -> pl.Expr:
    """The most probable stance of an answer, the first in the order of STANCES if several are."""
    return pl.concat_list(PROBABILITIES).list.arg_max().replace_strict(range(len(STANCES)), STANCES)


def wilson_interval(count: float, total: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the proportion `count` / `total` (Wilson 1927); `total` is above 0."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (count + z * z / 2) / (total + z * z)
    half = z / (total + z * z) * math.sqrt(count * (total - count) / total + z * z / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def _judged(labelled: pl.DataFrame) -> pl.DataFrame:
    needed = ("true_stance", *PROBABILITIES, "unassigned")
    missing = [name for name in needed if name not in labelled.columns]
    if missing:
        raise ArtifactError("labelled answers", labelled.columns, f"the columns {', '.join(missing)} as well")
    strange = set(labelled["true_stance"].unique()) - set(STANCES)
    if strange or labelled.is_empty():
        raise ArtifactError("labelled answers", sorted(map(str, strange)), f"rows whose true_stance is of {STANCES}")
    return labelled.drop_nulls(PROBABILITIES).with_columns(judged_stance=most_probable())


def _conditional(
    measure: str, column: str, stance: str, right: pl.DataFrame, judged: pl.DataFrame, level: float
) -> _Row:
    hits, total = (frame.filter(pl.col(column) == stance).height for frame in (right, judged))
    return _share(measure, stance, hits, total, level)


def _share(measure: str, stance: str, count: int, total: int, level: float) -> _Row:
    if total == 0:
        return measure, stance, None, None, None, count, total
    return measure, stance, count / total, *wilson_interval(count, total, level), count, total


def _unassigned(mass: pl.Series) -> _Row:
    mean = mass.mean()
    return "unassigned", ALL, mean if isinstance(mean, float) else None, None, None, None, len(mass)
