"""How well judges agree with people's labels, over three stances and over four labels, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from valuedrift.errors import DataError
from valuedrift.files import publish, write_json, write_text
from valuedrift.judge_checks.agreement_scores import (
    Labels,
    Scores,
    as_json,
    confusion,
    estimate_text,
    merge,
    number,
    resample,
    score,
)
from valuedrift.judge_checks.labelled_answers import FOUR, UNJUDGED, LabelledAnswers, read_labelled
from valuedrift.paper.chart_files import save_chart
from valuedrift.paper.judge_figures import MEASURES, calibration_figure, quality_figure
from valuedrift.paper.table_files import Table, markdown
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.panel import STANCES

HUMAN = "human"
"""The name of the agreement between the two people."""

_AS_STANCES = (0, 1, 2, 1)
_BINS = 10
_THREE = ("accuracy", "macro_f1", "kappa")  # what `--json` prints over three labels


@dataclass(frozen=True)
class JudgeQuality:
    """One judge against the final human label, or one person against the other.

    Attributes:
        n: The number of answers with a stance.
        unjudged: The number of answers without one, which no score counts.
        three: Scores over support, neutral (which includes refusals) and oppose.
        four: Scores over pro, neutral, con and refusal.
    """

    n: int
    unjudged: int
    three: Scores
    four: Scores


@dataclass(frozen=True)
class Quality:
    """All judges in one file.

    Attributes:
        judges: By name, in the file's order.
        human: The two people: human_1 as truth, human_2 as found.
        calibration: `judge, stance, bin, answers, predicted, observed, low, high` of the judges that give
            probabilities: the number of answers whose p(stance) is in bin b of ten, [b/10, (b+1)/10), their mean
            p(stance), and the share to which people gave that stance, with its Wilson interval.
    """

    judges: dict[str, JudgeQuality]
    human: JudgeQuality
    calibration: pl.DataFrame


def judges_against_people(file: Path | str, bootstrap: Bootstrap | None = None) -> Quality:
    """Compare the judges in a file (see `read_labelled`) with `human_final`, and `human_1` with `human_2`.

    Intervals are percentile intervals of a bootstrap over rows. Raises DataError for a malformed row.
    """
    bootstrap = bootstrap or Bootstrap()
    answers = read_labelled(file)
    final = answers.humans["human_final"]
    for name, judged in answers.judges.items():
        if (judged.labels == UNJUDGED).all():
            raise DataError(file, None, f"judge '{name}'", "no stance in any row", "judged answers")
    return Quality(
        judges={name: _compare(final, judged.labels, name, bootstrap) for name, judged in answers.judges.items()},
        human=_compare(answers.humans["human_1"], answers.humans["human_2"], HUMAN, bootstrap),
        calibration=_calibration(answers, bootstrap.level),
    )


def summary(quality: Quality) -> dict[str, dict[str, float | None]]:
    """What `--json` prints: eight numbers per judge, and `kappa_4` of the two people; null if not defined."""
    judges: dict[str, dict[str, float | None]] = {
        name: {"n": judge.n}
        | {f"{measure}_3": number(getattr(judge.three, measure).value) for measure in MEASURES if measure in _THREE}
        | {f"{measure}_4": number(getattr(judge.four, measure).value) for measure in MEASURES}
        for name, judge in quality.judges.items()
    }
    return {**judges, HUMAN: {"kappa_4": number(quality.human.four.kappa.value)}}


def write_against_people(quality: Quality, out: Path, formats: Sequence[str] = ("svg", "png")) -> None:
    """Write quality.json, quality.md and the figures into the folder `out`."""
    with publish(out) as draft:
        draft.mkdir()
        write_json(draft / "quality.json", quality_json(quality))
        write_text(draft / "quality.md", quality_markdown(quality))
        save_chart(quality_figure(score_table(quality), confusion_table(quality)), draft / "quality", formats)
        if not quality.calibration.is_empty():
            save_chart(calibration_figure(quality.calibration), draft / "calibration", formats)


def quality_json(quality: Quality) -> dict[str, Any]:
    """Everything in `quality`: `{judge: {n, unjudged, three: {labels, confusion, accuracy, …}, four}, human, …}`."""
    return {
        "judges": {name: _judge_json(judge) for name, judge in quality.judges.items()},
        HUMAN: _judge_json(quality.human),
        "calibration": quality.calibration.to_dicts(),
    }


def quality_markdown(quality: Quality) -> str:
    """The scores with their intervals, each confusion matrix and the calibration curve as Markdown tables."""
    tables = [Table("scores", "Agreement with people's labels (95 % intervals)", _score_cells(quality))]
    for name, labels, scores in _each(quality):
        sides = "first against second person" if name == HUMAN else f"people's final label against {name}"
        tables.append(Table(name, f"Confusion, {labels} labels: {sides}", _confusion_cells(scores)))
    if not quality.calibration.is_empty():
        tables.append(Table("calibration", "Calibration by stance and tenth of probability", quality.calibration))
    return "\n".join(markdown(table) for table in tables)


def score_table(quality: Quality) -> pl.DataFrame:
    """`judge, labels, measure, value, low, high`, with the two people as judge "human"; null if not defined."""
    return pl.DataFrame(
        [
            {"judge": name, "labels": labels, "measure": measure, **as_json(getattr(scores, measure))}
            for name, labels, scores in _each(quality)
            for measure in MEASURES
        ],
        schema_overrides=dict.fromkeys(("value", "low", "high"), pl.Float64),
    )


def confusion_table(quality: Quality) -> pl.DataFrame:
    """`judge, labels, truth, found, answers`: a row per judge, label set and cell of the confusion matrix."""
    return pl.DataFrame(
        [
            {"judge": name, "labels": labels, "truth": truth, "found": found, "answers": int(scores.confusion[i, j])}
            for name, labels, scores in _each(quality)
            for i, truth in enumerate(scores.labels)
            for j, found in enumerate(scores.labels)
        ]
    )


def _compare(truth: Labels, found: Labels, name: str, bootstrap: Bootstrap) -> JudgeQuality:
    judged = found != UNJUDGED
    counts = confusion(truth[judged], found[judged], len(FOUR))
    replicates = resample(counts, name, bootstrap)
    n = int(judged.sum())
    return JudgeQuality(
        n=n,
        unjudged=len(found) - n,
        three=score(STANCES, merge(counts, _AS_STANCES), merge(replicates, _AS_STANCES), bootstrap),
        four=score(FOUR, counts, replicates, bootstrap),
    )


def _calibration(answers: LabelledAnswers, level: float) -> pl.DataFrame:
    truth = np.array(_AS_STANCES)[answers.humans["human_final"]]
    names = pl.Enum(list(answers.judges))
    schema = pl.Schema({"judge": names, "stance": pl.Enum(STANCES), "p": pl.Float64(), "hit": pl.Boolean()})
    parts = [
        pl.DataFrame({"judge": name, "stance": stance, "p": judged.probabilities[:, i], "hit": truth == i}, schema)
        for name, judged in answers.judges.items()
        if judged.probabilities is not None
        for i, stance in enumerate(STANCES)
    ]
    bins = (pl.col("p") * _BINS).cast(pl.Int64).clip(0, _BINS - 1)
    points = (
        pl.concat([pl.DataFrame(schema=schema), *parts])
        .filter(pl.col("p").is_not_nan())
        .group_by("judge", "stance", bins.alias("bin"))
        .agg(answers=pl.len().cast(pl.Int64), predicted=pl.col("p").mean(), observed=pl.col("hit").mean())
        .sort("judge", "stance", "bin")
    )
    ends = [wilson_interval(share * n, n, level) for n, share in points.select("answers", "observed").iter_rows()]
    intervals = pl.DataFrame(ends, schema={"low": pl.Float64, "high": pl.Float64}, orient="row")
    return points.hstack(intervals).with_columns(pl.col("judge", "stance").cast(pl.String))


def _each(quality: Quality) -> list[tuple[str, int, Scores]]:
    """(judge, number of labels, scores), the two people last."""
    everyone = {**quality.judges, HUMAN: quality.human}
    return [(name, len(scores.labels), scores) for name, one in everyone.items() for scores in (one.three, one.four)]


def _judge_json(judge: JudgeQuality) -> dict[str, Any]:
    sets = {
        name: {"labels": scores.labels, "confusion": scores.confusion.astype(np.int64).tolist()}
        | {measure: as_json(getattr(scores, measure)) for measure in MEASURES}
        for name, scores in (("three", judge.three), ("four", judge.four))
    }
    return {"n": judge.n, "unjudged": judge.unjudged, **sets}


def _score_cells(quality: Quality) -> pl.DataFrame:
    everyone = {**quality.judges, HUMAN: quality.human}
    rows = [
        {"judge": name, "labels": labels, "answers": everyone[name].n, "unjudged": everyone[name].unjudged}
        | {title: estimate_text(getattr(scores, measure)) for measure, title in MEASURES.items()}
        for name, labels, scores in _each(quality)
    ]
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(MEASURES.values(), pl.String))


def _confusion_cells(scores: Scores) -> pl.DataFrame:
    counts = scores.confusion.astype(np.int64)
    found = {f"found {label}": counts[:, i] for i, label in enumerate(scores.labels)}
    return pl.DataFrame({"truth": scores.labels, **found})
