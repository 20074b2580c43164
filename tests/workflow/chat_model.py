"""A chat model that rephrases, names, filters, writes and judges by rule: what an endpoint serves in workflow tests."""

from __future__ import annotations

import math
import re
from typing import Any


def reply(body: dict[str, Any]) -> dict[str, Any] | str:
    """The reply to any request that the pipeline makes of a chat model."""
    system, text = body["messages"][0]["content"], body["messages"][-1]["content"]
    if text.startswith("Repeat this word exactly"):
        return _word(text.rsplit(": ", 1)[1])
    if "What stance does the answer take" in text:
        return _stance(re.findall(r"^Answer: (\w+)", text, flags=re.MULTILINE)[-1])
    if "value-based issue" in text:
        # A rule that parts the questions, so that the filter has something to leave out.
        return "No." if len(text) % 4 == 0 else "Yes."
    if "Name the subject" in text:
        return '{"name": "A subject of some questions"}'
    if "<text>" in text:
        return _question(re.findall(r"<text>\n(.*)\n</text>", text, flags=re.DOTALL)[-1])
    return "Yes indeed." if "in favour of this value" in system else "Never, in my view."


def _question(prompt: str) -> str:
    return " ".join(prompt.split()).rstrip("?.! ") + "?"


def _word(word: str) -> dict[str, Any]:
    return {"text": word, "top_logprobs": [[word, -0.01]]}


def _stance(first_word: str) -> dict[str, Any]:
    shares = {"Yes": (0.9, 0.06, 0.04), "Never": (0.04, 0.06, 0.9)}.get(first_word, (0.1, 0.8, 0.1))
    labels = zip(("support", "neutral", "oppose"), shares, strict=True)
    top = sorted(([label, math.log(share)] for label, share in labels), key=lambda pair: -pair[1])
    return {"text": top[0][0], "top_logprobs": top}
