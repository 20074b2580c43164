"""Turn conversations into tokens: which tokens count in the loss, where sequences are cut, and how they end.

Names of control tokens in a conversation are encoded as plain text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from transformers import PreTrainedTokenizerBase

from valuedrift.models.chat_template import as_text, render

Message = dict[str, str]
IGNORED = -100


class Labelled(TypedDict):
    """A sequence of tokens and its labels, of the same length; the label of a token that the loss ignores is −100."""

    input_ids: list[int]
    labels: list[int]


class TextPair(TypedDict):
    """A preference pair as text; the prompt ends where the answers begin."""

    prompt: str
    chosen: str
    rejected: str


def encode_conversation(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], max_length: int) -> Labelled:
    """Return the tokens of a conversation; only the assistant's words and end tokens have labels (section 2.2).

    A conversation longer than `max_length` is cut at its end, or at its beginning if no assistant's word would be left.
    """
    encoded = render(tokenizer, messages, return_dict=True, return_assistant_tokens_mask=True)
    start = _start(tokenizer)
    ids, mask = start + encoded["input_ids"], [0] * len(start) + encoded["assistant_masks"]
    kept = slice(max_length) if any(mask[:max_length]) else slice(-max_length, None)
    labels = [token if seen else IGNORED for token, seen in zip(ids, mask, strict=True)]
    return {"input_ids": ids[kept], "labels": labels[kept]}


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str, max_length: int) -> Labelled:
    """Return the tokens of a plain document and its end token; all of them have labels (pre-training)."""
    ids = [*tokenizer(text, split_special_tokens=True)["input_ids"], tokenizer.eos_token_id][:max_length]
    return {"input_ids": ids, "labels": list(ids)}


def render_pair(
    tokenizer: PreTrainedTokenizerBase, row: dict[str, Any], max_length: int, response_length: int
) -> TextPair:
    """Return a pair as text in which the prompt and either answer have at most `max_length` tokens.

    Answers are cut to `response_length` tokens at their end, then the prompt at its beginning. Pairs are cut, not
    dropped, so that the number of pairs, and so the number of steps, is the planned one.
    """
    contents = [as_text(tokenizer, row[key][-1]["content"]) for key in ("chosen", "rejected")]
    answers = [_keep_start(tokenizer, content, response_length - 1) for content in contents]
    longest = max(len(tokenizer(answer, add_special_tokens=False)["input_ids"]) for answer in answers)
    return {
        "prompt": render_prompt(tokenizer, row["prompt"], max_length - longest - 1),
        "chosen": answers[0] + tokenizer.eos_token,
        "rejected": answers[1] + tokenizer.eos_token,
    }


def render_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Message], max_length: int) -> str:
    """Return a chat prompt as text that ends where the answer begins; a long prompt is cut at its beginning."""
    text = render(tokenizer, prompt, tokenize=False, add_generation_prompt=True)
    return _keep_end(tokenizer, text, max_length - len(_start(tokenizer)))


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: Iterable[Sequence[Message]], max_length: int
) -> list[list[int]]:
    """Return the token ids of chat prompts that end where the answer begins; long ones are cut at their beginning."""
    return [tokenizer(render_prompt(tokenizer, prompt, max_length))["input_ids"] for prompt in prompts]


def _start(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that the tokenizer puts before every text (Llama's begin of text); chat templates omit them."""
    return list(tokenizer("")["input_ids"])


def _keep_start(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> str:
    """Return the text of the first `limit` tokens, without a last character of which they hold only some bytes."""
    offsets = _offsets(tokenizer, text)
    return text if len(offsets) <= limit else text[: min(offsets[limit - 1][1], offsets[limit][0])]


def _keep_end(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> str:
    """Return the text of the last `limit` tokens, without a first character of which they hold only some bytes."""
    offsets = _offsets(tokenizer, text)
    return text if len(offsets) <= limit else text[offsets[-limit - 1][1] :]


def _offsets(tokenizer: PreTrainedTokenizerBase, text: str) -> list[tuple[int, int]]:
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return [tuple(offset) for offset in encoded["offset_mapping"]]
