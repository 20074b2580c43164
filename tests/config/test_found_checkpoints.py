"""Checkpoints that exist already: which steps a stage has, what it follows, and what is wrong with it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from valuedrift.config.check import complete
from valuedrift.config.found_checkpoints import Found, found_checkpoints
from valuedrift.config.grid import FOUND, TRAINED, Run, grid_runs
from valuedrift.config.stages import Stage
from valuedrift.errors import ValueDriftError

CONFIG: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "workflow_config.yaml").read_text())
TRACING = {"probes": {"source": "builtin"}, "generation": {}, "judge": "pocket"}


def model(folder: Path, **config: object) -> Path:
    """A folder that looks like a model to everything that doesn't load it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", "hidden_size": 48, **config}))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def found(**stage: Any) -> tuple[Found, ...]:
    found_checkpoints.cache_clear()
    return found_checkpoints(Stage.read(stage), "stage")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for step in (1000, 500):
        model(tmp_path / "run" / f"checkpoint-{step}")
    return tmp_path / "run"


def test_steps_are_numbers_in_names_in_their_order_and_other_folders_are_left_alone(run: Path) -> None:
    (run / "runs").mkdir()
    (run / "checkpoint-tmp").mkdir()
    (run / "checkpoint-7.tar").touch()
    there = found(folder=str(run), pattern="checkpoint-{step}")
    assert [(one.step, one.source) for one in there] == [
        (step, {"folder": f"{run}/checkpoint-{step}"}) for step in (500, 1000)
    ]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("step_{step:04d}", {25: "step_0025", 1375: "step_1375"}),
        ("{step}/hf", {25: "25/hf", 1375: "1375/hf"}),
        ("epoch*/step{step}", {25: "epoch-0/step25", 1375: "epoch-1/step1375"}),
        ("5e-5-step{step}-tokens*B", {25: "5e-5-step25-tokens1B", 1375: "5e-5-step1375-tokens2B"}),
        ("global.step[{step}]", {25: "global.step[25]", 1375: "global.step[1375]"}),
    ],
)
def test_any_naming(tmp_path: Path, pattern: str, names: dict[int, str]) -> None:
    for name in names.values():
        model(tmp_path / name)
    model(tmp_path / "globalXstep7")
    (tmp_path / "logs").mkdir()
    there = found(folder=str(tmp_path), pattern=pattern)
    assert {one.step: one.source["folder"] for one in there} == {n: f"{tmp_path}/{name}" for n, name in names.items()}


def test_steps_may_be_listed(run: Path) -> None:
    model(run / "checkpoint-best")
    assert [one.step for one in found(folder=str(run), pattern="checkpoint-{step}", steps=[1000])] == [1000]
    ranged = {"from": 500, "to": 1000, "every": 500}
    assert [one.step for one in found(folder=str(run), pattern="checkpoint-{step}", steps=ranged)] == [500, 1000]
    single = found(folder=str(run / "checkpoint-500"))
    assert [(one.step, one.source) for one in single] == [(1, {"folder": f"{run}/checkpoint-500"})]
    assert [one.step for one in found(folder=str(run / "checkpoint-500"), steps=[500])] == [500]


def test_places_on_the_hub_need_no_network() -> None:
    hub = {"name": "me/mine", "revisions": "step{step}", "subfolder": "model"}
    there = found(hub=hub, steps={"from": 20, "to": 40, "every": 20})
    assert [one.source["hub"] for one in there] == [
        {"name": "me/mine", "revision": f"step{step}", "subfolder": "model"} for step in (20, 40)
    ]


def test_the_identity_of_a_checkpoint_changes_with_its_files(run: Path) -> None:
    def identities() -> list[str]:
        return [one.identity for one in found(folder=str(run), pattern="checkpoint-{step}")]

    before, weights = identities(), run / "checkpoint-500/model.safetensors"
    (run / "checkpoint-500/optimizer.pt").touch()
    assert identities() == before
    os.utime(weights, ns=(0, weights.stat().st_mtime_ns + 1))
    changed = identities()
    assert changed[0] != before[0]
    assert changed[1] == before[1]


