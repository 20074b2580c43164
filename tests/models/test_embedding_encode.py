"""The sentence encoder that needs no network."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from valuedrift.errors import ArtifactError
from valuedrift.models.sentence_encoder import OFFLINE, embed, hub_name, load_encoder, located


def test_texts_become_unit_vectors_in_their_order_with_like_texts_near() -> None:
    texts = ["Should abortion be legal?", "How do I bake a sourdough loaf at home?", "Is it right to forbid abortion?"]
    vectors = embed(texts, OFFLINE)
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    near, far = vectors[0] @ vectors[2], vectors[0] @ vectors[1]
    assert near > 0.5 > far


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("modules.json", "{"),
        ("modules.json", "[]"),
        ("modules.json", '[{"type": "os.system", "path": "."}]'),
        ("1_Pooling/config.json", None),
        ("config.json", "{"),
        ("model.safetensors", None),
        ("model.safetensors", "x"),
    ],
)
def test_a_broken_folder_is_refused_in_a_sentence(tmp_path: Path, name: str, content: str | None) -> None:
    folder = Path(shutil.copytree(located(OFFLINE), tmp_path / "encoder"))
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ArtifactError, match=f"^{folder}: found .*expected a sentence encoder") as raised:
        load_encoder(folder)
    assert "\n" not in str(raised.value)


def test_an_encoder_of_the_hub_is_taken_at_its_commit() -> None:
    assert hub_name("all-mpnet-base-v2@0123abc") == ("sentence-transformers/all-mpnet-base-v2", "0123abc")
    assert hub_name("someone/encoder") == ("someone/encoder", None)


def test_a_folder_is_taken_as_it_is_and_the_offline_encoder_from_its_package(tmp_path: Path) -> None:
    folder = tmp_path / "own@home"
    folder.mkdir()
    assert located(str(folder)) == folder
    assert (located(OFFLINE) / "config.json").is_file()
