"""Plans and guards through real Snakemake runs: budgets, and trainings that would start again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pipeline import REPOSITORY, snakemake, written

from valuedrift.cli import main

pytestmark = pytest.mark.workflow

BASE = "results/checkpoints/pocket/base/metrics.parquet"
TIGHT = {"budget": {"gpu_hours": 3}}
PAPER = [f"results/drift/{model}" for model in ("llama3_3b", "llama3_8b", "qwen3_4b", "qwen3_8b")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has the workflow and no results; the current one."""
    for name in ("Snakefile", "rules", "envs", "profiles", "workflow_config.yaml"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def at_rate(rate: float) -> dict[str, object]:
    """A configuration that pre-trains at this learning rate."""
    return {"suites": {"pocket": {"training": {"pretrain": {"learning_rate": rate}}}}}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the base model has been trained, after a first training that failed.

    Snakemake keeps a record of failed jobs as of finished ones; they start again without permission.
    """
    folder = tmp_path_factory.mktemp("pretrained")
    assert "Error in rule pretrain" in snakemake(folder, BASE, fails=True, config=at_rate(1e30))
    snakemake(folder, BASE)
    return folder


def test_the_whole_paper_grid_has_a_plan(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *PAPER, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["stages"]["ppo"]["jobs"] == 4 * 8
    assert plan["total"]["jobs"] > 400
    assert plan["total"]["gpu_hours"] > 100
    assert plan["disk_peak"] > plan["disk_final"] > 1e12
    assert plan["wall_seconds"] > 3600 and plan["disk_free"] > 0
    assert not (here / "results").exists()


def test_a_plan_above_the_budget_is_shown_and_fails(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", PAPER[0], "--configfile", str(written(here, TIGHT))]) == 1
    said = capsys.readouterr()
    assert "training tokens" in said.out
    assert "budget.gpu_hours is 3" in said.err


def test_a_folder_of_results_stands_for_the_reported_models(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "results/drift", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"]["drift"]["jobs"] == 1


def test_a_run_above_the_budget_stops_before_its_first_job(tmp_path: Path) -> None:
    said = snakemake(tmp_path, PAPER[0], fails=True, overlays=(), config=TIGHT)
    assert "Raise budget.gpu_hours in the configuration" in said
    assert not (tmp_path / "results").exists()
    snakemake(tmp_path, PAPER[0], options=("-n",), overlays=(), config=TIGHT)


def test_trainings_that_never_ended_need_no_permission_and_their_prediction_is_kept(pretrained: Path) -> None:
    known = json.loads((pretrained / "results/predictions.json").read_text())
    assert known["pretrain/pocket"]["seconds"] > 0


@pytest.mark.parametrize("forgotten", [False, True], ids=["snakemake remembers", "fresh clone"])
def test_a_finished_training_starts_again_only_with_permission(
    pretrained: Path, tmp_path: Path, forgotten: bool
) -> None:
    folder = shutil.copytree(pretrained, tmp_path / "copy")
    shutil.rmtree(folder / "results/checkpoints/pocket/base")
    if forgotten:
        shutil.rmtree(folder / ".snakemake")
    said = snakemake(folder, BASE, fails=True)
    assert "pretrain pocket: about" in said
    assert " (CPU)\n" in said
    assert "--config retrain=true" in said
    assert not (folder / BASE).exists()
    snakemake(folder, BASE, options=("-n",))
    if not forgotten:
        snakemake(folder, BASE, options=("--config", "retrain=true"))
        assert (folder / BASE).is_file()


def test_an_edit_that_trains_again_needs_permission_and_touching_does_not(pretrained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pretrained, tmp_path / "copy")
    before = (folder / BASE).read_bytes()
    assert "pretrain pocket: about" in snakemake(folder, BASE, fails=True, config=at_rate(1e-3))
    assert (folder / BASE).read_bytes() == before
    snakemake(folder, BASE, options=("--touch",), config=at_rate(1e-3))


def test_permission_and_budget_rerun_nothing(pretrained: Path) -> None:
    configuration = "results/configuration.yaml"
    snakemake(pretrained, configuration)
    allowed = {"retrain": True, "budget": {"gpu_hours": 1}}
    said = snakemake(pretrained, configuration, BASE, options=("-n",), config=allowed)
    assert "Nothing to be done" in said
