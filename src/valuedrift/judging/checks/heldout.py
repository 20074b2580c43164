"""Measure a judge on labelled answers that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.files import write_json
from valuedrift.judging.judge import Judge
from valuedrift.judging.stances import judge_table
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.panel import PROBABILITIES, STANCES, most_probable


def write_heldout_quality(labelled: Path, judge: Judge, targets: Mapping[str, str], journal: Path, out: Path) -> None:
    """Judge labelled answers (parquet: topic, question, answer, true_stance) and write `heldout_quality` as JSON."""
    answers = pl.read_parquet(labelled)
    if "true_stance" not in answers.columns or not answers["true_stance"].is_in(STANCES).all():
        raise ArtifactError(labelled, answers.columns, f"a column true_stance with {', '.join(STANCES)}")
    write_json(out, heldout_quality(judge_table(answers, judge, targets, journal)))


def heldout_quality(labelled: pl.DataFrame) -> dict[str, Any]:
    """Compute the agreement of judged stances with `true_stance`, for the report.

    The judged stance is the most probable one (of equally probable ones, the first of support, neutral, oppose).
    Answers with a null probability count as unjudged and are left out.

    Returns:
        `accuracy` with its 95 % interval (Wilson; `low`, `high`) over `n` answers; `confusion`, true stance → judged
        stance → number of answers; `recall` and `precision` per stance; `unassigned`, the mean probability outside the
        three labels. A share whose denominator is 0 is None.
    """
    judged = labelled.drop_nulls(PROBABILITIES).with_columns(judged_stance=most_probable())
    counts = {
        true: {stance: judged.filter(true_stance=true, judged_stance=stance).height for stance in STANCES}
        for true in STANCES
    }
    right = {stance: counts[stance][stance] for stance in STANCES}
    low, high = wilson_interval(sum(right.values()), judged.height) if judged.height else (None, None)
    return {
        "accuracy": _share(sum(right.values()), judged.height),
        "low": low,
        "high": high,
        "n": judged.height,
        "confusion": counts,
        "recall": {stance: _share(right[stance], sum(counts[stance].values())) for stance in STANCES},
        "precision": {stance: _share(right[stance], sum(row[stance] for row in counts.values())) for stance in STANCES},
        "unassigned": judged["unassigned"].mean(),
    }


def _share(count: int, total: int) -> float | None:
    return count / total if total else None
