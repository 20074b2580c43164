"""What each key of the configuration runs again, asked of Snakemake on a grid that looks finished."""

from __future__ import annotations

import json
import os
import random
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from foretold import SNAKEFILE, TARGETS, at, block, everything, finish, schema_keys, stale
from pipeline import REPOSITORY
from reruns import TABLE, Row, markdown, rules

from valuedrift.cli import main
from valuedrift.errors import ValueDriftError
from valuedrift.workflow.snakemake_records import keep_records
from valuedrift.workflow.why import FRESH, StaleJob, sentence, stale_jobs

pytestmark = pytest.mark.workflow

ALWAYS = {"configuration", "report", "exports"}
EDITS = [(row, path, value) for row in TABLE for path, value in row.edits]
KEYS = list(schema_keys())


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    finish(folder)
    return folder


@pytest.fixture
def copy(grid: Path, tmp_path: Path) -> Path:
    """The same grid, for tests that change files."""
    return shutil.copytree(grid, tmp_path / "copy", symlinks=True)


def stage(job: StaleJob) -> str:
    """The rule, or the algorithm of a training run."""
    is_run = job.name.startswith("training of ") and job.rule.startswith("train_")
    return job.name.split("/")[-1].split("-")[0] if is_run else job.rule


def stages(jobs: list[StaleJob]) -> set[str]:
    return {stage(job) for job in jobs} - ALWAYS


def of_others(path: str, jobs: list[StaleJob]) -> Iterator[str]:
    """Jobs that are about suites, or models of suites, that a key of a suite says nothing of."""
    config, (section, *names) = everything(), path.split(".")
    if section == "suites":
        name = names[0]
        models = {model for model, entry in config["models"].items() if entry["suite"] != name}
        others = models | config["suites"].keys() - {name}
        yield from (job.name for job in jobs if job.name.partition(" of ")[2].split("/")[0] in others)


def keys_at(path: str) -> list[str]:
    """The schema's keys that a path of a configuration is, or has below it."""
    depth = path.count(".") + 1
    return [key for key in KEYS if fnmatchcase(path, ".".join(key.split(".")[:depth]))]


def test_every_key_of_the_schema_is_in_the_table() -> None:
    assert [key for key in KEYS if not any(row.covers(key) for row in TABLE)] == []


def test_every_row_is_about_keys_of_the_schema_and_edits_them() -> None:
    assert [row.keys for row in TABLE if not row.edits or not any(row.covers(key) for key in KEYS)] == []
    assert [path for row, path, _ in EDITS if not any(row.covers(key) for key in keys_at(path))] == []


def test_the_table_is_in_the_documentation() -> None:
    assert "\n".join(markdown()) in (REPOSITORY / "docs/reruns.md").read_text(encoding="utf-8")


def test_of_a_finished_grid_nothing_is_stale(grid: Path) -> None:
    assert stale(grid, targets=TARGETS) == []


@pytest.mark.parametrize(("row", "path", "value"), EDITS, ids=[f"{path}={value!r:.20}" for _, path, value in EDITS])
def test_an_edit_reruns_what_its_row_says(grid: Path, row: Row, path: str, value: Any) -> None:
    jobs = stale(grid, at(path, value), targets=row.targets)
    assert stages(jobs) == row.runs
    assert list(of_others(path, jobs)) == []


@pytest.mark.parametrize(
    ("path", "value", "missing"),
    [
        ("statistics.seeds", ["seed-1", "seed-2"], "seed-2/statistics/pocket/values.parquet"),
        ("statistics.labelled", "labels/{model}.csv", "labels/pocket.csv"),
        ("suites.real.data.alpaca.files", ["mine.jsonl"], "mine.jsonl"),
        ("suites.real.data.alpaca.files", ["results/world/pocket/none.parquet"], "results/world/pocket/none.parquet"),
        ("suites.paper.probes.file", "mine.csv", "mine.csv"),
    ],
)
def test_a_named_file_that_is_missing_is_told_where_results_exist(
    copy: Path, path: str, value: Any, missing: str
) -> None:
    """Also where what is made of it is gone: Snakemake would accept the results that were made of that."""
    for folders in ([], ["corrected/pocket", "statistics/pocket", "data/real/alpaca", "vprism/paper"]):
        for folder in folders:
            shutil.rmtree(copy / "results" / folder)
        with pytest.raises(ValueDriftError, match=f"^{missing}: found 'no such file'"):
            stale(copy, at(path, value))


