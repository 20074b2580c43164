"""What rules ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pipeline import REPOSITORY

from valuedrift.workflow.job_graph import job_graph

ASKED = {"gpu", "cpus_per_task", "mem_mb", "runtime"}


def rules_with(folder: Path, *options: str) -> list[Any]:
    """The rules that run something."""
    given = ["--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(folder)]
    given += ["--configfile", str(REPOSITORY / "workflow_config.yaml"), *options]
    with job_graph(["results/configuration.yaml"], given) as workflow:
        return [rule for rule in workflow.rules if rule.shellcmd]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return rules_with(tmp_path_factory.mktemp("rules"))


def test_every_rule_says_what_it_needs(rules: list[Any]) -> None:
    assert [rule.name for rule in rules if not set(rule.resources) >= ASKED] == []


def test_commands_say_how_many_gpus_they_may_use(rules: list[Any]) -> None:
    """By this a machine without a batch system gives each job devices of its own."""
    with_gpu = {rule.name for rule in rules if rule.resources["gpu"] != 0}
    assert {"generate", "stances", "synthetic_pairs", "train_pocket_sft_alpaca"} < with_gpu
    assert {rule.name for rule in rules if "GPUS={resources.gpu} " in rule.shellcmd} == with_gpu


def test_no_attempt_asks_for_more_time_than_the_first_of_a_training_run(rules: list[Any]) -> None:
    """Slurm never starts what asks for more than its partition allows."""
    retries = yaml.safe_load(Path(REPOSITORY / "profiles/slurm/config.yaml").read_text())["retries"]
    minutes = {}
    for rule in rules:
        runtime = rule.resources["runtime"]
        minutes[rule.name] = (runtime.evaluate({}, attempt=1 + retries) if runtime.is_evaluable() else runtime).value
    assert max(minutes.values()) == minutes["train_pocket_sft_alpaca"] == 2880


def test_default_resources_are_for_training_runs(tmp_path: Path) -> None:
    changed = {rule.name: rule for rule in rules_with(tmp_path, "--default-resources", "gpu=8", "runtime=600")}
    for name, amounts in {"train_qwen3_4b_sft_wildchat": [8, 600], "generate": [1, 720]}.items():
        assert [int(changed[name].resources[kind].raw) for kind in ("gpu", "runtime")] == amounts
