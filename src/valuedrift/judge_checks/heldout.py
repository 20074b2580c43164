"""How well a judge reads labelled answers that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.errors import require_columns
from valuedrift.files import write_json
from valuedrift.judging.judge import Judge
from valuedrift.judging.stances import judge_table
from valuedrift.statistics.judge_agreement import agreement_table, confusion_table
from valuedrift.statistics.panel import STANCES


def write_heldout_quality(labelled: Path, judge: Judge, targets: Mapping[str, str], journal: Path, out: Path) -> None:
    """Judge labelled answers (parquet: topic, question, answer, true_stance) and write `heldout_quality` as JSON."""
    require_columns(labelled, pl.read_parquet_schema(labelled), ["true_stance"])
    write_json(out, heldout_quality(judge_table(pl.read_parquet(labelled), judge, targets, journal)))


def heldout_quality(labelled: pl.DataFrame) -> dict[str, Any]:
    """Agreement of stances with `true_stance`, as the report shows it.

    accuracy with its 95 % interval (low, high) over n answers · confusion: true stance → judged stance → answers ·
    recall and precision per stance, None over no answers · unassigned: mean probability outside the labels
    """
    agreement, confusion = agreement_table(labelled), confusion_table(labelled)
    accuracy = agreement.row(by_predicate=pl.col("measure") == "accuracy", named=True)
    judged = {stance: confusion.filter(true_stance=stance).drop("true_stance") for stance in STANCES}
    return {
        "accuracy": accuracy["value"],
        "low": accuracy["low"],
        "high": accuracy["high"],
        "n": accuracy["answers"],
        "confusion": {stance: dict(part.iter_rows()) for stance, part in judged.items()},
        **{measure: _by_stance(agreement, measure) for measure in ("recall", "precision")},
        "unassigned": agreement.row(by_predicate=pl.col("measure") == "unassigned", named=True)["value"],
    }


def _by_stance(agreement: pl.DataFrame, measure: str) -> dict[str, float | None]:
    return dict(agreement.filter(pl.col("measure") == measure).select("stance", "value").iter_rows())
