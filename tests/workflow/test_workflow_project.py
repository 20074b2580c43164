"""The configuration as rules see it: folders, stamps, settings, and what of these a result depends on."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from valuedrift.config.chat_models import LIMITS, LlmSettings
from valuedrift.config.schema import Machine
from valuedrift.errors import ConfigError
from valuedrift.workflow.project import Project
from valuedrift.workflow.project_models import Model

CONFIG: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "workflow_config.yaml").read_text())
SFT = "sft-wildchat"


@pytest.fixture
def config() -> dict[str, Any]:
    return copy.deepcopy(CONFIG)


@pytest.fixture(scope="module")
def project() -> Project:
    return Project.read(copy.deepcopy(CONFIG))


@pytest.fixture
def pocket(project: Project) -> Model:
    return project.models["pocket"]


def sharded(config: dict[str, Any], size: int) -> Model:
    config["suites"]["pocket"]["generation"]["shard"] = size
    return Project.read(config).models["pocket"]


def test_long_runs_are_cut_into_shards_that_hold_every_checkpoint_once(config: dict[str, Any]) -> None:
    model = sharded(config, 4)
    shards = [model.checkpoints(SFT, str(n)) for n in range(len(model.answers(SFT)))]
    assert max(map(len, shards)) == 4
    assert [path for shard in shards for path in shard] == model.runs[SFT].checkpoints


@pytest.mark.parametrize(
    ("machine", "stays"),
    [
        ({}, {110, 220, 330, 440, 550, 660, 770, 880}),
        ({"keep": "final"}, {880}),
        ({"keep": "every_nth", "nth": 4}, {440, 880}),
    ],
)
def test_weights_that_answered_are_deleted_but_for_those_that_the_run_keeps(
    config: dict[str, Any], machine: dict[str, Any], stays: set[int]
) -> None:
    model = sharded(config, 4)
    shards = model.shards(SFT)
    pruned = [set(model.prunable(SFT, str(shard), Machine(**machine))) for shard in range(len(shards))]
    assert all(own <= set(shard) for own, shard in zip(pruned, shards, strict=True))
    assert set(model.steps(SFT)) - set.union(*pruned) == stays
    assert model.prunable("base", "0", Machine(**machine)) == []


def test_machine_settings_budgets_and_permissions_are_not_recorded(config: dict[str, Any]) -> None:
    config["machine"] = {"resume_minutes": 5, "report_to": ["wandb"], "keep": "final"}
    project = Project.read({**config, "retrain": "true", "budget": {"gpu_hours": 3, "dollars": 1}})
    assert project.training_machine == {"resume_minutes": 5, "report_to": ["wandb"]}
    assert project.recorded == {key: part for key, part in config.items() if key != "machine"}


@pytest.mark.parametrize(
    ("changes", "key"), [({"prompt": "pokcet"}, "prompt"), ({"labels": ["A", "B", "C"]}, "labels")]
)
def test_a_judge_whose_prompt_is_missing_or_lacks_its_labels_is_named(
    config: dict[str, Any], changes: dict[str, Any], key: str
) -> None:
    config["judges"]["pocket"] |= changes
    with pytest.raises(ConfigError, match=rf"'judges\.pocket\.{key}'"):
        Project.read(config)


def test_limits_of_a_chat_model_are_handed_over_and_not_tracked(config: dict[str, Any]) -> None:
    served = {"backend": "http", "model": "m", "url": "u"}
    config["llms"]["asked"] = {**served, "budget": 5, "requests_per_minute": 60, "input_price": 1.0}
    config["judges"]["asked"] = {"llm": "asked", "prompt": "stance"}
    judge = Project.read(config).judges["asked"]
    assert judge.settings["llm"]["budget"] == 5
    assert judge.tracked["llm"] == served
    assert judge.tracked["prompt_text"] == judge.prompt_hash
    assert (judge.is_served, judge.folder, judge.stamp) == (True, [], [])


def test_limits_are_settings_of_chat_models() -> None:
    assert LlmSettings.model_fields.keys() - LIMITS == {"backend", "model", "url"}


def test_a_fetched_chat_model_is_known_by_its_folder(project: Project) -> None:
    llm = project.llms["qwen25_72b"]
    assert (llm.folder, llm.stamp) == (["results/llms/qwen25_72b/model"], ["results/llms/qwen25_72b/source.json"])
    assert llm.settings == llm.tracked == {"backend": "vllm", "model": llm.folder[0]}
    assert llm.source == {"hub": CONFIG["llms"]["qwen25_72b"]["hub"]}


def test_small_files_stand_for_weights(project: Project, pocket: Model) -> None:
    folder = "results/checkpoints"
    assert pocket.stamps("base") == [f"{folder}/pocket/base/metrics.parquet"]
    assert project.models["qwen3_4b"].stamps("sft-alpaca") == [
        f"{folder}/qwen3_4b/base/source.json",
        f"{folder}/qwen3_4b/sft-alpaca/metrics.parquet",
    ]
    assert pocket.start_stamps(pocket.runs[f"{SFT}/ppo-ultrafeedback"]) == [
        f"{folder}/pocket/base/metrics.parquet",
        f"{folder}/pocket/{SFT}/metrics.parquet",
        f"{folder}/pocket/{SFT}/reward-ultrafeedback/metrics.parquet",
    ]
    assert project.judges["qwen25_7b"].stamp == ["results/judges/qwen25_7b/source.json"]
    assert project.judges["pocket"].stamp == ["results/judges/pocket/metrics.parquet"]


def test_topics_are_proposed_until_they_are_chosen(config: dict[str, Any], tmp_path: Path) -> None:
    config["suites"]["paper"]["probes"]["choice"] = str(tmp_path / "choice.yaml")
    probes = Project.read(config).suites["paper"].probes
    assert (probes.choice, probes.proposal) == ([], ["results/vprism/paper/topics.yaml"])
    (tmp_path / "choice.yaml").touch()
    assert (probes.choice, probes.proposal) == ([str(tmp_path / "choice.yaml")], [])


def test_sampling_leaves_out_how_answers_are_made(pocket: Model) -> None:
    plain = pocket.sampling(0)
    assert set(plain) == {"answers", "temperature", "max_tokens", "batch_size", "seed"}
    assert pocket.sampling(0, temperature=1.0, answers=20) == {**plain, "temperature": 1.0, "answers": 20}


def test_how_checkpoints_are_asked_counts_where_it_is_not_the_base_models_format(
    config: dict[str, Any], tmp_path: Path
) -> None:
    model = config["models"]["pocket"]
    plain, chat = Project.read(config).models["pocket"].sampling(0), model["chat"]
    model["chat"] = {**chat, "system": "Be brief .", "plain": "all"}
    asked = Project.read(config).models["pocket"]
    assert asked.sampling(0) == {**plain, "chat": {"system": "Be brief .", "plain": "all"}}
    assert asked.format == chat, "the base model isn't fetched again"
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    model["stages"] = {"theirs": {"folder": str(tmp_path)}}
    assert Project.read(config).models["pocket"].sampling(0)["chat"] == model["chat"]

    config["suites"]["pocket"] = {**config["suites"]["pocket"], "grid": {"sft": [], "preference": []}}
    template = tmp_path / "asked.jinja"
    template.write_text("{{ messages[0].content }}")
    config["models"]["theirs"] = {"suite": "pocket", "folder": "m", "chat": {"template": str(template)}}
    theirs = Project.read(config).models["theirs"]
    assert theirs.sampling(0)["chat"] == {"template": "{{ messages[0].content }}"}, "an edit of the file counts"
    assert theirs.format == {}
    del config["models"]["theirs"]["chat"]
    assert "chat" not in Project.read(config).models["theirs"].sampling(0)


def test_a_reported_model_has_two_checkpoints(config: dict[str, Any], tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    tracing = {key: config["suites"]["pocket"][key] for key in ("probes", "generation", "judge")}
    config["suites"]["tracing"] = {**tracing, "probes": {"source": "builtin", "per_topic": 2}}
    config["models"]["theirs"] = {"suite": "tracing", "stages": {"sft": {"folder": str(tmp_path)}}}
    assert Project.read(config).models["theirs"].answered == ["sft"]
    config["report"]["models"] = ["theirs"]
    with pytest.raises(ConfigError, match=r"'models\.theirs': found 'one checkpoint', expected a run or a stage"):
        Project.read(config)
    config["models"]["theirs"]["folder"] = "base"
    theirs = Project.read(config).models["theirs"]
    assert (theirs.answered, theirs.stamps("sft"), theirs.metrics) == (["base", "sft"], [], {})
    assert theirs.base_of("sft", "0") == str(tmp_path), "its own tokenizer and architecture"


def test_inputs_are_local_files_and_those_that_the_pipeline_makes(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pocket, real = project.suites["pocket"], project.suites["real"]
    assert pocket.inputs(pocket.data["alpaca"].files) == ["results/world/pocket/alpaca.parquet"]
    assert pocket.inputs(pocket.probes.files) == ["results/world/pocket/probes.csv"]
    monkeypatch.delenv("VALUEDRIFT_DATA", raising=False)
    assert real.inputs(real.data["alpaca"].files) == []
    monkeypatch.setenv("VALUEDRIFT_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # the repository may have results
    for name in ("mine.jsonl", "alpaca/alpaca_9k.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert real.inputs(real.data["alpaca"].files) == [f"{tmp_path}/alpaca/alpaca_9k.json"]
    assert real.inputs(["~/mine.jsonl"]) == [f"{tmp_path}/mine.jsonl"]
    for missing in ("mine.json", "results/world/pocket/probes.csv", "results/synthetic/real/support.parquet"):
        with pytest.raises(SystemExit, match=f"error: {missing}: found 'no such file'"):
            real.inputs([missing])
    with pytest.raises(SystemExit, match=r"error: x{999}: File name too long"):
        real.inputs(["x" * 999])


def test_metrics_are_those_of_every_training_run_but_ablations_and_fetched_models(project: Project) -> None:
    metrics = project.models["pocket"].metrics
    assert metrics["base"] == "results/checkpoints/pocket/base/metrics.parquet"
    assert {"sft-alpaca", f"{SFT}/dpo-ultrafeedback", f"{SFT}/reward-ultrafeedback"} <= metrics.keys()
    assert "base" not in project.models["qwen3_4b"].metrics
    assert not [run for run in metrics if "beta-" in run]


def test_ablations_need_the_stances_of_their_runs_and_of_what_those_start_from(project: Project) -> None:
    files = project.ablation_stances("pocket")
    assert files[0] == f"results/stances/pocket/{SFT}.parquet"
    assert {
        f"results/stances/pocket/{SFT}/dpo-synthetic-support.parquet",
        f"results/stances/pocket/{SFT}/dpo-synthetic-support-beta-0-5.parquet",
    } < set(files)
    assert len(set(files)) == len(files)
    assert not set(project.models["pocket"].stances) & {file for file in files if "beta" in file}


def test_benchmarks_score_models_whose_suite_names_tasks(project: Project) -> None:
    assert project.models["pocket"].scores == []
    files = project.models["qwen3_4b"].scores
    assert len(files) == 1 + 2 + 2 * 2 * 3
    assert files[0] == "results/downstream/qwen3_4b/base/step-000000.json"
    assert not any("ultrafeedback" in file or "hh-rlhf" in file for file in files)


def test_prompts_are_those_of_the_judge_and_of_the_writer_of_pairs(project: Project) -> None:
    assert project.suites["pocket"].writer is None
    paper = project.suites["paper"]
    assert paper.writer is project.llms["qwen25_72b"]
    assert "{answer}" in paper.judge.prompt
    assert "{value}" in paper.writer_prompt
    assert list(project.topics("name")) == list(CONFIG["topics"])


def test_keys_with_defaults_may_be_left_out(config: dict[str, Any]) -> None:
    suite = config["suites"]["paper"]
    suite["expression"] = {key: suite["expression"][key] for key in ("model", "examples")}
    suite["synthetic"]["writing"] = {}
    paper = Project.read(config).suites["paper"]
    assert paper.row_retrieval == {"model": paper.row_encoder.name}
    assert "{value}" in paper.writer_prompt
