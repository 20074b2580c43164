"""How a job's number of GPUs becomes processes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from valuedrift.errors import ConfigError
from valuedrift.training.launch import launcher

ROOT = Path(__file__).parents[2]
ACCELERATE = ROOT / "envs" / "accelerate"


def settings(**changed: Any) -> dict[str, Any]:
    return {"batch_size": 32, "device_batch_size": 1, "bf16": True, **changed}


@pytest.mark.parametrize("gpus", [0, 1])
@pytest.mark.parametrize("algorithm", ["sft", "ppo"])
def test_one_gpu_or_none_is_one_process(algorithm: str, gpus: int) -> None:
    assert launcher(algorithm, settings(), gpus, ACCELERATE) == ""


@pytest.mark.parametrize(
    ("algorithm", "gpus", "file"), [("sft", 2, "2-gpus"), ("dpo", 8, "8-gpus"), ("ppo", 8, "whole")]
)
def test_several_gpus_are_as_many_processes_by_the_configuration_for_them(algorithm: str, gpus: int, file: str) -> None:
    words = shlex.split(launcher(algorithm, settings(), gpus, ACCELERATE))
    assert words[:2] == ["accelerate", "launch"] and words[-1] == "-m"
    given = dict(zip(words[2:-1:2], words[3:-1:2], strict=True))
    assert given["--config_file"] == str(ACCELERATE / f"{file}.yaml")
    assert given["--num_processes"] == str(gpus)
    divided = yaml.safe_load(Path(given["--config_file"]).read_text())["distributed_type"] == "FSDP"
    assert divided == (algorithm != "ppo")


def test_a_number_of_gpus_that_does_not_divide_the_batch_stops_before_the_job_starts() -> None:
    with pytest.raises(ConfigError, match=r"3 device\(s\) = 3 rows.* to divide batch_size \(32\)"):
        launcher("ppo", settings(), 3, ACCELERATE)


@pytest.mark.parametrize(("bf16", "precision"), [(True, "bf16"), (False, "no")])
def test_the_runs_own_precision_is_launched(bf16: bool, precision: str) -> None:
    assert f"--mixed_precision {precision} " in launcher("sft", settings(bf16=bf16), 2, ACCELERATE)


def test_a_number_of_gpus_without_a_configuration_is_named_with_those_that_have_one() -> None:
    with pytest.raises(ConfigError, match=r"resources\.gpu': found 16, expected 1, 2, 4, 8\. Or write .*16-gpus\.yaml"):
        launcher("sft", settings(), 16, ACCELERATE)


@pytest.mark.slow
def test_two_processes_are_launched_as_the_rule_does(make_job: Any, tmp_path: Path) -> None:
    """On CPUs (gloo), by the same words, of which the configuration for whole weights works there."""
    job = make_job("sft", device_batch_size=2, epochs=1)
    pl.concat([pl.read_parquet(job.data)] * 2).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "2-gpus.yaml").write_text((ACCELERATE / "whole.yaml").read_text())
    given = {key: value for key, value in job.settings.model_dump().items() if value is not None}
    command = f"""{launcher("sft", given, 2, tmp_path)} valuedrift train --algorithm sft
        --settings {shlex.quote(json.dumps(given))} --seed 0 --base {job.base} --init {job.init}
        --data {tmp_path / "rows.parquet"} --out {tmp_path / "run"} --resume {tmp_path / "resume"} --steps 2 3"""
    environment = {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for expected in ("starts at step 0", "another process has finished this run"):
        done = subprocess.run(
            ["bash", "-c", command.replace("\n", " ")],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(expected) == 1, "one process speaks for both"
    losses = pl.read_parquet(tmp_path / "run" / "metrics.parquet").filter(pl.col("metric") == "loss")
    assert losses["step"].to_list() == [1, 2, 3]
