"""Another Snakefile uses the workflow as a module, as docs/module.md shows it."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from test_readme import REPOSITORY, blocks, run, succeed

PAGE = REPOSITORY / "docs/module.md"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project around this repository, with the Snakefile of the page."""
    (tmp_path / "value-drift").symlink_to(REPOSITORY)
    (snakefile,) = (text for language, text in blocks(PAGE) if language == "snakemake")
    (tmp_path / "Snakefile").write_text(snakefile)
    return tmp_path


def edit(project: Path, old: str, new: str) -> None:
    file = project / "Snakefile"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_its_rules_are_planned_under_other_names(project: Path) -> None:
    rules = set(re.findall(r"^(?:local)?rule (\w+):", succeed(project, "snakemake -n"), flags=re.MULTILINE))
    assert {"real_drifts", "vd_statistics", "vd_stances", "vd_train_pocket_sft_wildchat_dpo_ultrafeedback"} <= rules
    assert {rule for rule in rules if not rule.startswith("vd_")} == {"real_drifts"}


def test_lines_of_ones_own_are_laid_over_the_configuration(project: Path) -> None:
    (project / "mine.yaml").write_text("suites: {pocket: {grid: {preference: []}}}")
    edit(project, "\n\nmodule", '\nconfigfile: "mine.yaml"\n\n\nmodule')
    said = succeed(project, "snakemake -n")
    assert "vd_train_pocket_sft_wildchat:" in said
    assert "dpo" not in said


def test_rules_of_other_names_ask_a_cluster_for_the_same(project: Path) -> None:
    command = "snakemake -n --profile value-drift/profiles/slurm --workflow-profile value-drift/profiles/default"
    said = succeed(project, command)
    gpus = dict(re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: .*?gpu=(\d)", said, flags=re.MULTILINE))
    assert gpus["vd_train_pocket_sft_wildchat"] == gpus["vd_stances"] == "1"
    assert gpus["vd_statistics"] == "0"


def test_a_job_runs_after_what_comes_before_the_first_one(project: Path) -> None:
    succeed(project, "snakemake --cores 1 results/configuration.yaml")
    future = project / "results/future"
    future.touch()
    os.utime(future, (time.time() + 7200,) * 2)
    refused = run(project, "snakemake --cores 1 --forceall results/configuration.yaml")
    assert refused.returncode != 0
    assert "Set the clock right" in refused.stderr + refused.stdout


def test_several_gpus_are_configured_from_where_the_rules_lie(project: Path) -> None:
    target = "results/checkpoints/qwen3_4b/sft-wildchat/metrics.parquet"
    said = succeed(project, f"snakemake -n -p --default-resources gpu=2 -- {target}")
    (file,) = set(re.findall(r"--config_file (\S+)", said))
    assert (project / file).is_file()


def test_a_prefix_is_refused(project: Path) -> None:
    edit(project, "    snakefile:\n", '    prefix: "sub"\n    snakefile:\n')
    found = run(project, "snakemake -n")
    assert found.returncode != 0
    assert "module.prefix" in found.stdout + found.stderr
