"""How often the judge's stances agree with people's labels, per training stage."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.labelled_sample import STAGES
from valuedrift.statistics.panel import ALL, PROBABILITIES, STANCES, most_probable

_SHARES = {
    **dict.fromkeys(("model", "stage", "measure", "stance"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "answers": pl.Int64,
}


def stage_agreement(labelled: pl.DataFrame, model: str, level: float) -> pl.DataFrame:
    """Measure agreement per training stage: `model, stage, measure, stance, value, low, high, answers`.

    Measures of each stage: `accuracy` (stance "all") and `recall` of each true stance, over the answers that the sample
    represents (each answer counts `weight` times); and `unlabelled`, the share of the sample's judged answers that
    have no label. Intervals are Wilson's, with Kish's effective number of answers. A share without answers is null. The
    judged stance is the most probable one (of equally probable ones, the first of support, neutral, oppose).

    Args:
        labelled: A sample, see `read_labelled`.
        model: Name of the model that gave the answers.
        level: Confidence level of the intervals.
    """
    judged = labelled.drop_nulls((*PROBABILITIES, "weight")).with_columns(judged_stance=most_probable())
    stages = [(stage, judged.filter(stage=stage)) for stage in STAGES]
    rows = [(model, stage, *row) for stage, part in stages if len(part) for row in _stage_rows(part, level)]
    return pl.DataFrame(rows, schema=_SHARES, orient="row")


def _stage_rows(part: pl.DataFrame, level: float) -> Iterator[tuple[object, ...]]:
    known = part.drop_nulls("true_stance")
    yield "accuracy", ALL, *_share_of(known, level)
    for stance in STANCES:
        yield "recall", stance, *_share_of(known.filter(true_stance=stance), level)
    missing = len(part) - len(known)
    yield "unlabelled", ALL, missing / len(part), *wilson_interval(missing, len(part), level), len(part)


def _share_of(part: pl.DataFrame, level: float) -> tuple[float | None, float | None, float | None, int]:
    right = (part["true_stance"] == part["judged_stance"]).to_numpy()
    return *weighted_share(right, part["weight"].cast(pl.Float64).to_numpy(), level), len(part)


def weighted_share(
    right: NDArray[np.bool_], weight: FloatArray, level: float
) -> tuple[float | None, float | None, float | None]:
    """Return the weighted share of `right`, with Wilson's interval for Kish's effective number; None without rows."""
    if not len(right):
        return None, None, None
    share = float(weight[right].sum() / weight.sum())
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    return share, *wilson_interval(share * effective, effective, level)
