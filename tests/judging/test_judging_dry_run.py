"""`valuedrift judge --dry-run`, as it is typed and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from doubles.endpoint import endpoint
from judging_examples import TARGETS, generations

from valuedrift.cli import main
from valuedrift.judging.dry_run import dry_run_text
from valuedrift.judging.stances import StancesEstimate
from valuedrift.llm.cost import Estimate

PRICED = {"input_price": 2.0, "output_price": 10.0, "requests_per_minute": 2}


def told(folder: Path, llm: dict[str, Any], capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    (folder / "prompt.txt").write_text(f"{200 * 'About'} {{target}}: {{answer}}")
    settings = {
        "prompt": f"{folder}/prompt.txt",
        "llm": {"backend": "http", "model": "m", "url": "http://127.0.0.1:9/v1"} | llm,
    }
    generations().write_parquet(folder / "answers.parquet")
    arguments = ["--settings", json.dumps(settings), "--targets", json.dumps(TARGETS)]
    files = ["--answers", f"{folder}/answers.parquet", "--journal", f"{folder}/replies", "--out", f"{folder}/out"]
    assert main(["judge", *arguments, *files, *more]) == 0
    return capsys.readouterr().out.splitlines()


def test_what_is_asked_and_paid_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(tmp_path, PRICED, capsys, "--dry-run") == [
        "answers                                   6",
        "different requests                        5",
        "already in the journal                    0",
        "to ask                                    5",
        "prompt tokens, about                  1,787",
        "completion tokens, at most                5",
        "cost, synchronous API (dollars)      0.0036",
        "cost, Batch API (dollars)            0.0018",
        "time, at least (rate limits)     2 min 30 s",
    ]
    assert not (tmp_path / "replies").exists()


def test_what_the_journal_holds_is_not_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with endpoint(repeat) as url:
        told(tmp_path, {"url": url}, capsys)
    assert told(tmp_path, {}, capsys, "--dry-run") == [
        "answers                     6",
        "different requests          5",
        "already in the journal      5",
        "to ask                      0",
        "prompt tokens, about        0",
        "completion tokens, at most  0",
        "No cost: the judge's settings have neither input_price nor output_price.",
    ]


def test_a_judge_in_a_folder_has_no_price() -> None:
    found = StancesEstimate(1000, Estimate(1000, 1000, 300_000, 1000, 0.0, 0.0, 0.0))
    assert dry_run_text(found, None).splitlines()[-1] == "completion tokens, at most    1,000"


def repeat(body: dict[str, Any]) -> dict[str, Any]:
    """The word that a judge is asked to repeat, or another one's stance."""
    asked = body["messages"][0]["content"]
    word = asked.split()[-1] if asked.startswith("Repeat") else "support"
    return {"text": word, "top_logprobs": [(word, -0.1)]}
