"""Runs on several devices: the same batches, the same losses, and files that one process writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file
from training_rows import MakeJob, final_weights, largest_difference, logged

from valuedrift.errors import ConfigError
from valuedrift.training.algorithms import ALGORITHMS
from valuedrift.training.devices import is_main, keep_to_one_gpu, processes
from valuedrift.training.job import Job, trainer_arguments
from valuedrift.training.launch import accumulation
from valuedrift.training.train import train

HERE = Path(__file__).parent
PATHS = ("base", "init", "data", "folder", "reward_model")
ROOT = HERE.parents[1]
# The others sample their answers on every device by its own seed; KTO estimates one divergence over all devices.
SAME = ["sft", "reward", "dpo", "simpo", "ipo", "orpo"]
LAUNCH = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def as_json(job: Job) -> dict[str, Any]:
    paths = {name: str(getattr(job, name)) for name in PATHS if getattr(job, name)}
    return {"settings": job.settings.model_dump(), **paths} | {
        name: getattr(job, name) for name in ("algorithm", "seed", "steps")
    }


@pytest.fixture(scope="module")
def jobs(make_job: MakeJob, data: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Job]:
    """Jobs of eight rows, in batches of four and device batches of two: one batch each on two devices."""
    folder = tmp_path_factory.mktemp("eight")
    made = {}
    for name in ALGORITHMS:
        rows = pl.read_parquet(data[name])
        pl.concat([rows, rows.head(2)]).write_parquet(folder / f"{name}.parquet")
        where = {"data": folder / f"{name}.parquet"}
        # At such a learning rate rounding does not grow into other answers within a few steps.
        made[name] = make_job(name, device_batch_size=2, learning_rate=1e-3, job=where)
    return made


def launch(jobs: dict[str, Job], folder: Path, *configuration: str) -> dict[str, Path]:
    """Run the jobs by two processes (gloo); gives their folders."""
    both = {name: replace(job, folder=folder / name) for name, job in jobs.items()}
    (folder / "jobs.json").write_text(json.dumps([as_json(job) for job in both.values()]))
    done = subprocess.run(
        [*LAUNCH, str(HERE / "launched.py"), str(folder / "jobs.json"), *configuration],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: job.folder for name, job in both.items()}


@pytest.fixture(scope="module")
def launched(jobs: dict[str, Job], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of the jobs as two processes run them, each with the whole model."""
    return launch(jobs, tmp_path_factory.mktemp("launched"))


