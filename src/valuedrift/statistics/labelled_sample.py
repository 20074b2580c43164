"""Answers with known stances, labelled by people or by the pocket world, and what a judge said of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl
from pydantic import Field

from valuedrift.errors import ArtifactError, DataError
from valuedrift.input_tables.checked_rows import (
    JudgedRow,
    LabelOrNone,
    Number,
    Text,
    TextOrNone,
    WholeNumber,
    read_checked,
    refuse_repeated,
)
from valuedrift.statistics.panel import PROBABILITIES, most_probable, unit
from valuedrift.statistics.trajectory import Checkpoint

STAGES = ("base", "sft", "preference")
NO_STANCE = "none"
"""The true stance of an answer that a labeller found to take none."""

_ANSWER = ("run", "step", "topic", "question_id", "sample")


class _LabelledRow(JudgedRow):
    renamed: ClassVar = {"human_stance": "true_stance"}

    run: Text
    step: WholeNumber
    topic: Text
    question_id: Text
    sample: WholeNumber
    true_stance: LabelOrNone
    weight: Annotated[Number, Field(gt=0)]
    model: TextOrNone = None


_SCHEMA = {
    **dict.fromkeys((*PROBABILITIES, "weight"), pl.Float64),
    **dict.fromkeys(("topic", "question_id", "true_stance", "model", "run"), pl.String),
    **dict.fromkeys(("step", "sample"), pl.Int64),
}


def read_labelled(path: Path, model: str) -> pl.DataFrame:
    """Read a model's rows of a parquet, CSV or JSON lines file: the keys of answers, and the stances they truly take.

    A column `human_stance`, as in a filled sheet of the judge check, is read as `true_stance`; a refusal is neutral. It
    is null for an answer that takes no stance. Without a column `model`, all rows are the model's. The column `stage`,
    one of STAGES, follows from the run.

    Raises:
        DataError: A column is missing, a value is wrong, a row is repeated, or all rows are of other models.
        ArtifactError: The file is missing or of another kind.
    """
    rows = read_checked(path, _LabelledRow)
    refuse_repeated(
        path, [(n, tuple(row.model_dump(include={*_ANSWER, "model"}).values())) for n, row in rows], "the answer"
    )
    own = [row for _, row in rows if row.model in (None, model)]
    if not own:
        names = ", ".join(sorted({str(row.model) for _, row in rows}))
        raise DataError(path, None, "model", names, model, "Label answers of this model.")
    table = pl.DataFrame([row.model_dump() for row in own], schema=_SCHEMA)
    true = pl.when(pl.col("true_stance") == "refusal").then(pl.lit("neutral")).otherwise("true_stance")
    return table.with_columns(true_stance=true, stage=broad_stage(pl.col("run")))


def stage_of(run: pl.Expr) -> pl.Expr:
    """Return the stage of a run, which is the algorithm of its last phase: base, sft or a preference algorithm."""
    return run.str.split("/").list.last().str.split("-").list.first()


def broad_stage(run: pl.Expr) -> pl.Expr:
    """Return the stage of a run as one of STAGES."""
    stage = stage_of(run)
    return pl.when(stage.is_in(STAGES)).then(stage).otherwise(pl.lit(STAGES[-1]))


def stage_name(run: str) -> str:
    """Return `broad_stage` of one run."""
    return str(pl.select(broad_stage(pl.lit(run))).item())


def answers_with_labels(
    files: Sequence[Path], labelled: pl.DataFrame, checkpoints: Collection[Checkpoint]
) -> pl.DataFrame:
    """Return the judged answers of `checkpoints` and of the labelled sample, and give equal answers equal labels.

    Args:
        files: Stance tables of one model.
        labelled: A sample, see `read_labelled`. Labels of answers that the judge couldn't judge aren't used.
        checkpoints: The checkpoints whose values are corrected.

    Returns:
        One row per answer: `run, step, topic, question_id` (its `unit`), `judged` (the most probable stance),
        `text` (equal for equal answers to a question), `true_stance` (NO_STANCE where it takes none; null where it is
        unknown).

    Raises:
        ArtifactError: A labelled answer isn't in `files`.
    """
    known = labelled.drop_nulls(PROBABILITIES).select(*_ANSWER, pl.col("true_stance").fill_null(NO_STANCE))
    wanted = pl.concat(
        [
            known.select("run", "step"),
            pl.DataFrame(list(checkpoints), schema={"run": pl.String, "step": known["step"].dtype}, orient="row"),
        ]
    ).unique()
    parts = [
        pl.scan_parquet(file)
        .join(wanted.lazy(), on=["run", "step"], how="semi")
        .select(
            *_ANSWER,
            *PROBABILITIES,
            text=pl.struct("topic", "question_id", "answer").hash(),
            unit=unit(pl.read_parquet_schema(file)),
        )
        .drop_nulls(PROBABILITIES)
        .collect(engine="streaming")
        for file in files
    ]
    rows = pl.concat(parts).with_columns(judged=most_probable()).drop(PROBABILITIES)
    found = known.join(rows, on=_ANSWER, how="left", maintain_order="left")
    if (lost := found.filter(pl.col("text").is_null())).height:
        first = ", ".join(f"{key} {value}" for key, value in zip(_ANSWER, lost.select(_ANSWER).row(0), strict=True))
        expected = "only answers that are in the stance tables, and judged"
        raise ArtifactError(f"labelled sample, {first}", f"{lost.height} labels of other answers", expected)
    labels = found.select("text", "true_stance").unique("text", keep="first")
    named = rows.join(labels, on="text", how="left").sort(_ANSWER).drop("sample")
    return named.with_columns(question_id="unit").drop("unit")
