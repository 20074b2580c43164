"""Judge the stance of every answer, p(s | x, y, T) (sections 2.1 and 3), as a stream. The mean of stances is v."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from valuedrift.errors import ArtifactError, require_columns
from valuedrift.files import parquet_metadata, publish
from valuedrift.judging.judge import Judge
from valuedrift.judging.judge_prompt import fill_judge_prompt, require_targets
from valuedrift.judging.judgement import Judgement
from valuedrift.judging.refusals import is_refusal
from valuedrift.llm.cost import Estimate
from valuedrift.llm.journal import Journal
from valuedrift.reasoning import UNCLOSED
from valuedrift.statistics.panel import PROBABILITIES
from valuedrift.templates import prompt_hash

TEXTS = ("topic", "question", "answer")
COLUMNS = {
    **dict.fromkeys(PROBABILITIES, pl.Float64),
    "unassigned": pl.Float64,
    "p_bound": pl.Float64,
    "samples": pl.Int64,
    **{f"{name}_se": pl.Float64 for name in PROBABILITIES},
    "flag": pl.String,
    "refusal": pl.Boolean,
    "judge": pl.String,
    "prompt_hash": pl.String,
    "judge_latency": pl.Float64,
    "judge_tokens": pl.Int64,
}
"""The columns that judging adds to a table of answers; see `write_stances`."""

REASONED = ("reasoning", "unclosed")
"""The columns of answers that are not judged and not kept: reasoning, and whether it has no end."""

_NO_ANSWER = Judgement(None, None, None, None, UNCLOSED, None, 0, 0, 0.0)
_BATCH = 8192
"""Answers in memory at a time."""


@dataclass(frozen=True)
class StancesEstimate:
    """The rows of all files (`answers`), and the number and cost of their different requests (`asked`)."""

    answers: int
    asked: Estimate


@dataclass
class Counts:
    """Totals for the log and the file's metadata. Tokens and dollars of equal texts are counted once."""

    answers: int = 0
    refusals: int = 0
    unassigned: float = 0.0
    bound: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float = 0.0
    flags: Counter[str] = field(default_factory=Counter)
    texts: set[int] = field(default_factory=set)

    def add(self, key: str | None, judged: Judgement) -> None:
        self.answers += 1
        self.unassigned += judged.unassigned or 0.0
        self.bound = max(self.bound, judged.bound or 0.0)
        self.flags.update([judged.flag] if judged.flag else [])
        if key and (text := int(key[:16], 16)) not in self.texts:
            self.texts.add(text)
            self.prompt_tokens += judged.prompt_tokens
            self.completion_tokens += judged.completion_tokens
            self.dollars += judged.dollars

    def as_metadata(self) -> dict[str, str]:
        numbers = ("answers", "refusals", "prompt_tokens", "completion_tokens", "dollars")
        return {
            **{name: str(getattr(self, name)) for name in numbers},
            "texts": str(len(self.texts)),
            "flagged": json.dumps(dict(sorted(self.flags.items()))),
        }

    def line(self) -> str:
        without_stance = self.flags.total()
        reasons = ", ".join(f"{count} {flag}" for flag, count in sorted(self.flags.items()))
        replied = self.answers - self.flags.total() + self.flags["unassigned"]
        unread = (
            "; no reply of the judge is one of the labels: does it reason before it answers? Then a chat model needs "
            "`samples`, or a larger `max_tokens`, and a judge in a folder a chat format that doesn't open a thought"
        )
        return (
            f"{self.answers} answers, {len(self.texts)} different texts; without a stance: {without_stance}"
            f"{f' ({reasons})' if reasons else ''}; refusals: {self.refusals}; mean probability outside the labels: "
            f"{self.unassigned / max(1, replied):.4f}; error of stances by unlisted labels at most {self.bound:.2g}; "
            f"{self.prompt_tokens} + {self.completion_tokens} tokens, {self.dollars:.4f} dollars"
            f"{unread if self.answers == self.flags['unassigned'] > 1 else ''}"
        )


