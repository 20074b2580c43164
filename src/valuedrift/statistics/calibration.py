"""Compare planted with measured shares: whether an SFT model shows the stance mix of its training data."""

from __future__ import annotations

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.panel import ALL, STANCES, Panel, topic_values
from valuedrift.statistics.planted import planted_shares
from valuedrift.statistics.root_mean_square import root_mean_square


def calibration_tables(panel: Panel, planted: pl.DataFrame, bootstrap: Bootstrap) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare planted and measured shares.

    Args:
        panel: Judged answers of the final SFT checkpoints, sampled at temperature 1, so that a model that has learnt
            the stance shares of its data answers with the same shares. Runs are named `sft-<data>` and have one step
            each.
        planted: The planted shares, see `planted_table`.
        bootstrap: Settings of the intervals.

    Returns:
        Two tables. The shares, one row per data set, topic and stance: `model, data, topic, stance, planted, measured,
        low, high`. The distance between planted and measured shares over topics and stances, one row per data set, then
        one row for all data sets (data "all"): `model, data, error, baseline, rms, low, high`. `error` is the mean
        |measured − planted|, and `baseline` that of naming the data set's mean share for every topic. `rms` is the root
        mean square distance without the noise of sampling, with its interval.

    Raises:
        ArtifactError: A planted share is missing.
    """
    tables, errors = [], []
    everything: list[tuple[list[FloatArray], FloatArray, FloatArray]] = []
    for run, step in panel.checkpoints:
        data = run.removeprefix("sft-")
        parts = [topic_values(panel, topic, [(run, step)]) for topic in panel.topics]
        measured, replicates = (
            np.concatenate(one) for one in zip(*((p.values, p.replicates) for p in parts), strict=True)
        )
        shares = planted_shares(planted, data, panel.topics)
        low, high = bootstrap.interval(replicates)
        columns = {
            "model": panel.model,
            "data": data,
            "topic": np.repeat(list(panel.topics), len(STANCES)),
            "stance": STANCES * len(panel.topics),
            "planted": shares.ravel(),
            "measured": measured.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
        }
        tables.append(pl.DataFrame(columns))
        everything.append(([part.means[0][0] for part in parts], measured, shares))
        errors.append(_errors(panel.model, data, everything[-1:], bootstrap))
    errors.append(_errors(panel.model, ALL, everything, bootstrap))
    return pl.concat(tables), pl.DataFrame(errors)


def _errors(
    model: str, data: str, sets: list[tuple[list[FloatArray], FloatArray, FloatArray]], bootstrap: Bootstrap
) -> dict[str, object]:
    """Return a row of errors over data sets: question means of each topic, measured and planted (topics, stances)."""
    means = [topic for own, _, _ in sets for topic in own]
    measured, shares = (np.concatenate([one[i] for one in sets]) for i in (1, 2))
    distance = root_mean_square(means, list(shares))
    low, high = distance.bounds((1 - bootstrap.level) / 2)
    baseline = [np.abs(own - own.mean(axis=0)) for _, _, own in sets]
    return {
        "model": model,
        "data": data,
        "error": float(np.abs(measured - shares).mean()),
        "baseline": float(np.mean(baseline)),
        "rms": distance.value,
        "low": low,
        "high": high,
    }
