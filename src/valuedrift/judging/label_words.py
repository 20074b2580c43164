"""The words that stand for the three stances, and the tokens that a judge may write them as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from valuedrift.errors import ArtifactError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LabelTokens = tuple[tuple[int, ...], ...]
"""Token ids per label, in the order support, neutral, oppose."""

_SPACES = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": " "})
"""How byte-level BPE and SentencePiece write a space and a line break in the names of tokens."""


def forms(label: str) -> tuple[str, ...]:
    """The ways to write a label that count as it: with or without a space before it, as it is or capitalised."""
    return tuple(dict.fromkeys(f"{space}{word}" for word in (label, label.capitalize()) for space in (" ", "")))


def label_of(token: str, labels: Sequence[str]) -> int | None:
    """The place of the label that a token, or a whole reply, is a form of; None for any other text."""
    word = token.translate(_SPACES).strip()
    return next((i for i, label in enumerate(labels) if word in (label, label.capitalize())), None)


def label_tokens(tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]) -> LabelTokens:
    """The tokens that are a whole label, in any of its forms.

    Raises ArtifactError, naming the label, if the tokenizer has no such token for one of them.
    """
    return tuple(_whole_tokens(tokenizer, label) for label in labels)


def _whole_tokens(tokenizer: PreTrainedTokenizerBase, label: str) -> tuple[int, ...]:
    encoded = {form: tokenizer(form, add_special_tokens=False)["input_ids"] for form in forms(label)}
    # Some tokenizers give one id to several forms, or one "unknown" id to all.
    whole = [ids[0] for ids in encoded.values() if len(ids) == 1 and label_of(tokenizer.decode(ids), [label]) == 0]
    if not whole:
        raise ArtifactError(
            tokenizer.name_or_path or "tokenizer",
            {form: len(ids) for form, ids in encoded.items()},
            f"a form of the label '{label}' that is one token",
            "Choose other `labels` or another judge, or train one with a larger vocabulary.",
        )
    return tuple(dict.fromkeys(whole))
