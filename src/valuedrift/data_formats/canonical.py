"""The two canonical training rows, and the rules that all formats share.

SFT row: `id`, `messages`. Preference row: `id`, `prompt`, `chosen`, `rejected` (one assistant message each).
A format is a pure function from a source row to a canonical row, or to a Skip for a row that is well formed but can't
be trained on. A row that is not well formed raises MalformedRow; it is left out and counted, too. Texts are not
changed. The data set's settings, not its format, decide whether blank answers and duplicates are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypedDict

import polars as pl

from valuedrift.digests import text_digest
from valuedrift.errors import DataError

Kind = Literal["sft", "preference"]

_ID = pl.String()
_MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
SCHEMAS: Mapping[Kind, Mapping[str, pl.DataType]] = {
    "sft": {"id": _ID, "messages": _MESSAGES},
    "preference": {"id": _ID, "prompt": _MESSAGES, "chosen": _MESSAGES, "rejected": _MESSAGES},
}

ROLES: Mapping[str, str] = {
    "system": "system",
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt"), "assistant"),
}
"""Names of roles in public data sets; conversations with other roles, such as tool or developer, are left out."""


_TURNS = re.compile(r"""\s*\[?\s*\{\s*['"](role|content|from|value)['"]\s*:""")


class Message(TypedDict):
    """One turn; `role` is system, user or assistant."""

    role: str
    content: str


class Reason(StrEnum):
    """The reasons to leave out a row, as printed in the cards. As in the paper, toxic rows are kept."""

    NOT_ENGLISH = "language is not English"
    UNKNOWN_LANGUAGE = "language is unknown"
    STARTS_WITH_ASSISTANT = "starts with the assistant"
    ROLES = "roles do not alternate"
    NO_ANSWER = "no answer"
    EMPTY_TURN = "empty turn"
    EMPTY_ANSWER = "empty answer"
    NOT_UNICODE = "text is not valid Unicode"
    PREFIXES_DIFFER = "prefixes differ"
    SAME_ANSWERS = "chosen equals rejected"
    DUPLICATE = "duplicate"
    OTHER_ROLE = "turn of another role"
    NOT_TEXT = "turn that is not only text"
    MALFORMED = "form of another format"


@dataclass(frozen=True)
class Skip:
    reason: Reason


CanonicalRow = dict[str, Any]
Converter = Callable[[Mapping[str, Any]], CanonicalRow | Skip]


class MalformedRow(DataError):
    """A field of a row is missing or of another type. A format has no file name and row number; `at` adds them."""

    def __init__(
        self, field: str, found: object, expected: str, do: str = "", reason: Reason = Reason.MALFORMED
    ) -> None:
        self.parts, self.reason = (field, found, expected, do), reason
        super().__init__("a source row", None, *self.parts)

    def at(self, file: str, row: int) -> DataError:
        return DataError(file, row, *self.parts)


def row_id(content: Mapping[str, Any]) -> str:
    """Return 16 hex characters of the SHA-256 of `content` as canonical JSON (sorted keys, no spaces, UTF-8)."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text_digest(text)[:16]


def sft_row(messages: Sequence[Message]) -> CanonicalRow | Skip:
    """Return the SFT row of a conversation; only its last answer may be blank."""
    problem = _role_problem(messages) or _unicode_problem(messages) or _empty_problem(messages[:-1])
    if problem:
        return Skip(problem)
    content = {"messages": list(messages)}
    return {"id": row_id(content), **content}


def preference_row(prompt: Sequence[Message], chosen: Message, rejected: Message) -> CanonicalRow | Skip:
    """Return the preference row of two different answers to one prompt; one of the answers may be blank."""
    every = [*prompt, chosen, rejected]
    problem = _role_problem([*prompt, chosen]) or _role_problem([*prompt, rejected]) or _unicode_problem(every)
    if not problem and chosen == rejected:
        problem = Reason.SAME_ANSWERS
    problem = problem or _empty_problem(prompt)
    if problem:
        return Skip(problem)
    content = {"prompt": list(prompt), "chosen": [chosen], "rejected": [rejected]}
    return {"id": row_id(content), **content}


def has_blank_answer(row: CanonicalRow, kind: Kind) -> bool:
    """Whether the last answer of an SFT row, or one of a preference row's two answers, is empty or only white space."""
    answers = row["messages"][-1:] if kind == "sft" else [*row["chosen"], *row["rejected"]]
    return _empty_problem(answers) is not None


def _role_problem(messages: Sequence[Message]) -> Reason | None:
    """Return the reason why `messages` are not [system,] user, assistant, …, user, assistant, or None."""
    roles = [message["role"] for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if turns[:1] == ["assistant"]:
        return Reason.STARTS_WITH_ASSISTANT
    if any(role != ("user", "assistant")[index % 2] for index, role in enumerate(turns)):
        return Reason.ROLES
    return Reason.NO_ANSWER if len(turns) < 2 or turns[-1] == "user" else None


def _unicode_problem(messages: Sequence[Message]) -> Reason | None:
    return None if all(is_unicode(message["content"]) for message in messages) else Reason.NOT_UNICODE


def is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogate, which JSON escapes allow but UTF-8 files can't contain."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _empty_problem(messages: Sequence[Message]) -> Reason | None:
    return None if all(message["content"].strip() for message in messages) else Reason.EMPTY_TURN


def require(row: Mapping[str, Any], field: str, path: str = "") -> Any:
    """Return `row[field]`; raise MalformedRow if it is missing. `path` is a nested field's name in the error."""
    if field not in row:
        found = f"the fields {', '.join(map(str, row))}"
        raise MalformedRow(path or field, found, "this field", "Check that 'format' names the format of the file.")
    return row[field]


def take_text(row: Mapping[str, Any], field: str, path: str = "") -> str:
    """Return `row[field]`; raise MalformedRow if it is not text."""
    value = require(row, field, path)
    if not isinstance(value, str):
        raise MalformedRow(path or field, value, "text")
    return value


def take_messages(row: Mapping[str, Any], field: str) -> list[Message]:
    """Return the turns in `row[field]`, a list or, as in a CSV file, the JSON text of a list."""
    turns = require(row, field)
    if isinstance(turns, str):
        turns = _parse_turns(field, turns)
    if not isinstance(turns, list):
        raise MalformedRow(field, turns, "a list of turns")
    return [_read_message(turn, f"{field}[{index}]") for index, turn in enumerate(turns)]


def _parse_turns(field: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedRow(field, text, "a list of turns, or the JSON text of one") from None


def _read_message(turn: object, path: str) -> Message:
    """Return the canonical form of one turn, `role` and `content` or ShareGPT's `from` and `value`.

    Args:
        turn: A turn in a row.
        path: Its place in the row, for errors.
    """
    if not isinstance(turn, dict):
        raise MalformedRow(path, turn, "an object with 'role' and 'content', or 'from' and 'value'")
    role, text = ("from", "value") if "from" in turn and "role" not in turn else ("role", "content")
    name = take_text(turn, role, f"{path}.{role}")
    if name not in ROLES:
        raise MalformedRow(f"{path}.{role}", name, f"one of {', '.join(ROLES)}", reason=Reason.OTHER_ROLE)
    if turn.get("tool_calls") or turn.get("function_call"):
        raise MalformedRow(path, "a call of a tool", "a turn of text only", reason=Reason.NOT_TEXT)
    return {"role": ROLES[name], "content": _joined(require(turn, text, f"{path}.{text}"), f"{path}.{text}")}


def _joined(content: object, path: str) -> str:
    """Return a turn's text, which may be a list of parts: texts, or objects with `text`, as chat APIs have them."""
    parts = content if isinstance(content, list) and content else [content]
    parts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) < len(parts):
        raise MalformedRow(path, content, "text, or a list of parts of text", reason=Reason.NOT_TEXT)
    return "".join(texts)


def take_text_or_messages(row: Mapping[str, Any], field: str, role: str) -> list[Message]:
    """Return the turns in `row[field]`, a list or one turn, or its text as a single turn of `role`; at least one.

    Text that begins like turns in JSON or in Python's notation, as CSV files have them, is not taken for an answer.
    """
    value = require(row, field)
    if isinstance(value, str) and _TURNS.match(value):
        value = _parse_turns(field, value)
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, dict):
        return [_read_message(value, field)]
    if not isinstance(value, list) or not value:
        raise MalformedRow(field, value, "text, a turn or a list of turns")
    return take_messages({field: value}, field)
