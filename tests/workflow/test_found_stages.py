"""Stages and steps are found in folders and on the hub, and written as a configuration."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from doubles.hub import Hub, local_hub

from valuedrift.cli import main
from valuedrift.config.check import read_config
from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.workflow.found_stages import find_stages, series
from valuedrift.workflow.trace import model_key, trace_configuration, trace_judge, write_trace

REPOSITORY = Path(__file__).parents[2]


def model(folder: Path) -> Path:
    """A folder that looks like a model to everything that doesn't load it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with local_hub(monkeypatch, tmp_path / "cache") as hub:
        yield hub


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["checkpoint-500", "checkpoint-1000", "runs", "checkpoint-best"], {"checkpoint-{step}": (500, 1000)}),
        (["step_0025", "step_0050", "step_1375"], {"step_{step:04d}": (25, 50, 1375)}),
        (["step_050", "step_1000", "step_50"], {"step_{step:03d}": (50, 1000), "step_{step}": (50,)}),
        (["5e-5-step1000", "5e-5-step10790", "main"], {"5e-5-step{step}": (1000, 10790)}),
        (["stage1-step-40", "stage2-step-10"], {"stage1-step-{step}": (40,), "stage2-step-{step}": (10,)}),
        (["step0", "step100"], {"step{step}": (0, 100)}),
        (["weights/step_5", "weights/step_10"], {"weights/step_{step}": (5, 10)}),
        (["global_step7/policy", "global_step14/policy"], {"global_step{step}/policy": (7, 14)}),
        (["v1.0", "epoch_1", "2024-05-01", "footstep3"], {}),
    ],
)
def test_names_that_look_like_steps(names: list[str], found: dict[str, tuple[int, ...]]) -> None:
    assert series(names) == found


def test_folders_of_several_stages(tmp_path: Path) -> None:
    for path in ("dpo/checkpoint-20", "dpo/checkpoint-100", "sft/checkpoint-5", "sft", "grpo/weights/step_5"):
        (tmp_path / path / "x").mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "model.safetensors"):
            (tmp_path / path / name).write_text("{}")
    (tmp_path / "dpo/checkpoint-120").mkdir()
    sft, dpo, grpo = find_stages([str(tmp_path)])
    assert (sft.name, sft.steps) == ("sft", (5,))
    assert (dpo.name, dpo.steps) == ("dpo", (20, 100))
    assert dpo.entry == {"folder": str(tmp_path / "dpo"), "pattern": "checkpoint-{step}"}
    assert grpo.entry["pattern"] == "step_{step}"


def test_a_single_model_is_a_stage(tmp_path: Path) -> None:
    (stage,) = find_stages([str(model(tmp_path / "My-Model"))])
    assert (stage.name, stage.entry, stage.steps) == ("my_model", {"folder": str(tmp_path / "My-Model")}, ())


def test_equal_names_are_numbered(tmp_path: Path) -> None:
    places = [str(model(tmp_path / path)) for path in ("a/sft", "b/sft", "c/sft")]
    assert [stage.name for stage in find_stages(places)] == ["sft", "sft_2", "sft_3"]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("runs/stf", r"runs/stf: found 'no such folder'.* Did you mean 'sft'\?"),
        ("runs/empty", r"runs/empty: found \['checkpoint-5'\], expected folders such as checkpoint-500"),
        ("nothing", r"nothing: found 'no such folder'.*Models on the hub are named OWNER/NAME"),
    ],
)
def test_places_without_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, says: str) -> None:
    monkeypatch.chdir(tmp_path)
    model(Path("runs/sft/checkpoint-5"))
    Path("runs/empty/checkpoint-5").mkdir(parents=True)
    with pytest.raises(ArtifactError, match=says):
        find_stages([place])


