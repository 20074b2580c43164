"""The labels of the three stances, and the tokens with which a judge may write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from valuedrift.errors import ArtifactError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LabelTokens = tuple[tuple[int, ...], ...]
"""Token ids per label, in the order support, neutral, oppose."""

_SPACES = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": " "})
"""The characters with which byte-level BPE and SentencePiece write a space and a line break in token names."""


def spellings(label: str) -> tuple[str, ...]:
    """Return the spellings that count as a label: with or without a space before it, unchanged or capitalised."""
    return tuple(dict.fromkeys(f"{space}{word}" for word in (label, label.capitalize()) for space in (" ", "")))


def written(token: str) -> str:
    """Return a token's name as text."""
    return token.translate(_SPACES)


def label_of(token: str, labels: Sequence[str]) -> int | None:
    """Return the index of the label that a token or a whole reply spells; None for any other text."""
    word = written(token).strip()
    return next((i for i, label in enumerate(labels) if word in (label, label.capitalize())), None)


def label_tokens(tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]) -> LabelTokens:
    """Return, for each label, the tokens that are the whole label in one of its spellings.

    Raises ArtifactError if the tokenizer has no such token for a label; the error names the label.
    """
    return tuple(_whole_tokens(tokenizer, label) for label in labels)


def _whole_tokens(tokenizer: PreTrainedTokenizerBase, label: str) -> tuple[int, ...]:
    encoded = {spelling: tokenizer(spelling, add_special_tokens=False)["input_ids"] for spelling in spellings(label)}
    # Some tokenizers give one id to several spellings, or one "unknown" id to all.
    whole = [ids[0] for ids in encoded.values() if len(ids) == 1 and label_of(tokenizer.decode(ids), [label]) == 0]
    if not whole:
        raise ArtifactError(
            tokenizer.name_or_path or "tokenizer",
            {spelling: len(ids) for spelling, ids in encoded.items()},
            f"a spelling of the label '{label}' that is one token",
            "Choose other `labels` or another judge, or train one with a larger vocabulary.",
        )
    return tuple(dict.fromkeys(whole))
