"""Ask a chat model. Its replies are untrusted text: each is either usable, or is counted and listed as unusable."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ArtifactError
from valuedrift.files import write_json
from valuedrift.llm.complete import ask
from valuedrift.llm.request import ChatReply, ChatRequest, Turn
from valuedrift.packaged import packaged_text

MOST_UNUSABLE = 0.2
"""A step fails above this share of unusable replies, because then the model or the template is probably wrong."""

T = TypeVar("T")

_SHOWN = 200
_CONTROLS = {"Cc", "Cs"}  # control characters and lone surrogates


@dataclass(frozen=True)
class Unusable:
    """The reason why a reply can't be used, and the beginning of the reply."""

    reason: str
    reply: str


def read_question_prompt(request: str) -> str:
    """Read the template of a request: rephrase, name or value_laden."""
    return packaged_text("valuedrift.probes", "prompts", f"{request}.txt").rstrip()


def ask_each(
    texts: Sequence[str],
    max_tokens: int,
    read: Callable[[str], T | Unusable],
    settings: LlmSettings,
    journal: Path,
    may_be_cut: bool = False,
) -> list[T | Unusable]:
    """Send each text as a single user turn, decoded greedily, and return the results of `read`, in the same order.

    Args:
        texts: The texts to send.
        max_tokens: Token limit of each reply.
        read: Converts a stripped reply to a result, or to `Unusable`.
        settings: The chat model.
        journal: Journal of replies; requests with a reply in it are not sent again.
        may_be_cut: Whether replies that reached the token limit are usable.

    Raises:
        ValueDriftError: As `valuedrift.llm.complete.complete` does.
    """
    requests = [ChatRequest((Turn("user", text),), max_tokens) for text in texts]
    replies = [_text(reply, may_be_cut) for reply in ask(requests, settings, journal)]
    return [reply if isinstance(reply, Unusable) else read(reply) for reply in replies]


def unusable(reason: str, reply: str) -> Unusable:
    """Return an unusable reply, cut and with characters that can't be written to a file replaced."""
    return Unusable(reason, reply[:_SHOWN].encode("utf-8", "replace").decode())


def write_counts(out: Path, replies: Mapping[str, object], counts: Mapping[str, Any]) -> None:
    """Write `counts`, and the unusable replies with their reasons.

    Args:
        out: JSON file to write.
        replies: Id of the question → the result for its reply, or `Unusable`.
        counts: Further entries of the file.

    Raises:
        ArtifactError: More than MOST_UNUSABLE of the replies are unusable; the file is written nevertheless.
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
