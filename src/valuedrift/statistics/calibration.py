"""Compare planted with measured shares: whether an SFT model shows the stance mix of its training data."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap, mean_absolute
from valuedrift.statistics.panel import ALL, STANCES, Panel, topic_values
from valuedrift.statistics.planted import planted_shares


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
        low, high`. The mean |measured − planted| over topics and stances, one row per data set, then one row for all
        data sets (data "all"): `model, data, error, low, high, noise`. `noise` is the error expected from sampling
        alone.

    Raises:
        ArtifactError: A planted share is missing.
    """
    tables, off = [], {}
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
        off[data] = measured - shares, replicates - shares[..., None]
    values, drawn = zip(*off.values(), strict=True)
    off[ALL] = np.stack(values), np.stack(drawn)
    errors = [
        {"model": panel.model, "data": name, **asdict(mean_absolute(*one, bootstrap))} for name, one in off.items()
    ]
    return pl.concat(tables), pl.DataFrame(errors).rename({"value": "error"})