@pytest.mark.parametrize(
    ("blocks", "added"),
    [
        ([block("ultrafeedback", "dpo", "simpo")], {"sft-wildchat/simpo-ultrafeedback"}),
        ([block("ultrafeedback", "dpo"), block("hh-rlhf", "dpo")], {"sft-wildchat/dpo-hh-rlhf"}),
    ],
    ids=["algorithm", "data set"],
)
def test_what_is_added_to_the_grid_runs_alone(grid: Path, blocks: list[Any], added: set[str]) -> None:
    jobs = stale(grid, at("suites.real.grid.preference", blocks))
    runs = {f"{made} of pocket_real/{run}" for made in ("training", "stances") for run in added}
    runs |= {f"generate of pocket_real/{run}/{shard}" for run in added for shard in (0,)}
    assert {job.name for job in jobs if job.rule.startswith(("train", "generate", "stances", "data"))} == runs


def test_a_model_that_is_added_runs_alone(grid: Path) -> None:
    model = {"suite": "pocket", "scratch": everything()["models"]["pocket"]["scratch"]}
    edit = {"models": {"new": {**model, "chat": everything()["models"]["pocket"]["chat"]}}}
    jobs = stale(grid, edit | {"report": {"models": ["pocket", "pocket_real", "qwen3_4b", "new"]}})
    assert {job.name for job in jobs if "new" not in job.name} == {"tables", "figures", *ALWAYS}
    assert {"training of new/sft-wildchat", "generate of new/base/0", "drift of new"} < {job.name for job in jobs}


def test_touched_files_rerun_nothing(copy: Path) -> None:
    paths = sorted((copy / "results").rglob("*"))
    random.Random(0).shuffle(paths)
    for second, path in enumerate(paths):
        os.utime(path, (1.6e9 + second, 1.6e9 + second))
    assert stale(copy) == []


def test_a_fresh_clone_with_copied_results_reruns_nothing(grid: Path, tmp_path: Path) -> None:
    """Without `.snakemake`, and with times in the order of the copying."""
    shutil.copytree(grid / "results", tmp_path / "results", copy_function=shutil.copyfile)
    for name in ("everything.yaml", "vprism_topics.yaml"):
        shutil.copy(grid / name, tmp_path)
    assert stale(tmp_path) == []
    assert stages(stale(tmp_path, at("report.figure_columns", 2))) == {"drift", "figures"}


