"""The judge's errors, estimated from labelled answers: which stance an answer truly takes, given the judged one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.labelled_sample import NO_STANCE, broad_stage
from valuedrift.statistics.panel import STANCES

TRUE = (*STANCES, NO_STANCE)
CELL = ("run", "topic", "judged")
DRAWS = 400
"""Number of draws of the judge's errors from their posterior distribution."""

_WHOLE = (("judged",), ("judged", "stage"), ("judged", "run"), ("judged", "topic"))
_WITHIN = (("run", "topic"), CELL)
# Prior standard deviations of these effects, in logits. The labels choose two of _SCALES: one multiplies those at a
# stage, in a run and on a topic, the other those of _WITHIN.
_OF_WHOLE, _OF_WITHIN = (7.0, 0.7, 0.5, 0.3), (0.5, 0.3)
_SCALES = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class JudgeErrors:
    """The probabilities of the true stances of an answer, given its judged stance, run and topic.

    Attributes:
        cells: `run, topic, judged`, one row per combination.
        best: The most plausible probabilities of TRUE, (cells, 4).
        draws: Draws of these probabilities from their posterior distribution, (cells, 4, DRAWS).
    """

    cells: pl.DataFrame
    best: FloatArray
    draws: FloatArray


@dataclass(frozen=True)
class _Fit:
    """A mode of the posterior distribution, (effects, kinds), the Cholesky factor of its curvature, its evidence."""

    mode: FloatArray
    factor: FloatArray
    evidence: float


def judge_errors(answers: pl.DataFrame, bootstrap: Bootstrap) -> JudgeErrors:
    """Estimate the judge's errors by a hierarchical multinomial regression.

    The logits of the true stances are sums of effects of the judged stance: anywhere, at a stage of training, in a run,
    on a topic, and on a topic in a run, where there is also an effect of any judged stance. Effects have normal priors
    with mean 0, so estimates from few labels are drawn to those from many.
    Draws come from the normal approximation of the posterior distribution. Equal answers count once together, in equal
    parts in all cells that they occur in.

    Args:
        answers: See `answers_with_labels`.
        bootstrap: The seed of the draws.
    """
    cells = answers.select(CELL).unique().sort(CELL)
    labelled = answers.drop_nulls("true_stance").join(cells.with_row_index("cell"), on=CELL, maintain_order="left")
    kinds = TRUE if NO_STANCE in labelled["true_stance"] else STANCES
    true = labelled["true_stance"].replace_strict(kinds, range(len(kinds)), return_dtype=pl.Int64)
    share = labelled.select(1 / pl.len().over("text")).to_series()
    counts = np.zeros((cells.height, len(kinds)))
    np.add.at(counts, (labelled["cell"].to_numpy(), true.to_numpy()), share.to_numpy())
    designs = _designs(cells)
    fit, design = max(((_fit(one, counts), one) for one in designs), key=lambda tried: tried[0].evidence)
    random = bootstrap.stream("judge errors")
    off = solve_triangular(fit.factor, random.standard_normal((fit.mode.size, DRAWS)))
    logits = (design @ (fit.mode.reshape(-1, 1) + off).reshape(design.shape[1], -1)).reshape(*counts.shape, DRAWS)
    return JudgeErrors(cells, _of_all(softmax(design @ fit.mode, axis=1)), _of_all(softmax(logits, axis=1)))


def _of_all(probabilities: FloatArray) -> FloatArray:
    """Append a last true stance of probability 0 where there is none."""
    missing = [(0, 0), (0, len(TRUE) - probabilities.shape[1])] + [(0, 0)] * (probabilities.ndim - 2)
    return np.pad(probabilities, missing)


def _designs(cells: pl.DataFrame) -> list[FloatArray]:
    """Return the design (cells, effects) for each pair of scales."""
    (anywhere, *whole), within = _effects(cells, _WHOLE, _OF_WHOLE), _effects(cells, _WITHIN, _OF_WITHIN)
    return [
        np.concatenate([anywhere, *(one * a for one in whole), *(one * b for one in within)], axis=1)
        for a, b in product(_SCALES, _SCALES)
    ]


def _effects(cells: pl.DataFrame, groups: Sequence[Sequence[str]], spreads: Sequence[float]) -> list[FloatArray]:
    staged = cells.with_columns(stage=broad_stage(pl.col("run")))
    places = [staged.select(pl.struct(group).rank("dense") - 1).to_series().to_numpy() for group in groups]
    return [spread * np.eye(int(place.max()) + 1)[place] for spread, place in zip(spreads, places, strict=True)]


def _fit(design: FloatArray, counts: FloatArray) -> _Fit:
    """Fit effects with standard normal priors to the counts of true stances, (cells, kinds)."""
    design, counts = design[counts.any(axis=1)], counts[counts.any(axis=1)]
    total, shape = counts.sum(axis=1, keepdims=True), (design.shape[1], counts.shape[1])

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        logs = log_softmax(design @ flat.reshape(shape), axis=1)
        slope = design.T @ (total * np.exp(logs) - counts)
        return float(flat @ flat / 2 - (counts * logs).sum()), flat + slope.ravel()

    found = minimize(loss, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    p = softmax(design @ found.x.reshape(shape), axis=1)
    bends = total[..., None] * (p[:, :, None] * np.eye(shape[1]) - p[:, :, None] * p[:, None, :])
    curvature = np.eye(found.x.size).reshape(*shape, *shape)
    for a, b in np.ndindex(shape[1], shape[1]):
        curvature[:, a, :, b] += design.T @ (bends[:, a, b, None] * design)
    factor = cholesky(curvature.reshape(found.x.size, found.x.size))
    return _Fit(found.x.reshape(shape), factor, -found.fun - float(np.log(np.diag(factor)).sum()))
