"""Checks before a run: do the models belong together, can the tokenizer end an answer, are the columns there."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from transformers import PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError
from valuedrift.models.model_folder import require_model

_SHAPE = ("model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")


def require_same_model(folder: Path, base: Path) -> None:
    """Raise ArtifactError unless `folder` holds a whole model of the architecture of the base model in `base`.

    A run's tokens are the base model's: to another model they mean something else.
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


def require_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Raise ArtifactError unless the tokenizer can end, pad and format an answer with tokens of its model."""
    missing = [
        what
        for what, value in (
            ("end token", tokenizer.eos_token),
            ("padding token", tokenizer.pad_token),
            ("chat template", tokenizer.chat_template),
        )
        if not value
    ]
    do = "Give the model's `chat` in the configuration (template, eos, pad) and fetch it again."
    if missing:
        raise ArtifactError(folder, f"a tokenizer without {' and '.join(missing)}", "all three", do)
    if tokenizer.eos_token == tokenizer.pad_token:
        # Trainers ignore padding tokens, so that the end of an answer would never be learnt.
        raise ArtifactError(folder, f"{tokenizer.eos_token} as end and padding token", "two tokens", do)
    rows = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("vocab_size", 0)
    if len(tokenizer) > rows:
        raise ArtifactError(
            folder, f"{len(tokenizer)} tokens, {rows} embeddings", "an embedding for every token", "Fetch it again."
        )


def read_columns(file: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """The named columns of a parquet file; raises ArtifactError where one is missing or there is no row."""
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
