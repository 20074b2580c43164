"""Measure how well judges agree with people's labels, over three stances and over four labels, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from valuedrift.errors import DataError
from valuedrift.files import publish, write_json, write_text
from valuedrift.judging.checks.agreement_scores import Labels, confusion, estimate_text, merge, resample, scores
from valuedrift.judging.checks.human_labels import FOUR, UNJUDGED, read_labelled
from valuedrift.paper.chart_files import save_chart
from valuedrift.paper.judge_figures import MEASURES, calibration_figure, quality_figure
from valuedrift.paper.table_formats import Table, markdown
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.panel import STANCES

HUMAN = "human"
"""The key of the agreement between the two people."""

_AS_STANCES = (0, 1, 2, 1)
_BINS = 10
_THREE = ("accuracy", "macro_f1", "kappa")  # scores over three labels that `--json` prints


Quality = dict[str, Any]
"""Content of quality.json; see `judges_against_people`."""


def judges_against_people(file: Path, bootstrap: Bootstrap | None = None) -> Quality:
    """Compare the judges in a file (see `read_labelled`) with `human_final`, and `human_1` with `human_2`.

    Intervals are percentile intervals of a bootstrap over rows.

    Returns:
        - `judges` by name in the file's order, and `human` (human_1 as truth, human_2 as found), each with: `n`, the
          number of answers with a stance; `unjudged`, the number without, which no score counts; and the `scores` over
          `three` labels (support, neutral, which includes refusals, and oppose) and over `four` (pro, neutral, con and
          refusal).
        - `calibration`: rows `judge, stance, bin, answers, predicted, observed, low, high` of the judge that gives
          probabilities: the number of answers whose p(stance) is in bin b of ten, [b/10, (b+1)/10), their mean
          p(stance), and the share of them to which people gave that stance, with its Wilson interval.

    Raises:
        DataError: A row is malformed, or a judge has no stance in any row.
    """
    bootstrap = bootstrap or Bootstrap()
    answers = read_labelled(file)
    final, curves = answers.humans["human_final"], answers.probabilities.items()
    for name, labels in answers.judges.items():
        if (labels == UNJUDGED).all():
            raise DataError(file, None, f"judge '{name}'", "no stance in any row", "judged answers")
    return {
        "judges": {name: _compare(final, labels, name, bootstrap) for name, labels in answers.judges.items()},
        HUMAN: _compare(answers.humans["human_1"], answers.humans["human_2"], HUMAN, bootstrap),
        "calibration": [
            {"judge": name, **point}
            for name, p in curves
            for point in calibration_curve(p, np.array(_AS_STANCES)[final], bootstrap.level)
        ],
    }


def summary(quality: Quality) -> dict[str, dict[str, float | None]]:
    """Return what `--json` prints: eight numbers per judge, and `kappa_4` of the two people; null if not defined."""
    judges = {
        name: {"n": judge["n"]}
        | {f"{measure}_3": judge["three"][measure]["value"] for measure in MEASURES if measure in _THREE}
        | {f"{measure}_4": judge["four"][measure]["value"] for measure in MEASURES}
        for name, judge in quality["judges"].items()
    }
    return {**judges, HUMAN: {"kappa_4": quality[HUMAN]["four"]["kappa"]["value"]}}


def write_against_people(quality: Quality, out: Path, formats: Sequence[str] = ("svg", "png")) -> None:
    """Write quality.json, quality.md and the figures into the folder `out`."""
    with publish(out, folder=True) as draft:
        write_json(draft / "quality.json", quality)
        write_text(draft / "quality.md", quality_markdown(quality))
        save_chart(quality_figure(score_table(quality), confusion_table(quality)), draft / "quality", formats, _QUALITY)
        if quality["calibration"]:
            save_chart(
                calibration_figure(pl.DataFrame(quality["calibration"])), draft / "calibration", formats, _CALIBRATION
            )


_QUALITY = "Agreement of judges with people's labels, with 95 % intervals, and confusion matrices of four labels."
_CALIBRATION = "Judges' mean probabilities against the shares in people's labels, with 95 % intervals."


def quality_markdown(quality: Quality) -> str:
    """Return the scores with their intervals, each confusion matrix and the calibration curve as Markdown tables."""
    rows = [
        {"judge": name, "labels": len(found["labels"]), "answers": judge["n"], "unjudged": judge["unjudged"]}
        | {title: estimate_text(**found[measure]) for measure, title in MEASURES.items()}
        for name, judge, found in _each(quality)
    ]
    cells = pl.DataFrame(rows, schema_overrides=dict.fromkeys(MEASURES.values(), pl.String))
    tables = [Table("scores", "Agreement with people's labels (95 % intervals)", cells)]
    for name, _, found in _each(quality):
        labels = found["labels"]
        sides = "first against second person" if name == HUMAN else f"people's final label against {name}"
        columns = dict(zip((f"found {label}" for label in labels), zip(*found["confusion"], strict=True), strict=True))
        counts = pl.DataFrame({"truth": labels, **columns})
        tables.append(Table(name, f"Confusion, {len(labels)} labels: {sides}", counts))
    if curve := quality["calibration"]:
        tables.append(Table("calibration", "Calibration by stance and tenth of probability", pl.DataFrame(curve)))
    return "\n".join(map(markdown, tables))


def score_table(quality: Quality) -> pl.DataFrame:
    """Return `judge, labels, measure, value, low, high`, the two people as judge "human"; null if not defined."""
    return pl.DataFrame(
        [
            {"judge": name, "labels": len(found["labels"]), "measure": measure, **found[measure]}
            for name, _, found in _each(quality)
            for measure in MEASURES
        ],
        schema_overrides=dict.fromkeys(("value", "low", "high"), pl.Float64),
    )


def confusion_table(quality: Quality) -> pl.DataFrame:
    """Return `judge, labels, truth, found, answers`: one row per judge, label set and cell of the confusion matrix."""
    return pl.DataFrame(
        [
            {"judge": name, "labels": len(scored["labels"]), "truth": truth, "found": found, "answers": answers}
            for name, _, scored in _each(quality)
            for truth, row in zip(scored["labels"], scored["confusion"], strict=True)
            for found, answers in zip(scored["labels"], row, strict=True)
        ]
    )


def _compare(truth: Labels, found: Labels, name: str, bootstrap: Bootstrap) -> dict[str, Any]:
    judged = found != UNJUDGED
    counts = resample(confusion(truth[judged], found[judged], len(FOUR)), name, bootstrap)
    n = int(judged.sum())
    return {
        "n": n,
        "unjudged": len(found) - n,
        "three": scores(STANCES, merge(counts, _AS_STANCES), bootstrap),
        "four": scores(FOUR, counts, bootstrap),
    }


def calibration_curve(probabilities: FloatArray, truth: Labels, level: float = 0.95) -> Iterator[dict[str, Any]]:
    """Yield the points `stance, bin, answers, predicted, observed, low, high`; see `judges_against_people`.

    Args:
        probabilities: (answers, 3), NaN for unjudged answers.
        truth: (answers,) indices into STANCES.
    """
    hits = truth[:, None] == np.arange(len(STANCES))
    stances = np.tile(np.arange(len(STANCES)), len(truth))
    points = (
        pl.DataFrame({"stance": stances, "p": probabilities.ravel(), "hit": hits.ravel()})
        .filter(pl.col("p").is_not_nan())
        .group_by("stance", (pl.col("p") * _BINS).cast(pl.Int64).clip(0, _BINS - 1).alias("bin"))
        .agg(answers=pl.len(), predicted=pl.col("p").mean(), observed=pl.col("hit").mean())
        .sort("stance", "bin")
    )
    for row in points.iter_rows(named=True):
        low, high = wilson_interval(row["observed"] * row["answers"], row["answers"], level)
        yield {**row, "stance": STANCES[row["stance"]], "low": low, "high": high}


def _each(quality: Quality) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield name, entry and scores of each judge over three, then four labels, and last those of the two people."""
    for name, judge in {**quality["judges"], HUMAN: quality[HUMAN]}.items():
        for labels in ("three", "four"):
            yield name, judge, judge[labels]
