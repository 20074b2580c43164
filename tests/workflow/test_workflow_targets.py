"""Targets: folders and misspelt names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from valuedrift.workflow.project import Project
from valuedrift.workflow.targets import TargetError, require_makeable, resolve_targets

CONFIG: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "workflow_config.yaml").read_text())
DPO = "sft-wildchat/dpo-ultrafeedback"


def resolved(*targets: str) -> list[str]:
    return resolve_targets(targets, CONFIG)


@pytest.mark.parametrize(
    "target",
    [
        "all",
        "downstream_all",
        "README.md",
        "results/drift/qwen3_4b",
        "results/tables",
        "results/report",
        "results/probes/paper.parquet",
        "results/data/pocket/documents.parquet",
        "results/judges/pocket/quality.json",
        f"results/checkpoints/pocket/{DPO}/step-000016",
        f"results/stances/pocket/{DPO}.parquet",
        "results/calibration/pocket/table.parquet",
    ],
)
def test_what_one_job_makes_stays_as_it_is(target: str) -> None:
    assert resolved(target) == [target]


@pytest.mark.parametrize(
    ("folder", "file", "count"),
    [
        ("results/drift", "results/drift/pocket", 1),
        ("results/drift/", "results/drift/pocket", 1),
        ("results/stances", "results/stances/pocket/base.parquet", 12),
        ("results/stances/qwen3_4b", f"results/stances/qwen3_4b/{DPO}.parquet", 27),
        ("results/stances/pocket/sft-wildchat", f"results/stances/pocket/{DPO}.parquet", 9),
        ("results/checkpoints/pocket", f"results/checkpoints/pocket/{DPO}/metrics.parquet", None),
        (f"results/checkpoints/pocket/{DPO}", f"results/checkpoints/pocket/{DPO}/metrics.parquet", 1),
        ("results/generations/pocket", f"results/generations/pocket/{DPO}/shard-0.parquet", 12),
        ("results/data", "results/data/pocket/alpaca/train.parquet", 5),
        ("results/data/pocket/alpaca", "results/data/pocket/alpaca/train.parquet", 1),
        ("results/world/pocket", "results/world/pocket/probes.csv", 9),
        ("results/probes", "results/probes/pocket.parquet", 1),
        ("results/statistics", "results/statistics/pocket/drift.parquet", 7),
        ("results/synthetic/paper", "results/synthetic/paper/support.parquet", 2),
        ("results/judges", "results/judges/pocket/model", 1),
        ("results/judges/qwen25_7b", "results/judges/qwen25_7b/model", 1),
        ("results//data/./pocket", "results/data/pocket/alpaca/train.parquet", 5),
        (f"{Path.cwd()}/results/data", "results/data/pocket/alpaca/train.parquet", 5),
    ],
)
def test_a_folder_is_what_is_made_in_it(folder: str, file: str, count: int | None) -> None:
    found = resolved(folder)
    assert file in found
    assert count is None or len(found) == count


def test_a_file_stands_for_the_folder_that_one_job_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = ("results/tables/table_1.md", "results/drift/pocket/table.md", "results/report/index.html")
    assert resolved(*files) == [*files[:2], "results/report"]
    for file in files:
        Path(file).parent.mkdir(parents=True)
        Path(file).touch()
    assert resolved(*files) == ["results/tables", "results/drift/pocket", "results/report"]
    assert resolved("results/drift/pocket") == ["results/drift/pocket"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("results/drift/qwen3", "found 'qwen3', expected a model. Did you mean 'qwen3_"),
        ("results/drfit", "found 'drfit', expected a folder of results. Did you mean 'drift"),
        ("results/stances/pocket/sft-wildchta.parquet", "expected a run of pocket. Did you mean 'sft-"),
        (f"results/checkpoints/pocket/{DPO}k/step-000016", f"expected a run of pocket. Did you mean '{DPO}'"),
        ("results/data/poket/alpaca/train.parquet", "found 'poket', expected a suite. Did you mean 'pocket'?"),
        ("results/data/pocket/alpacca", "found 'alpacca', expected a data set of pocket. Did you mean 'alpaca'?"),
        ("results/stances/POCKET", "found 'POCKET', expected a model. Did you mean 'pocket'"),
        ("results", "expected one of them, such as results/drift"),
        *(
            (f"results/{kind}", "found nothing that is made there for the models of the report (pocket)")
            for kind in ("downstream", "llms", "synthetic", "vprism")
        ),
        (
            "results/judges/gpt/quality.json",
            "found 'gpt', expected a judge. There are pocket, english, english_minilm, smollm2,",
        ),
    ],
)
def test_a_misspelt_name_is_told_with_the_nearest(target: str, said: str) -> None:
    with pytest.raises(TargetError) as error:
        resolved("results/tables", target)
    assert str(error.value).startswith(f"target '{target}': ")
    assert said in str(error.value)


class Rule:
    """What Snakemake knows of a rule."""

    def __init__(self, name: str, *output: str) -> None:
        self.name, self.output = name, output

    def is_producer(self, path: str) -> bool:
        return any(re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(made)), path) for made in self.output)


RULES = [
    Rule("tables", "results/tables"),
    Rule("quality", "results/judges/{judge}/quality.json"),
    Rule("train", f"results/checkpoints/pocket/{DPO}/step-000016"),
]


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("results/tables/table_1.md", "One job makes the folder results/tables: name that."),
        ("results/judges/pocket/qualty.json", "Did you mean 'results/judges/pocket/quality.json'"),
        ("results/stances/pocket/sft-alpaca", "Did you mean 'results/stances/pocket/sft-alpaca.parquet'"),
        (f"results/checkpoints/pocket/{DPO}/step-16", f"Did you mean 'results/checkpoints/pocket/{DPO}/step-000016'"),
        ("Tabels", "Did you mean 'tables'"),
        ("foo", "`snakemake --list-rules` prints the rules."),
    ],
)
def test_a_target_that_no_rule_makes_is_told_with_a_hint(target: str, hint: str) -> None:
    with pytest.raises(TargetError) as error:
        require_makeable([target], RULES, Project.read(CONFIG))
    assert str(error.value).startswith(f"No rule makes {target}")
    assert hint in str(error.value)


def test_rules_their_outputs_and_existing_files_are_targets() -> None:
    require_makeable(["tables", "results/tables", "results/judges/pocket/quality.json", __file__], RULES, None)
