"""Checkpoints that exist already are traced: without training, and before or after training."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from pipeline import REPOSITORY, SHORT, counts, snakemake
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from valuedrift.files import read_json

pytestmark = pytest.mark.slow

SFT, DPO = "sft-wildchat", "sft-wildchat/dpo-synthetic-support"
WORDS = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
CHAT = {"template": "pocket", "eos": "<|end|>", "pad": "<|pad|>"}


def copied(finished: Path, run: str, place: str) -> list[int]:
    """Copy a run's checkpoints to a place with {step}, each with its tokenizer, as other trainers save them."""
    base = finished / "results/checkpoints/pocket/base/step-000000"
    steps = []
    for folder in sorted((finished / "results/checkpoints/pocket" / run).glob("step-*")):
        steps.append(int(folder.name.removeprefix("step-")))
        there = shutil.copytree(folder, Path(place.format(step=steps[-1])))
        for name in WORDS:
            shutil.copy2(base / name, there / name)
    return steps


def tracing(finished: Path, model: dict[str, Any], **suite: Any) -> dict[str, Any]:
    """The configuration of a model of a suite of its own, with the probes and the judge of the finished run."""
    results = finished / "results"
    judge = {"folder": str(results / "judges/pocket/model"), "prompt": "pocket", "chat": False, "batch_size": 512}
    probes = {"source": "questions", "file": str(results / "world/pocket/probes.csv")}
    generation = {"answers": 2, "temperature": 0.7, "max_tokens": 24, "batch_size": 400}
    return {
        "report": {"models": ["theirs"]},
        "judges": {"theirs": judge},
        "models": {"theirs": {"suite": "theirs", "chat": CHAT, **model}},
        "suites": {"theirs": {"probes": probes, "generation": generation, "judge": "theirs", **suite}},
    }


def values(folder: Path, model: str, run: str) -> pl.DataFrame:
    table = pl.read_parquet(folder / f"results/statistics/{model}/values.parquet").filter(run=run)
    return table.drop("model", "run", "algorithm", "data", "sft")


def stances(folder: Path, model: str, run: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"results/stances/{model}/{run}.parquet").drop("model", "run", "judge")


