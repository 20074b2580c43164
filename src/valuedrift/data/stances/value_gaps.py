"""How far apart in stance the two answers of a preference pair are (appendix K.3 and K.4, figure 20)."""

from __future__ import annotations

import polars as pl

from valuedrift.data.stances.datapoints import PAIR
from valuedrift.data.stances.judged_rows import by_topic, row_means
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.panel import PROBABILITIES, STANCES

LARGE = 1.0
"""A distance above this is a large gap. The largest possible distance, of two certain, different stances, is √2."""

GAP_COLUMNS = ("data", "row_id", "topic", "distance", *STANCES)
MEASURES = ("mean", "median", "large", *STANCES)

_SUMMARY = {
    **dict.fromkeys(("data", "topic", "measure"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "pairs": pl.Int64,
}


def gap_table(judged: pl.DataFrame) -> pl.DataFrame:
    """Return the value gap of each pair on each topic: `data, row_id, topic, distance, support, neutral, oppose`.

    `distance` is the Euclidean distance between the stance vectors of chosen and rejected, from 0 to √2; `support`,
    `neutral` and `oppose` are chosen − rejected. SFT answers, and pairs without both judgements, are left out.
    """
    keys = ["data", "row_id", "topic"]
    counted = judged.drop_nulls(PROBABILITIES)
    chosen, rejected = (counted.filter(pl.col("role") == role).select(*keys, *PROBABILITIES) for role in PAIR)
    both = chosen.join(rejected, on=keys, suffix="_rejected", maintain_order="left")
    differences = {stance: pl.col(f"p_{stance}") - pl.col(f"p_{stance}_rejected") for stance in STANCES}
    distance = pl.sum_horizontal(pl.col(stance) ** 2 for stance in STANCES).sqrt()
    return both.select(*keys, **differences).with_columns(distance=distance).select(GAP_COLUMNS)


def gap_summary(gaps: pl.DataFrame, bootstrap: Bootstrap) -> pl.DataFrame:
    """Summarise value gaps per data set and topic ("all": all pairs): `data, topic, measure, value, low, high, pairs`.

    Measures: `mean` and `median` of the distance; `large`, the share of pairs with a distance above LARGE; `support`,
    `neutral` and `oppose`, the means of chosen − rejected. Random errors of the judge increase distances, but not these
    differences. Intervals are over resampled pairs; the median has no interval.
    """
    measured = gaps.with_columns(mean=pl.col("distance"), large=(pl.col("distance") > LARGE).cast(pl.Float64))
    tables = [_summary(own, labels, bootstrap) for labels, own in by_topic(measured, "data")]
    return pl.concat([pl.DataFrame(schema=_SUMMARY), *tables])


def _summary(own: pl.DataFrame, labels: tuple[str, ...], bootstrap: Bootstrap) -> pl.DataFrame:
    names = [measure for measure in MEASURES if measure != "median"]
    means = zip(*row_means(own, names, labels[-1], bootstrap), strict=True)
    rows: dict[str, tuple[object, ...]] = dict(zip(names, means, strict=True))
    rows["median"] = (own["distance"].median(), None, None)
    lines = [(*labels, name, *rows[name], own["row_id"].n_unique()) for name in MEASURES]
    return pl.DataFrame(lines, schema=_SUMMARY, orient="row")
