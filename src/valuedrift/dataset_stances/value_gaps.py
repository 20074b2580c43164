"""How far apart in stance the two answers of a preference pair are (appendix K.3 and K.4, figure 20)."""

from __future__ import annotations

import math

import polars as pl

from valuedrift.dataset_stances.datapoints import PAIR
from valuedrift.dataset_stances.judged_rows import parts, require_judged
from valuedrift.dataset_stances.row_bootstrap import row_means
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.panel import PROBABILITIES, STANCES

LARGEST = math.sqrt(2)
"""The distance of two certain, different stances."""

LARGE = 1.0
"""Pairs this far apart have a large gap: with certain judgements, every pair of two different stances."""

GAP_COLUMNS = ("data", "row_id", "topic", "distance", *STANCES)
MEASURES = ("mean", "median", "large", *STANCES)

_SUMMARY = {
    "data": pl.String,
    "topic": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "pairs": pl.Int64,
}


def gap_table(judged: pl.DataFrame) -> pl.DataFrame:
    """A row per pair and topic: data, row_id, topic, distance, support, neutral, oppose.

    distance: Euclidean, between the stance vectors of chosen and rejected, from 0 to √2. support, neutral, oppose:
    chosen − rejected. Pairs that lack one of the judgements are left out; SFT answers are no pairs.
    Raises ArtifactError as `require_judged` does.
    """
    require_judged(judged)
    keys = ["data", "row_id", "topic"]
    counted = judged.drop_nulls(PROBABILITIES)
    chosen, rejected = (counted.filter(pl.col("role") == role).select(*keys, *PROBABILITIES) for role in PAIR)
    both = chosen.join(rejected, on=keys, suffix="_rejected", maintain_order="left")
    differences = [
        (pl.col(name) - pl.col(f"{name}_rejected")).alias(stance)
        for name, stance in zip(PROBABILITIES, STANCES, strict=True)
    ]
    distance = pl.sum_horizontal(pl.col(stance) ** 2 for stance in STANCES).sqrt()
    return both.select(*keys, *differences).with_columns(distance=distance).select(GAP_COLUMNS)


def gap_summary(gaps: pl.DataFrame, bootstrap: Bootstrap | None = None) -> pl.DataFrame:
    """The value gap of each data set and topic ("all": all its pairs): a row per measure.

    mean, median: of the distance · large: share of pairs with a distance above LARGE · support, neutral, oppose: mean
    of chosen − rejected. A judge's errors make distances larger, never smaller, but leave these differences where they
    are. low and high: over resampled pairs, null for the median.
    """
    bootstrap = bootstrap or Bootstrap()
    measured = gaps.with_columns(mean=pl.col("distance"), large=(pl.col("distance") > LARGE).cast(pl.Float64))
    tables = [_summary(own, labels, bootstrap) for labels, own in parts(measured, "data")]
    return pl.concat([pl.DataFrame(schema=_SUMMARY), *tables])


def _summary(own: pl.DataFrame, labels: tuple[str, ...], bootstrap: Bootstrap) -> pl.DataFrame:
    names = [measure for measure in MEASURES if measure != "median"]
    means = row_means(own, names, labels[-1], bootstrap)
    rows = {
        name: (value, low, high)
        for name, value, low, high in zip(names, means.value, means.low, means.high, strict=True)
    }
    rows["median"] = (own["distance"].median(), None, None)
    lines = [(*labels, name, *rows[name], means.rows) for name in MEASURES]
    return pl.DataFrame(lines, schema=_SUMMARY, orient="row")
