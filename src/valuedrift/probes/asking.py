"""Replies of a chat model, taken as untrusted text: each is used as it should be, or counted and listed."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ArtifactError
from valuedrift.files import write_json
from valuedrift.llm.complete import ask
from valuedrift.llm.request import ChatReply, ChatRequest, Turn

MOST_UNUSABLE = 0.2
"""Above this share of unusable replies a step fails: then the model or the template is wrong, not single replies."""

_SHOWN = 200
_CONTROLS = {"Cc", "Cs"}  # control characters and lone surrogates


@dataclass(frozen=True)
class Unusable:
    """A reply that can't be used: why, and its beginning."""

    reason: str
    reply: str


def ask_each(
    texts: Sequence[str], max_tokens: int, settings: LlmSettings, journal: Path, may_be_cut: bool = False
) -> list[str | Unusable]:
    """Ask each text as a turn of its own, greedily; the replies' texts in the same order, stripped.

    What the journal holds is not asked again. may_be_cut: a reply that the token limit ended is used all the same.
    Raises the errors of `valuedrift.llm.complete.complete`.
    """
    requests = [ChatRequest((Turn("user", text),), max_tokens) for text in texts]
    return [_text(reply, may_be_cut) for reply in ask(requests, settings, journal)]


def unusable(reason: str, reply: str) -> Unusable:
    """`reply` is shown cut and as text that any file can hold."""
    return Unusable(reason, reply[:_SHOWN].encode("utf-8", "replace").decode())


def write_counts(out: Path, replies: Mapping[str, object], counts: Mapping[str, Any]) -> None:
    """Write `counts`, with how many of the `replies` (by the id of what was asked) are unusable, and which.

    Raises ArtifactError, after writing, where more than MOST_UNUSABLE of them are.
    """
    found = {id: reply for id, reply in replies.items() if isinstance(reply, Unusable)}
    reasons = dict(Counter(each.reason for each in found.values()))
    listed = [{"id": id, "reason": each.reason, "reply": each.reply} for id, each in found.items()]
    write_json(out, {**counts, "asked": len(replies), "unusable": reasons, "unusable_replies": listed})
    if len(found) > MOST_UNUSABLE * len(replies):
        do = "Its 'unusable_replies' shows them: correct the template, or take another model."
        raise ArtifactError(out, f"{len(found)} of {len(replies)} replies unusable", f"at most {MOST_UNUSABLE:.0%}", do)


def _text(reply: ChatReply, may_be_cut: bool) -> str | Unusable:
    text = reply.text.strip()
    if reply.finish in ("error", "content_filter"):
        return unusable("the server refused", text)
    if reply.finish == "length" and not may_be_cut:
        return unusable("longer than the token limit", text)
    if any(unicodedata.category(each) in _CONTROLS and not each.isspace() for each in text):
        return unusable("not plain text", text)
    return text or unusable("empty", text)
