"""Parse the items of a JSON list one after another, so that a file of gigabytes is never in memory as a whole.

The standard library parses whole texts only. Streaming parsers such as ijson report no line and column of an error, and
reject the NaN and Infinity that Python writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

_FILLED = re.compile(r"[^ \t\n\r]")
_DECODER = json.JSONDecoder()
_END_OF_PIECE = 16  # characters, more than the longest token other than a string


class BrokenList(ValueError):
    """The text is not a JSON list; the message has the line and column of the problem, both from 1."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(f"{problem} at line {line} column {column}")


def read_items(pieces: Iterable[str]) -> Iterator[Any]:
    """Yield the items of the list whose text is the concatenation of `pieces`.

    Raises:
        BrokenList: the text is not a JSON list.
        RecursionError, ValueError: Python can't represent a value.
    """
    text = _Window(iter(pieces))
    text.take("[")
    if text.next() != "]":
        yield text.value()
        while text.next() == ",":
            text.take(",")
            yield text.value()
    text.take("]")
    if text.next():
        raise text.broken("text after the list")


class _Window:
    """The part of the text that is being parsed: pieces are appended, and parsed text is removed."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text, self._at = "", 0
        self._line, self._column = 1, 1  # of the window's first character

    def next(self) -> str:
        """Return the next character that is not blank, without taking it; an empty string at the end."""
        while not (found := _FILLED.search(self._text, self._at)):
            self._at = len(self._text)
            if not self._grow():
                return ""
        self._at = found.start()
        return found[0]

    def take(self, symbol: str) -> None:
        if self.next() != symbol:
            raise self.broken(f"no '{symbol}'")
        self._at += 1

    def value(self) -> Any:
        self.next()
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._text, self._at)
                return value
            except json.JSONDecodeError as error:
                broken = self.broken(error.msg.removesuffix(" at"), error.pos)
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - _END_OF_PIECE
                if not (cut and self._grow()):
                    raise broken from None

    def broken(self, problem: str, at: int | None = None) -> BrokenList:
        before = self._text[: self._at if at is None else at]
        return BrokenList(problem, *_moved(self._line, self._column, before))

    def _grow(self) -> bool:
        """Double the text, so that a long item is parsed few times; return False if no text is left."""
        added, size = [], 0
        for piece in self._pieces:
            added.append(piece)
            size += len(piece)
            if size and size >= len(self._text) - self._at:
                break
        self._line, self._column = _moved(self._line, self._column, self._text[: self._at])
        self._text, self._at = self._text[self._at :] + "".join(added), 0
        return size > 0


def _moved(line: int, column: int, text: str) -> tuple[int, int]:
    """Return the line and column at the end of a `text` that begins at `line` and `column`."""
    breaks = text.count("\n")
    return line + breaks, len(text) - text.rfind("\n") if breaks else column + len(text)
