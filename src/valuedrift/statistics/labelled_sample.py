"""Answers with known stances, labelled by people or by the pocket world, and what a judge said of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from valuedrift.errors import ArtifactError, require_columns
from valuedrift.statistics.panel import PROBABILITIES, STANCES, most_probable
from valuedrift.statistics.trajectory import Checkpoint

STAGES = ("base", "sft", "preference")
NO_STANCE = "none"
"""The true stance of an answer that a labeller found to take none."""

_ANSWER = ("run", "step", "topic", "question_id", "sample")
_COLUMNS = (*_ANSWER, "true_stance", *PROBABILITIES, "weight")


def read_labelled(path: Path) -> pl.DataFrame:
    """Read a labelled sample from a parquet or CSV file: the keys of answers, and the stances they truly take.

    A column `human_stance`, as in a filled sheet of the judge check, is read as `true_stance`. It is null for an answer
    that takes no stance. The column `stage` becomes one of STAGES.

    Raises:
        ArtifactError: The file is missing or neither parquet nor CSV, a column is missing, a true stance is unknown, or
            a weight is not above 0.
    """
    if path.suffix not in (".parquet", ".csv") or not path.is_file():
        raise ArtifactError(path, path.suffix if path.exists() else "no such file", "a .parquet or .csv file")
    rows = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    if "true_stance" not in rows.columns and "human_stance" in rows.columns:
        rows = rows.rename({"human_stance": "true_stance"})
    require_columns(path, rows.columns, _COLUMNS)
    if unknown := sorted(set(rows["true_stance"].drop_nulls()) - set(STANCES)):
        raise ArtifactError(f"{path}, column true_stance", unknown, f"one of {', '.join(STANCES)}, or nothing")
    if (rows["weight"] <= 0).any():
        raise ArtifactError(f"{path}, column weight", rows["weight"].min(), "numbers above 0")
    return rows.with_columns(stage=broad_stage(pl.col("run")), true_stance=pl.col("true_stance").cast(pl.String))


def stage_of(run: pl.Expr) -> pl.Expr:
    """Return the stage of a run, which is the algorithm of its last phase: base, sft or a preference algorithm."""
    return run.str.split("/").list.last().str.split("-").list.first()


def broad_stage(run: pl.Expr) -> pl.Expr:
    """Return the stage of a run as one of STAGES."""
    stage = stage_of(run)
    return pl.when(stage.is_in(STAGES)).then(stage).otherwise(pl.lit(STAGES[-1]))


def answers_with_labels(
    files: Sequence[Path], labelled: pl.DataFrame, checkpoints: Collection[Checkpoint]
) -> pl.DataFrame:
    """Return the judged answers of `checkpoints` and of the labelled sample, and give equal answers equal labels.

    Args:
        files: Stance tables of one model.
        labelled: A sample, see `read_labelled`.
        checkpoints: The checkpoints whose values are corrected.

    Returns:
        One row per answer: `run, step, topic, question_id, judged` (the most probable stance), `text` (equal for equal
        answers to a question), `true_stance` (NO_STANCE where it takes none; null where it is unknown).

    Raises:
        ArtifactError: A labelled answer isn't in `files`.
    """
    known = labelled.select(*_ANSWER, pl.col("true_stance").fill_null(NO_STANCE))
    wanted = pl.concat(
        [
            known.select("run", "step"),
            pl.DataFrame(list(checkpoints), schema={"run": pl.String, "step": known["step"].dtype}, orient="row"),
        ]
    ).unique()
    parts = [
        pl.scan_parquet(file)
        .join(wanted.lazy(), on=["run", "step"], how="semi")
        .select(*_ANSWER, *PROBABILITIES, text=pl.struct("topic", "question_id", "answer").hash())
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
    return rows.join(labels, on="text", how="left").sort(_ANSWER).drop("sample")