def half(run: Path) -> None:
    (run / "checkpoint-1500").mkdir()
    (run / "checkpoint-1500/config.json").write_text("{}")


def other(run: Path) -> None:
    model(run / "checkpoint-1500", hidden_size=96)


def pickled(run: Path) -> None:
    (run / "checkpoint-1500").mkdir()
    (run / "checkpoint-1500/pytorch_model.bin").touch()


def best(run: Path) -> None:
    model(run / "checkpoint-best")


def twice(run: Path) -> None:
    model(run / "checkpoint-0500")


def cut(run: Path) -> None:
    (run / "checkpoint-500/config.json").write_text("{")


def nothing(_: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "stage", "told"),
    [
        (half, {}, "'stage': found '.*checkpoint-1500 with config.json', expected a model: config.json and"),
        (cut, {}, "'stage': found .*checkpoint-500.*expected a folder with a model"),
        (pickled, {}, "checkpoint-1500: found 'pickled weights .*Convert them: python"),
        (other, {}, "'stage': found 'hidden_size 96 in .*-1500', expected hidden_size 48, as in .*-500.*two stages"),
        (best, {}, r"'stage.pattern': found \"'best' for {step} in .*expected a number. Move the folder, or list"),
        (twice, {}, "'stage.pattern': found 'step 500 in .*expected each step once"),
        (nothing, {"pattern": "step_{step}"}, r"'step_{step}', expected .*: checkpoint-1000, checkpoint-500. Did you"
         r" mean 'checkpoint-{step}'\?"),
        (nothing, {"steps": [500, 700]}, "'stage.steps': found 700, expected a step that is in .*: 500, 1000"),
        (nothing, {"folder": "nowhere"}, "'stage.folder': found 'nowhere', expected a folder that exists"),
        (lambda run: model(run / "a{b}/checkpoint-1"), {"pattern": "a*/checkpoint-{step}"}, "a path without { and }"),
        (lambda run: model(run / "checkpoint-²"), {}, "'²' for {step} in .*expected a number"),
        (nothing, {"steps": {"from": 9, "to": 1, "every": 1}}, "every: 1000} with 1 to 10,000 steps"),
        (nothing, {"pattern": "checkpoint"}, "expected a name with {step} once, such as checkpoint-{step}"),
        (nothing, {"pattern": "{step}/{step}"}, "expected a name with {step} once"),
        (nothing, {"pattern": "{step:x}"}, "expected a name with {step} once"),
        (nothing, {"steps": {"from": 1, "to": 2}}, "expected a list of steps, or {from: 1000"),
        (nothing, {"hub": {"name": "a/b"}}, "found 'folder and hub', expected exactly one of folder, hub"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line(run: Path, spoil: Any, stage: dict[str, Any], told: str) -> None:
    spoil(run)
    with pytest.raises(ValueDriftError, match=told) as caught:
        found(**{"folder": str(run), "pattern": "checkpoint-{step}", **stage})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ({"hub": {"name": "a/b", "revisions": "step{step}"}}, "'steps': found nothing, expected the steps that are"),
        (
            {"hub": {"name": "a/b", "revisions": "s{step}", "revision": "x"}, "steps": [1]},
            "no such key beside revisions",
        ),
        ({"hub": {"name": "a/b"}, "steps": [1, 2]}, "expected one step: nothing here has {step}"),
        ({"hub": {"name": "a/b"}, "pattern": "{step}"}, "its keys are revisions and subfolders"),
    ],
)
def test_what_is_wrong_on_the_hub_is_told(stage: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueDriftError, match=told):
        found(**stage)


def lineage(root: Path, stages: dict[str, dict[str, Any]], suite: str = "tracing", **base: Any) -> dict[str, Run]:
    """The runs of a model with these stages, each of which has the checkpoints 10 and 20."""
    found_checkpoints.cache_clear()
    entries = {}
    for name, stage in stages.items():
        if not (root / name).exists():
            for step in (10, 20):
                model(root / name / f"s{step}")
        entries[name] = {"folder": str(root / name), "pattern": "s{step}", **stage}
    suites = {**CONFIG["suites"], "tracing": TRACING}
    config = complete({"models": {"m": {"suite": suite, "stages": entries, **base}}, "suites": suites})
    return {run.lineage: run for run in grid_runs(config, "m")}