@pytest.fixture(scope="module")
def divided(jobs: dict[str, Job], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same with the weights divided over the two, as the configuration for GPUs says."""
    some = {name: jobs[name] for name in (*SAME, "grpo")}
    return launch(some, tmp_path_factory.mktemp("divided"), str(ROOT / "envs" / "accelerate" / "4-gpus.yaml"))


@pytest.fixture(scope="module")
def alone(jobs: dict[str, Job]) -> Callable[[str], Path]:
    """The folder of a job that one process ran."""

    @cache
    def folder(algorithm: str) -> Path:
        train(jobs[algorithm])
        return jobs[algorithm].folder

    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["launched", "divided"])
@pytest.mark.parametrize("algorithm", SAME)
def test_two_processes_have_the_losses_and_the_weights_of_one(
    request: pytest.FixtureRequest, jobs: dict[str, Job], alone: Callable[[str], Path], algorithm: str, kind: str
) -> None:
    together = request.getfixturevalue(kind)[algorithm]
    assert logged(together, "loss") == pytest.approx(logged(alone(algorithm), "loss"), rel=1e-4)
    for step in jobs[algorithm].steps:
        files = (folder / f"step-{step:06d}" / "model.safetensors" for folder in (alone(algorithm), together))
        assert largest_difference(*map(load_file, files)) < 1e-5


@pytest.mark.slow
def test_answers_are_sampled_from_divided_weights(divided: dict[str, Path], base: Path) -> None:
    start, end = load_file(base / "model.safetensors"), final_weights(divided["grpo"])
    assert end.keys() == start.keys()
    assert all(not end[name].equal(start[name]) for name in start)


def test_ppo_refuses_divided_weights(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match=r"training\.ppo'.*FSDP.*can't sample from divided ones.*GRPO and RLOO"):
        ALGORITHMS["ppo"](make_job("ppo"), [])


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_process_writes_the_run_and_nothing_is_left_over(
    jobs: dict[str, Job], launched: dict[str, Path], algorithm: str
) -> None:
    names = {path.name for path in launched[algorithm].iterdir()}
    assert names == {*(f"step-{step:06d}" for step in jobs[algorithm].steps), "metrics.parquet"}
    steps = pl.read_parquet(launched[algorithm] / "metrics.parquet").filter(pl.col("metric") == "loss")["step"]
    assert steps.sort().to_list() == list(range(1, jobs[algorithm].steps[-1] + 1))


@pytest.mark.parametrize("devices", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize(("batch_size", "device_batch_size"), [(128, 1), (32, 1), (128, 4)])
def test_effective_batches_are_the_papers_on_any_number_of_devices(
    batch_size: int, device_batch_size: int, devices: int
) -> None:
    assert device_batch_size * devices * accumulation("sft", batch_size, device_batch_size, devices) == batch_size


@pytest.mark.parametrize(
    ("batch_size", "device_batch_size", "devices", "choices"),
    [(32, 8, 8, "1, 2, 4"), (32, 3, 1, "1, 2, 4, 8, 16, 32"), (4, 8, 1, "1, 2, 4"), (32, 1, 6, "nothing: 6 does not")],
)
def test_batches_that_cant_be_divided_are_an_error_with_the_numbers_and_the_choices(
    batch_size: int, device_batch_size: int, devices: int, choices: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        accumulation("dpo", batch_size, device_batch_size, devices)
    message = str(caught.value)
    key = "configuration key 'training.dpo.device_batch_size'"
    assert message.startswith(f"{key}: found {device_batch_size}, expected")
    assert f"{device_batch_size} × {devices} device(s) = {device_batch_size * devices} rows" in message
    assert f"divide batch_size ({batch_size})" in message
    assert f"With {devices} device(s) it can be {choices}" in message


def test_processes_are_counted_as_they_were_launched(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    assert (processes(), is_main()) == (1, True)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    assert (processes(), is_main()) == (4, False)
    arguments = trainer_arguments(make_job("sft", batch_size=16, device_batch_size=2))
    assert (arguments["per_device_train_batch_size"], arguments["gradient_accumulation_steps"]) == (2, 2)


@pytest.mark.parametrize(
    ("world", "visible", "kept"), [(None, None, "0"), (None, "2,3", "2"), ("1", "", ""), ("4", "0,1,2,3", "0,1,2,3")]
)
def test_a_single_process_keeps_to_one_gpu(
    monkeypatch: pytest.MonkeyPatch, world: str | None, visible: str | None, kept: str
) -> None:
    for name, value in (("WORLD_SIZE", world), ("CUDA_VISIBLE_DEVICES", visible)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    keep_to_one_gpu()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == kept


@pytest.mark.parametrize("gpus", [2, 4, 8])
def test_the_papers_numbers_of_gpus_have_a_configuration_each(gpus: int) -> None:
    file = ROOT / "envs" / "accelerate" / f"{gpus}-gpus.yaml"
    assert load_config_from_file(str(file)).num_processes == gpus
    found = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert (found["num_processes"], found["distributed_type"], found["mixed_precision"]) == (gpus, "FSDP", "bf16")
    sharding = found["fsdp_config"]
    assert (sharding["fsdp_version"], sharding["fsdp_state_dict_type"]) == (2, "FULL_STATE_DICT")
    # What trainers don't divide would otherwise stay empty on all processes but one.
    assert sharding["fsdp_cpu_ram_efficient_loading"] is False
    configuration = yaml.safe_load((ROOT / "workflow_config.yaml").read_text(encoding="utf-8"))
    for name, settings in configuration["suites"]["paper"]["training"].items():
        assert accumulation(name, settings["batch_size"], settings["device_batch_size"], gpus) >= 1
