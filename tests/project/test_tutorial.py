"""The tutorial's file is the one that it builds, and its commands make a report."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from doubles.endpoint import endpoint
from test_readme import REPOSITORY, WORKFLOW, blocks, succeed

PAGE = REPOSITORY / "docs/tutorial.md"
FILES = REPOSITORY / "tests/tutorial"


def merged(first: Any, second: Any) -> Any:
    """Dictionaries merge, all else is replaced: how Snakemake lays one configuration over another."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return second
    return {**first, **{key: merged(first.get(key), value) for key, value in second.items()}}


def stance(body: dict[str, Any]) -> dict[str, Any]:
    """A judge's reply: of three stances, one by the length of what it reads."""
    labels = ("support", "neutral", "oppose")
    first = len(body["messages"][-1]["content"]) % 3
    shares = [0.8 if number == first else 0.1 for number in range(3)]
    top = sorted(([label, math.log(share)] for label, share in zip(labels, shares, strict=True)), key=lambda p: -p[1])
    return {"text": top[0][0], "top_logprobs": top}


def test_the_parts_of_the_page_make_the_file() -> None:
    built: dict[str, Any] = {}
    for language, text in blocks(PAGE):
        if language == "yaml":
            built = merged(built, yaml.safe_load(text))
    assert built == yaml.safe_load((FILES / "mine.yaml").read_text())


def test_the_counts_of_the_page_are_those_of_the_files() -> None:
    data = yaml.safe_load((FILES / "mine.yaml").read_text())["suites"]["mine"]["data"]
    rows = {name: len((FILES / f"{name}.jsonl").read_text().splitlines()) for name in data}
    assert rows["frank"] == data["frank"]["rows"]
    assert rows["helpful"] * (1 - data["helpful"]["validation"]) == data["helpful"]["rows"]


@pytest.mark.slow
@pytest.mark.workflow
def test_every_command_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the copied files to the report, with a judge that answers."""
    for name in (*WORKFLOW, "docs", "tests/tutorial"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    monkeypatch.setenv("MY_KEY", "none")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    commands = [line for language, text in blocks(PAGE) if language == "bash" for line in text.splitlines()]
    with endpoint(stance) as url:
        for command in commands:
            succeed(tmp_path, command)
            mine = tmp_path / "mine/mine.yaml"
            mine.write_text(mine.read_text().replace("http://localhost:8000/v1", url))
    results = tmp_path / "results"
    assert (results / "report/index.html").is_file()
    assert json.loads((results / "data/mine/helpful/card.json").read_text())["counts"]
    drift = pl.read_parquet(results / "statistics/mine/drift.parquet")
    assert set(drift["run"]) == {"sft-helpful", "sft-helpful/dpo-frank"}
    assert set(drift["topic"]) == {"animals", "screens", "all"}
    assert os.environ["MY_KEY"] not in (results / "configuration.yaml").read_text().split()
