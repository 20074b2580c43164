"""Compare what an endpoint does with what it was asked, since many servers ignore what they don't support."""

from __future__ import annotations

import re
from collections import Counter

from valuedrift.llm.request import ChatReply

_EQUAL = 3
_DIFFERENT = 1.1
_ALL_EQUAL, _TOKENS = 10, 4
_VERSION = re.compile(r"(-latest|-preview|:[\w.-]+|[-@]?v?\d{3,}[\d-]*)?")


class Comparison:
    """Counts replies of another model, answers that are longer than asked, and prompts that were cut."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.others: Counter[str] = Counter()
        self.replies = self.too_long = self.longest = self.most = 0
        self.prompt_tokens = self.prompts = 0  # the largest count, and how many prompts have it
        self.shortest_estimate = self.longest_estimate = 0

    def add(self, max_tokens: int, estimate: int, reply: ChatReply) -> None:
        """Compare a reply with its request: its `max_tokens`, and the estimated number of tokens of its prompt."""
        self.replies += 1
        if reply.model and not _same_model(self.model, reply.model):
            self.others[reply.model] += 1
        if reply.completion_tokens > max_tokens:
            self.too_long += 1
            self.longest, self.most = max((self.longest, self.most), (reply.completion_tokens, max_tokens))
        if reply.prompt_tokens > self.prompt_tokens:
            self.prompt_tokens, self.prompts = reply.prompt_tokens, 0
            self.shortest_estimate = self.longest_estimate = estimate
        if reply.prompt_tokens == self.prompt_tokens:
            self.prompts += 1
            self.shortest_estimate = min(self.shortest_estimate, estimate)
            self.longest_estimate = max(self.longest_estimate, estimate)

    def lines(self) -> list[str]:
        """Return what a person should know, one sentence each."""
        lines = [
            f"{count} replies say that the model '{name}' wrote them" for name, count in self.others.most_common(3)
        ]
        if self.too_long:
            lines.append(
                f"{self.too_long} replies are longer than asked (up to {self.longest} tokens instead of {self.most}): "
                "the server ignores the limit, and the tokens may have to be paid"
            )
        if self.prompt_tokens and self._seems_to_cut():
            lines.append(
                f"{self.prompts} prompts of different length have {self.prompt_tokens} tokens, and none has more: the "
                "server seems to cut long prompts. Raise its context length (Ollama: num_ctx)."
            )
        return lines

    def _seems_to_cut(self) -> bool:
        """Whether prompts of different length have the largest count: a few of them, or all prompts."""
        if self.prompts == self.replies >= _ALL_EQUAL and self.longest_estimate - self.shortest_estimate >= _TOKENS:
            return True
        return self.prompts >= _EQUAL and self.longest_estimate >= _DIFFERENT * self.shortest_estimate


def _same_model(asked: str, replied: str) -> bool:
    """Whether one name is the other with an owner before it or a version after it."""
    short, long = sorted((asked.lower().rpartition("/")[2], replied.lower().rpartition("/")[2]), key=len)
    return long.startswith(short) and _VERSION.fullmatch(long.removeprefix(short)) is not None
