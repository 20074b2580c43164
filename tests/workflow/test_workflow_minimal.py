"""Jobs that run again do what is missing: the commands that the rules call, counted by what they ask and answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chat_model import reply
from doubles.endpoint import endpoint

from valuedrift.cli import main

QUESTIONS = {"work-0": "Do we need remote work ?", "climate-0": "Can wind farms be justified ?"}
TARGETS = {"work": "the interests of workers", "climate": "action against climate change"}


def write_probes(file: Path, questions: dict[str, str]) -> Path:
    rows = [{"topic": key.split("-")[0], "question_id": key, "question": text} for key, text in questions.items()]
    pl.DataFrame(rows).write_parquet(file)
    return file


def generated(base: Path, folder: Path, answers: int, questions: dict[str, str], said: Any) -> int:
    """How many answers `valuedrift generate` generates in this folder, whatever is there."""
    probes = write_probes(folder / "probes.parquet", questions)
    sampling = json.dumps({"answers": answers, "temperature": 0.7, "max_tokens": 4, "batch_size": 8, "seed": 0})
    command = ["generate", "--model", "tiny", "--run", "base", "--base", str(base), "--probes", str(probes)]
    command += ["--sampling", sampling, "--engine", "transformers", "--checkpoints", str(base)]
    out = folder / "answers.parquet"
    assert main([*command, "--store", str(folder / "store"), "--out", str(out)]) == 0
    assert pl.read_parquet(out).height == answers * len(questions)
    return sum(int(count) for count in re.findall(r"step-\d+: (\d+) answers, ", said.readouterr().err))


def test_answers_that_are_more_and_a_new_question_are_answered_alone(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = {"work-0": QUESTIONS["work-0"]}
    assert generated(base, tmp_path, 5, one, capsys) == 5
    assert generated(base, tmp_path, 8, one, capsys) == 3
    assert generated(base, tmp_path, 8, QUESTIONS, capsys) == 8
    assert generated(base, tmp_path, 8, QUESTIONS, capsys) == 0


class Endpoint:
    """A judge's endpoint that counts what it is asked, the check of labels aside."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, body: dict[str, Any]) -> dict[str, Any] | str:
        prompt = body["messages"][0]["content"]
        if not prompt.startswith("Repeat this word"):
            self.asked.append(prompt)
        return reply(body)


def asked(url: str, judge: Endpoint, folder: Path, targets: dict[str, str], **limits: Any) -> list[str]:
    """What `valuedrift judge` asks in this folder, whatever its journal holds."""
    llm = {"backend": "http", "model": "double", "url": url, **limits}
    settings = json.dumps({"prompt": "stance", "llm": llm})
    command = ["judge", "--settings", settings, "--targets", json.dumps(targets)]
    command += ["--journal", str(folder / "journal.jsonl"), "--answers", str(folder / "answers.parquet")]
    assert main([*command, "--out", str(folder / "stances.parquet")]) == 0
    new, judge.asked = judge.asked, []
    return new


def test_only_what_is_new_is_judged(tmp_path: Path) -> None:
    def answer(questions: dict[str, str]) -> None:
        rows = [
            {"topic": key.split("-")[0], "question": text, "answer": f"Yes , {n} ."}
            for key, text in questions.items()
            for n in range(3)
        ]
        pl.DataFrame(rows).write_parquet(tmp_path / "answers.parquet")

    judge = Endpoint()
    with endpoint(judge) as url:
        answer(QUESTIONS)
        assert len(asked(url, judge, tmp_path, TARGETS)) == 6
        edited = asked(url, judge, tmp_path, TARGETS | {"work": "trade unions"})
        assert len(edited) == 3
        assert all("trade unions" in prompt for prompt in edited)
        answer(QUESTIONS | {"climate-1": "Why ?"})
        assert len(asked(url, judge, tmp_path, TARGETS)) == 3
        assert asked(url, judge, tmp_path, TARGETS, budget=1, input_price=1, concurrency=1, timeout=5) == []
