"""Turn probe questions into a model's tokens, and tokens into answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from valuedrift.config.chat import Chat
from valuedrift.errors import ArtifactError
from valuedrift.models.chat_template import (
    as_text,
    conversation,
    encode,
    give_chat,
    prompt_frame,
    render,
    require_nothing_added,
)
from valuedrift.models.stops import stops
from valuedrift.reasoning import MARKS, Separated, separate

_AS_IT_IS = Chat()


@dataclass(frozen=True)
class Prompt:
    """A question in the model's format, as text and tokens, and the numbers of the answers that it asks for."""

    question_id: str
    text: str
    ids: tuple[int, ...]
    samples: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        tokens: the number of tokens, including the end token.
        finished: whether it has an end token, rather than being cut at the limit.
    """

    question_id: str
    sample: int
    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True)
class PromptCodec:
    """Turns questions into prompts and tokens into answers.

    Attributes:
        tokenizer: The model's tokenizer, with the chat template in which it is asked.
        ends: The tokens that end an answer → the places that say so.
        chat: How the model is asked.
    """

    tokenizer: PreTrainedTokenizerBase
    ends: Mapping[int, Sequence[str]]
    chat: Chat = _AS_IT_IS

    def prompt(self, question_id: str, question: str, is_base: bool, answers: int) -> Prompt:
        """Return the question as a chat, or as plain text with the paper's "Response:" (base models, section 3)."""
        if self._is_plain(is_base):
            text = as_text(self.tokenizer, f"{question}\nResponse:")
            ids = self.tokenizer(text)["input_ids"]
        else:
            turns, how = conversation(question, self.chat.system), self.chat.arguments
            text = render(self.tokenizer, turns, tokenize=False, add_generation_prompt=True, **how)
            ids = encode(self.tokenizer, text)
        return Prompt(question_id, text, tuple(ids), tuple(range(answers)))

    def answer(self, question_id: str, sample: int, tokens: list[int]) -> Answer:
        """Decode an answer, with its reasoning; only its last token can be an end token."""
        finished = bool(tokens) and tokens[-1] in self.ends
        text = self.tokenizer.decode([token for token in tokens if token not in self._hidden])
        return Answer(question_id, sample, text.strip(), len(tokens), finished)

    def separate(self, text: str, prompt: str) -> Separated:
        """Separate the text of an answer to a prompt from its reasoning."""
        return separate(text, prompt, self._marks)

    def check(self, place: Path, is_base: bool) -> None:
        """Raise ArtifactError unless the model can be asked like this."""
        if self._is_plain(is_base):
            return require_nothing_added(self.tokenizer, place)
        prompt_frame(self.tokenizer, self.chat.system, **self.chat.arguments)
        template = self.tokenizer.get_chat_template()
        if unread := [name for name in self.chat.arguments if not re.search(rf"\b{name}\b", template)]:
            found = f"a chat template that doesn't read {', '.join(unread)}"
            raise ArtifactError(place, found, "one that reads all of `chat.arguments`", "Remove what it doesn't read.")

    def _is_plain(self, is_base: bool) -> bool:
        return self.chat.plain == "all" or (is_base and self.chat.plain == "base")

    @cached_property
    def _marks(self) -> dict[str, str]:
        return {**MARKS, **self.chat.reasoning}

    @cached_property
    def _hidden(self) -> set[int]:
        """The end tokens and special tokens, which no answer shows, without those around reasoning."""
        shown = "\n".join([*self._marks, *self._marks.values()])
        known = self.tokenizer.added_tokens_decoder.items()
        return {*self.ends} | {number for number, token in known if token.special and token.content not in shown}


def prompt_codec(
    tokenizer: PreTrainedTokenizerBase, config: Mapping[str, Any], folder: Path | None = None, chat: Chat = _AS_IT_IS
) -> PromptCodec:
    """Return a model's codec.

    Args:
        tokenizer: Its tokenizer, which gets the template of `chat`.
        config: Its configuration.
        folder: Its folder.
        chat: How it is asked.
    """
    give_chat(tokenizer, chat)
    return PromptCodec(tokenizer, stops(tokenizer, config, folder), chat)
