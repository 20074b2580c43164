"""Checkpoints in forms that aren't read are refused with the command that converts them; printed commands work."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as distributed
from families import state_of
from transformers import AutoModelForCausalLM

from valuedrift.errors import ArtifactError
from valuedrift.models.model_folder import require_model
from valuedrift.models.weights import load_model, read_model
from valuedrift.other_formats import refuse_other_formats


def torn(folder: Path) -> dict[str, torch.Tensor]:
    """Take a folder's weights away, and return them."""
    state = state_of(folder)
    (folder / "model.safetensors").unlink()
    return state


def sharded(folder: Path, name: str, key: str) -> None:
    state = torn(folder)
    distributed.save({key: state} if key else state, checkpoint_id=folder / name)


def pickled(folder: Path, *names: str) -> None:
    state = list(torn(folder).items())
    for number, name in enumerate(names):
        torch.save(dict(state[number :: len(names)]), folder / name)
    (folder / "training_args.bin").touch()


def touched(*names: str) -> Callable[[Path], None]:
    def touches(folder: Path) -> None:
        torn(folder)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()

    return touches


CONVERTED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "FSDP": (
        lambda folder: sharded(folder, "pytorch_model_fsdp_0", "model"),
        r"shards of FSDP \(pytorch_model_fsdp_0/__0_",
    ),
    "torch.distributed.checkpoint": (
        lambda folder: sharded(folder, "", ""),
        r"shards of torch\.distributed\.checkpoint \(__0_0\.distcp\)",
    ),
    "a pickle": (lambda folder: pickled(folder, "pytorch_model.bin"), r"pickled weights \(pytorch_model\.bin\)"),
    "pickles": (
        lambda folder: pickled(folder, *(f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2))),
        r"pickled weights \(pytorch_model-00001-of-00002\.bin\)",
    ),
    "torchtune": (
        lambda folder: pickled(folder, "hf_model_0001_0.pt", "hf_model_0002_0.pt"),
        r"pickled weights of torchtune \(hf_model_0001_0\.pt\)",
    ),
}


@pytest.mark.parametrize("form", CONVERTED)
def test_the_printed_command_converts_the_weights(base: Path, tmp_path: Path, form: str) -> None:
    """Also below a folder whose name has a space, and would have been renamed by a careless command."""
    change, message = CONVERTED[form]
    folder = Path(shutil.copytree(base, tmp_path / "my pytorch_runs/checkpoint-500"))
    before = read_model(folder, torch.float32).identity
    change(folder)
    with pytest.raises(ArtifactError, match=message) as raised:
        require_model(folder)
    assert "\n" not in str(raised.value)
    command = str(raised.value).partition("Convert them: ")[2].removesuffix(".")
    subprocess.run(shlex.split(command), check=True, capture_output=True, env={**os.environ, "ACCELERATE_USE_CPU": "1"})
    assert read_model(folder, torch.float32).identity == before
    load_model(folder)


NAMED = {
    "DeepSpeed ZeRO": (
        touched("zero_to_fp32.py", "latest", "global_step500/zero_pp_rank_0_mp_rank_00_model_states.pt"),
        r"shards of DeepSpeed ZeRO .*: python {folder}/zero_to_fp32\.py {folder} {folder} --safe_serialization",
    ),
    "verl": (
        touched("model_world_size_8_rank_0.pt", "optim_world_size_8_rank_0.pt", "huggingface/config.json"),
        r"shards of verl .*verl\.model_merger merge --backend fsdp --local_dir {folder} --target_dir {folder}-merged",
    ),
    "verl, with a critic": (
        touched("actor/model_world_size_8_rank_0.pt", "critic/model_world_size_8_rank_0.pt"),
        r"shards of verl \(actor/model_w.*--local_dir {folder}/actor --target_dir {folder}-merged",
    ),
    "a run of torchtune": (
        touched("epoch_0/model-00001-of-00001.safetensors"),
        r"a run of torchtune.*Name the folder of one epoch, such as {folder}/epoch_0\.",
    ),
}


@pytest.mark.parametrize("form", NAMED)
def test_other_forms_are_recognised(base: Path, tmp_path: Path, form: str) -> None:
    change, message = NAMED[form]
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    change(folder)
    with pytest.raises(ArtifactError, match=message.replace("{folder}", str(folder))) as raised:
        require_model(folder)
    assert "copy config.json" not in str(raised.value)


def test_a_folder_without_configuration_is_told_to_get_one(tmp_path: Path) -> None:
    touched_files = [tmp_path / "pytorch_model_fsdp_0/__0_0.distcp", tmp_path / "optimizer.bin"]
    for file in touched_files:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    with pytest.raises(
        ArtifactError, match=r"accelerate merge-weights \S+ \S+ Then copy config\.json and the tokenizer"
    ):
        require_model(tmp_path)


def test_a_trainers_state_is_no_pickled_model(tmp_path: Path) -> None:
    for name in ("optimizer.pt", "rng_state.pth", "scheduler.pt", "training_args.bin"):
        (tmp_path / name).touch()
    refuse_other_formats(tmp_path)
    with pytest.raises(ArtifactError, match=r"expected config\.json and \*\.safetensors"):
        require_model(tmp_path)


def test_safetensors_of_any_name_load(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    (folder / "model.safetensors").rename(folder / "ft-model-00001-of-00001.safetensors")
    found, expected = (AutoModelForCausalLM.from_pretrained(base).state_dict(), load_model(folder).state_dict())
    assert all(torch.equal(found[name], expected[name]) for name in expected)
