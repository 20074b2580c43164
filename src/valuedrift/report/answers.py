"""Write the judged answers for the report, one piece per checkpoint, and count each run's answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.display import Display, Topics
from valuedrift.report.pieces import write_piece
from valuedrift.statistics.labelled_sample import NO_STANCE
from valuedrift.statistics.panel import PROBABILITIES, STANCES, most_probable
from valuedrift.visible_text import visible

MOST_ANSWERS = 200_000
"""The largest number of answers in a report; of larger grids it has evenly spaced checkpoints, each run's last too."""

ANSWER_COLUMNS = (
    "model", "run", "step", "topic", "question_id", "question", "sample", "answer", *PROBABILITIES, "unassigned",
    "refusal", "flag", "label", "unhealthy",
)  # fmt: skip
"""`label` is the true stance (NO_STANCE if it takes none; null if unknown), `unhealthy` a sign of bad health."""

LABELS = (*STANCES, NO_STANCE)

_RUN = ["model", "run"]


@dataclass(frozen=True)
class RunAnswers:
    """Counts of one run's answers.

    Attributes:
        model: The run's model.
        run: The run.
        steps: Steps of the run's checkpoints.
        kept: Steps whose answers the report contains.
        labelled: Those of them with answers that have a label.
        answers: Number of answers at all checkpoints.
        refusals: Number of answers that refuse.
        without_stance: Number of answers without a stance.
        unassigned: The mean probability outside the labels; None if no answer was judged.
    """

    model: str
    run: str
    steps: tuple[int, ...]
    kept: tuple[int, ...]
    labelled: tuple[int, ...]
    answers: int
    refusals: int
    without_stance: int
    unassigned: float | None

    @property
    def is_whole(self) -> bool:
        """Whether the report contains all the run's answers."""
        return self.kept == self.steps


def write_answers(answers: pl.LazyFrame, display: Display, out: Path, most: int = MOST_ANSWERS) -> list[RunAnswers]:
    """Write the pieces `questions/<model>` and `answers/<model>/<run>/<step>`, with one run in memory at a time.

    Returns:
        Counts of each run, in the order shown: by model, its base model first.
    """
    runs = _summaries(answers, display, most)
    questions = _questions(answers)
    for model, own in questions.items():
        write_piece(out, f"questions/{model}", _question_piece(own, display.topics))
    for run in runs:
        places = {question: place for place, question in enumerate(questions[run.model]["question_id"])}
        _write_run(answers, run, places, out)
    return runs


def kept_steps(steps: Sequence[int], count: int) -> tuple[int, ...]:
    """Return `count` evenly spaced steps, with the last one, and with the first one if there are several."""
    if count >= len(steps):
        return tuple(steps)
    if count <= 1:
        return (steps[-1],)
    return tuple(steps[round(place * (len(steps) - 1) / (count - 1))] for place in range(count))


def _summaries(answers: pl.LazyFrame, display: Display, most: int) -> list[RunAnswers]:
    table = answers.group_by(_RUN).agg(
        steps=pl.col("step").unique().sort(),
        labelled=pl.col("step").filter(pl.col("label").is_not_null()).unique().sort(),
        answers=pl.len(),
        refusals=pl.col("refusal").sum(),
        without_stance=pl.any_horizontal(pl.col(name).is_null() for name in PROBABILITIES).sum(),
        unassigned=pl.col("unassigned").mean(),
    )
    rows = sorted(table.collect().iter_rows(named=True), key=lambda row: display.run_order(row["model"], row["run"]))
    share = min(1.0, most / max(1, sum(row["answers"] for row in rows)))
    runs = []
    for row in rows:
        kept = kept_steps(row["steps"], int(share * len(row["steps"])))
        labelled = tuple(step for step in row["labelled"] if step in kept)
        runs.append(RunAnswers(**{**row, "steps": tuple(row["steps"]), "kept": kept, "labelled": labelled}))
    return runs


def label_counts(answers: pl.LazyFrame, runs: Iterable[RunAnswers]) -> dict[str, dict[tuple[str, str], int]]:
    """Return model → (label, judged stance) → number of judged answers with this label that the report contains."""
    kept = [(run.model, run.run, step) for run in runs for step in run.labelled]
    keys = pl.LazyFrame(kept, schema={"model": pl.String, "run": pl.String, "step": pl.Int64}, orient="row")
    judged = answers.filter(pl.col("label").is_not_null()).drop_nulls(PROBABILITIES)
    counts = (
        judged.join(keys, on=["model", "run", "step"], how="semi")
        .group_by("model", "label", judged=most_probable())
        .len()
        .collect()
    )
    found: dict[str, dict[tuple[str, str], int]] = {}
    for model, label, stance, count in counts.iter_rows():
        found.setdefault(model, {})[label, stance] = count
    return found


def _questions(answers: pl.LazyFrame) -> dict[str, pl.DataFrame]:
    columns = ["model", "topic", "question_id", "question"]
    table = answers.select(columns).unique(["model", "question_id"]).sort("model", "topic", "question_id").collect()
    return {str(model): own for (model,), own in table.partition_by("model", as_dict=True).items()}


def _question_piece(questions: pl.DataFrame, topics: Topics) -> dict[str, list[Any]]:
    keys = list(topics)
    return {
        "topic": [keys.index(topic) for topic in questions["topic"]],
        "text": [visible(text) for text in questions["question"]],
    }


def _write_run(answers: pl.LazyFrame, run: RunAnswers, places: dict[str, int], out: Path) -> None:
    own = answers.filter(pl.col("model") == run.model, pl.col("run") == run.run, pl.col("step").is_in(run.kept))
    rows = own.select(ANSWER_COLUMNS).sort("step", "topic", "question_id", "sample").collect()
    for (step,), checkpoint in rows.partition_by("step", as_dict=True).items():
        write_piece(out, f"answers/{run.model}/{run.run}/{step}", _answer_piece(checkpoint, places))


def _answer_piece(rows: pl.DataFrame, places: dict[str, int]) -> dict[str, list[Any]]:
    """Return a checkpoint's answers by column; probabilities are in thousandths, null if there is none."""
    return {
        "question": [places[question] for question in rows["question_id"]],
        "sample": rows["sample"].to_list(),
        "text": [visible(text) for text in rows["answer"]],
        "shares": [_thousandths(rows[name]) for name in PROBABILITIES],
        "unassigned": _thousandths(rows["unassigned"]),
        "refusal": [int(refused) for refused in rows["refusal"]],
        "flag": [flag or 0 for flag in rows["flag"]],
        "label": [LABELS.index(label) if label else None for label in rows["label"]],
        "unhealthy": [int(unwell or False) for unwell in rows["unhealthy"]],
    }


def _thousandths(shares: Iterable[float | None]) -> list[int | None]:
    return [None if share is None else round(1000 * share) for share in shares]
