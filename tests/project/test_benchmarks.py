"""What the benchmarks measure and compute."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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


def test_flops_are_six_a_parameter_and_the_attention(benchmark: ModuleType) -> None:
    assert benchmark.flops_per_token(1_000, 2, 8, 16) == 6 * 1_000 + 12 * 2 * 8 * 16


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
