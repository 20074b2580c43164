"""The benchmark's instruments: they see a process tree, and what a dry run lists."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/pocket.py"

# A process that holds 40 MiB while its child holds 60.
TREE = """
import subprocess, sys
own = bytearray(40 << 20)
subprocess.run([sys.executable, "-c", "import time; own = bytearray(60 << 20); time.sleep(0.5)"])
"""


@pytest.fixture(scope="module")
def pocket() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pocket_benchmark", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


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