def write_stances(
    answer_files: Sequence[Path], judge: Judge, targets: Mapping[str, str], journal: Path, out: Path
) -> None:
    """Judge the answers of all files, in their order, and write them with their stances into one parquet file.

    The file has the columns of the answers without their reasoning, and:

    - `p_support, p_neutral, p_oppose`: the stance; null if there is none
    - `unassigned`: the probability that the judge's reply is none of the labels
    - `p_bound`: the largest error of each of the three probabilities because of labels that the judge didn't list
    - `samples, p_…_se`: for a judge that is sampled, the number of replies that are labels, and the standard errors
      sqrt(p (1 - p) / (samples - 1)), whose squares are unbiased estimates of the variance
    - `flag`: why there is no stance; else null
    - `refusal`: see `is_refusal`; it doesn't depend on the judge
    - `judge, prompt_hash`: the judge's name, and a hash of the prompt's template
    - `judge_latency`: seconds, null for judges that answer in batches
    - `judge_tokens`: tokens of prompt and reply

    Answers that give the same prompt are judged once. Memory doesn't grow with the number of texts.

    Args:
        answer_files: Parquet files with at least topic, question and answer. Empty answers are judged as they are;
            answers that end within their reasoning (`unclosed`) are not judged.
        judge: The judge.
        targets: Topic → its target.
        journal: File of the judge's records; prompts with records aren't judged again.
        out: The file to write.

    Raises:
        ArtifactError: Columns are missing or differ between files, or there are nulls; the error names the file.
        ConfigError: A topic has no target. It is raised before anything is judged.
    """
    check_answers(answer_files, targets)
    judge.judge(_all_prompts(answer_files, judge, targets), journal)
    counts = Counts()
    with publish(out) as draft, Journal.read(journal) as store:
        _write(answer_files, judge, targets, store, draft, counts)
    print(f"judge {judge.name}: {counts.line()}", file=sys.stderr)


def estimate_stances(
    answer_files: Sequence[Path], judge: Judge, targets: Mapping[str, str], journal: Path
) -> StancesEstimate:
    """Estimate the requests and cost of `write_stances`. Nothing is asked or written."""
    check_answers(answer_files, targets)
    answers = sum(pq.read_metadata(file).num_rows for file in answer_files)
    return StancesEstimate(answers, judge.estimate(_all_prompts(answer_files, judge, targets), journal))


def judge_table(
    rows: pl.DataFrame, judge: Judge, targets: Mapping[str, str], journal: Path, counts: Counts | None = None
) -> pl.DataFrame:
    """Judge a table in memory as `write_stances` does, and return the same rows with COLUMNS; add to `counts`."""
    _check_columns("answers", rows.schema)
    _check_texts("answers", rows.lazy(), targets)
    judge.judge(filter(None, _prompts(rows, judge, targets)), journal)
    with Journal.read(journal) as store:
        return _judged(rows, judge, targets, store, counts or Counts())


def check_answers(answer_files: Sequence[Path], targets: Mapping[str, str]) -> None:
    """Raise the errors of `write_stances` if the files can't be judged."""
    first = _schema(answer_files[0])
    for file in answer_files:
        schema = _schema(file)
        _check_columns(file, schema)
        if schema != first:
            raise ArtifactError(file, dict(schema), f"the columns of {answer_files[0]}")
        _check_texts(file, pl.scan_parquet(file), targets)


def _check_columns(place: Path | str, schema: Mapping[str, pl.DataType]) -> None:
    require_columns(place, schema, TEXTS)
    if taken := [name for name in COLUMNS if name in schema]:
        raise ArtifactError(place, taken, "answers without the columns that judging adds")


