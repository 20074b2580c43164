"""How the variance of a drift magnitude is made up, and how many questions, answers and seeds a drift needs."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from scipy.special import ndtri
from scipy.stats import nct, t

from valuedrift.errors import ArtifactError
from valuedrift.statistics.noise import ANSWERS, SEEDS
from valuedrift.statistics.panel import ALL

SOURCES = ("questions", "answers", "judge", "seeds")
MOST_QUESTIONS, MOST_ANSWERS = 5000, 200

_MEDIAN = float(ndtri(0.75))
_KEY = ("model", "run", "stance")


@dataclass(frozen=True)
class Variances:
    """Variances of one stance on one topic.

    Attributes:
        between: Between questions, of the true change.
        within: Between answers to one question, of the probability of the stance.
        seeds: Between seeds of training, of the true magnitude.
    """

    between: float = 0.004
    within: float = 0.14
    seeds: float = 0.0

    def of_magnitude(self, questions: int, answers: float, seeds: int) -> float:
        """Return the variance of a magnitude; seeds share their questions."""
        own = 2 * self.within / (questions * answers) + self.seeds
        return self.between / questions + own / seeds


@dataclass(frozen=True)
class Design:
    """Numbers of questions per topic, answers per question and seeds, with the power that they give."""

    questions: int
    answers: int
    seeds: int
    power: float


def variance_parts(drift: pl.DataFrame, noise: pl.DataFrame, corrected: pl.DataFrame | None = None) -> pl.DataFrame:
    """Decompose the variance of each run's magnitudes on single topics: `model, run, stance`, then SOURCES.

    All are means over topics.

    - `questions` and `answers` add up to the squared standard error; both are null with one answer per question.
      `answers` is what independent draws of answers would give, at most all of it: common random numbers make it
      smaller.
    - `judge` is the mean squared correction, if the judge and labellers judged the same answers; otherwise null.
    - `seeds` is half the squared difference between two seeds, without the sampling of answers; null without seeds.
    """
    single = drift.filter(pl.col("topic") != ALL).select(*_KEY, "topic", total=pl.col("error") ** 2)
    deviation = (pl.col("median") / _MEDIAN) ** 2
    drawn = noise.filter(source=ANSWERS).select("model", "run", "topic", "stance", drawn=deviation)
    between = noise.filter(pl.col("topic").is_null(), source=SEEDS).select("model", "stance", apart=deviation / 2)
    parts = (
        single.join(drawn, on=[*_KEY, "topic"], how="left")
        .with_columns(answers=pl.when(pl.col("drawn").is_not_null()).then(pl.min_horizontal("total", "drawn")))
        .with_columns(questions=pl.col("total") - pl.col("answers"))
        .group_by(_KEY, maintain_order=True)
        .agg(pl.col("questions", "answers", "drawn").mean())
        .join(between, on=["model", "stance"], how="left", maintain_order="left")
        .with_columns(seeds=(pl.col("apart") - pl.col("drawn") / 2).clip(0))
    )
    judge = pl.lit(None, pl.Float64).alias("judge")
    if corrected is not None:
        squares = ((pl.col("value") - pl.col("raw")) ** 2).mean().alias("judge")
        found = corrected.filter(pl.col("topic") != ALL).group_by(_KEY).agg(squares)
        return parts.join(found, on=_KEY, how="left", maintain_order="left").select(*_KEY, *SOURCES)
    return parts.with_columns(judge).select(*_KEY, *SOURCES)


def pilot_variances(folder: Path) -> Variances:
    """Return the mean variances of a pilot's runs, topics and stances, from its folder of statistics.

    Raises:
        ArtifactError: A table is missing, or each question has only one answer.
    """
    tables = [folder / f"{name}.parquet" for name in ("values", "drift", "noise")]
    if missing := [str(table) for table in tables if not table.is_file()]:
        do = "Name a folder such as results/statistics/pocket."
        raise ArtifactError(folder, f"no {', '.join(missing)}", "the statistics of one model", do)
    values, drift, noise = map(pl.read_parquet, tables)
    parts = variance_parts(drift, noise)
    if parts["answers"].null_count() == parts.height:
        raise ArtifactError(folder, "one answer per question", "two or more, which show how answers scatter")
    asked = values.filter(pl.col("topic") != ALL).group_by("run").agg(pl.col("questions", "answers").mean())
    rows = parts.join(asked, on="run", suffix="_all").select(
        between=pl.col("questions") * pl.col("questions_all"),
        within=pl.col("answers") * pl.col("answers_all") / 2,
        seeds="seeds",
    )
    between, within, seeds = rows.mean().row(0)
    return Variances(between, within, seeds or 0.0)


def power(detect: float, design: tuple[int, int, int], variances: Variances, level: float = 0.95) -> float:
    """Return the probability that a paired t test over questions finds a true magnitude of `detect`.

    Args:
        detect: The true magnitude.
        design: Questions per topic, answers per question, seeds.
        variances: Of the questions and answers.
        level: 1 less the test's level.
    """
    error = math.sqrt(variances.of_magnitude(*design))
    limit = float(t.ppf((1 + level) / 2, design[0] - 1))
    off = nct.sf(limit, design[0] - 1, detect / error) + nct.cdf(-limit, design[0] - 1, detect / error)
    return float(off)


def designs(detect: float, questions: Sequence[int], seeds: int, variances: Variances, aim: float) -> list[Design]:
    """Return for each number of questions the design with the fewest answers whose power is `aim`, if there is one."""
    tried = ([(size, answers, seeds) for answers in range(1, MOST_ANSWERS + 1)] for size in questions)
    found = (_first(detect, sizes, variances, aim) for sizes in tried)
    return [design for design in found if design]


def cheapest(detect: float, seeds: int, variances: Variances, aim: float, ratio: float) -> Design | None:
    """Return the cheapest design whose power is `aim`, with k* answers per question.

    k* = √(σ²within / σ²between · cost per question / cost per answer), where σ²within counts for both ends of a run and
    is averaged over seeds.

    Args:
        detect: The true magnitude.
        seeds: Number of seeds.
        variances: Of the questions and answers.
        aim: The power.
        ratio: What a question costs besides its answers, divided by what one answer at every checkpoint and seed costs.
    """
    best = math.sqrt(2 * variances.within / seeds / variances.between * ratio) if variances.between else math.inf
    answers = max(1, min(round(min(best, MOST_ANSWERS)), MOST_ANSWERS))
    return _first(detect, [(size, answers, seeds) for size in range(2, MOST_QUESTIONS + 1)], variances, aim)


def _first(detect: float, sizes: Sequence[tuple[int, int, int]], variances: Variances, aim: float) -> Design | None:
    """Return the first of `sizes`, which grow, whose power is `aim`."""
    place = bisect_left(sizes, aim, key=lambda size: power(detect, size, variances))
    return Design(*sizes[place], power(detect, sizes[place], variances)) if place < len(sizes) else None