def test_stages_follow_each_other_and_may_branch(tmp_path: Path) -> None:
    stages = {"sft": {}, "dpo": {"after": "sft"}, "rl": {"after": "dpo"}, "apo": {"after": "sft"}}
    runs = lineage(tmp_path, stages, folder="base")
    assert list(runs) == ["sft", "sft/dpo", "sft/dpo/rl", "sft/apo"]
    assert [(run.parent, run.parent_step) for run in runs.values()] == [
        ("base", 0), ("sft", 20), ("sft/dpo", 20), ("sft", 20),
    ]  # fmt: skip
    assert runs["sft/dpo/rl"].trajectory() == {
        "run": "sft/dpo/rl", "algorithm": "rl", "data": "", "sft": "sft",
        "start_run": "sft/dpo", "start_step": 20, "steps": [10, 20],
    }  # fmt: skip
    assert runs["sft/dpo"].checkpoints == [f"{tmp_path}/dpo/s10", f"{tmp_path}/dpo/s20"]


def test_without_a_base_model_a_stage_starts_at_its_own_first_checkpoint(tmp_path: Path) -> None:
    sft, dpo = lineage(tmp_path, {"sft": {}, "dpo": {"after": "sft"}}).values()
    first = sft.trajectory()
    assert (first["start_run"], first["start_step"], first["steps"]) == ("sft", 10, [20])
    assert dpo.trajectory()["steps"] == [10, 20]


def test_found_and_trained_runs_follow_each_other(tmp_path: Path) -> None:
    grid = {"sft": ["wildchat"], "preference": [{"sft": ["theirs"], "data": ["ultrafeedback"], "algorithms": ["ppo"]}]}
    suite = {**CONFIG["suites"]["pocket"], "grid": grid}
    CONFIG["suites"]["mixed"] = suite
    runs = lineage(tmp_path, {"theirs": {}, "rl": {"after": "sft-wildchat"}}, "mixed", folder="base")
    assert list(runs) == ["sft-wildchat", "theirs", "sft-wildchat/rl", "theirs/reward-ultrafeedback",
                          "theirs/ppo-ultrafeedback"]  # fmt: skip
    trained = runs["theirs/ppo-ultrafeedback"]
    assert (trained.parent, trained.parent_step, trained.reward) == ("theirs", 20, "theirs/reward-ultrafeedback")
    assert runs["sft-wildchat/rl"].parent_step == runs["sft-wildchat"].steps[-1]


@pytest.mark.parametrize(
    ("stages", "base", "told"),
    [
        (
            {"dpo": {"after": "stf"}, "sft": {}},
            {},
            r"'models\.m\.stages\.dpo\.after': found 'stf', expected .* run: sft",
        ),
        ({"dpo": {"after": "base"}}, {}, "found 'base', expected an earlier stage or run: none"),
        ({"dpo": {"after": "dpo"}}, {"folder": "b"}, "found 'dpo', expected an earlier stage or run: base"),
    ],
)
def test_what_a_stage_follows_is_there(tmp_path: Path, stages: Any, base: dict[str, str], told: str) -> None:
    with pytest.raises(ValueDriftError, match=told):
        lineage(tmp_path, stages, **base)


def test_step_0_belongs_to_what_a_stage_follows(tmp_path: Path) -> None:
    model(tmp_path / "sft/s0")
    with pytest.raises(ValueDriftError, match=r"'models\.m\.stages\.sft\.steps': found 0, expected steps above 0"):
        lineage(tmp_path, {"sft": {}}, folder="base")
    assert lineage(tmp_path, {"sft": {}})["sft"].steps == (0,)


def test_lineages_tell_found_runs_from_trained_ones() -> None:
    for pattern, other, names in (
        (FOUND, TRAINED, ("sft", "sft/dpo", "sft-chats/rl", "theirs_2")),
        (TRAINED, FOUND, ("base", "sft-chats", "sft-chats/dpo-pairs-beta-0-5", "theirs_2/dpo-pairs")),
    ):
        assert all(re.fullmatch(pattern, name) and not re.fullmatch(other, name) for name in names)
