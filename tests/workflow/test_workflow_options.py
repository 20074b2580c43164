"""Optional parts of the configuration, planned but not run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pipeline import REPOSITORY, counts, planned, snakemake, written

from valuedrift.cli import main

pytestmark = pytest.mark.workflow


def plan(folder: Path, *targets: str, config: dict[str, object], fails: bool = False) -> str:
    """What a dry run with this laid over the shortened configuration prints, commands included."""
    return snakemake(folder, *targets, options=("-n", "-p"), config=config, fails=fails)


def test_a_labelled_sample_and_other_seeds_reach_the_command(tmp_path: Path) -> None:
    (tmp_path / "labels-pocket.csv").touch()
    other = tmp_path / "seed-1" / "statistics" / "pocket"
    other.mkdir(parents=True)
    (other / "values.parquet").touch()
    (other / "findings.json").touch()
    named = {"statistics": {"labelled": "labels-{model}.csv", "seeds": ["seed-1"]}}
    said = plan(tmp_path, "results/corrected/pocket/corrected_drift.parquet", config=named)
    assert (counts(said)["corrected"], counts(said).get("labels")) == (1, None)
    assert "--labelled labels-pocket.csv --statistics-settings" in said
    said = plan(tmp_path, "results/statistics/pocket/drift.parquet", config=named)
    assert counts(said)["statistics"] == 1
    assert "--seeds seed-1/statistics/pocket --out" in said


def test_they_reach_no_other_command(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    said = plan(tmp_path, "all", "results/ablations/pocket", config={"statistics": {"labelled": "labels.csv"}})
    assert counts(said)["ablations"] == 1
    assert set(re.findall(r"--statistics-settings '(.*?)'", said)) == {'{"level": 0.95, "replicates": 200}'}
    assert re.findall(r"--labelled (\S+)", said) == ["labels.csv", '\'{"pocket":']  # of corrected, and of the report
    assert "--corrected results/corrected/pocket/corrected_drift.parquet" in said


def test_a_world_labels_the_sample_where_none_is_named(tmp_path: Path) -> None:
    said = plan(tmp_path, "all", config={"suites": {"pocket": {"world": {"labels": 7}}}})
    assert (counts(said)["labels"], counts(said)["corrected"]) == (1, 1)
    assert "--labels 7 --seed 0 --out results/labels/pocket.parquet" in said
    assert "--labelled results/labels/pocket.parquet" in said


def test_without_them_the_command_has_neither(tmp_path: Path) -> None:
    unlabelled = {"suites": {"pocket": {"world": {"labels": 0}}}}
    said = plan(tmp_path, "all", config=unlabelled)
    assert counts(said)["statistics"] == 1
    assert not [option for option in ("--corrected", "--seeds") if option in said]
    assert re.findall(r"--labelled (\S+)", said) == ["'{}'"]
    for made in ("labels/pocket.parquet", "corrected/pocket/corrected_drift.parquet"):
        plan(tmp_path, f"results/{made}", config=unlabelled, fails=True)


def test_a_labelled_sample_that_is_not_there_stops_the_plan(tmp_path: Path) -> None:
    named = {"statistics": {"labelled": "labels.csv"}}
    assert "labels.csv" in plan(tmp_path, "results/tables", config=named, fails=True)


def test_downstream_tasks_are_planned_by_name_and_only_then(tmp_path: Path) -> None:
    tasks = {"tasks": ["tiny"], "shots": 0, "batch_size": 8, "include_path": "tasks"}
    config = {"suites": {"pocket": {"downstream": tasks}}}
    assert "downstream" not in planned(tmp_path, "all", config=config)
    said = plan(tmp_path, "downstream_all", config=config)
    assert counts(said)["downstream"] == 1 + 2 + 2 * 3
    assert "--checkpoint results/checkpoints/pocket/sft-wildchat/step-" in said
    assert '"include_path": "tasks"' in said


def test_a_suite_without_tasks_has_no_scores(tmp_path: Path) -> None:
    score = "results/downstream/pocket/base/step-000000.json"
    assert f"No rule makes {score}." in snakemake(tmp_path, score, options=("-n",), fails=True)


def test_a_folder_of_results_is_a_target(tmp_path: Path) -> None:
    found = planned(tmp_path, "results/stances/pocket/sft-wildchat")
    assert found["stances"] == 9
    assert "drift" not in found


def test_a_misspelt_target_is_told_without_a_traceback(tmp_path: Path) -> None:
    said = snakemake(tmp_path, "results/drift/qwen3", options=("-n",), fails=True)
    assert "target 'results/drift/qwen3': found 'qwen3', expected a model. Did you mean 'qwen3_" in said
    assert "Traceback" not in said
    assert "  File " not in said


def test_a_wrong_key_is_told_without_a_line_of_the_rules(tmp_path: Path) -> None:
    said = snakemake(tmp_path, "results/tables", options=("-n",), config={"seed": "x"}, fails=True)
    assert "error: configuration key 'seed': found 'x', expected a whole number" in said
    assert "  File " not in said


def test_a_file_in_place_of_results_is_told(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    said = plan(tmp_path, "results/tables", config={}, fails=True)
    assert "error: results: found 'a file', expected a folder for results. Move it away." in said


def test_braces_in_texts_are_no_wildcards(tmp_path: Path) -> None:
    named = {"topics": {"work": {"target": "the {value} of { work }", "name": "{x}"}}}
    assert counts(plan(tmp_path, "results/report", "results/configuration.yaml", config=named))["report"] == 1


def test_a_key_that_is_there_twice_stops_the_dry_run(tmp_path: Path) -> None:
    overlay = tmp_path / "twice.yaml"
    overlay.write_text("seed: 1\nseed: 2\n")
    said = snakemake(tmp_path, "results/tables", options=("-n",), overlays=(overlay,), fails=True)
    assert f"error: {overlay}, line 2: the key 'seed' is in the same mapping twice (first in line 1)" in said


def test_a_local_file_that_is_missing_stops_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("Snakefile", "rules", "envs", "profiles", "workflow_config.yaml"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    mine = {"suites": {"pocket": {"data": {"alpaca": {"files": ["mine.jsonl"]}}}}}
    assert main(["plan", "results/data", "--configfile", str(written(tmp_path, mine))]) == 1
    assert "error: mine.jsonl: found 'no such file'" in capsys.readouterr().err
    assert "mine.jsonl" in plan(tmp_path, "results/data", config=mine, fails=True)
