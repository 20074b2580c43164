"""Checks before a run: the architectures of its models, and the columns of its data."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.models.model_folder import require_model

_SHAPE = ("model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")


def require_same_model(folder: Path, base: Path) -> None:
    """Raise ArtifactError unless `folder` holds a whole model of the architecture of the base model in `base`.

    A run's tokens come from the base model's tokenizer; in another model they have other meanings.
    """
    require_model(folder)
    found, expected = (json.loads((path / "config.json").read_text(encoding="utf-8")) for path in (folder, base))
    other = [f"{key} {found.get(key)}" for key in _SHAPE if found.get(key) != expected.get(key)]
    if other:
        wanted = [f"{key} {expected.get(key)}" for key in _SHAPE if found.get(key) != expected.get(key)]
        raise ArtifactError(
            folder,
            ", ".join(other),
            f"{', '.join(wanted)}, as in the base model {base}",
            "Start the run from a checkpoint of the same base model, whose tokenizer makes its tokens.",
        )


def read_columns(file: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return the named columns of a parquet file; raise ArtifactError if one is missing or there are no rows."""
    found = pl.read_parquet_schema(file)
    missing = [column for column in columns if column not in found]
    if missing:
        raise ArtifactError(
            file,
            f"columns {', '.join(found)}",
            f"a column {' and '.join(missing)}",
            "SFT reads conversations (`messages`), every other algorithm pairs (`prompt`, `chosen`, `rejected`).",
        )
    table = pl.read_parquet(file, columns=list(columns))
    if table.is_empty():
        raise ArtifactError(
            file, "no rows", "at least one row to train on", "Filter less, or raise `rows`, in the data set's settings."
        )
    return table
