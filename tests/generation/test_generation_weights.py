"""Weights that don't fit are refused, by file and tensor."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from valuedrift.errors import ArtifactError
from valuedrift.generation.transformers_engine import TransformersEngine
from valuedrift.models.architecture import Architecture
from valuedrift.models.weights import Checkpoint, differing, digest, read_checkpoint

Tensors = dict[str, torch.Tensor]
Read = Callable[[Path], Checkpoint]
Break = Callable[[Callable[[Tensors], object]], Path]
NORM = "model.layers.0.mlp.up_proj.weight"
FILE = r"model\.safetensors"


@pytest.fixture
def read(architecture: Architecture) -> Read:
    return lambda folder: read_checkpoint(folder, architecture, torch.float32)


@pytest.fixture
def folder(other: Path, tmp_path: Path) -> Path:
    """A copy of a checkpoint, to be changed."""
    return Path(shutil.copytree(other, tmp_path / "step-000003"))


@pytest.fixture
def broken(folder: Path) -> Break:
    """The copy, once its tensors were changed in place."""

    def breaks(change: Callable[[Tensors], object]) -> Path:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    return breaks


def configure(folder: Path, changes: dict[str, Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def poisoned(value: float) -> Callable[[Tensors], object]:
    return lambda tensors: tensors[NORM].view(-1)[3].fill_(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(NORM), rf"step-000003: found \"no tensor '{NORM}'\", expected the 14 tensors of Qwen3"),
        (
            lambda t: t.update(extra=torch.zeros(2)),
            rf"{FILE}: found \"an unknown tensor 'extra'\", expected the 14 tensors of",
        ),
        (
            lambda t: t.update({NORM: torch.zeros(3, 16)}),
            rf"{FILE}: found \"'{NORM}' of shape \(3, 16\)\", expected shape \(48, 16\)",
        ),
        (poisoned(float("nan")), rf"{FILE}: found \"NaN or infinity in '{NORM}'\", expected finite"),
        (poisoned(float("inf")), rf"{FILE}: found \"NaN or infinity in '{NORM}'\", expected finite"),
    ],
    ids=["missing", "extra", "shape", "NaN", "infinity"],
)
def test_tensors_that_do_not_fit_are_named(
    read: Read, broken: Break, change: Callable[[Tensors], object], message: str
) -> None:
    with pytest.raises(ArtifactError, match=message):
        read(broken(change))


@pytest.mark.parametrize("size", [0, 4, 100, 5000])
def test_a_file_that_was_cut_short_is_named(read: Read, folder: Path, size: int) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:size])
    with pytest.raises(ArtifactError, match=r"step-000003/model\.safetensors: .* expected a whole safetensors"):
        read(folder)


def test_a_missing_checkpoint_is_named(read: Read, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="step-000004: found 'nothing', expected"):
        read(tmp_path / "step-000004")


def test_a_tensor_in_two_files_is_named(read: Read, folder: Path) -> None:
    save_file({NORM: torch.zeros(48, 16)}, folder / "stale.safetensors")
    with pytest.raises(ArtifactError, match=rf"stale\.safetensors: found \"tensor '{NORM}', as in model\.safetensors"):
        read(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_attention_heads": 1}, r"found 'num_attention_heads = 1', expected num_attention_heads = 2, as in"),
        ({"rms_norm_eps": 1e-5}, r"found 'rms_norm_eps = 1e-05', expected rms_norm_eps = 1e-06"),
        ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, r"found \"architectures = \['Llama"),
        (
            {"model_type": "no-such-model"},
            r".*no-such-model.*expected the configuration of a model that transformers knows",
        ),
    ],
)
def test_another_architecture_is_named_even_where_all_tensors_fit(
    read: Read, folder: Path, change: dict[str, Any], message: str
) -> None:
    configure(folder, change)
    with pytest.raises(ArtifactError, match=rf"step-000003/config\.json: {message}"):
        read(folder)


def test_what_trainers_write_along_the_way_makes_no_other_architecture(read: Read, folder: Path, other: Path) -> None:
    configure(folder, {"use_cache": False, "dtype": "bfloat16", "eos_token_id": 5, "transformers_version": "9"})
    assert read(folder).identity == read(other).identity


def test_weights_in_several_files_and_another_precision_are_read(
    architecture: Architecture, start: Callable[[Path], TransformersEngine], other: Path, tmp_path: Path
) -> None:
    half = AutoModelForCausalLM.from_pretrained(other, dtype=torch.bfloat16)
    for name, size in (("step-000005", "4KB"), ("step-000006", "1GB")):
        half.save_pretrained(tmp_path / name, max_shard_size=size)
    assert len(list((tmp_path / "step-000005").glob("*.safetensors"))) > 1
    engine = start(tmp_path / "step-000005")
    for name, tensor in engine.model.state_dict().items():
        assert torch.equal(tensor, half.state_dict()[name].float())
    # The same weights are the same, in however many files, and whatever the precision they are rounded to.
    in_one, in_many, rounded = (
        read_checkpoint(folder, architecture, torch.bfloat16).identity
        for folder in (tmp_path / "step-000006", tmp_path / "step-000005", other)
    )
    assert in_one == in_many == rounded


def test_one_changed_bit_is_another_identity(read: Read, broken: Break, other: Path) -> None:
    def flip(tensors: Tensors) -> None:
        tensors[NORM].view(torch.int32)[0, 0] ^= 1

    assert read(broken(flip)).identity != read(other).identity


def test_tied_tensors_count_whether_files_have_them_or_not(read: Read, broken: Break, other: Path) -> None:
    tied = broken(lambda tensors: tensors.update({"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}))
    assert read(tied).identity == read(other).identity


def test_what_an_engine_holds_otherwise_hides_or_has_besides_differs() -> None:
    checkpoint = Checkpoint(Path("x"), {"a": "1", "b": "2", "c": "3"}, {})
    assert differing({"a": "1", "b": "2", "c": "3"}, checkpoint) == []
    assert differing({"a": "1", "b": "9", "d": "4"}, checkpoint) == ["b", "c", "d"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_digests_are_of_values_in_order(dtype: torch.dtype) -> None:
    tensor = torch.arange(6).reshape(2, 3).to(dtype)
    assert digest(tensor) == digest(tensor.t().contiguous().t()) == digest(tensor.reshape(-1))
    assert digest(tensor) != digest(tensor.flip(0))
    assert digest(torch.tensor(1, dtype=dtype)) == digest(torch.tensor([1], dtype=dtype))
