"""Weights that go when their answers exist."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from valuedrift.errors import ArtifactError
from valuedrift.models.model_folder import require_model
from valuedrift.models.prune_weights import kept_steps, prune_weights, pruned_identity


@pytest.mark.parametrize(
    ("policy", "nth", "kept"),
    [("all", 1, {10, 20, 30, 40, 50}), ("final", 1, {50}), ("every_nth", 2, {20, 40, 50}), ("every_nth", 9, {50})],
)
def test_the_last_checkpoint_is_always_kept(policy: str, nth: int, kept: set[int]) -> None:
    assert kept_steps((10, 20, 30, 40, 50), policy, nth) == kept


@pytest.fixture
def checkpoint(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "run" / "step-000001"))


def test_pruning_removes_weights_alone_and_says_what_was_freed(checkpoint: Path) -> None:
    before = {path.name for path in checkpoint.iterdir()}
    weights = (checkpoint / "model.safetensors").stat().st_size
    assert pruned_identity(checkpoint, "an engine") is None
    assert prune_weights(checkpoint, {"an engine": "abc"}) == weights
    assert {path.name for path in checkpoint.iterdir()} == {*before, "pruned.json"} - {"model.safetensors"}
    assert prune_weights(checkpoint, {"an engine": "abc"}) == 0


def test_a_pruned_checkpoint_is_known_to_the_engine_that_it_answered_by(checkpoint: Path) -> None:
    prune_weights(checkpoint, {"vllm bfloat16": "abc"})
    assert pruned_identity(checkpoint, "vllm bfloat16") == "abc"
    with pytest.raises(ArtifactError, match="that answered by vllm bfloat16', expected weights, to answer by another"):
        pruned_identity(checkpoint, "another")


def test_pruning_that_was_cut_off_goes_on(checkpoint: Path, base: Path) -> None:
    prune_weights(checkpoint, {"an engine": "abc"})
    shutil.copy(base / "model.safetensors", checkpoint)
    assert prune_weights(checkpoint, {"an engine": "abc"}) > 0
    assert not (checkpoint / "model.safetensors").exists()


def test_pruned_weights_are_explained_to_who_needs_them(checkpoint: Path) -> None:
    prune_weights(checkpoint, {})
    with pytest.raises(ArtifactError, match=r"step-000001: found 'a checkpoint without its weights.*Set `keep: all`"):
        require_model(checkpoint)


def test_a_checkpoint_that_is_not_whole_is_not_pruned(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ArtifactError, match=r"model\.safetensors"):
        prune_weights(checkpoint, {})
    assert (checkpoint / "model.safetensors").exists()
