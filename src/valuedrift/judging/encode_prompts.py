"""Encode prompts as token ids for a judge in a folder."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError
from valuedrift.models.chat_template import prompt_frame
from valuedrift.reasoning import MARKS, opening_of

NO_REASONING = (
    "a judge whose answer begins with a label",
    "Turn its reasoning off in its chat template, use another judge, or serve it and let it reason (`llm`, `samples`).",
)
"""What is expected of a judge in a folder, and what to do about one that reasons."""


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
    # This turns off the reasoning of reasoning models; other templates ignore the argument.
    head, tail = prompt_frame(tokenizer, enable_thinking=False)
    if opening := opening_of(tail):
        found = f"a chat template that begins answers with {opening}"
        raise ArtifactError(tokenizer.name_or_path, found, *NO_REASONING)
    before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in (head, tail))
    return before, after


def reasoning_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Return the tokens with which a judge would begin to reason; most have none."""
    encoded = (tokenizer(word, add_special_tokens=False)["input_ids"] for word in MARKS)
    return tuple(ids[0] for ids in encoded if len(ids) == 1 and ids[0] != tokenizer.unk_token_id)
