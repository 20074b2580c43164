"""Checkpoint folders: their names, and what counts as a model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, TrainerControl, TrainerState, TrainingArguments

from valuedrift.errors import ArtifactError
from valuedrift.models.model_folder import checkpoint_name, require_model, step_of
from valuedrift.training.checkpoints import SaveTrajectory, save_weights


@pytest.fixture
def model_folder(other: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(other, tmp_path / "step-000001"))


@pytest.mark.parametrize(("step", "name"), [(0, "step-000000"), (100, "step-000100"), (1_234_567, "step-1234567")])
def test_names_and_steps_belong_together(step: int, name: str) -> None:
    assert checkpoint_name(step) == name
    assert step_of(Path("run") / name) == step


@pytest.mark.parametrize("name", ["step", "step-", "step-ten", "steps-000010", "000010", "step--10", "checkpoint-10"])
def test_folders_of_other_names_are_refused(name: str) -> None:
    with pytest.raises(ArtifactError, match=rf"found '{name}', expected a folder named like step-000100"):
        step_of(Path("run") / name)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_one_of_its_files_is_refused_by_its_name(model_folder: Path, missing: str) -> None:
    (model_folder / missing).unlink()
    with pytest.raises(ArtifactError, match=r"step-000001: found \[.*\], expected config\.json and \*\.safetensors"):
        require_model(model_folder)


def test_a_half_written_configuration_is_refused_by_its_name(model_folder: Path) -> None:
    require_model(model_folder)
    (model_folder / "config.json").write_text('{"hidden_size": ')
    with pytest.raises(ArtifactError, match=r"step-000001/config\.json: .* expected JSON"):
        require_model(model_folder)


def test_saved_weights_replace_an_older_folder_whole(model_folder: Path, base: Path) -> None:
    (model_folder / "left-over.bin").write_bytes(b"")
    save_weights(AutoModelForCausalLM.from_pretrained(base), model_folder)
    names = {path.name for path in model_folder.iterdir()}
    assert names == {"config.json", "generation_config.json", "model.safetensors"}
    assert (model_folder / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()


def test_only_declared_steps_are_saved(base: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(base)
    watcher = SaveTrajectory(tmp_path / "run", steps=[2, 5])
    arguments = TrainingArguments(output_dir=str(tmp_path / "unused"), use_cpu=True, report_to="none")
    for step in range(1, 7):
        watcher.on_step_end(arguments, TrainerState(global_step=step), TrainerControl(), model=model)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["step-000002", "step-000005"]