def _check_texts(place: Path | str, rows: pl.LazyFrame, targets: Mapping[str, str]) -> None:
    texts = rows.select(TEXTS)
    if sum(texts.null_count().collect(engine="streaming").row(0)):
        raise ArtifactError(place, "nulls", f"a text in each of {', '.join(TEXTS)}")
    require_targets(texts.select("topic").unique().collect(engine="streaming")["topic"], targets)


def _schema(file: Path) -> pl.Schema:
    """Return the columns of a table of answers that its stances have too."""
    return pl.Schema((name, kind) for name, kind in pl.read_parquet_schema(file).items() if name not in REASONED)


def _tables(files: Sequence[Path], columns: Sequence[str] | None = (*TEXTS, "unclosed")) -> Iterator[pl.DataFrame]:
    for file in files:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(_BATCH, columns=columns):
                yield pl.DataFrame(batch)


def _all_prompts(files: Sequence[Path], judge: Judge, targets: Mapping[str, str]) -> Iterator[str]:
    return (prompt for table in _tables(files) for prompt in filter(None, _prompts(table, judge, targets)))


def _prompts(table: pl.DataFrame, judge: Judge, targets: Mapping[str, str]) -> Iterator[str | None]:
    """Yield each answer's prompt; None for an answer that ends within its reasoning."""
    unclosed = table["unclosed"] if "unclosed" in table.columns else [False] * table.height
    for (topic, question, answer), lacks_answer in zip(table.select(TEXTS).iter_rows(), unclosed, strict=True):
        filled = fill_judge_prompt(judge.template, question, answer, targets[topic], judge.settings.labels)
        yield None if lacks_answer else filled


def _write(
    files: Sequence[Path], judge: Judge, targets: Mapping[str, str], store: Journal, draft: Path, counts: Counts
) -> None:
    schema = pl.DataFrame(schema={**_schema(files[0]), **COLUMNS}).to_arrow().schema
    with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        for table in _tables(files, columns=None):
            writer.write_table(_judged(table, judge, targets, store, counts).to_arrow().cast(schema))
        made_by = {
            "judge": judge.name,
            "prompt": judge.settings.prompt,
            "prompt_hash": prompt_hash(judge.template),
            "labels": json.dumps(judge.settings.labels),
            "max_unassigned": str(judge.settings.max_unassigned),
        }
        writer.add_key_value_metadata(parquet_metadata(made_by | counts.as_metadata()))


def _judged(
    table: pl.DataFrame, judge: Judge, targets: Mapping[str, str], store: Journal, counts: Counts
) -> pl.DataFrame:
    rows = []
    for prompt in _prompts(table, judge, targets):
        keys = () if prompt is None else judge.keys(prompt)
        one = judge.judgement(judge.records(prompt, store)) if prompt is not None else _NO_ANSWER
        counts.add(keys[0] if keys else None, one)
        tokens = one.prompt_tokens + one.completion_tokens
        stances = one.stances or (None,) * 3
        rows.append((*stances, one.unassigned, one.bound, one.samples, one.flag, one.latency, tokens))
    refusals = [is_refusal(answer) for answer in table["answer"]]
    counts.refusals += sum(refusals)
    # There is no standard error of a single reply.
    others = pl.when(pl.col("samples") > 1).then(pl.col("samples") - 1)
    names = (*PROBABILITIES, "unassigned", "p_bound", "samples", "flag", "judge_latency", "judge_tokens")
    judged = pl.DataFrame(rows, schema={name: COLUMNS[name] for name in names}, orient="row").with_columns(
        *((pl.col(p) * (1 - pl.col(p)) / others).sqrt().alias(f"{p}_se") for p in PROBABILITIES),
        judge=pl.lit(judge.name),
        prompt_hash=pl.lit(prompt_hash(judge.template)),
        refusal=pl.Series(refusals, dtype=pl.Boolean),
    )
    return table.drop(REASONED, strict=False).hstack(judged.select(list(COLUMNS)))
