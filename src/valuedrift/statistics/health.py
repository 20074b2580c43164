"""Shares of unhealthy answers, and drifts among healthy answers."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from scipy.special import ndtri

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.drift import RunDrift, magnitude, run_drift
from valuedrift.statistics.panel import ALL, KEYS, STANCES, Panel, each_topic_and_all, unit, with_common_questions

SIGNS = ("refusal", "no_stance", "off_topic", "repetition", "cut_off", "other_language")
UNHEALTHY, TOKENS = "unhealthy", "tokens"
LIMIT = 0.1
"""A drift rests on unhealthy answers if more than this share of the answers at its start or end are unhealthy."""

_CHECKPOINT = ("run", "step", "topic", "sign")
_KEY = ("run", "topic", "stance")
_AMONG = ("healthy_magnitude", "healthy_low", "healthy_high")


def unhealthy() -> pl.Expr:
    """Whether an answer has a sign of bad health."""
    return pl.any_horizontal(SIGNS)


def rests_on_unhealthy() -> pl.Expr:
    """Whether a drift rests on unhealthy answers."""
    return pl.col(UNHEALTHY) > LIMIT


def health_shares(answers: pl.DataFrame, level: float) -> pl.DataFrame:
    """Return the share of answers with each sign of bad health, with any (UNHEALTHY), and the mean of TOKENS.

    Intervals of shares are Wilson's for the effective number of answers, as in `clustered_interval`; questions are the
    clusters. Topic "all" is the unweighted mean over topics.

    Args:
        answers: See `answer_health`.
        level: The level of the intervals.

    Returns:
        `model, run, step, topic, sign, value, low, high, answers`.
    """
    signs = (*SIGNS, UNHEALTHY, TOKENS)
    questions = (
        answers.with_columns(unhealthy().alias(UNHEALTHY), question_id=unit(answers.columns))
        .group_by(KEYS[:-1])
        .agg(pl.col(signs).cast(pl.Float64).mean(), answers=pl.len().cast(pl.Int64))
        .unpivot(signs, index=[*KEYS[:-1], "answers"], variable_name="sign")
    )
    size = pl.len().cast(pl.Float64)
    topics = questions.group_by("model", *_CHECKPOINT).agg(
        pl.col("value").mean(),
        variance=pl.col("value").var().fill_null(0.0) / size,
        clusters=size,
        answers=pl.col("answers").sum(),
    )
    together = topics.group_by("model", "run", "step", pl.lit(ALL).alias("topic"), "sign").agg(
        pl.col("value").mean(),
        variance=pl.col("variance").sum() / pl.len() ** 2,
        clusters=pl.col("clusters").sum(),
        answers=pl.col("answers").sum(),
    )
    p, variance, z = pl.col("value"), pl.col("variance"), float(ndtri((1 + level) / 2))
    effective = pl.when(variance > 0).then(p * (1 - p) / variance).otherwise("clusters")
    number = pl.min_horizontal(effective, pl.col("answers"))
    centre = (p * number + z**2 / 2) / (number + z**2)
    half = z / (number + z**2) * (number * p * (1 - p) + z**2 / 4).sqrt()
    is_length, error = pl.col("sign") == TOKENS, z * variance.sqrt()
    return (
        pl.concat([topics, together])
        .with_columns(
            low=pl.when(is_length).then(p - error).otherwise((centre - half).clip(0)),
            high=pl.when(is_length).then(p + error).otherwise((centre + half).clip(upper_bound=1)),
        )
        .select("model", *_CHECKPOINT, "value", "low", "high", "answers")
        .sort(_CHECKPOINT)
    )


def healthy_drifts(
    healthy: Panel, runs: Sequence[RunDrift], bootstrap: Bootstrap
) -> tuple[pl.DataFrame, list[RunDrift]]:
    """Measure the magnitudes among healthy answers, over the questions that have one at start and end of the run.

    Returns:
        `run, topic, stance, healthy_magnitude, healthy_low, healthy_high`, without topics that have no such question;
        and, as the argument of `paper_findings`, the runs all of whose topics have one.
    """
    rows, complete = [pl.DataFrame(schema={**dict.fromkeys(_KEY, pl.String), **dict.fromkeys(_AMONG, pl.Float64)})], []
    for run in runs:
        ends = run.trajectory.checkpoints[0], run.trajectory.checkpoints[-1]
        found = with_common_questions(healthy, ends)
        parts = list(each_topic_and_all(found, ends)) if found.topics else []
        if len(found.topics) == len(run.topics):
            complete.append(run_drift(run.trajectory, run.topics, parts[:-1], run.moved))
        else:
            parts = parts[:-1]
        for part in parts:
            numbers = dict(zip(_AMONG, magnitude(part, bootstrap)[:3], strict=True))
            rows.append(pl.DataFrame({"run": run.trajectory.run, "topic": part.topic, "stance": STANCES, **numbers}))
    return pl.concat(rows), complete


def with_health(
    drift: pl.DataFrame, runs: Sequence[RunDrift], shares: pl.DataFrame, among: pl.DataFrame
) -> pl.DataFrame:
    """Add `unhealthy`, the larger of its shares at the start and at the end of the run, and the columns of `among`.

    Args:
        drift: The drift table.
        runs: Its runs.
        shares: See `health_shares`.
        among: See `healthy_drifts`.
    """
    ends = [(one.run, *one.checkpoints[end]) for one in (run.trajectory for run in runs) for end in (0, -1)]
    places = pl.DataFrame(ends, ["run", "at", "step"], orient="row")
    ill = shares.filter(sign=UNHEALTHY).rename({"run": "at"}).join(places, on=["at", "step"])
    most = ill.group_by("run", "topic").agg(pl.col("value").max().alias(UNHEALTHY))
    return drift.join(most, on=["run", "topic"], how="left", maintain_order="left").join(
        among, on=_KEY, how="left", maintain_order="left"
    )