@pytest.fixture(scope="module")
def traced(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with the finished run's checkpoints under other names, traced, and its configuration."""
    folder = tmp_path_factory.mktemp("traced")
    copied(finished, "base", f"{folder}/start")
    copied(finished, SFT, f"{folder}/their sft/checkpoint-{{step}}")
    copied(finished, DPO, f"{folder}/dpo/global_step_{{step:04d}}/model")
    stages = {
        "sft": {"folder": "their sft", "pattern": "checkpoint-{step}"},
        "dpo": {"folder": "dpo", "pattern": "global_step_{step:04d}/model", "after": "sft", "tokens_per_step": 1e6},
    }
    config = tracing(finished, {"folder": "start", "stages": stages})
    config["machine"] = {"report_to": ["tensorboard"]}
    snakemake(folder, config=config)
    return folder, config


def test_found_checkpoints_have_the_values_of_the_run_that_trained_them(
    finished: Path, traced: tuple[Path, dict[str, Any]]
) -> None:
    folder, config = traced
    for run, found in (("base", "base"), (SFT, "sft"), (DPO, "sft/dpo")):
        assert stances(folder, "theirs", found).equals(stances(finished, "pocket", run))
        assert values(folder, "theirs", found).equals(values(finished, "pocket", run))
    assert not any((folder / "results/checkpoints/theirs").glob("sft*")), "found checkpoints are read where they are"
    assert "Nothing to be done" in snakemake(folder, config=config, options=("-n",))
    table = (folder / "results/drift/theirs/tables/stage_drift_theirs.md").read_text()
    assert "SFT" in table
    assert "DPO" in table
    assert {path.stem for path in (folder / "results/drift/theirs/figures").glob("*.svg")} >= {
        "trajectory_theirs_sft", "trajectory_theirs_sft_dpo", "drift",
    }  # fmt: skip
    record = read_json(folder / "results/provenance/generations/theirs/sft/shard-0.parquet.json")
    assert any("their sft" in path for path in record["inputs"])


def test_values_are_in_tensorboard_when_snakemake_ends(traced: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = traced
    for run in ("sft", "sft/dpo"):
        reader = EventAccumulator(str(folder / f"results/logs/values/tensorboard/theirs/{run}/values"))
        reader.Reload()
        rows = values(folder, "theirs", run).filter(topic="all", stance="support").sort("step")
        logged = [(event.step, event.value) for event in reader.Scalars("all/support")]
        assert logged == [(step, pytest.approx(value)) for step, value in rows.select("step", "value").iter_rows()]


def test_a_replaced_checkpoint_answers_again_and_a_new_one_is_added(
    finished: Path, traced: tuple[Path, dict[str, Any]]
) -> None:
    folder, config = traced
    last = max((folder / "dpo").iterdir())
    shutil.copytree(last, folder / "dpo/global_step_9999")
    added = counts(snakemake(folder, config=config, options=("-n",)))
    assert added["generate_found"] == 1
    shutil.rmtree(folder / "dpo/global_step_9999")
    older = folder / "their sft/checkpoint-4"
    shutil.rmtree(older)
    shutil.copytree(folder / "start", older)
    replaced = counts(snakemake(folder, config=config, options=("-n",)))
    assert replaced["generate_found"] == 1
    for stage in ("their sft", "dpo"):
        (folder / stage).rename(folder / "moved")
        said = snakemake(folder, config=config, options=("-n",), fails=True)
        assert f"found '{stage}', expected a folder that exists" in said, "results exist"
        (folder / "moved").rename(folder / stage)


def test_training_starts_from_a_found_stage_and_a_found_stage_follows_training(finished: Path, tmp_path: Path) -> None:
    pocket = yaml.safe_load((REPOSITORY / "workflow_config.yaml").read_text())["suites"]["pocket"]
    short = yaml.safe_load(SHORT.read_text())["suites"]["pocket"]
    data = "synthetic-support"
    made = {"files": [str(finished / f"results/world/pocket/{data}.parquet")]}
    suite: dict[str, Any] = {
        "data": {data: {**pocket["data"][data], **short["data"][data], **made}},
        "grid": {"preference": [{"sft": ["tuned"], "data": [data], "algorithms": ["dpo"]}]},
        "training": {"dpo": {**pocket["training"]["dpo"], **short["training"]["dpo"]}},
        "checkpoints": {"dpo": 5},
    }
    (last, *_) = reversed(copied(finished, SFT, f"{tmp_path}/sft/checkpoint-{{step}}"))
    steps = copied(finished, "sft-wildchat/ppo-synthetic-support", f"{tmp_path}/ppo/step{{step}}")
    stages = {
        "tuned": {"folder": "sft", "pattern": "checkpoint-{step}"},
        "rl": {"folder": "ppo", "pattern": "step{step}", "after": f"tuned/dpo-{data}"},
    }
    config = tracing(finished, {"stages": stages}, **suite)
    snakemake(tmp_path, "results/drift/theirs", config=config)
    ours, theirs = (
        sorted(folder.glob("step-*/model.safetensors"))
        for folder in (
            finished / "results/checkpoints/pocket" / DPO, tmp_path / f"results/checkpoints/theirs/tuned/dpo-{data}",
        )
    )  # fmt: skip
    assert [path.parent.name for path in ours] == [path.parent.name for path in theirs]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(ours, theirs, strict=True))
    drift = pl.read_parquet(tmp_path / "results/statistics/theirs/drift.parquet")
    assert set(drift["run"]) == {"tuned", f"tuned/dpo-{data}", f"tuned/dpo-{data}/rl"}
    own = pl.read_parquet(tmp_path / "results/statistics/theirs/values.parquet").filter(run="tuned")
    assert own["step"].min() == 4, "without a base model, a stage starts at its own first checkpoint"
    assert own["step"].max() == last
    assert pl.read_parquet(tmp_path / f"results/stances/theirs/tuned/dpo-{data}/rl.parquet")["step"].max() == steps[-1]


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ({"folder": "start", "pattern": "checkpoint-{step}"}, "expected a pattern of folders in start: nothing"),
        ({"folder": "elsewhere"}, "expected a folder with a model"),
    ],
)
def test_bad_input_is_told_in_one_line_before_any_job(finished: Path, tmp_path: Path, stage: Any, told: str) -> None:
    (tmp_path / "start").mkdir()
    said = snakemake(tmp_path, fails=True, config=tracing(finished, {"stages": {"sft": stage}}))
    lines: Sequence[str] = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert told in lines[0]
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()