def test_branches_and_subfolders_of_the_hub(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = model(tmp_path / "tiny")
    for branch in ("main", "step1000", "step2000", "step3000", "step4000", "5e-5-step10"):
        hub.push("lab/Tiny-Think-SFT", branch, tiny)
    hub.push("lab/Tiny-Think", "main", step_0025=tiny, step_0100=tiny, other=tiny)
    hub.push("lab/Tiny-Think-DPO", "main", tiny)
    sft, low, think, dpo = find_stages(["lab/Tiny-Think-SFT", "lab/Tiny-Think", "lab/Tiny-Think-DPO"])
    assert sft.entry == {"hub": {"name": "lab/Tiny-Think-SFT", "revisions": "step{step}"}}
    assert (low.name, low.steps) == ("sft_2", (10,))
    assert think.entry == {"hub": {"name": "lab/Tiny-Think", "subfolders": "step_{step:04d}"}}
    assert (think.name, think.steps) == ("tiny_think", (25, 100))
    assert dpo.entry == {"hub": {"name": "lab/Tiny-Think-DPO", "revision": hub.branches["lab/Tiny-Think-DPO"]["main"]}}
    (one,) = find_stages(["lab/Tiny-Think-SFT@step2000"])
    assert one.entry["hub"]["revision"] == hub.branches["lab/Tiny-Think-SFT"]["step2000"]
    (folder,) = find_stages(["lab/Tiny-Think/other"])
    assert folder.entry["hub"]["subfolder"] == "other"
    (step,) = find_stages(["lab/Tiny-Think/step_0025"])
    assert step.steps == (25,)
    hub.push("lab/Ends", "it-mid-training", tiny)
    hub.push("lab/Ends", "it-SFT", tiny)
    ends = find_stages(["lab/Ends@it-mid-training", "lab/Ends@it-SFT"])
    assert [stage.name for stage in ends] == ["mid", "sft"]
    assert main(["trace", "--list", "lab/Tiny-Think-SFT"]) == 0
    said = capsys.readouterr().out
    assert "sft: 4 checkpoints, steps 1000 to 4000 (lab/Tiny-Think-SFT, step{step})" in said
    assert "other branches and tags: main" in said
    assert main(["trace", "--list", "lab/Tiny-Think-DPO"]) == 0
    said = capsys.readouterr().out
    assert said == "no branch, tag or folder looks like a step\nother branches and tags: main\n"


def test_the_configuration_is_short_and_right(hub: Hub, tmp_path: Path) -> None:
    tiny = model(tmp_path / "tiny")
    for step in (1000, 2000, 3000, 4000):
        hub.push("lab/Tiny-SFT", f"step{step}", tiny)
    hub.push("lab/Tiny-SFT", "main", tiny)
    hub.push("lab/Tiny", "main", tiny)
    for step in (0, 5, 10):
        shutil.copytree(tiny, tmp_path / f"dpo/checkpoint-{step}")
    stages = find_stages(["lab/Tiny-SFT", str(tmp_path / "dpo")])
    assert model_key(stages[0]) == "tiny_sft"
    config = trace_configuration("tiny_sft", stages, "lab/Tiny", "qwen25_7b")
    assert config["models"]["tiny_sft"] == {
        "suite": "tiny_sft",
        "hub": {"name": "lab/Tiny", "revision": hub.branches["lab/Tiny"]["main"]},
        "stages": {
            "sft": {
                "hub": {"name": "lab/Tiny-SFT", "revisions": "step{step}"},
                "steps": {"from": 1000, "to": 4000, "every": 1000},
            },
            "dpo": {"folder": str(tmp_path / "dpo"), "pattern": "checkpoint-{step}", "steps": [5, 10], "after": "sft"},
        },
        "chat": {"template": "own"},
    }
    assert config["suites"]["tiny_sft"]["probes"] == {"source": "builtin", "per_topic": 50}
    fewer = trace_configuration("tiny", stages, None, "qwen25_7b", "6", 2)["suites"]["tiny"]
    assert (fewer["probes"]["per_topic"], fewer["generation"]["answers"]) == (6, 2)
    own = trace_configuration("tiny", stages, None, "qwen25_7b", "mine.csv")["suites"]["tiny"]
    assert own["probes"] == {"source": "questions", "file": "mine.csv"}
    file = tmp_path / "tiny.yaml"
    write_trace(config, file)
    written = file.read_text()
    assert "      hub: {name: lab/Tiny-SFT, revisions: 'step{step}'}\n" in written
    write_trace(config, file)
    project = yaml.safe_load((REPOSITORY / "workflow_config.yaml").read_text())
    for section, values in yaml.safe_load(written).items():
        project[section] = {**project[section], **values}
    assert read_config(project).report.models == ("tiny_sft",)
    with pytest.raises(
        ArtifactError, match=r"another configuration.*snakemake --cores all --configfile .*another --name"
    ):
        write_trace({**config, "seed": 1}, file)
    assert file.read_text() == written


def test_adapters_follow_the_model_that_they_were_trained_on(tmp_path: Path) -> None:
    model(tmp_path / "sft/checkpoint-5")
    for name, start in (("dpo", "sft/checkpoint-5"), ("kto", "sft/checkpoint-5"), ("lone", "base")):
        folder = model(tmp_path / name / "checkpoint-3")
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path / start)}))
    sft, dpo, kto, lone = (find_stages([str(tmp_path / name)])[0] for name in ("sft", "dpo", "kto", "lone"))
    stages = trace_configuration("mine", [sft, dpo, kto], None, "pocket")["models"]["mine"]["stages"]
    assert [entry.get("after") for entry in stages.values()] == [None, "sft", "sft"]
    model(tmp_path / "base")
    assert trace_configuration("mine", [lone], None, "pocket")["models"]["mine"]["folder"] == str(tmp_path / "base")


def test_the_steps_of_a_model_without_a_base_begin_with_its_first(tmp_path: Path) -> None:
    for step in (0, 5):
        model(tmp_path / f"sft/checkpoint-{step}")
    config = trace_configuration("mine", find_stages([str(tmp_path / "sft")]), None, "qwen25_7b")
    assert "steps" not in config["models"]["mine"]["stages"]["sft"]
    assert "folder" not in config["models"]["mine"]


def test_the_judge_is_one_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Snakefile", "rules", "profiles", "envs", "workflow_config.yaml"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    assert trace_judge("mine", None, []) == "qwen25_7b"
    assert trace_judge("mine", "pocket", []) == "pocket"
    with pytest.raises(
        ConfigError, match=r"found 'pocke', expected one of pocket, english, .*qwen25_7b, .*\. Did you mean 'pocke"
    ):
        trace_judge("mine", "pocke", [])
    for name in ("paper", "My-Model"):
        with pytest.raises(
            ConfigError, match=f"found '{name}', expected a name of a-z, 0-9 and _ that no model or suite"
        ):
            trace_judge(name, None, [])


def test_the_configuration_of_published_trajectories_is_right() -> None:
    project = yaml.safe_load((REPOSITORY / "workflow_config.yaml").read_text())
    text = (REPOSITORY / "config/trajectories.yaml").read_text()
    published = yaml.safe_load(text)
    assert "Names unchecked" in text
    for section, values in published.items():
        project[section] = {**project[section], **values}
    models = read_config(project).models
    assert all(models[name].stages and "template" in published["models"][name]["chat"] for name in published["models"])
    assert models["olmo3_7b_think"].stages["rl"].hub.source(25)["revision"] == "step_0025"
