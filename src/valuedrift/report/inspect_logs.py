"""Write answers and their stances as logs for inspect_ai's viewer, one per run and checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError, require_columns
from valuedrift.files import publish
from valuedrift.statistics.panel import PROBABILITIES, STANCES

INSPECT = "inspect_ai"
CHECKPOINT = ("model", "run", "step")
Checkpoint = tuple[str, str, int]
COLUMNS = (
    *(*CHECKPOINT, "topic", "question_id", "question", "sample", "answer"),
    *(*PROBABILITIES, "flag", "judge", "prompt_hash"),
)
"""The columns that a stance table must have (see `valuedrift.judging.stances`)."""

UNTIMED = "1970-01-01T00:00:00+00:00"
"""The time in every log: stance tables have no times, and the same stances must give the same log."""

_ELSEWHERE = ("question", "answer", *PROBABILITIES)
"""Columns that a sample has outside its metadata."""
_NAME = re.compile(r"[\w-]+(/[\w-]+)*", re.ASCII)


def write_inspect_logs(stances: Sequence[Path], out: Path) -> list[Path]:
    """Write `out/<model>/<run>/step-<step>.eval` for every checkpoint of the stance tables, and return the paths.

    Each sample of a log is one answer. Its id is the question, and its epoch is the number of the answer, from 1. Its
    score `stance` has the three probabilities (null without a judgement), and its score `flag` says why there are none.
    All other columns are in its metadata. One checkpoint is in memory at a time.

    Raises:
        ArtifactError: Before anything is written: inspect_ai isn't installed, a column is missing, the name of a model
            or run can't be a folder's name, or two tables have the same checkpoint.
    """
    if find_spec(INSPECT) is None:
        do = "Install it in an environment: see docs/exports.md."
        raise ArtifactError(INSPECT, None, "the package inspect_ai", do)
    return [_write(file, checkpoint, out) for checkpoint, file in _checkpoints(stances).items()]


def _checkpoints(stances: Sequence[Path]) -> dict[Checkpoint, Path]:
    """Return checkpoint → its stance table."""
    places: dict[Checkpoint, Path] = {}
    for file in stances:
        require_columns(file, pl.read_parquet_schema(file), COLUMNS)
        for place in (
            pl.scan_parquet(file).select(CHECKPOINT).unique().sort(CHECKPOINT).collect(engine="streaming").rows()
        ):
            if place in places:
                raise ArtifactError(file, place, f"checkpoints that {places[place]} does not hold")
            if not all(_NAME.fullmatch(str(name)) for name in place[:2]):
                raise ArtifactError(file, place, "a model and a run whose names can be folders")
            places[place] = file
    return places


def _write(file: Path, checkpoint: Checkpoint, out: Path) -> Path:
    from inspect_ai.log import write_eval_log

    model, run, step = checkpoint
    rows = pl.scan_parquet(file).filter(model=model, run=run, step=step).collect(engine="streaming")
    path = out / model / run / f"step-{step:06d}.eval"
    with publish(path) as draft:
        write_eval_log(_log(rows), draft, format="eval")
    return path


def _log(rows: pl.DataFrame) -> Any:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalResults, EvalSpec, EvalStats

    model, run, step = rows.select(CHECKPOINT).row(0)
    samples = [_sample(row) for row in rows.sort("sample", "question_id").iter_rows(named=True)]
    questions = rows["question_id"].unique().sort().to_list()
    judges = {name: rows[name].unique().sort().to_list() for name in ("judge", "prompt_hash")}
    identity = [_id(model, run, step, part) for part in ("eval", "run", "task")]
    spec = EvalSpec(
        **dict(zip(("eval_id", "run_id", "task_id"), identity, strict=True)),
        created=UNTIMED,
        task=f"{run}/step-{step:06d}",
        dataset=EvalDataset(name="probes", samples=len(questions), sample_ids=questions),
        model=model,
        config=EvalConfig(epochs=rows.select(pl.col("sample").max()).item() + 1, epochs_reducer=["mean"]),
        metadata={"model": model, "run": run, "step": step, **judges},
    )
    results = EvalResults(total_samples=len(samples), completed_samples=len(samples), scores=_means(rows))
    untimed = EvalStats(started_at=UNTIMED, completed_at=UNTIMED)
    return EvalLog(status="success", eval=spec, results=results, stats=untimed, samples=samples)


def _means(rows: pl.DataFrame) -> list[Any]:
    """Return each stance's mean over the answers with probabilities; empty if no answer has any."""
    from inspect_ai.log import EvalMetric, EvalScore

    judged = rows.drop_nulls(PROBABILITIES)
    counts = {"scored_samples": judged.height, "unscored_samples": rows.height - judged.height}
    means = judged.select(pl.col(PROBABILITIES).mean()).row(0)
    return [
        EvalScore(name=stance, scorer="stance", metrics={"mean": EvalMetric(name="mean", value=mean)}, **counts)
        for stance, mean in zip(STANCES, means, strict=True)
        if mean is not None
    ]


def _sample(row: Mapping[str, Any]) -> Any:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ChatMessageUser, ModelOutput
    from inspect_ai.scorer import Score

    own = _id(*(row[name] for name in (*CHECKPOINT, "topic", "question_id", "sample")))
    question = ChatMessageUser(id=f"{own}-question", content=row["question"])
    answer = ChatMessageAssistant(id=f"{own}-answer", content=row["answer"], model=row["model"])
    stances = {stance: row[name] for stance, name in zip(STANCES, PROBABILITIES, strict=True)}
    return EvalSample(
        id=row["question_id"],
        epoch=row["sample"] + 1,
        input=row["question"],
        target="",
        messages=[question, answer],
        output=ModelOutput(model=row["model"], choices=[ChatCompletionChoice(message=answer)]),
        scores={"stance": Score(value=stances, answer=_likeliest(stances)), "flag": Score(value=row["flag"] or "none")},
        metadata={name: value for name, value in row.items() if name not in _ELSEWHERE},
        uuid=own,
    )


def _likeliest(stances: Mapping[str, float | None]) -> str | None:
    judged = {stance: share for stance, share in stances.items() if share is not None}
    return max(judged, key=judged.__getitem__) if judged else None


def _id(*parts: object) -> str:
    """Return 22 characters that are the same for the same parts; inspect_ai itself would draw random ones."""
    return text_digest("\x1f".join(map(str, parts)))[:22]
