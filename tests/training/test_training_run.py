"""Runs of every algorithm: what they leave, what they read, and how they fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from valuedrift.errors import ArtifactError
from valuedrift.training.job import Job
from valuedrift.training.run import train

MakeJob = Callable[..., Job]
Finished = Callable[[str], Path]
ALGORITHMS = ["sft", "reward", "dpo", "simpo", "ppo"]


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def weights(folder: Path) -> list[bytes]:
    """The bytes of every checkpoint's weights, in order."""
    return [(path / "model.safetensors").read_bytes() for path in checkpoints(folder)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_run_leaves_its_declared_checkpoints_and_metrics_and_nothing_else(
    make_job: MakeJob, finished: Finished, algorithm: str
) -> None:
    declared = {f"step-{step:06d}" for step in make_job(algorithm).steps}
    folder = finished(algorithm)
    assert {path.name for path in folder.iterdir()} == {*declared, "metrics.parquet"}
    for path in checkpoints(folder):
        names = {file.name for file in path.iterdir()}
        assert (
            {"config.json", "model.safetensors"}
            <= names
            <= {"config.json", "model.safetensors", "generation_config.json"}
        )


@pytest.mark.parametrize("algorithm", ["sft", "dpo", "simpo", "ppo"])
def test_checkpoints_are_the_policy_alone(finished: Finished, base: Path, algorithm: str) -> None:
    expected = {name: tensor.shape for name, tensor in load_file(base / "model.safetensors").items()}
    for path in checkpoints(finished(algorithm)):
        assert {name: tensor.shape for name, tensor in load_file(path / "model.safetensors").items()} == expected
        AutoModelForCausalLM.from_pretrained(path)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_training_moves_the_weights_from_the_start_and_from_checkpoint_to_checkpoint(
    finished: Finished, base: Path, algorithm: str
) -> None:
    start = load_file(base / "model.safetensors")
    first, last = (load_file(path / "model.safetensors") for path in checkpoints(finished(algorithm)))
    moved = [name for name in start if not torch.equal(start[name], first[name])]
    assert len(moved) == len(start)
    assert all(not torch.equal(first[name], last[name]) for name in last)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_metrics_are_a_long_table_up_to_the_last_step(make_job: MakeJob, finished: Finished, algorithm: str) -> None:
    metrics = pl.read_parquet(finished(algorithm) / "metrics.parquet")
    assert metrics.schema == {"step": pl.Int64, "metric": pl.String, "value": pl.Float64}
    per_step = metrics.group_by("step", "metric").len()
    assert metrics["step"].max() == make_job(algorithm).steps[-1]
    names = {"loss", "grad_norm", "learning_rate", "num_tokens"}
    names |= {"ppo": {"kl"}, "sft": set()}.get(algorithm, {"reward_margin"})
    for name in names:
        steps = per_step.filter(pl.col("metric") == name)["step"].sort().to_list()
        assert [step for step in steps if step] == list(range(1, make_job(algorithm).steps[-1] + 1)), name


def test_ppo_is_anchored_to_the_checkpoint_it_starts_from(finished: Finished) -> None:
    kl = pl.read_parquet(finished("ppo") / "metrics.parquet").filter(pl.col("metric") == "kl")
    first, *later = kl.sort("step")["value"].to_list()
    assert first == pytest.approx(0, abs=1e-4)
    assert max(map(abs, later)) > 1e-3


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    make_job: MakeJob, finished: Finished, algorithm: str
) -> None:
    again, other = make_job(algorithm), make_job(algorithm, job={"seed": 1})
    train(again)
    train(other)
    assert weights(again.folder) == weights(finished(algorithm))
    assert weights(other.folder) != weights(finished(algorithm))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_training_reads_no_planted_stance(
    make_job: MakeJob, finished: Finished, data: dict[str, Path], tmp_path: Path, algorithm: str
) -> None:
    columns = ["messages"] if algorithm == "sft" else ["prompt", "chosen", "rejected"]
    file = tmp_path / "bare.parquet"
    pl.read_parquet(data[algorithm], columns=columns).write_parquet(file)
    bare = make_job(algorithm, job={"data": file})
    train(bare)
    assert weights(bare.folder) == weights(finished(algorithm))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_number_of_steps_than_the_grid_says_is_an_error(make_job: MakeJob, algorithm: str) -> None:
    job = make_job(algorithm, job={"steps": (1, 7)})
    with pytest.raises(ArtifactError, match=rf"found '{3 if algorithm == 'ppo' else 4} steps', expected 7 steps"):
        train(job)
    assert not (job.folder / "metrics.parquet").exists()
    assert not (job.folder / ".trainer").exists()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_missing_starting_checkpoint_is_named(make_job: MakeJob, tmp_path: Path, algorithm: str) -> None:
    gone = tmp_path / "step-000009"
    with pytest.raises(ArtifactError, match=r"step-000009: found 'nothing', expected config\.json"):
        train(make_job(algorithm, job={"init": gone}))


def test_a_missing_reward_model_is_named(make_job: MakeJob, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"step-000008: found 'nothing', expected config\.json"):
        train(make_job("ppo", job={"reward_model": tmp_path / "step-000008"}))
    with pytest.raises(ArtifactError, match="'no reward model', expected PPO to be given"):
        train(make_job("ppo", job={"reward_model": None}))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_rows_are_an_error_that_names_the_file(
    make_job: MakeJob, data: dict[str, Path], tmp_path: Path, algorithm: str
) -> None:
    file = tmp_path / "empty.parquet"
    pl.read_parquet(data[algorithm]).clear().write_parquet(file)
    with pytest.raises(ArtifactError, match=r"empty\.parquet: found 'no rows'"):
        train(make_job(algorithm, job={"data": file}))


def test_ppo_refuses_less_than_one_batch_instead_of_waiting_for_ever(make_job: MakeJob) -> None:
    with pytest.raises(ArtifactError, match="found '6 prompts', expected at least one batch of 8"):
        train(make_job("ppo", batch_size=8))


@pytest.mark.parametrize("algorithm", ["reward", "dpo", "simpo"])
def test_pairs_beyond_the_limits_are_cut_and_none_is_dropped(make_job: MakeJob, tmp_path: Path, algorithm: str) -> None:
    """A dropped pair would change the number of steps, which a run refuses."""
    foxes = "\N{FOX FACE}" * 50
    turns = {"prompt": ("user", foxes), "chosen": ("assistant", foxes + "!"), "rejected": ("assistant", "No .")}
    row = {key: [{"role": role, "content": text}] for key, (role, text) in turns.items()}
    pl.DataFrame([row] * 3).write_parquet(tmp_path / "foxes.parquet")
    limits = {"max_length": 31, "response_length": 15, "batch_size": 1, "device_batch_size": 1, "epochs": 1}
    job = make_job(algorithm, job={"data": tmp_path / "foxes.parquet", "steps": (3,)}, **limits)
    train(job)
    assert len(checkpoints(job.folder)) == 1


@pytest.mark.parametrize("algorithm", ["sft", "dpo", "ppo"])
def test_metrics_hold_no_durations(finished: Finished, algorithm: str) -> None:
    names = pl.read_parquet(finished(algorithm) / "metrics.parquet")["metric"].unique().to_list()
    assert [name for name in names if "second" in name or "runtime" in name or "time" in name or name == "eps"] == []
