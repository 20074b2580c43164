"""Stores of embeddings: each text once, continued after a kill, and never mistaken for those of other texts."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from valuedrift.errors import ArtifactError
from valuedrift.models import embedding_store as store
from valuedrift.models.embedding_store import distinct_texts, read_embeddings, write_embeddings

TEXTS = pl.Series([f"text {place % 7}" for place in range(20)])


def vector(text: str, model: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(f"{model} {text}".encode()).digest()[:4], "big")
    drawn = np.random.default_rng(seed).standard_normal(5)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Blocks of three texts and an encoder of five dimensions; the texts it was given, in order."""
    seen: list[str] = []

    def embed(texts: list[str], model: str) -> np.ndarray:
        seen.extend(texts)
        return np.stack([vector(text, model) for text in texts])

    monkeypatch.setattr(store, "embed", embed)
    monkeypatch.setattr(store, "BLOCK", 3)
    return seen


def test_each_distinct_text_is_embedded_once_and_read_back_in_order(tmp_path: Path, embedded: list[str]) -> None:
    for _ in range(2):
        write_embeddings(TEXTS, "m", tmp_path / "v.npy")
    vectors = read_embeddings(tmp_path / "v.npy", TEXTS, "m")
    assert isinstance(vectors, np.memmap)
    assert embedded == distinct_texts(TEXTS).to_list()
    np.save(tmp_path / "saved.npy", np.stack([vector(text, "m") for text in embedded]))
    assert (tmp_path / "v.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()
    (tmp_path / "saved.npy").unlink()
    assert {path.name for path in tmp_path.iterdir()} == {"v.npy", "v.json"}


def test_a_draft_torn_within_its_header_starts_over(tmp_path: Path, embedded: list[str]) -> None:
    write_embeddings(TEXTS, "m", tmp_path / "whole.npy")
    identity = json.loads((tmp_path / "whole.json").read_text())
    store._draft(tmp_path / "v.npy", identity).write_bytes((tmp_path / "whole.npy").read_bytes()[:40])
    write_embeddings(TEXTS, "m", tmp_path / "v.npy")
    assert (tmp_path / "v.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np, polars as pl
from valuedrift.models import embedding_store as store
store.BLOCK = 3
def embed(texts, model):
    if "text 6" in texts and sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    print("embedded", *texts)
    return np.stack([np.full(4, int(text[5:]) + 1, np.float32) for text in texts])
store.embed = embed
store.write_embeddings(pl.Series([f"text {place}" for place in range(8)]), "m", Path(sys.argv[1]))
"""


def test_after_a_kill_only_the_last_block_is_embedded_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "v.npy")]
    killed = subprocess.run([*command, "kill"], capture_output=True, text=True, check=False)
    assert killed.returncode == -9
    assert not (tmp_path / "v.npy").exists()
    again = subprocess.run([*command, "live"], capture_output=True, text=True, check=True)
    assert again.stdout == "embedded text 6 text 7\n"
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy")[:, 0], np.arange(1, 9))


@pytest.mark.parametrize(
    ("texts", "model", "word"),
    [
        (pl.Series(["text 0", "text 1"]), "m", "rows"),
        (pl.Series([f"Text {place}" for place in range(7)]), "m", "text_hash"),
        (TEXTS, "another", "model"),
    ],
)
def test_a_store_of_other_texts_or_another_model_is_refused(
    tmp_path: Path, embedded: list[str], texts: pl.Series, model: str, word: str
) -> None:
    write_embeddings(TEXTS, "m", tmp_path / "v.npy")
    with pytest.raises(ArtifactError, match=word):
        read_embeddings(tmp_path / "v.npy", texts, model)


def test_moving_a_boundary_between_texts_changes_the_hash(tmp_path: Path, embedded: list[str]) -> None:
    write_embeddings(pl.Series(["ab", "c"]), "m", tmp_path / "v.npy")
    with pytest.raises(ArtifactError, match="text_hash"):
        read_embeddings(tmp_path / "v.npy", pl.Series(["a", "bc"]), "m")


def test_changed_texts_replace_the_store_and_its_draft(tmp_path: Path, embedded: list[str]) -> None:
    write_embeddings(TEXTS, "m", tmp_path / "v.npy")
    (tmp_path / ".v.npy.0123456789abcdef.partial").write_bytes(b"begun for other texts")
    changed = pl.Series(["one", "two"])
    write_embeddings(changed, "m", tmp_path / "v.npy")
    np.testing.assert_array_equal(read_embeddings(tmp_path / "v.npy", changed, "m")[1], vector("two", "m"))
    assert {path.name for path in tmp_path.iterdir()} == {"v.npy", "v.json"}


def test_a_missing_store_or_a_foreign_array_says_what_to_do(tmp_path: Path, embedded: list[str]) -> None:
    with pytest.raises(ArtifactError, match="Embed the texts"):
        read_embeddings(tmp_path / "v.npy", TEXTS, "m")
    write_embeddings(TEXTS, "m", tmp_path / "v.npy")
    np.save(tmp_path / "v.npy", np.zeros((7, 5)))
    with pytest.raises(ArtifactError, match="float64 of shape"):
        read_embeddings(tmp_path / "v.npy", TEXTS, "m")


def test_no_text_and_vectors_that_are_not_finite_are_refused(
    tmp_path: Path, embedded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ArtifactError, match="no texts"):
        write_embeddings(pl.Series([], dtype=pl.String), "m", tmp_path / "v.npy")
    monkeypatch.setattr(store, "embed", lambda texts, model: np.full((len(texts), 2), np.nan, np.float32))
    with pytest.raises(ArtifactError, match="not finite"):
        write_embeddings(TEXTS, "m", tmp_path / "v.npy")
