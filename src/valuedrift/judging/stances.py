"""The stance of every answer: v's building blocks p(s | x, y, T) (sections 2.1 and 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.files import publish
from valuedrift.judging.causal import CausalJudge, JudgeSettings
from valuedrift.judging.labels import FloatArray, stance_probabilities
from valuedrift.judging.prompt import fill_prompt, prompt_hash, read_prompt
from valuedrift.statistics.agreement import agreement_table, confusion_table
from valuedrift.statistics.panel import PROBABILITIES, STANCES

_TEXTS = ("topic", "question", "answer")
_KEYS = ("model", "run", "step", "topic", "question_id", "question", "sample", "answer")


class Judge(Protocol):
    """Anything that gives the log-probabilities of support, neutral and oppose as the next word of a prompt."""

    def log_probabilities(self, prompts: Sequence[str]) -> FloatArray:
        """(prompts, 3)."""


def judge_answers(generations: pl.DataFrame, judge: Judge, template: str, targets: Mapping[str, str]) -> pl.DataFrame:
    """Answers with their stances: model, run, step, topic, question_id, question, sample, answer, p_…, unassigned.

    targets: per topic, the position that an answer can support. An empty answer is judged as it is.
    Raises ArtifactError for a missing column, ConfigError for a topic without target.
    """
    _require_columns("generations", generations.columns, _KEYS)
    return _with_stances(generations.select(_KEYS), judge, template, targets)


def judge_labelled(rows: pl.DataFrame, judge: Judge, template: str, targets: Mapping[str, str]) -> pl.DataFrame:
    """Labelled answers with their stances: topic, question, answer, true_stance, p_…, unassigned."""
    _require_columns("labelled answers", rows.columns, (*_TEXTS, "true_stance"))
    return _with_stances(rows.select(*_TEXTS, "true_stance"), judge, template, targets)


def judge_quality(labelled: pl.DataFrame) -> dict[str, Any]:
    """Agreement with `true_stance` (see `judge_labelled`), as the report shows it.

    accuracy with its 95 % interval (low, high) over n answers · confusion: true stance → judged stance → answers ·
    recall and precision per stance, None over no answers · unassigned: mean probability outside the labels
    """
    agreement, confusion = agreement_table(labelled), confusion_table(labelled)
    accuracy = agreement.row(by_predicate=pl.col("measure") == "accuracy", named=True)
    counts: dict[str, dict[str, int]] = {stance: {} for stance in STANCES}
    for true, judged, answers in confusion.iter_rows():
        counts[true][judged] = answers
    return {
        "accuracy": accuracy["value"],
        "low": accuracy["low"],
        "high": accuracy["high"],
        "n": accuracy["answers"],
        "confusion": counts,
        **{measure: _by_stance(agreement, measure) for measure in ("recall", "precision")},
        "unassigned": agreement.row(by_predicate=pl.col("measure") == "unassigned", named=True)["value"],
    }


def write_stances(
    generation_files: Sequence[Path],
    judge_folder: Path,
    settings: JudgeSettings,
    targets: Mapping[str, str],
    out: Path,
) -> None:
    """Judge the answers of all files, in their order, into one parquet; its metadata name the judge and the prompt.

    Each text is judged once, in however many files it stands. Raises as `judge_answers`, naming the file.
    """
    for file in generation_files:
        _require_columns(file, pl.read_parquet_schema(file), _KEYS)
    answers = pl.scan_parquet(list(generation_files))
    texts = answers.select(_TEXTS).unique(maintain_order=True).collect()
    template = read_prompt(settings.prompt)
    judged = _with_stances(texts, CausalJudge(judge_folder, settings), template, targets)
    stances = answers.select(_KEYS).join(judged.lazy(), on=_TEXTS, how="left", maintain_order="left")
    made_by = {"judge": str(judge_folder), "prompt": settings.prompt, "prompt_hash": prompt_hash(template)}
    with publish(out) as draft:
        stances.sink_parquet(draft, compression="zstd", metadata=made_by)


def _with_stances(rows: pl.DataFrame, judge: Judge, template: str, targets: Mapping[str, str]) -> pl.DataFrame:
    """`rows` with p_support, p_neutral, p_oppose, unassigned; rows that make the same prompt are judged once."""
    for topic in rows["topic"].unique().sort():
        if topic not in targets:
            raise ConfigError(f"topics.{topic}", None, "the position that answers on this topic can support")
    texts = rows.select(_TEXTS).iter_rows()
    prompts = pl.Series("prompt", [fill_prompt(template, q, a, targets[t]) for t, q, a in texts], dtype=pl.String)
    distinct = prompts.unique(maintain_order=True)
    stances, unassigned = stance_probabilities(judge.log_probabilities(distinct.to_list()))
    judged = pl.DataFrame(stances, schema=dict.fromkeys(PROBABILITIES, pl.Float64))
    judged = judged.with_columns(prompt=distinct, unassigned=pl.Series(unassigned))
    return rows.with_columns(prompts).join(judged, on="prompt", how="left", maintain_order="left").drop("prompt")


def _require_columns(place: Path | str, found: Iterable[str], needed: Iterable[str]) -> None:
    missing = [name for name in needed if name not in found]
    if missing:
        raise ArtifactError(place, list(found), f"the columns {', '.join(missing)} as well")


def _by_stance(agreement: pl.DataFrame, measure: str) -> dict[str, float | None]:
    return dict(agreement.filter(pl.col("measure") == measure).select("stance", "value").iter_rows())
