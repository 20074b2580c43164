"""Runs of every algorithm: what they leave, what they read, and how they fail."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from training_rows import PAPER, ROLLOUTS, Finished, MakeJob, logged, preferences
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from valuedrift.errors import ArtifactError
from valuedrift.training.algorithms import ALGORITHMS
from valuedrift.training.train import train


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def weights(folder: Path) -> list[bytes]:
    """The bytes of every checkpoint's weights, in order."""
    return [(path / "model.safetensors").read_bytes() for path in checkpoints(folder)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_run_leaves_its_checkpoints_and_metrics_and_nothing_else(
    make_job: MakeJob, finished: Finished, base: Path, algorithm: str
) -> None:
    """Checkpoints are the policy's weights, all of which training has moved."""
    folder, steps = finished(algorithm), make_job(algorithm).steps
    assert {path.name for path in folder.iterdir()} == {*(f"step-{step:06d}" for step in steps), "metrics.parquet"}
    tensors = [load_file(base / "model.safetensors")]
    for path in checkpoints(folder):
        names = {file.name for file in path.iterdir()} - {"generation_config.json"}
        assert names == {"config.json", "model.safetensors"}
        tensors.append(load_file(path / "model.safetensors"))
        head = {"score.weight"} if algorithm == "reward" else set()
        assert {name: t.shape for name, t in tensors[0].items()} == {
            name: t.shape for name, t in tensors[-1].items() if name not in head
        }
        (AutoModelForSequenceClassification if head else AutoModelForCausalLM).from_pretrained(path)
    for before, after in pairwise(tensors):
        assert all(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_metrics_are_a_long_table_up_to_the_last_step(make_job: MakeJob, finished: Finished, algorithm: str) -> None:
    metrics, last = pl.read_parquet(finished(algorithm) / "metrics.parquet"), make_job(algorithm).steps[-1]
    assert metrics.schema == {"step": pl.Int64, "metric": pl.String, "value": pl.Float64}
    assert metrics["step"].max() == last
    names = {"loss", "grad_norm", "learning_rate", "num_tokens"} if algorithm in PAPER else {"loss"}
    if algorithm in ROLLOUTS:
        names |= {"kl"}
    elif algorithm in ("reward", "dpo", "simpo"):
        names |= {"reward_margin"}
    for name in names:
        steps = metrics.filter(pl.col("metric") == name)["step"].unique().sort().to_list()
        assert [step for step in steps if step] == list(range(1, last + 1)), name
    unwanted = [name for name in metrics["metric"].unique() if "second" in name or "time" in name or name == "eps"]
    assert unwanted == []


@pytest.mark.parametrize("algorithm", ROLLOUTS)
def test_rollouts_are_anchored_to_the_checkpoint_they_start_from(finished: Finished, algorithm: str) -> None:
    first, *later = logged(finished(algorithm), "kl")
    assert first == pytest.approx(0, abs=1e-4)
    assert max(map(abs, later)) > 1e-3


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_seed_gives_the_same_bytes_without_reading_planted_stances_and_another_seed_others(
    make_job: MakeJob, finished: Finished, data: dict[str, Path], tmp_path: Path, algorithm: str
) -> None:
    columns = ["messages"] if algorithm == "sft" else ["prompt", "chosen", "rejected"]
    pl.read_parquet(data[algorithm], columns=columns).write_parquet(tmp_path / "bare.parquet")
    again, other = make_job(algorithm, job={"data": tmp_path / "bare.parquet"}), make_job(algorithm, job={"seed": 1})
    torch.rand(3)
    train(again)
    train(other)
    assert weights(again.folder) == weights(finished(algorithm))
    assert weights(other.folder) != weights(finished(algorithm))


@pytest.mark.parametrize("algorithm", PAPER)
def test_another_number_of_steps_than_the_grid_says_is_an_error(make_job: MakeJob, algorithm: str) -> None:
    job = make_job(algorithm, job={"steps": (1, 7)})
    with pytest.raises(ArtifactError, match=rf"found '{3 if algorithm == 'ppo' else 4} steps', expected 7 steps"):
        train(job)
    assert not (job.folder / "metrics.parquet").exists()
    assert not (job.folder / ".trainer").exists()


def test_the_folder_of_trainers_is_there_until_all_processes_have_ended(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainers still read it after their last step, and the processes of a run share it."""
    job = make_job("sft")
    waited = []
    monkeypatch.setattr("valuedrift.training.train.wait_for_all", lambda: waited.append(job.scratch.exists()))
    train(job)
    assert (waited, job.scratch.exists()) == ([True], False)


@pytest.mark.parametrize("algorithm", PAPER)
def test_a_missing_starting_checkpoint_is_named(make_job: MakeJob, tmp_path: Path, algorithm: str) -> None:
    gone = tmp_path / "step-000009"
    with pytest.raises(ArtifactError, match=r"step-000009: found 'nothing', expected config\.json"):
        train(make_job(algorithm, job={"init": gone}))


@pytest.mark.parametrize("algorithm", ROLLOUTS)
def test_a_missing_reward_model_is_named(make_job: MakeJob, tmp_path: Path, algorithm: str) -> None:
    with pytest.raises(ArtifactError, match=r"step-000008: found 'nothing', expected config\.json"):
        train(make_job(algorithm, job={"reward_model": tmp_path / "step-000008"}))
    with pytest.raises(ArtifactError, match=f"'no reward model', expected {algorithm.upper()} to be given"):
        train(make_job(algorithm, job={"reward_model": None}))


@pytest.mark.parametrize("algorithm", ["grpo", "rloo"])
def test_groups_that_dont_fill_a_batch_are_refused(make_job: MakeJob, algorithm: str) -> None:
    with pytest.raises(ArtifactError, match="found '6 prompts', expected at least the 8 prompts of one batch"):
        train(make_job(algorithm, batch_size=16, device_batch_size=16))


@pytest.mark.parametrize("algorithm", PAPER)
def test_no_rows_are_an_error_that_names_the_file(
    make_job: MakeJob, data: dict[str, Path], tmp_path: Path, algorithm: str
) -> None:
    file = tmp_path / "empty.parquet"
    pl.read_parquet(data[algorithm]).clear().write_parquet(file)
    with pytest.raises(ArtifactError, match=r"empty\.parquet: found 'no rows', .* Filter less"):
        train(make_job(algorithm, job={"data": file}))


def test_ppo_refuses_less_than_one_batch_instead_of_waiting_forever(make_job: MakeJob) -> None:
    with pytest.raises(ArtifactError, match="found '6 prompts', expected at least one batch of 8"):
        train(make_job("ppo", batch_size=8))


@pytest.mark.parametrize("algorithm", ["reward", "dpo", "simpo"])
def test_pairs_beyond_the_limits_are_cut_and_none_is_dropped(make_job: MakeJob, tmp_path: Path, algorithm: str) -> None:
    """A dropped pair would change the number of steps, which a run refuses."""
    foxes = "\N{FOX FACE}" * 50
    preferences([foxes] * 3, [foxes + "!"] * 3, ["No ."] * 3).write_parquet(tmp_path / "foxes.parquet")
    limits = {"max_length": 31, "response_length": 15, "batch_size": 1, "device_batch_size": 1, "epochs": 1}
    job = make_job(algorithm, job={"data": tmp_path / "foxes.parquet"}, **limits)
    train(job)
    assert checkpoints(job.folder)[-1].name == "step-000003"
