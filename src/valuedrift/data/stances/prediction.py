"""Predict values after SFT from the stances in the SFT data set, and compare them with the measured values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray, mean
from valuedrift.statistics.panel import ALL

METHODS = ("no_change", "overall", "share", "fitted")
"""Two baselines, the data set's share, and the fitted prediction; see `prediction_table`."""

_KEYS = ("model", "data", "topic", "stance")
_ERRORS = {
    **dict.fromkeys(("model", "data", "method"), pl.String),
    **dict.fromkeys(("error", "low", "high"), pl.Float64),
    "topics": pl.Int64,
}


def prediction_table(shares: pl.DataFrame, values: pl.DataFrame, drift: pl.DataFrame) -> pl.DataFrame:
    """Return predicted and measured values of each SFT run: one row per model, data set, topic and stance.

    Only topics with shares and measured values are included; preference runs are left out. Columns after
    `model, data, topic, stance`:

    - `no_change`: the value at the start, as if SFT did nothing.
    - `overall`: the data set's share over all its topics.
    - `share`: the data set's share on this topic, with `share_low` and `share_high`.
    - `fitted`: start + reach · (overall − start) + topic_reach · (share − overall), where `reach` and `topic_reach` are
      fitted by least squares on the model's other topics, with all data sets together. The three predictions above are
      the special cases (0, 0), (1, 0) and (1, 1) of (reach, topic_reach).
    - `measured, low, high`: the value at the last checkpoint.
    - `drift, drift_low, drift_high`: measured − no_change.
    - `predicted_drift`: share − no_change.

    Args:
        shares: A table of `share_table`.
        values: A value table of one or more models, see `valuedrift.statistics.measures`.
        drift: The drift table of the same models.
    """
    answered = shares.filter(pl.col("role") == "answer")
    own = answered.filter(pl.col("topic") != ALL).select(
        "data", "topic", "stance", "share", share_low="low", share_high="high"
    )
    overall = answered.filter(pl.col("topic") == ALL).select("data", "stance", overall="share")
    table = (
        _measured(values, drift)
        .join(own, on=["data", "topic", "stance"], maintain_order="left")
        .join(overall, on=["data", "stance"], maintain_order="left")
        .drop_nulls(["share", "overall"])
    )
    return table.with_columns(**_fitted(table), predicted_drift=pl.col("share") - pl.col("no_change")).select(
        *_KEYS, *METHODS, "reach", "topic_reach", "share_low", "share_high", "measured", "low", "high",
        "drift", "drift_low", "drift_high", "predicted_drift",
    )  # fmt: skip


def prediction_errors(predictions: pl.DataFrame, bootstrap: Bootstrap) -> pl.DataFrame:
    """Return the mean |predicted − measured| over topics and stances: `model, data, method, error, low, high, topics`.

    Data "all" means all data sets together. The interval is over resampled topics; `topics` is their number.
    """
    lines = []
    for model, data, own in _groups(predictions):
        for method in METHODS:
            off = own.group_by("topic").agg((pl.col(method) - pl.col("measured")).abs().mean()).sort("topic")
            each = off[method].to_numpy()
            weights = bootstrap.weights("topics", len(each)) / len(each)
            found = mean(each, (each @ weights)[None], bootstrap)
            lines.append((model, data, method, found.value, found.low, found.high, len(each)))
    return pl.DataFrame(lines, schema=_ERRORS, orient="row")


def _measured(values: pl.DataFrame, drift: pl.DataFrame) -> pl.DataFrame:
    """Return start value, end value and drift of the SFT runs, per topic and stance."""
    runs = drift.filter(pl.col("algorithm") == "sft", pl.col("topic") != ALL).select(
        *_KEYS, "run", step="end_step", no_change="start_value", measured="end_value",
        drift="magnitude", drift_low="low", drift_high="high",
    )  # fmt: skip
    ends = values.select("model", "run", "step", "topic", "stance", "low", "high")
    return runs.join(ends, on=["model", "run", "step", "topic", "stance"], maintain_order="left")


def _fitted(table: pl.DataFrame) -> dict[str, pl.Series]:
    """Return reach, topic_reach and prediction of each row, fitted without the row's topic."""
    start, overall, share = (table[name].to_numpy() for name in ("no_change", "overall", "share"))
    pulls = np.stack([overall - start, share - overall], axis=1)
    moved = table["measured"].to_numpy() - start
    reaches = np.ones_like(pulls)
    for model, topic in table.select("model", "topic").unique().iter_rows():
        same, here = (table["model"] == model).to_numpy(), (table["topic"] == topic).to_numpy()
        reaches[same & here] = _least_squares(pulls[same & ~here], moved[same & ~here])
    fitted = start + (reaches * pulls).sum(axis=1)
    return {"reach": pl.Series(reaches[:, 0]), "topic_reach": pl.Series(reaches[:, 1]), "fitted": pl.Series(fitted)}


def _least_squares(pulls: FloatArray, moved: FloatArray) -> FloatArray:
    """Return reach and topic_reach; if the other topics don't determine them, (1, 1), which predicts the share."""
    solution, _, rank, _ = np.linalg.lstsq(pulls, moved, rcond=None)
    return np.asarray(solution) if rank == pulls.shape[1] else np.ones(pulls.shape[1])


def _groups(predictions: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    for (model,), of_model in predictions.group_by("model", maintain_order=True):
        for (data,), own in of_model.group_by("data", maintain_order=True):
            yield str(model), str(data), own
        yield str(model), ALL, of_model
