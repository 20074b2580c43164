"""How often a data set takes each stance on each topic (appendix K.2, figure 19)."""

from __future__ import annotations

import polars as pl

from valuedrift.data.stances.judged_rows import by_topic, row_means
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.panel import PROBABILITIES, STANCES, most_probable

_SCHEMA = {
    **dict.fromkeys(("data", "role", "topic", "stance"), pl.String),
    **dict.fromkeys(("share", "low", "high", "classified"), pl.Float64),
    "rows": pl.Int64,
    "unassigned": pl.Float64,
}


def share_table(judged: pl.DataFrame, bootstrap: Bootstrap) -> pl.DataFrame:
    """Return stance shares: one row per data set, role (answer, or chosen and rejected), topic and stance.

    `share` is the mean probability of the stance, with its interval over resampled rows. `classified` is the share of
    answers whose most probable stance it is. `rows` is the number of data rows. `unassigned` is the mean probability
    that the judge gave to none of the stances, null if `judged` has no such column. In topic "all" every retrieved
    answer counts once, as in the paper's 62.8 %, so large topics weigh more. Answers without a judgement are left out.
    """
    counted = judged.drop_nulls(PROBABILITIES).with_columns(most_probable=most_probable())
    tables = [_rows(own, labels, bootstrap) for labels, own in by_topic(counted, "data", "role")]
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *tables])


def _rows(own: pl.DataFrame, labels: tuple[str, ...], bootstrap: Bootstrap) -> pl.DataFrame:
    data, role, topic = labels
    share, low, high = row_means(own, list(PROBABILITIES), topic, bootstrap)
    columns = {
        "data": data,
        "role": role,
        "topic": topic,
        "stance": STANCES,
        "share": share,
        "low": low,
        "high": high,
        "classified": [(own["most_probable"] == stance).mean() for stance in STANCES],
        "rows": own["row_id"].n_unique(),
        "unassigned": own["unassigned"].mean() if "unassigned" in own.columns else None,
    }
    return pl.DataFrame(columns, schema=_SCHEMA)
