"""Turn probe questions into a model's tokens, and tokens into answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from valuedrift.models.chat_template import as_text, render


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
    """Turns questions into prompts and tokens into answers: a model's tokenizer and the tokens that end an answer."""

    tokenizer: PreTrainedTokenizerBase
    ends: frozenset[int]

    def prompt(self, question_id: str, question: str, plain: bool, answers: int) -> Prompt:
        """Return the question as plain text with the paper's "Response:" (base models, section 3), or as a chat."""
        if plain:
            text = as_text(self.tokenizer, f"{question}\nResponse:")
        else:
            turn = [{"role": "user", "content": question}]
            text = render(self.tokenizer, turn, tokenize=False, add_generation_prompt=True)
        return Prompt(question_id, text, tuple(self.tokenizer(text)["input_ids"]), tuple(range(answers)))

    def answer(self, question_id: str, sample: int, tokens: list[int]) -> Answer:
        """Decode an answer; only its last token can be an end token."""
        finished = bool(tokens) and tokens[-1] in self.ends
        text = self.tokenizer.decode(tokens[:-1] if finished else tokens, skip_special_tokens=True)
        return Answer(question_id, sample, text.strip(), len(tokens), finished)


def prompt_codec(tokenizer: PreTrainedTokenizerBase, config: dict[str, Any]) -> PromptCodec:
    """Return a model's codec; an answer ends with the chat format's end token or, in base models, pre-training's."""
    own = config.get("eos_token_id")
    ends: Iterable[int] = own if isinstance(own, list) else [] if own is None else [own]
    return PromptCodec(tokenizer, frozenset([tokenizer.eos_token_id, *ends]))
