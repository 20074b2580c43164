"""The tokens that end an answer. Imports no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from valuedrift.files import read_json
from valuedrift.models.chat_template import template_ends

GENERATION = "generation_config.json"


def stops(
    tokenizer: PreTrainedTokenizerBase, config: Mapping[str, Any], folder: Path | None = None
) -> dict[int, list[str]]:
    """Return the tokens that end an answer → the places that say so.

    All places count together: fine-tuned models often name only their base model's end token in some of them, and would
    never stop.

    Args:
        tokenizer: The model's tokenizer, with its chat template.
        config: The model's configuration.
        folder: The model's folder, which may have a generation_config.json.
    """
    generation = folder / GENERATION if folder else None
    named = {
        "tokenizer": tokenizer.eos_token_id,
        "chat template": template_ends(tokenizer),
        "config.json": config.get("eos_token_id"),
        GENERATION: read_json(generation).get("eos_token_id") if generation and generation.is_file() else None,
    }
    found: dict[int, list[str]] = {}
    for place, ends in named.items():
        for end in ends if isinstance(ends, list) else [] if ends is None else [ends]:
            found.setdefault(end, []).append(place)
    return found


def described(tokenizer: PreTrainedTokenizerBase, found: Mapping[int, Sequence[str]]) -> str:
    """Return `stops` in words, for the log."""
    named = [f"{tokenizer.convert_ids_to_tokens(end)} ({', '.join(places)})" for end, places in found.items()]
    return f"answers end with {', '.join(named)}" if named else "no token ends an answer: each is as long as it may be"
