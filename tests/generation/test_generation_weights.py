"""Weights that don't fit are refused, by file and tensor."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from valuedrift.errors import ArtifactError
from valuedrift.generation.engine import TransformersEngine

Tensors = dict[str, torch.Tensor]
NORM = "model.layers.0.mlp.up_proj.weight"


@pytest.fixture
def engine(base: Path) -> TransformersEngine:
    return TransformersEngine(base, base)


@pytest.fixture
def broken(other: Path, tmp_path: Path) -> Callable[[Callable[[Tensors], object]], Path]:
    """A copy of a checkpoint whose tensors were changed in place."""

    def breaks(change: Callable[[Tensors], object]) -> Path:
        folder = Path(shutil.copytree(other, tmp_path / "step-000003"))
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    return breaks


def poisoned(value: float) -> Callable[[Tensors], object]:
    return lambda tensors: tensors[NORM].view(-1)[3].fill_(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(NORM), rf"step-000003: found \"no tensor '{NORM}'\", expected all \d+ tensors"),
        (
            lambda t: t.update(extra=torch.zeros(2)),
            r"model\.safetensors: found \"tensor 'extra'\", expected tensors of",
        ),
        (
            lambda t: t.update({NORM: torch.zeros(3, 16)}),
            rf"model\.safetensors: found \"'{NORM}' of shape \(3, 16\)\", expected shape \(48, 16\)",
        ),
        (poisoned(float("nan")), rf"model\.safetensors: found \"NaN or infinity in '{NORM}'\", expected finite"),
        (poisoned(float("inf")), rf"model\.safetensors: found \"NaN or infinity in '{NORM}'\", expected finite"),
    ],
    ids=["missing", "extra", "shape", "NaN", "infinity"],
)
def test_tensors_that_do_not_fit_are_named(
    engine: TransformersEngine,
    broken: Callable[[Callable[[Tensors], object]], Path],
    change: Callable[[Tensors], object],
    message: str,
) -> None:
    with pytest.raises(ArtifactError, match=message):
        engine.load(broken(change))


@pytest.mark.parametrize("size", [0, 4, 100, 5000])
def test_a_file_that_was_cut_short_is_named(
    engine: TransformersEngine, base: Path, other: Path, tmp_path: Path, size: int
) -> None:
    folder = Path(shutil.copytree(other, tmp_path / "step-000003"))
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:size])
    for load in (engine.load, lambda path: TransformersEngine(base, path)):
        with pytest.raises(ArtifactError, match=r"step-000003/model\.safetensors: .* expected a whole safetensors"):
            load(folder)


def test_a_missing_checkpoint_is_named(engine: TransformersEngine, base: Path, tmp_path: Path) -> None:
    for load in (engine.load, lambda path: TransformersEngine(base, path)):
        with pytest.raises(ArtifactError, match="step-000004: found 'nothing', expected"):
            load(tmp_path / "step-000004")


def test_weights_in_several_files_and_another_precision_are_read(
    engine: TransformersEngine, other: Path, tmp_path: Path
) -> None:
    half = AutoModelForCausalLM.from_pretrained(other, dtype=torch.bfloat16)
    half.save_pretrained(tmp_path / "step-000005", max_shard_size="4KB")
    assert len(list((tmp_path / "step-000005").glob("*.safetensors"))) > 1
    engine.load(tmp_path / "step-000005")
    for name, tensor in engine.model.state_dict().items():
        assert torch.equal(tensor, half.state_dict()[name].float())
