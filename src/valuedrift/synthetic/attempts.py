"""Write answers in a limited number of attempts: write, judge, and request failed answers again with another seed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from valuedrift.config.synthetic_pairs import WriterSettings
from valuedrift.llm.request import ChatReply, ChatRequest
from valuedrift.statistics.panel import PROBABILITIES
from valuedrift.synthetic.check_answers import Fault, reply_fault, stance_fault
from valuedrift.synthetic.writer_requests import SIDES, Task, Topics, read_writer_prompt, request_seed, writing_request

Ask = Callable[[Sequence[ChatRequest]], list[ChatReply]]
Judge = Callable[[pl.DataFrame], pl.DataFrame]
"""Takes `topic, question, answer`; returns these rows with `p_support, p_neutral, p_oppose, unassigned` added."""

JUDGED = (*PROBABILITIES, "unassigned")

_TEXTS = ("topic", "question", "answer")
_TASK = {"prompt_id": pl.String, "topic": pl.String, "side": pl.String}
_ANSWER = _TASK | {"answer": pl.String, **dict.fromkeys(JUDGED, pl.Float64), "seed": pl.Int64, "attempts": pl.Int64}
_FAILURE = _TASK | {"prompt": pl.String, "reason": pl.String, "attempts": pl.Int64}


@dataclass(frozen=True)
class Written:
    """The result of all attempts.

    Attributes:
        answers: Answers that passed: `prompt_id, topic, side, answer, p_…, unassigned, seed, attempts`.
        failures: Failed answers of all attempts: `prompt_id, topic, side, prompt, reason, attempts`.
    """

    answers: pl.DataFrame
    failures: pl.DataFrame


def write_answers(prompts: pl.DataFrame, topics: Topics, ask: Ask, judge: Judge, settings: WriterSettings) -> Written:
    """Write both answers to every prompt (`prompt_id, topic, prompt`), in at most `settings.attempts` attempts.

    The result depends only on the arguments and on the replies of `ask` and `judge`. If both store their replies, an
    interrupted run that is started again requests only the missing ones and gives the same tables.
    """
    template = read_writer_prompt(settings.template)
    rows = prompts.select("prompt_id", "topic", "prompt").iter_rows()
    tasks = [Task(name, topic, prompt, side) for name, topic, prompt in rows for side in SIDES]
    answers: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    for attempt in range(settings.attempts):
        if not tasks:
            break
        print(f"attempt {attempt + 1} of {settings.attempts}: {len(tasks)} answers to write", file=sys.stderr)
        replies = ask([writing_request(task, attempt, template, topics, settings) for task in tasks])
        passed, failed = check(tasks, replies, judge, settings.minimum)
        for task, found in passed:
            seed = request_seed(settings.seed, task.prompt_id, attempt)
            answers.append({**vars(task), **found, "seed": seed, "attempts": attempt + 1})
        failures += [{**vars(task), "reason": str(why), "attempts": attempt + 1} for task, why in failed]
        tasks = [task for task, _ in failed]
    return Written(pl.DataFrame(answers, schema=_ANSWER), pl.DataFrame(failures, schema=_FAILURE))


def check(
    tasks: Sequence[Task], replies: Sequence[ChatReply], judge: Judge, minimum: float
) -> tuple[list[tuple[Task, dict[str, Any]]], list[tuple[Task, Fault]]]:
    """Return the tasks whose answers pass, with answer and stances, and those whose answers fail, with the fault."""
    faults = [reply_fault(reply) for reply in replies]
    texts = [
        (task.topic, task.prompt, reply.text.strip())
        for task, reply, fault in zip(tasks, replies, faults, strict=True)
        if not fault
    ]
    stances = iter(judge_texts(texts, judge))
    passed, failed = [], []
    for task, fault in zip(tasks, faults, strict=True):
        found = {} if fault else next(stances)
        fault = fault or stance_fault(tuple(found[name] for name in PROBABILITIES), task.side, minimum)
        if fault:
            failed.append((task, fault))
        else:
            passed.append((task, found))
    return passed, failed


def judge_texts(texts: Sequence[tuple[str, str, str]], judge: Judge) -> list[dict[str, Any]]:
    """Return `answer, p_…, unassigned` of each (topic, question, answer), in order; repeated ones are judged once."""
    if not texts:
        return []
    table = pl.DataFrame(texts, schema=dict.fromkeys(_TEXTS, pl.String), orient="row")
    judged = judge(table.unique(maintain_order=True))
    return table.join(judged, on=_TEXTS, how="left", maintain_order="left").select("answer", *JUDGED).to_dicts()
