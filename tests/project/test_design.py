"""The design page: its picture is that of the imports, and its examples of additions work."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from doubles import report
from doubles.display import configuration

from valuedrift.display import display_settings
from valuedrift.files import write_parquet
from valuedrift.statistics.noise import answer_noise

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "src/valuedrift"
PAGE = (REPOSITORY / "docs/design.md").read_text(encoding="utf-8")


def rooms() -> list[str]:
    return sorted(folder.parent.name for folder in PACKAGE.glob("*/__init__.py"))


def imports() -> dict[str, set[str]]:
    """The rooms that each room imports, be it at its modules' top or where a function runs."""
    found: dict[str, set[str]] = {}
    for room in rooms():
        trees = [ast.parse(file.read_text(encoding="utf-8")) for file in (PACKAGE / room).rglob("*.py")]
        nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        named = [
            name for node in nodes for name in [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
        ]
        found[room] = {name.split(".")[1] for name in named if name.startswith("valuedrift.")} & set(rooms()) - {room}
    return found


def reached(room: str, graph: dict[str, set[str]]) -> Iterator[str]:
    for other in graph[room]:
        yield other
        yield from reached(other, graph)


def test_the_picture_is_that_of_the_imports() -> None:
    graph = imports()
    assert all(room not in set(reached(room, graph)) for room in graph), "a cycle"
    needed = {
        (room, other)
        for room, others in graph.items()
        for other in others
        if not any(other in set(reached(via, graph)) for via in others - {other})
    }
    arrows = re.findall(r"^    (\w+) --> ([\w & ]+)$", PAGE, re.MULTILINE)
    drawn = {(room, other) for room, others in arrows for other in others.split(" & ")}
    picture = "\n".join(
        f"    {room} --> {' & '.join(sorted(other for owner, other in needed if owner == room))}"
        for room in sorted({owner for owner, _ in needed})
    )
    assert drawn == needed, f"docs/design.md should draw:\n{picture}"


def test_every_room_is_described() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == rooms()


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with all of the page's examples added."""
    copy = tmp_path_factory.mktemp("extended")
    shutil.copytree(PACKAGE, copy / "src/valuedrift", ignore=shutil.ignore_patterns("__pycache__"))
    step = re.compile(r"^(?:New file `(.+)`|In `(.+)`, before `(.+)`):\n\n```\w+\n((?s:.*?))```$", re.MULTILINE)
    for new, changed, anchor, text in step.findall(PAGE):
        if new:
            (copy / new).write_text(text, encoding="utf-8")
            continue
        before = (copy / changed).read_text(encoding="utf-8")
        assert before.count(f"{anchor}\n") == 1, f"{changed} has not one line {anchor!r}"
        (copy / changed).write_text(before.replace(f"{anchor}\n", f"{text}{anchor}\n"), encoding="utf-8")
    return copy


def valuedrift(copy: Path, *words: object) -> None:
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "valuedrift", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def test_the_example_of_an_algorithm_trains(extended: Path, base: Path, tmp_path: Path) -> None:
    pairs = [
        {
            "prompt": [{"role": "user", "content": f"What about {subject} ?"}],
            "chosen": [{"role": "assistant", "content": f"I support {subject} ."}],
            "rejected": [{"role": "assistant", "content": f"I oppose {subject} ."}],
        }
        for subject in ("wind farms", "rent control", "remote work", "open borders")
    ]
    pl.DataFrame(pairs).write_parquet(tmp_path / "pairs.parquet")
    config = yaml.safe_load((REPOSITORY / "workflow_config.yaml").read_text())
    settings = {**config["suites"]["pocket"]["training"]["dpo"], "batch_size": 2, "device_batch_size": 2, "epochs": 1}
    valuedrift(
        *(extended, "train", "--algorithm", "hinge", "--settings", json.dumps(settings), "--seed", 0, "--base", base),
        *("--init", base, "--data", tmp_path / "pairs.parquet", "--out", tmp_path / "run", "--steps", 1, 2),
    )
    assert sorted(folder.name for folder in (tmp_path / "run").glob("step-*")) == ["step-000001", "step-000002"]
    metrics = pl.read_parquet(tmp_path / "run/metrics.parquet")
    # Before its first step the policy is the reference: h is 0 for both answers, and the loss 1.
    assert metrics.filter(metric="loss", step=1)["value"].item() == pytest.approx(1)


def test_the_example_of_a_data_format_is_read(extended: Path, tmp_path: Path) -> None:
    row = {"instruction": "Why?", "context": "Wind is free.", "response": "It blows anyway."}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    settings = {"name": "mine", "title": "Mine", "licence": "CC0", "format": "dolly", "rows": 1}
    settings["files"] = [str(tmp_path / "rows.jsonl")]
    valuedrift(extended, "prepare", "--settings", json.dumps(settings), "--seed", 0, "--out", tmp_path / "data")
    (messages,) = pl.read_parquet(tmp_path / "data/train.parquet")["messages"].to_list()
    assert [turn["content"] for turn in messages] == ["Wind is free.\n\nWhy?", "It blows anyway."]


def test_the_example_of_a_judge_judges(extended: Path, base: Path, tmp_path: Path) -> None:
    answers = pl.DataFrame([report.answer("I support them.")]).drop("^p_.*$", "unassigned", "refusal", "flag")
    answers.write_parquet(tmp_path / "answers.parquet")
    settings = {"prompt": "short", "max_unassigned": 1.0, "labels": ["F", "N", "A"]}
    targets = {"climate": "wind farms"}
    valuedrift(
        *(extended, "judge", "--judge", base, "--settings", json.dumps(settings), "--targets", json.dumps(targets)),
        *("--journal", tmp_path / "j.jsonl", "--answers", tmp_path / "answers.parquet"),
        *("--out", tmp_path / "s.parquet"),
    )
    (stance,) = pl.read_parquet(tmp_path / "s.parquet").to_dicts()
    assert sum(stance[f"p_{name}"] for name in ("support", "neutral", "oppose")) == pytest.approx(1)


def test_the_example_of_a_table_is_written(extended: Path, tmp_path: Path) -> None:
    statistics = tmp_path / "pocket"
    write_parquet(statistics / "drift.parquet", report.drift())
    write_parquet(statistics / "values.parquet", report.INPUTS.values)
    noise = answer_noise("pocket", report.RUNS[0], next(iter(report.TOPICS)), np.full((2, 3), 0.0002), 0.95)
    write_parquet(statistics / "noise.parquet", noise)
    write_parquet(statistics / "health.parquet", report.INPUTS.health)
    write_parquet(statistics / "framing.parquet", report.INPUTS.framing)
    config = configuration(["pocket"], report.TOPICS, table_1_topics=["climate"], figure_formats=["svg"])
    shown = display_settings(config, ["pocket"], "table_1_topics", "figure_formats")
    valuedrift(
        *(extended, "drift", "--statistics", statistics, "--display", json.dumps(shown), "--out", tmp_path / "shown"),
    )
    table = pl.read_csv(tmp_path / "shown/tables/largest_drifts.csv")
    assert table.select("run", "stance", "magnitude").rows() == [(run, "support", 0.53) for run in report.RUNS]
