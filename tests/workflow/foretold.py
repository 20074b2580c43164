"""A finished grid without the work: a configuration that has every key, and results that Snakemake takes for made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

from doubles import forks
from pipeline import REPOSITORY

from valuedrift.config.chat_models import LIMITS
from valuedrift.config.schema import WorkflowConfig
from valuedrift.config.section import bare, held, is_section, keys
from valuedrift.config.yaml_files import read_yaml
from valuedrift.workflow.why import StaleJob, stale_jobs

SNAKEFILE = REPOSITORY / "Snakefile"
TARGETS = ("all", "results/ablations/pocket", "downstream_all")
LORA = {"rank": 8, "alpha": 16, "dropout": 0.1, "targets": ["q_proj"]}


def everything() -> dict[str, Any]:
    """The repository's configuration with few checkpoints and one model a suite, and whatever else the schema knows.

    pocket is trained from scratch, and so is its judge; real's judge is fetched; paper's is asked over an endpoint.
    """
    config = read_yaml(REPOSITORY / "workflow_config.yaml")
    models, suites, judges = config["models"], config["suites"], config["judges"]
    config["models"] = {name: models[name] for name in ("pocket", "pocket_real", "qwen3_4b")}
    config["report"]["models"] = [*config["models"]]
    del judges["smollm2"]  # it is trained from a model that isn't here
    suites["smollm2"]["judge"] = "english"
    config["llms"]["asked"] = {"backend": "http", "model": "gpt", "url": "http://localhost/v1"}
    config["llms"]["asked"] |= {**dict.fromkeys(LIMITS, 8), "key_variable": "JUDGE_KEY"}
    judges["asked"] = {"llm": "asked", "prompt": "stance", "labels": ["support", "neutral", "oppose"]}
    judges["asked"] |= {"max_unassigned": 0.4, "samples": 4, "temperature": 0.7, "max_tokens": 100}
    judges["qwen25_7b"]["engine"] = "transformers"
    suites["paper"]["judge"], suites["real"]["judge"] = "asked", "qwen25_7b"
    for suite in suites.values():
        for data in suite["data"].values():
            data["rows"] = 320
            data.pop("sample", None)
        suite["generation"] |= {"engine": "auto", "shard": 2}
        suite["checkpoints"] |= dict.fromkeys(set(suite["checkpoints"]) - {"sft"}, 20)
    every = ["ppo", "dpo", "simpo", "ipo", "kto", "orpo", "grpo", "rloo"]
    suites["pocket"]["grid"]["preference"] = [block("ultrafeedback", *every), block("synthetic-support", "dpo")]
    suites["pocket"]["grid"]["sft"] = ["wildchat"]
    ablation = {"sft": ["wildchat"], "data": ["ultrafeedback"], "algorithm": "dpo", "parameter": "beta"}
    suites["pocket"]["grid"]["ablations"] = [{**ablation, "values": [0.05, 0.1]}]
    del suites["paper"]["grid"]["ablations"]
    suites["real"]["grid"]["preference"] = [block("ultrafeedback", "dpo")]
    suites["paper"]["grid"]["preference"] = [block("ultrafeedback", "dpo"), block("synthetic-support", "dpo")]
    suites["pocket"]["training"]["orpo"] = {**suites["pocket"]["training"]["orpo"], "lora": LORA}
    suites["real"]["data"]["alpaca"] |= {"duplicates": "drop", "empty_answers": "drop"}
    return config


def block(data: str, *algorithms: str) -> dict[str, list[str]]:
    return {"sft": ["wildchat"], "data": [data], "algorithms": list(algorithms)}


def at(path: str, value: Any) -> dict[str, Any]:
    """An edit of the key at a dotted path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


def stale(
    folder: Path, edit: Mapping[str, Any] | None = None, snakefile: Path = SNAKEFILE, targets: Sequence[str] = ()
) -> list[StaleJob]:
    """What is stale in a folder with `everything` after an edit of its configuration."""
    overlay = folder / "edit.yaml"
    overlay.write_text(json.dumps(edit or {}), encoding="utf-8")
    files = [str(folder / "everything.yaml"), str(overlay)]
    return stale_jobs(targets, ["--snakefile", str(snakefile), "--directory", str(folder), "--configfile", *files])


def finish(folder: Path) -> Path:
    """Make `folder` look as if all of `everything` had been run there. Returns the configuration's file."""
    file = folder / "everything.yaml"
    file.write_text(json.dumps(everything()), encoding="utf-8")  # which Snakemake reads faster
    given = ["vprism_topics.yaml", "other.yaml", "other.csv", "other.parquet", "labelled.parquet"]
    tables = ("values.parquet", "findings.json")
    given += [f"seed-1/statistics/{model}/{name}" for model in everything()["models"] for name in tables]
    made = [output for job in stale(folder, targets=TARGETS) for output in job.outputs]
    for name in [*given, *made, "theirs/s10/model.safetensors"]:
        _make(folder / name)
    (folder / "theirs/s10/config.json").write_text("{}", encoding="utf-8")
    line = ["snakemake", "--snakefile", SNAKEFILE, "--directory", folder, "--configfile", file, "--cores", "1"]
    done = forks.run([*line, "--touch", "--forceall", "--quiet", "--", *TARGETS], REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    return file


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix:
        path.write_text(path.name, encoding="utf-8")
    else:
        path.mkdir()
        (path / "weights").write_text(path.name, encoding="utf-8")


def schema_keys(annotation: Any = WorkflowConfig, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every key of the configuration that holds a value or a list, with `*` for names that a user chooses."""
    part, is_named = held(annotation), get_origin(bare(annotation)) is dict
    path = (*path, "*") if is_named else path
    if is_section(part):
        for name, field in keys(part).items():
            yield from schema_keys(field.annotation, (*path, name))
    else:
        yield ".".join(path)
