"""Reasoning that models write before they answer: one parser for answers of checkpoints and replies of judges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MARKS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",
}
"""The text that begins reasoning → the text that ends it."""

UNCLOSED = "unclosed_reasoning"
"""Why an answer that ends within its reasoning has no stance."""


@dataclass(frozen=True)
class Separated:
    """A text without its reasoning.

    Attributes:
        answer: What the model says.
        reasoning: What it reasons; None if it doesn't reason, "" if it ends its reasoning without a word.
        unclosed: Whether the text ends within the reasoning, so that there is no answer, not even an empty one.
    """

    answer: str
    reasoning: str | None
    unclosed: bool


def opening_of(prompt: str, marks: Mapping[str, str] = MARKS) -> str:
    """Return the text with which a prompt begins the model's reasoning; empty if it doesn't."""
    return next((mark for mark in marks if prompt.rstrip().endswith(mark)), "")


def separate(text: str, prompt: str = "", marks: Mapping[str, str] = MARKS) -> Separated:
    """Separate a text from its reasoning.

    What stands before an end without a beginning is reasoning too: many chat templates write the beginning.

    Args:
        text: A model's answer.
        prompt: The prompt, or its end.
        marks: As in `MARKS`.
    """
    text, answer, place = opening_of(prompt, marks) + text, "", 0
    thoughts: list[str] = []
    end: str | None = None  # with which the present reasoning ends
    for found in re.finditer("|".join(map(re.escape, [*marks, *marks.values()])), text):
        if end is not None and found[0] != end:
            continue
        piece, place = text[place : found.start()], found.end()
        if end is not None:
            thoughts.append(piece)
            end = None
        elif found[0] in marks:
            answer += piece
            end = marks[found[0]]
        else:
            thoughts.append(answer + piece)
            answer = ""
    if end is None:
        answer += text[place:]
    else:
        thoughts.append(text[place:])
    reasoning = "\n\n".join(filter(None, map(str.strip, thoughts))) if thoughts else None
    return Separated(answer.strip(), reasoning, end is not None)
