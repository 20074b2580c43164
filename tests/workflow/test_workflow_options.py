"""Optional parts of the configuration, planned but not run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pipeline import SHORT, snakemake, wanted

pytestmark = pytest.mark.workflow
STATISTICS = ("results/statistics/pocket/drift.parquet",)


def plan(folder: Path, *targets: str, overlay: dict[str, object], options: tuple[str, ...] = ("-n", "-p")):
    """A dry run with `overlay` laid over the shortened configuration."""
    file = folder / "overlay.yaml"
    file.write_text(json.dumps(overlay))
    return snakemake(folder, *targets, options=options, overlays=(SHORT, file))


def test_a_labelled_sample_and_other_seeds_reach_the_command(tmp_path: Path) -> None:
    (tmp_path / "labels-pocket.csv").touch()
    other = tmp_path / "seed-1" / "statistics" / "pocket"
    other.mkdir(parents=True)
    (other / "values.parquet").touch()
    named = {"statistics": {"labelled": "labels-{model}.csv", "seeds": ["seed-1"]}}
    found = plan(tmp_path, "results/corrected/pocket/corrected_drift.parquet", overlay=named)
    assert (wanted(found)["corrected"], wanted(found).get("labels")) == (1, None)
    assert "--labelled labels-pocket.csv --statistics-settings" in found.stdout
    found = plan(tmp_path, *STATISTICS, overlay=named)
    assert wanted(found)["statistics"] == 1
    assert "--seeds seed-1/statistics/pocket/values.parquet --out" in found.stdout


def test_they_reach_no_other_command(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    targets = ("all", "results/ablations/pocket")
    found = plan(tmp_path, *targets, overlay={"statistics": {"labelled": "labels.csv"}})
    assert wanted(found)["ablations"] == 1
    settings = set(re.findall(r"--statistics-settings '(.*?)'", found.stdout))
    assert settings == {'{"level": 0.95, "replicates": 200}'}
    assert found.stdout.count("--labelled") == 1
    assert "--corrected results/corrected/pocket/corrected_drift.parquet" in found.stdout


def test_a_world_labels_the_sample_where_none_is_named(tmp_path: Path) -> None:
    found = plan(tmp_path, "all", overlay={"suites": {"pocket": {"world": {"labels": 7}}}})
    assert (wanted(found)["labels"], wanted(found)["corrected"]) == (1, 1)
    assert "--labels 7 --seed 0 --out results/labels/pocket.parquet" in found.stdout
    assert "--labelled results/labels/pocket.parquet" in found.stdout


def test_without_them_the_command_has_neither(tmp_path: Path) -> None:
    unlabelled = {"suites": {"pocket": {"world": {"labels": 0}}}}
    found = plan(tmp_path, "all", overlay=unlabelled)
    assert wanted(found)["statistics"] == 1
    assert "--labelled" not in found.stdout
    assert "--corrected" not in found.stdout
    assert "--seeds" not in found.stdout
    for made in ("labels/pocket.parquet", "corrected/pocket/corrected_drift.parquet"):
        assert plan(tmp_path, f"results/{made}", overlay=unlabelled).returncode != 0


def test_a_labelled_sample_that_is_not_there_stops_the_plan(tmp_path: Path) -> None:
    found = plan(tmp_path, "results/tables", overlay={"statistics": {"labelled": "labels.csv"}})
    assert found.returncode != 0
    assert "labels.csv" in found.stdout + found.stderr


def test_downstream_tasks_are_planned_by_name_and_only_then(tmp_path: Path) -> None:
    tasks = {"tasks": ["tiny"], "shots": 0, "batch_size": 8, "include_path": "tasks"}
    overlay = {"suites": {"pocket": {"downstream": tasks}}}
    assert "downstream" not in wanted(plan(tmp_path, "all", overlay=overlay))
    found = plan(tmp_path, "downstream_all", overlay=overlay)
    assert wanted(found)["downstream"] == 1 + 2 + 2 * 3
    assert "--checkpoint results/checkpoints/pocket/sft-wildchat/step-" in found.stdout
    assert '"include_path": "tasks"' in found.stdout


def test_a_suite_without_tasks_has_no_scores(tmp_path: Path) -> None:
    found = plan(tmp_path, "results/downstream/pocket/base/step-000000.json", overlay={})
    assert found.returncode != 0
    assert "MissingRuleException" in found.stdout + found.stderr


def test_a_folder_of_results_is_a_target(tmp_path: Path) -> None:
    found = wanted(plan(tmp_path, "results/stances/pocket/sft-wildchat", overlay={}))
    assert found["stances"] == 9
    assert "drift" not in found


def test_a_misspelt_target_is_told_without_a_traceback(tmp_path: Path) -> None:
    found = plan(tmp_path, "results/drift/qwen3", overlay={})
    said = found.stdout + found.stderr
    assert found.returncode != 0
    assert "target 'results/drift/qwen3': found 'qwen3', expected a model. Did you mean 'qwen3_" in said
    assert "Traceback" not in said
