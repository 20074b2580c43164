"""The shortened pocket pipeline: its artifacts, and what an edit of one configuration value makes run again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from pipeline import REPOSITORY, SHORT, planned, snakemake, written

from valuedrift.workflow.why import sentence, stale_jobs

pytestmark = pytest.mark.workflow


def test_nothing_is_left_to_do(finished: Path) -> None:
    assert planned(finished) == {}


def test_every_checkpoint_is_configuration_and_safetensors(finished: Path) -> None:
    steps = sorted((finished / "results/checkpoints/pocket").glob("**/step-*"))
    assert len(steps) > 2 * 3 + 9 * 2
    assert all((step / "model.safetensors").is_file() and (step / "config.json").is_file() for step in steps)


def test_each_answer_has_a_stance(finished: Path) -> None:
    answers = pl.read_parquet(finished / "results/generations/pocket/**/shard-*.parquet")
    stances = pl.concat([pl.read_parquet(path) for path in (finished / "results/stances").glob("**/*.parquet")])
    key = ["run", "step", "question_id", "sample"]
    assert answers.select(key).sort(key).equals(stances.select(key).sort(key))
    total = stances.select(pl.sum_horizontal("p_support", "p_neutral", "p_oppose"))
    assert total.to_series().is_between(1 - 1e-6, 1 + 1e-6).all()


def test_what_data_sets_express_is_beside_what_was_planted(finished: Path) -> None:
    folder = finished / "results/expression/pocket"
    shares = pl.read_parquet(folder / "recovery/shares.parquet")
    assert {"wildchat", "alpaca"} < set(shares["data"])
    assert shares["measured"].is_between(0, 1).all()
    pairs = {"ultrafeedback", "synthetic-support", "synthetic-oppose"}
    assert set(pl.read_parquet(folder / "gap_summary.parquet")["data"]) == pairs
    foretold = pl.read_parquet(finished / "results/prediction/pocket/predictions.parquet")
    assert set(foretold["data"]) == {"wildchat", "alpaca"}


def test_nothing_is_judged_twice(finished: Path, tmp_path: Path) -> None:
    """Outputs that went come back from the journals, with nothing asked."""
    folder = shutil.copytree(finished, tmp_path / "copy")
    stances = folder / "results/stances/pocket/base.parquet"
    journal = folder / "results/journals/stances/pocket/base.jsonl"
    before = (stances.read_bytes(), journal.read_bytes())
    stances.unlink()
    snakemake(folder, "results/stances/pocket/base.parquet")
    assert (stances.read_bytes(), journal.read_bytes()) == before


def test_summary_holds_what_machines_read(finished: Path) -> None:
    summary = json.loads((finished / "results/report/summary.json").read_text())
    assert [finding["name"] for finding in summary["findings"]] == [
        "sft_sets_values_early",
        "small_gap_barely_moves",
        "wide_gap_separates_algorithms",
        "dpo_amplifies_the_prior",
    ]
    assert 0 <= summary["calibration"]["mae"] <= 1
    assert 0 <= summary["judges"]["pocket"]["accuracy"] <= 1
    assert {"pretrain", "sft", "ppo", "generate", "stances"} <= {stage["stage"] for stage in summary["stages"]}
    assert all(stage["wall_seconds"] > 0 for stage in summary["stages"])
    assert summary["configuration"]["suites"]["pocket"]["generation"]["answers"] == 2


def test_tables_and_figures_are_there(finished: Path) -> None:
    results = finished / "results"
    assert {path.suffix for path in (results / "tables").glob("[!.]*")} == {".md", ".csv", ".tex", ".html"}
    figures = {path.name for path in (results / "figures").iterdir()}
    assert figures >= {f"figure_{number}.svg" for number in ("03", "04", "07", "19", "20")}
    assert (results / "drift/pocket/drift.parquet").is_file()
    assert (results / "report/index.html").is_file()


def test_an_edit_reruns_what_it_touches(finished: Path) -> None:
    data = ("ultrafeedback", "synthetic_oppose", "synthetic_support")
    runs = {f"train_pocket_sft_wildchat_dpo_{name}": 1 for name in data}
    answers = {"generate": 3, "stances": 3, "health": 1, "labels": 1, "corrected": 1, "statistics": 1, "prediction": 1}
    shown = dict.fromkeys(("drift", "tables", "figures", "report", "exports", "configuration"), 1)
    edit = {"suites": {"pocket": {"training": {"dpo": {"beta": 0.2}}}}}
    assert planned(finished, config=edit) == {**runs, **answers, **shown}


def test_a_jobs_gpus_are_its_processes_and_rerun_nothing(finished: Path) -> None:
    def plan(rule: str, gpus: int, target: str, *options: str, fails: bool = False) -> str:
        given = ("-n", "-p", *options, "--set-resources", f"{rule}:gpu={gpus}")
        return snakemake(finished, f"results/checkpoints/{target}/metrics.parquet", options=given, fails=fails)

    sft, simpo = "train_pocket_sft_wildchat", "train_pocket_sft_wildchat_simpo_ultrafeedback"
    assert "Nothing to be done" in plan(simpo, 2, "pocket/sft-wildchat/simpo-ultrafeedback")
    assert " valuedrift train --algorithm sft" in plan(sft, 1, "pocket/sft-wildchat", "--forcerun", sft)
    assert "16 × 2 device(s) = 32 rows" in plan(sft, 2, "pocket/sft-wildchat", "--forcerun", sft, fails=True)
    eight = plan("train_qwen3_4b_sft_wildchat", 8, "qwen3_4b/sft-wildchat")
    assert "envs/accelerate/8-gpus.yaml --num_processes 8 --mixed_precision bf16" in eight
    assert "-m valuedrift train --algorithm sft" in eight


def test_weights_that_went_let_nothing_run_again_and_answers_come_back(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copy2))
    run, config = folder / "results/checkpoints/pocket/sft-alpaca", {"machine": {"keep": "final"}}
    answers = folder / "results/generations/pocket/sft-alpaca/shard-0.parquet"
    before = pl.read_parquet(answers)  # its metadata say how the command was called
    snakemake(folder, str(answers.relative_to(folder)), options=("-f",), config=config)
    steps = sorted(path.name for path in run.glob("step-*"))
    assert [name for name in steps if not (run / name / "model.safetensors").exists()] == steps[:2]
    assert pl.read_parquet(answers).equals(before)
    answers.unlink()
    assert "train_" not in " ".join(planned(folder, config=config))
    snakemake(folder, str(answers.relative_to(folder)), config=config)
    assert pl.read_parquet(answers).equals(before)


def test_the_reason_is_read_from_what_was_recorded(finished: Path, tmp_path: Path) -> None:
    options = ["--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(finished)]
    edit = {"judges": {"pocket": {"batch_size": 100}}, "suites": {"pocket": {"training": {"dpo": {"beta": 0.2}}}}}
    files = (REPOSITORY / "workflow_config.yaml", SHORT, written(tmp_path, edit))
    options += ["--configfile", *map(str, files)]
    sentences = {job.name: sentence(job) for job in stale_jobs((), options)}
    assert sentences["stances of pocket/base"] == "stances of pocket/base: judge.batch_size changed (512 → 100)."
    run = "pocket/sft-wildchat/dpo-ultrafeedback"
    assert sentences[f"training of {run}"] == f"training of {run}: settings.beta changed (0.1 → 0.2)."
    after = f"judge.batch_size changed (512 → 100); it needs generate of {run}/0, which runs first"
    assert sentences[f"stances of {run}"] == f"stances of {run}: {after}."


def test_a_wrong_value_stops_before_any_job(tmp_path: Path) -> None:
    wrong = {"suites": {"pocket": {"generation": {"temperatur": 1}}}}
    assert "suites.pocket.generation.temperatur" in snakemake(tmp_path, config=wrong, fails=True)
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_an_ablation_is_trained_and_drawn_by_name(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "copy")
    block = {"algorithm": "dpo", "parameter": "beta", "values": [0.1, 0.5]}
    block |= {"sft": ["wildchat"], "data": ["synthetic-support"]}
    config = {"suites": {"pocket": {"grid": {"ablations": [block]}}}}
    snakemake(folder, "results/ablations/pocket", config=config)
    out = folder / "results/ablations/pocket"
    assert {path.name for path in out.iterdir()} >= {"figure_16.svg", "ablations.md", "values.parquet"}
    drift = pl.read_parquet(out / "drift.parquet")
    start = "sft-wildchat/dpo-synthetic-support"
    assert set(drift["run"]) == {start, f"{start}-beta-0-5"}
