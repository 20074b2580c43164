"""The exam of a judge: answers of known stance show how often it is right, on which ones, and at what price."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.errors import ValueDriftError
from valuedrift.judging.dry_run import dry_run_text
from valuedrift.judging.exam.robustness import SHARE, compare, variants
from valuedrift.judging.exam.scores import accuracy_rows, calibration, confusion_rows, with_verdicts
from valuedrift.judging.judge import Judge
from valuedrift.judging.judge_prompt import fill_judge_prompt, require_targets
from valuedrift.judging.judgement import Judgement
from valuedrift.judging.stances import TEXTS, StancesEstimate
from valuedrift.llm.cost import Estimate
from valuedrift.llm.journal import Journal
from valuedrift.quantities import dollars
from valuedrift.statistics.panel import PROBABILITIES
from valuedrift.templates import prompt_hash


@dataclass(frozen=True)
class Exam:
    """An exam to take.

    Attributes:
        name: The judge's name in the configuration.
        judge: The judge.
        answers: A table with `topic, question, answer, true_stance, said` (see `exam_answers`), and the columns that
            group answers.
        targets: Topic → its target.
        journal: File of the judge's replies; prompts with replies aren't asked again.
        robustness: Whether a part of the answers is asked with other prompts as well.
    """

    name: str
    judge: Judge
    answers: pl.DataFrame
    targets: Mapping[str, str]
    journal: Path
    robustness: bool = False

    @property
    def repeated(self) -> pl.DataFrame:
        """The answers that are asked with other prompts."""
        return self.answers.gather_every(SHARE)

    @property
    def variants(self) -> dict[str, str]:
        return variants(self.judge.template) if self.robustness else {}

    def prompts(self, answers: pl.DataFrame, template: str) -> list[str]:
        """Return the filled prompt of each answer."""
        require_targets(answers["topic"], self.targets)
        labels = self.judge.settings.labels
        rows = answers.select(TEXTS).iter_rows()
        return [
            fill_judge_prompt(template, question, text, self.targets[topic], labels) for topic, question, text in rows
        ]

    def all_prompts(self) -> list[str]:
        """Return every prompt of the exam."""
        first = self.prompts(self.answers, self.judge.template)
        return first + [prompt for text in self.variants.values() for prompt in self.prompts(self.repeated, text)]


def estimate_text(exam: Exam) -> str:
    """Return the numbers and the highest price of the requests. Nothing is asked."""
    return dry_run_text(StancesEstimate(exam.answers.height, _estimate(exam)), exam.judge.settings.llm)


def require_consent(exam: Exam, pay: bool) -> None:
    """Raise ValueDriftError with the highest price if the exam costs money and `pay` is false."""
    found = _estimate(exam)
    price = found.dollars_batch if _in_batches(exam) else found.dollars
    if price and not pay:
        raise ValueDriftError(
            f"The exam of judge '{exam.name}' costs at most {dollars(price)} dollars. Add --pay to take it, or "
            "--dry-run to see what it consists of."
        )


def take_exam(exam: Exam) -> tuple[dict[str, Any], pl.DataFrame]:
    """Ask the judge, and compute the numbers.

    Returns:
        The numbers as JSON: `judge`, `model`, `prompt_hash`, `labels`; `accuracy` and `confusion` (`accuracy_rows`,
        `confusion_rows`); `calibration`; `unassigned`, the mean probability outside the labels; `flags`, why answers
        have no stance, with their numbers; `per_second`, answers per second (null if no reply was needed, or in
        batches); `prompt_tokens, completion_tokens, dollars` of the answers' replies; `robustness` (`compare`), empty
        if not asked for. And the answers with the judge's probabilities and stance.
    """
    judge, first = exam.judge, exam.prompts(exam.answers, exam.judge.template)
    speed = _ask(exam, exam.all_prompts())
    found = _judgements(exam, first)
    judged = _judged(exam.answers, found)
    before = judged.gather_every(SHARE)
    robustness = [
        compare(before, _judged(exam.repeated, _judgements(exam, exam.prompts(exam.repeated, text))), name)
        for name, text in exam.variants.items()
    ]
    paid = dict(zip(first, found, strict=True)).values()  # equal prompts are asked once
    outside = [one.unassigned for one in found if one.unassigned is not None]
    numbers = {
        "judge": exam.name,
        "model": judge.name,
        "prompt_hash": prompt_hash(judge.template),
        "labels": list(judge.settings.labels),
        "accuracy": accuracy_rows(judged),
        "confusion": confusion_rows(judged),
        "calibration": calibration(judged),
        "unassigned": math.fsum(outside) / len(outside) if outside else None,
        "flags": dict(sorted(Counter(one.flag for one in found if one.flag).items())),
        "per_second": speed,
        "prompt_tokens": sum(one.prompt_tokens for one in paid),
        "completion_tokens": sum(one.completion_tokens for one in paid),
        "dollars": math.fsum(one.dollars for one in paid),
        "robustness": robustness,
    }
    return numbers, judged


def _estimate(exam: Exam) -> Estimate:
    return exam.judge.estimate(exam.all_prompts(), exam.journal)


def _ask(exam: Exam, prompts: Sequence[str]) -> float | None:
    """Ask the judge, and return the prompts per second, without the time that it takes to load."""
    in_batches = _in_batches(exam)
    if not in_batches:
        exam.judge.judge(prompts[:1], exam.journal)
    number, start = exam.judge.estimate(prompts, exam.journal).to_send, time.monotonic()
    exam.judge.judge(prompts, exam.journal)
    return None if in_batches or not number else number / (time.monotonic() - start)


def _in_batches(exam: Exam) -> bool:
    llm = exam.judge.settings.llm
    return llm is not None and llm.backend == "batch"


def _judgements(exam: Exam, prompts: Sequence[str]) -> list[Judgement]:
    judge = exam.judge
    with Journal.read(exam.journal) as store:
        return [judge.judgement(judge.records(prompt, store)) for prompt in prompts]


def _judged(answers: pl.DataFrame, found: Sequence[Judgement]) -> pl.DataFrame:
    schema = {**dict.fromkeys((*PROBABILITIES, "unassigned"), pl.Float64), "flag": pl.String}
    rows = [(*(one.stances or (None,) * 3), one.unassigned, one.flag) for one in found]
    return with_verdicts(answers.hstack(pl.DataFrame(rows, schema, orient="row")))
