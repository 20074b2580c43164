"""Match the stances that two judges gave the same answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import polars as pl

from valuedrift.errors import ArtifactError, require_columns
from valuedrift.files import readable
from valuedrift.input_tables.checked_rows import AnswerRow, JudgedRow, Note, NumberOrNone, TextOrNone, read_checked
from valuedrift.statistics.labelled_sample import stage_of
from valuedrift.statistics.panel import KEYS, PROBABILITIES, check_stances

OLD, NEW = "old", "new"

_EXPECTED = "a table of stances, as the pipeline writes it"
_TYPES = {
    **dict.fromkeys(("model", "run", "topic", "question_id"), pl.String()),
    **dict.fromkeys(("step", "sample"), pl.Int64()),
    **dict.fromkeys(PROBABILITIES, pl.Float64()),
}


class _StanceRow(AnswerRow, JudgedRow):
    question: TextOrNone = None
    answer: Note | None = None
    unassigned: NumberOrNone = None


def stance_files(source: Path) -> list[Path]:
    """Return the file `source`, or all parquet files below the folder. Raises ArtifactError if there are none."""
    files = sorted(source.rglob("*.parquet")) if source.is_dir() else [source] if source.is_file() else []
    if not files:
        raise ArtifactError(source, "no parquet file", "a stance table, or a folder of them", "Judge the answers.")
    return files


def scanned(source: Path, texts: Sequence[str] = ()) -> Iterator[tuple[Path, pl.LazyFrame]]:
    """Yield each file of stances with its table, whose keys and probabilities have the types of a stance table.

    A file may be parquet, CSV or JSON lines.

    Args:
        source: A file, or a folder of parquet files.
        texts: Columns that are needed besides the keys and probabilities.

    Raises:
        ArtifactError: A file is damaged, or a column is missing or of another type.
        DataError: The same, for a row of a CSV or JSON file.
    """
    for file in stance_files(source):
        if file.suffix == ".parquet":
            with readable(file, _EXPECTED):
                frame = pl.scan_parquet(file, glob=False)
                require_columns(file, frame.collect_schema(), (*_TYPES, *texts))
                frame = frame.with_columns(pl.col(name).cast(kind) for name, kind in _TYPES.items())
                frame.select(*_TYPES, *texts).collect(engine="streaming")
        else:
            rows = [row.model_dump(exclude_unset=True) for _, row in read_checked(file, _StanceRow)]
            frame = pl.DataFrame(rows, schema_overrides=_TYPES, infer_schema_length=None).lazy()
            require_columns(file, frame.collect_schema(), (*_TYPES, *texts))
        yield file, frame


def read_stances(source: Path | pl.DataFrame) -> pl.DataFrame:
    """Read the keys, the probabilities, and `text`: the hash of each answer if there is a column `answer`, else null.

    Raises ArtifactError for a missing column, with the file's name, and as `check_stances` does.
    """
    if isinstance(source, pl.DataFrame):
        table = _chosen(source.lazy(), source.columns, "stances").collect()
    else:
        tables = []
        for file, frame in scanned(source):
            with readable(file, _EXPECTED):
                tables.append(_chosen(frame, frame.collect_schema(), file).collect())
        table = pl.concat(tables)
    check_stances(table)
    return table


def match(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Match the answers of two tables by their keys. An answer that is in only one of them is kept.

    Returns:
        Columns: the keys, `stage`, `p_…` of the old judge, `p_…_new` of the new one, and `in_old` and `in_new`: whether
        that judge gave the answer a stance.

    Raises:
        ArtifactError: Texts of an answer differ between the tables, or both judges judged none of the answers.
    """
    both = old.join(new, on=KEYS, how="full", suffix="_new", coalesce=True)
    moved = both.filter(pl.col("text") != pl.col("text_new"))
    if moved.height:
        first = ", ".join(
            f"{key} {value}" for key, value in zip(KEYS, moved.select(KEYS).sort(KEYS).row(0), strict=True)
        )
        raise ArtifactError(
            f"stances, {first}",
            f"another text in the new table ({moved.height} such answers)",
            "the same answers in both tables",
            "Have both judges judge the same answers.",
        )
    matched = both.drop("text", "text_new").with_columns(
        stage=stage_of(pl.col("run")),
        in_old=pl.col("p_support").is_not_null(),
        in_new=pl.col("p_support_new").is_not_null(),
    )
    if not (matched["in_old"] & matched["in_new"]).any():
        raise ArtifactError(
            "stances", "no answer that both judges judged", "one or more", "Have both judges judge the same answers."
        )
    return matched.sort(KEYS)


def of_judge(matched: pl.DataFrame, judge: str) -> pl.DataFrame:
    """Return the answers that both judges judged with the stances of one of them, in the columns of `make_panel`.

    The judge is put in front of the run's name, so that one panel can hold both judges and they share its resamples.
    """
    suffix = "_new" if judge == NEW else ""
    probabilities = (pl.col(f"{p}{suffix}").alias(p) for p in PROBABILITIES)
    return (
        matched.filter("in_old", "in_new")
        .select(*KEYS, *probabilities)
        .with_columns(run=pl.format("{}:{}", pl.lit(judge), "run"))
    )


def _chosen(table: pl.LazyFrame, columns: Collection[str], place: Path | str) -> pl.LazyFrame:
    require_columns(place, columns, (*KEYS, *PROBABILITIES))
    text = pl.col("answer").hash() if "answer" in columns else pl.lit(None, pl.UInt64)
    return table.select(*KEYS, *PROBABILITIES, text.alias("text"))