@pytest.fixture
def clone(grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The grid in a clone of the repository, which is where the tests of the command are."""
    folder = tmp_path / "clone"
    for name in ("rules", "envs", "profiles/default", "results"):
        shutil.copytree((grid if name == "results" else REPOSITORY) / name, folder / name)
    shutil.copy(SNAKEFILE, folder)
    for name in ("vprism_topics.yaml", "other.yaml"):
        shutil.copy(grid / name, folder)
    shutil.copy(grid / "everything.yaml", folder / "workflow_config.yaml")
    monkeypatch.chdir(folder)
    return folder


def test_the_command_says_that_nothing_is_stale(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why"]) == 0
    assert capsys.readouterr() == (f"{FRESH}\n", "")
    assert Path.cwd() == clone


def test_the_command_names_the_key_and_what_follows(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone / "mine.yaml").write_text("suites: {pocket: {training: {dpo: {beta: 0.3}}}}")
    stances = "results/stances/pocket/sft-wildchat/dpo-ultrafeedback.parquet"
    assert main(["why", stances, "--configfile", "mine.yaml"]) == 0
    run = "pocket/sft-wildchat/dpo-ultrafeedback"
    assert capsys.readouterr().out.splitlines() == [
        f"training of {run}: settings.beta changed (0.1 → 0.3).",
        f"generate of {run}/0: it needs training of {run}, which runs first.",
        f"stances of {run}: it needs generate of {run}/0, which runs first.",
    ]


def test_machines_get_every_reason_by_itself(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone / "results/tables/weights").unlink()
    (clone / "results/tables/.snakemake_timestamp").unlink(missing_ok=True)
    (clone / "results/tables").rmdir()
    assert main(["why", "results/tables", "--json"]) == 0
    (job,) = json.loads(capsys.readouterr().out)
    assert (job["name"], job["missing"], job["made_before"]) == ("tables", ["results/tables"], True)
    assert job["sentence"] == "tables: results/tables is gone."


def test_what_was_never_made_is_told_from_what_is_gone(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(clone / "results/.records")
    (clone / "results/judges/pocket/quality.json").unlink()
    assert main(["why", "results/judges/pocket/quality.json"]) == 0
    assert capsys.readouterr().out == "judge_heldout of pocket: results/judges/pocket/quality.json was never made.\n"


def test_a_killed_job_is_said(clone: Path) -> None:
    output = "results/judges/pocket/quality.json"
    marker = urlsafe_b64encode(output.encode()).decode()
    keep_records(Path("results"))
    (clone / ".snakemake/incomplete" / marker).write_text("{}")
    (job,) = stale_jobs([output])
    assert sentence(job) == f"judge_heldout of pocket: a killed job left {output}."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["results/nothing"], "results/nothing"), (["--configfile", "wrong.yaml"], "configuration key 'sede'")],
)
def test_what_cannot_be_planned_is_an_error(
    clone: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (clone / "wrong.yaml").write_text("sede: 1")
    assert main(["why", *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ") and message in said.err


def test_comments_formatting_and_wording_of_rules_rerun_nothing(grid: Path, tmp_path: Path) -> None:
    shutil.copy(SNAKEFILE, tmp_path)
    shutil.copytree(REPOSITORY / "profiles/default", tmp_path / "profiles/default")
    for name in ("rules", "envs"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    for file in (tmp_path / "rules").glob("*.smk"):
        text = file.read_text().replace("lambda w:", "lambda w :").replace("2> {log}", "2>  {log}")
        file.write_text(f"# A comment.\n\n{text}\n")
    for file in (tmp_path / "envs").glob("*.yaml"):
        file.write_text(f"# A comment.\n{file.read_text()}")
    assert stale(grid, snakefile=tmp_path / "Snakefile") == []


def test_an_input_of_another_content_reruns_what_reads_it(copy: Path) -> None:
    file = copy / "results/data/pocket/wildchat/train.parquet"
    file.write_text("other rows")
    jobs = {job.name: job for job in stale(copy)}
    assert jobs["training of pocket/sft-wildchat"].edited == ("results/data/pocket/wildchat/train.parquet",)
    assert "training of pocket/base" not in jobs


def test_weights_that_were_made_anew_are_answered_anew_after_a_stop(copy: Path) -> None:
    """Where Snakemake was stopped after a training, a file beside the weights tells that they are new."""
    (copy / "results/checkpoints/pocket/sft-wildchat/dpo-ultrafeedback/metrics.parquet").write_text("another loss")
    jobs = stale(copy)
    assert stages(jobs) == rules("WORLD_ANSWERS")
    assert {job.name for job in jobs if job.rule == "stances"} == {"stances of pocket/sft-wildchat/dpo-ultrafeedback"}


def test_a_deleted_checkpoint_is_not_missed_until_it_is_needed(copy: Path) -> None:
    run = "pocket/sft-wildchat/dpo-ultrafeedback"
    for folder in (copy / "results/checkpoints" / run).glob("step-*"):
        shutil.rmtree(folder)
    assert stale(copy) == []
    (copy / f"results/generations/{run}/shard-0.parquet").unlink()
    (copy / f"results/stances/{run}.parquet").unlink()
    jobs = {job.name: job for job in stale(copy, targets=[f"results/stances/{run}.parquet"])}
    assert jobs[f"training of {run}"].missing[0].startswith(f"results/checkpoints/{run}/step-")
    assert jobs[f"training of {run}"].made_before
