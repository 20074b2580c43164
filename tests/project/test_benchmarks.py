"""What the benchmarks measure and compute."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from valuedrift.workflow.job_costs import JobCosts
from valuedrift.workflow.job_graph import Job
from valuedrift.workflow.job_sizes import MEASURED, Sizes
from valuedrift.workflow.project import Project

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

# A process that holds 40 MiB while its child holds 60.
TREE = """
import subprocess, sys
own = bytearray(40 << 20)
subprocess.run([sys.executable, "-c", "import time; own = bytearray(60 << 20); time.sleep(0.5)"])
"""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_benchmark", BENCHMARKS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pocket() -> ModuleType:
    return load("pocket")


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return load("training")


@pytest.fixture(scope="module")
def machine() -> ModuleType:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(BENCHMARKS))
        return load("machine")


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> JobCosts:
    """The repository's configuration, with the package's speeds."""
    project = Project.read(yaml.safe_load((BENCHMARKS.parent / "workflow_config.yaml").read_text()))
    return JobCosts(Sizes(project, tmp_path_factory.mktemp("empty")))


def run(seconds: float, loss: float) -> dict[str, Any]:
    clocks = dict.fromkeys(("train", "job", "process", "cpu"), seconds)
    return {**clocks, "tokens": 1_000, "peak_mib": 500.0, "loss": loss, "padding": 0.25}


def test_short_data_is_repeated_from_its_beginning(benchmark: ModuleType) -> None:
    assert [row["id"] for row in benchmark.rows_for([{"id": 0}, {"id": 1}, {"id": 2}], 5)] == [0, 1, 2, 0, 1]


def test_the_loss_is_that_of_the_last_ten_steps_that_both_logged() -> None:
    history = [{"step": step, "loss": float(step)} for step in range(1, 26)] + [{"step": 20, "x": 5.0}]
    last_loss = load("training_once").last_loss
    assert last_loss(history, "loss", 25) == 15.5
    assert last_loss(history[:4], "loss", 4) == 2.5


def test_ratios_are_of_medians_and_above_one_where_ours_is_faster(benchmark: ModuleType) -> None:
    runs = {"ours": [run(s, 1.0) for s in (1.0, 2.0, 90.0)], "stock": [run(s, 1.5) for s in (4.0, 3.0, 0.1)]}
    ours, stock = benchmark.table("dpo", runs)
    assert "| dpo | ours | 500 (1.00)" in ours
    assert "| dpo | stock | 333 (1.50)" in stock
    assert "| 500 | 25% | 1.5000 (1.5000 to 1.5000) |" in stock


PARTS: dict[str, Any] = {
    "model": {"parameters": 10**9},
    "sft": {"speeds": [900.0, 1000.0, 5000.0], "process": 30.0, "train": 10.0, "peak_mib": 2048.0},
    "ppo": {"speeds": [100.0], "peak_mib": 1.0},
    "transformers": {"tokens": 600, "read": 400, "seconds": 10.0, "exchange": 3.0, "peak_mib": 1.0},
    "judge": {"answers": 50, "read": 5000, "seconds": 10.0, "peak_mib": 1.0},
}


def test_speeds_are_those_of_the_plan(machine: ModuleType, costs: JobCosts) -> None:
    """A PPO token trains two models; the passes of the others and the rollout come on top."""
    settings = {"sft": {"gradient_checkpointing": True}, "ppo": {"gradient_checkpointing": True, "ppo_epochs": 4}}
    found = machine.rates(PARTS, settings, costs)
    training, scoring = 8e9 * 1000, 2e9 * 500
    ppo = 1 / 100 - 2 * 8e9 / training - 4 * 2e9 / 4 / scoring
    expected = {"training": training, "scoring": scoring, "answering": 2e9 * 100, "swap": 3.0, "start": 20.0}
    assert found == pytest.approx(expected | {"rollout": 2e9 / 4 / ppo})
    assert machine.rates({**PARTS, "vllm": {**PARTS["transformers"], "seconds": 1.0}}, settings, costs)[
        "answering"
    ] == pytest.approx(2e9 * 1000)
    # Where the other speeds explain all of a PPO step, rollouts take a tenth of it.
    quick = {**PARTS, "ppo": {"speeds": [1000.0]}}
    assert machine.rates(quick, settings, costs)["rollout"] == pytest.approx(2e9 / 4 / (0.1 / 1000))
    assert machine.rates({"model": PARTS["model"]}, settings, costs) == {}


def test_measurements_are_shown_with_the_share_of_the_peak(machine: ModuleType) -> None:
    lines = machine.table({"1B": PARTS}, 1e14)
    assert "| 1B | sft | 1,000 | 6.0% |  |  | 2.0 |" in lines
    assert "| 1B | transformers | 60 |  | 3.00 |  | 0.0 |" in lines
    assert "| 1B | judge |  |  |  | 5.0 | 0.0 |" in lines


@pytest.mark.slow
def test_a_plan_uses_the_speeds_that_the_benchmark_measured(costs: JobCosts, tmp_path: Path) -> None:
    """To its end, on a CPU with a tiny model."""
    command = [sys.executable, str(BENCHMARKS / "machine.py"), "--sizes", "tiny", "--out", str(tmp_path / MEASURED)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stderr and "skipped" not in done.stderr
    assert len(re.findall(r"^\| tiny \| (sft|dpo|ppo|transformers|judge) \|", done.stdout, re.MULTILINE)) == 5
    speeds = yaml.safe_load((tmp_path / MEASURED).read_text())["cpu"]
    assert speeds.keys() == {"training", "scoring", "answering", "rollout", "swap", "start"}
    job = Job("sft", "pocket/sft-wildchat")
    before = costs.work(job)
    model = costs.project.models["pocket"]
    operations = 6 * costs.sizes.parameters(model.entry) * before.tokens
    now = JobCosts(Sizes(costs.project, tmp_path)).work(job)
    assert now.seconds == pytest.approx(speeds["start"] + operations / speeds["training"])
    assert now.seconds != before.seconds


def test_memory_is_the_sum_over_the_process_tree(pocket: ModuleType, tmp_path: Path) -> None:
    cost = pocket.measure([sys.executable, "-c", TREE], tmp_path / "log.txt")
    assert 100 < cost.peak_mib < 250
    assert 0.5 < cost.seconds < 30


def test_a_failing_run_ends_the_benchmark_with_its_log(pocket: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="status 3:\nout of luck"):
        pocket.measure([sys.executable, "-c", "print('out of luck'); raise SystemExit(3)"], tmp_path / "log.txt")


def test_jobs_are_read_from_a_dry_run(pocket: ModuleType) -> None:
    output = "job      count\n-----  -----\nstances     12\nreport       1\ntotal       13\n\nReasons:\n"
    assert pocket.wanted(output) == [("stances", 12), ("report", 1), ("total", 13)]
    assert pocket.wanted("Nothing to be done") == [("total", 0)]
