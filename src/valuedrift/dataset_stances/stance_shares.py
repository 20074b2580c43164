"""How often a data set takes each stance on each topic (appendix K.2, figure 19)."""

from __future__ import annotations

import polars as pl

from valuedrift.dataset_stances.judged_rows import likeliest_stance, parts, require_judged
from valuedrift.dataset_stances.row_bootstrap import row_means
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.panel import PROBABILITIES, STANCES

_SCHEMA = {
    "data": pl.String,
    "role": pl.String,
    "topic": pl.String,
    "stance": pl.String,
    "share": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "classified": pl.Float64,
    "rows": pl.Int64,
    "unassigned": pl.Float64,
}


def share_table(judged: pl.DataFrame, bootstrap: Bootstrap | None = None) -> pl.DataFrame:
    """Stance shares: a row per data set, role (answer, or chosen and rejected), topic and stance.

    share: mean probability, with its interval over resampled rows · classified: share of the answers whose likeliest
    stance it is · rows: data rows behind it · unassigned: mean probability that the judge gave to no stance, null where
    the table does not say. Topic "all" takes every retrieved answer as one, as the paper's 62.8 % does, so large topics
    weigh more. Answers without a judgement are left out. Raises ArtifactError as `require_judged` does.
    """
    require_judged(judged)
    bootstrap = bootstrap or Bootstrap()
    counted = judged.drop_nulls(PROBABILITIES).with_columns(likeliest=likeliest_stance())
    tables = [_rows(own, labels, bootstrap) for labels, own in parts(counted, "data", "role")]
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *tables])


def _rows(own: pl.DataFrame, labels: tuple[str, ...], bootstrap: Bootstrap) -> pl.DataFrame:
    data, role, topic = labels
    means = row_means(own, list(PROBABILITIES), topic, bootstrap)
    columns = {
        "data": data,
        "role": role,
        "topic": topic,
        "stance": STANCES,
        "share": means.value,
        "low": means.low,
        "high": means.high,
        "classified": [(own["likeliest"] == stance).mean() for stance in STANCES],
        "rows": means.rows,
        "unassigned": own["unassigned"].mean() if "unassigned" in own.columns else None,
    }
    return pl.DataFrame(columns, schema=_SCHEMA)
