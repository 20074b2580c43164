"""Planted against measured shares: does an SFT model show the stance mix of the data that it was trained on?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray, mean_absolute
from valuedrift.statistics.panel import ALL, STANCES, Panel, make_panel, topic_values
from valuedrift.statistics.planted import planted_shares

_PREFIX = "sft-"


@dataclass(frozen=True)
class _Recovery:
    """One data set: planted and measured shares (topics, stances), replicates (topics, stances, replicates)."""

    data: str
    planted: FloatArray
    measured: FloatArray
    replicates: FloatArray


def calibration_table(stances: pl.DataFrame, planted: pl.DataFrame, bootstrap: Bootstrap | None = None) -> pl.DataFrame:
    """One row per data set, topic and stance: `model, data, topic, stance, planted, measured, low, high`.

    Args:
        stances: Judged answers of the final SFT checkpoints, sampled at temperature 1, at which a model that has learnt
            the stance shares of its data shows them unsharpened. Runs are named `sft-<data>` and have one step each.
        planted: The planted shares, see `planted_table`.
        bootstrap: Settings of the intervals.

    Raises:
        ArtifactError: A run has another name or several steps, or a planted share is missing.
    """
    bootstrap = bootstrap or Bootstrap()
    panel = make_panel(stances, bootstrap)
    return pl.concat([_rows(panel, part, bootstrap) for part in _recoveries(panel, planted)])


def calibration_errors(
    stances: pl.DataFrame, planted: pl.DataFrame, bootstrap: Bootstrap | None = None
) -> pl.DataFrame:
    """Mean |measured − planted| over topics and stances: `model, data, error, low, high, noise`.

    One row per data set, then one for all of them (data "all"). `noise` is the error that sampling alone would be
    expected to give. Arguments and exceptions are those of `calibration_table`.
    """
    bootstrap = bootstrap or Bootstrap()
    panel = make_panel(stances, bootstrap)
    parts = list(_recoveries(panel, planted))
    names = [*(part.data for part in parts), ALL]
    off = [(part.measured - part.planted, part.replicates - part.planted[..., None]) for part in parts]
    off.append((np.stack([value for value, _ in off]), np.stack([replicates for _, replicates in off])))
    errors = [asdict(mean_absolute(value, replicates, bootstrap)) for value, replicates in off]
    return pl.DataFrame(
        [{"model": panel.model, "data": name, **error} for name, error in zip(names, errors, strict=True)]
    ).rename({"value": "error"})


def _recoveries(panel: Panel, planted: pl.DataFrame) -> Iterator[_Recovery]:
    runs = [run for run, _ in panel.checkpoints]
    for run, step in panel.checkpoints:
        if not run.startswith(_PREFIX) or runs.count(run) != 1:
            steps = [s for r, s in panel.checkpoints if r == run]
            raise ArtifactError(f"stances, run {run}", steps, f"a run named {_PREFIX}<data> with one step")
        data = run.removeprefix(_PREFIX)
        parts = [topic_values(panel, topic, [(run, step)]) for topic in panel.topics]
        yield _Recovery(
            data,
            planted_shares(planted, data, panel.topics),
            np.stack([part.values[0] for part in parts]),
            np.stack([part.replicates[0] for part in parts]),
        )


def _rows(panel: Panel, part: _Recovery, bootstrap: Bootstrap) -> pl.DataFrame:
    low, high = bootstrap.interval(part.replicates)
    return pl.DataFrame(
        {
            "model": panel.model,
            "data": part.data,
            "topic": [topic for topic in panel.topics for _ in STANCES],
            "stance": STANCES * len(panel.topics),
            "planted": part.planted.ravel(),
            "measured": part.measured.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
        }
    )
