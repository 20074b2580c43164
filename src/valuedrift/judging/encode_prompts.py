"""Encode prompts as token ids for a judge in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError

_BODY = "@@PROMPT@@"


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], chat: bool) -> list[list[int]]:
    """Return the token ids of every prompt. Names of special tokens in a prompt are encoded as plain text.

    Args:
        tokenizer: The judge's tokenizer.
        prompts: Filled prompts.
        chat: Whether to put each prompt into the chat template as a user's turn.

    Raises:
        ArtifactError: `chat` is true and the tokenizer has no chat template.
    """
    head, tail = _chat_frame(tokenizer) if chat else ([], [])
    if not prompts:
        return []
    bodies = tokenizer(list(prompts), add_special_tokens=not chat, split_special_tokens=True)["input_ids"]
    return [head + body + tail for body in bodies]


def _chat_frame(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return the tokens before a user's text, and those between it and the start of the assistant's answer."""
    if not tokenizer.chat_template:
        raise ArtifactError(
            tokenizer.name_or_path, "no chat template", "a judge with one", "Set the judge's `chat` to false."
        )
    turn: list[dict[str, Any]] = [{"role": "user", "content": _BODY}]
    # This turns off the reasoning of reasoning models; other templates ignore the argument.
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    head, tail = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in text.split(_BODY))
    return head, tail
