"""Checkpoints are scored on a task of one's own, in the harness's format, without a network."""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from valuedrift.cli import main
from valuedrift.config.sampling import DownstreamSettings
from valuedrift.downstream import Score, evaluate, write_scores
from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.files import read_json

SETTINGS = DownstreamSettings(tasks=["piqa"], shots=5, batch_size=1)
needs_harness = pytest.mark.skipif(
    find_spec("lm_eval") is None, reason="lm_eval is not installed; envs/downstream.yaml has it"
)
TASK = """
task: tiny
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}\\nResponse:"
doc_to_choice: "{{choices}}"
doc_to_target: "{{label}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """A folder with a task of four questions, two with each label."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    rows = [{"question": f"Is {n} even?", "choices": ["yes", "no"], "label": n % 2} for n in range(4)]
    (folder / "tiny.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "tiny.yaml").write_text(TASK.replace("FILE", str(folder / "tiny.jsonl")))
    return folder


@pytest.fixture
def checkpoint(base: Path, tmp_path: Path) -> Path:
    """A checkpoint as trainers save it: without a tokenizer."""
    folder = tmp_path / "step-000012"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((base / name).read_bytes())
    return folder


@needs_harness
def test_a_checkpoint_is_scored_on_a_local_task(base: Path, checkpoint: Path, tasks: Path, tmp_path: Path) -> None:
    settings = DownstreamSettings(tasks=["tiny"], shots=0, batch_size=2, include_path=str(tasks))
    write_scores("pocket", "sft-wildchat", checkpoint, base, settings, tmp_path / "scores.json")
    found = read_json(tmp_path / "scores.json")
    assert (found["model"], found["run"], found["step"]) == ("pocket", "sft-wildchat", 12)
    assert found["harness"].startswith("lm_eval ")
    assert found["settings"]["tasks"] == ["tiny"]
    scores = {score["metric"]: score for score in found["scores"]}
    assert scores.keys() == {"acc", "acc_norm"}
    assert scores["acc"]["value"] in (0, 0.25, 0.5, 0.75, 1)
    assert scores["acc"]["questions"] == 4
    assert scores["acc"]["stderr"] >= 0


@needs_harness
def test_the_command_limits_questions_and_reads_settings(
    base: Path, checkpoint: Path, tasks: Path, tmp_path: Path
) -> None:
    settings = {"tasks": ["tiny"], "shots": 0, "batch_size": 1, "include_path": str(tasks), "limit": 2}
    out = tmp_path / "scores.json"
    arguments = ["--model", "pocket", "--run", "base", "--checkpoint", str(checkpoint), "--base", str(base)]
    assert main(["downstream", *arguments, "--settings", json.dumps(settings), "--out", str(out)]) == 0
    found = read_json(out)
    assert {score["questions"] for score in found["scores"]} == {2}
    assert {score["value"] for score in found["scores"]} <= {0, 0.5, 1}


@needs_harness
def test_an_unknown_task_is_named(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no_such_task"):
        write_scores("m", "r", checkpoint, base, SETTINGS.replace(tasks=["no_such_task"]), tmp_path / "s.json")


@pytest.mark.skipif(find_spec("lm_eval") is not None, reason="lm_eval is installed")
def test_an_absent_harness_is_said(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"lm_eval: found 'no such package'.*downstream\.yaml"):
        write_scores("m", "r", checkpoint, base, SETTINGS, tmp_path / "s.json")


def test_a_folder_that_is_no_checkpoint_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="a folder named like step-000100"):
        write_scores("m", "r", tmp_path, base, SETTINGS, tmp_path / "s.json")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A harness that notes what it is asked; `both` is a group, which has no questions of its own."""
    noted: dict[str, Any] = {}
    results = {"both": {"alias": "both", "acc,none": 0.5, "acc_stderr,none": "N/A"}, "tiny": {"acc,none": 1.0}}

    def simple_evaluate(**given: Any) -> dict[str, Any]:
        noted.update(given)
        return {"results": results, "n-samples": {"tiny": {"original": 9, "effective": 4}}}

    class TaskManager:
        def __init__(self, include_path: str | None) -> None:
            self.all_tasks = ["both", "tiny"]

    for name, content in {"lm_eval": simple_evaluate, "lm_eval.tasks": TaskManager}.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        setattr(module, content.__name__, content)
        monkeypatch.setitem(sys.modules, name, module)
    return noted


def test_settings_reach_the_harness_and_groups_have_scores(asked: dict[str, Any], tmp_path: Path) -> None:
    settings = DownstreamSettings(tasks=["both", "tiny"], shots=5, batch_size=16, limit=3, dtype="bfloat16")
    scores = evaluate(tmp_path / "step-000001", tmp_path / "base", settings)
    assert scores == [Score("both", "acc", 0.5, None, None), Score("tiny", "acc", 1.0, None, 4)]
    assert (asked["num_fewshot"], asked["batch_size"], asked["limit"]) == (5, 16, 3)
    assert asked["model_args"] == {
        "pretrained": str(tmp_path / "step-000001"),
        "tokenizer": str(tmp_path / "base"),
        "dtype": "bfloat16",
    }
