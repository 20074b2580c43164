"""Embeddings in a file: each distinct text once, read memory-mapped; a killed job continues from the last whole block.

A store is a `.npy` file, float32 (distinct texts, dimensions), and a `.json` file of the same name that identifies its
model and texts. Until it is complete, it is a hidden `.partial` file in that folder, which is filled block by block.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError
from valuedrift.files import read_json, write_json
from valuedrift.models.sentence_encoder import FloatMatrix, embed

BLOCK = 1024
"""The number of texts embedded between two writes: a kill loses at most these."""

_NUMBER = np.dtype("<f4")


def distinct_texts(texts: pl.Series) -> pl.Series:
    """Return each text once, in the order of first occurrence; row i of a store belongs to the i-th text."""
    return texts.unique(maintain_order=True)


def write_embeddings(texts: pl.Series, model: str, out: Path) -> None:
    """Embed the distinct texts into the store `out` (.npy, and .json beside it), unless it exists already.

    Blocks have the same bounds whether or not the job was killed, so the file has the same bytes.

    Raises:
        ArtifactError: there is no text, or the model's vectors are not finite.
    """
    distinct = distinct_texts(texts)
    identity = _identity(distinct, model)
    if _holds(out, identity):
        return
    if distinct.is_empty():
        raise ArtifactError(out, "no texts to embed", "at least one text")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    draft = _draft(out, identity)
    for start in range(_done(draft), distinct.len(), BLOCK):
        block = distinct[start : start + BLOCK].to_list()
        _add(draft, embed(block, model), start, distinct.len())
        print(f"embedded {start + len(block):,} of {distinct.len():,} texts", file=sys.stderr, flush=True)
    write_json(out.with_suffix(".json"), identity)
    draft.replace(out)
    for other in out.parent.glob(f".{out.name}.*.partial"):  # drafts for other texts or models
        other.unlink()


def read_embeddings(path: Path, texts: pl.Series, model: str) -> FloatMatrix:
    """Read the vectors of `distinct_texts(texts)`, memory-mapped.

    Returns:
        (distinct texts, dimensions), float32.

    Raises:
        ArtifactError: the store is not whole, or belongs to other texts or another model.
    """
    note = path.with_suffix(".json")
    if not path.is_file() or not note.is_file():
        raise ArtifactError(path, "no such store", f"{path.name} and {note.name}", "Embed the texts first.")
    expected, found = _identity(distinct_texts(texts), model), read_json(note)
    for key, value in expected.items():
        if found.get(key) != value:
            do = "The data set or the model has changed: embed the texts again."
            raise ArtifactError(note, f"{key} {found.get(key)}", f"{key} {value}", do)
    vectors: FloatMatrix = np.load(path, mmap_mode="r", allow_pickle=False)
    if vectors.ndim != 2 or len(vectors) != expected["rows"] or vectors.dtype != _NUMBER:
        found_form = f"{vectors.dtype} of shape {vectors.shape}"
        raise ArtifactError(path, found_form, f"{_NUMBER} with {expected['rows']} rows", "Embed the texts again.")
    return vectors


def _identity(distinct: pl.Series, model: str) -> dict[str, Any]:
    digest = hashlib.sha256()
    for text in distinct:
        encoded = text.encode()
        # The length separates the texts, so that moving the boundary between two texts changes the hash.
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return {"model": model, "rows": distinct.len(), "text_hash": digest.hexdigest()}


def _holds(out: Path, identity: dict[str, Any]) -> bool:
    note = out.with_suffix(".json")
    return out.is_file() and note.is_file() and bool(read_json(note) == identity)


def _draft(out: Path, identity: dict[str, Any]) -> Path:
    """Return the path of the draft, which differs by model and texts, so that no other store's draft is continued."""
    key = text_digest(f"{identity['model']}\n{identity['text_hash']}")[:16]
    return out.with_name(f".{out.name}.{key}.partial")


def _done(draft: Path) -> int:
    """Return the number of the draft's rows in whole blocks, which are those whose last vector isn't zero."""
    try:
        stored = np.lib.format.open_memmap(draft, mode="r")
    except (FileNotFoundError, ValueError):  # a new draft, or one whose job was killed while it made the file
        return 0
    return int(np.count_nonzero(stored[BLOCK - 1 :: BLOCK].any(axis=1))) * BLOCK


def _add(draft: Path, vectors: FloatMatrix, start: int, rows: int) -> None:
    if not np.isfinite(vectors).all():
        raise ArtifactError(draft, f"a vector that is not finite among rows {start} to {start + len(vectors)}", "none")
    new = {"mode": "w+", "dtype": _NUMBER, "shape": (rows, vectors.shape[1]), "version": (1, 0)}
    stored = np.lib.format.open_memmap(draft, **(new if start == 0 else {"mode": "r"}))
    with draft.open("r+b") as stream:  # an error of a full disk, which memory-mapped writes don't give, is told
        stream.seek(stored.offset + start * stored.strides[0])
        stream.write(vectors.astype(_NUMBER, copy=False).tobytes())
        stream.flush()
        os.fsync(stream.fileno())
