"""A chat model as judge. It reads the stance from the first token's alternatives, or from sampled replies."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from valuedrift.config.chat_models import LlmSettings
from valuedrift.config.judges import JudgeSettings
from valuedrift.errors import ConfigError
from valuedrift.judging.judgement import CONTENT_FILTER, ERROR, Judgement, judgement, listed_masses, replied_masses
from valuedrift.judging.label_words import spellings
from valuedrift.llm.complete import ask, complete, reply_from
from valuedrift.llm.cost import BATCH_DISCOUNT, Estimate, dollars, estimate
from valuedrift.llm.http_responses import EndpointError, mentions_logprobs
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest, Turn

_LISTED = 20
"""Alternatives of the first token to ask for; servers return at most 20."""

_SPENT = ("prompt_tokens", "completion_tokens", "dollars", "latency")


@dataclass(frozen=True)
class ChatJudge:
    """A chat model, asked with the settings `llm`, as judge; see `Judge` for the methods."""

    settings: JudgeSettings
    template: str
    llm: LlmSettings

    @property
    def name(self) -> str:
        return self.llm.model

    def keys(self, prompt: str) -> tuple[str, ...]:
        return tuple(request.key(self.llm.model) for request in self.requests(prompt))

    def requests(self, prompt: str) -> list[ChatRequest]:
        """Return the requests for one prompt: one, or one per sample, with different seeds.

        Servers read the name of a special token as that token, so an answer could end its turn and write its own
        judgement. A space inserted into the name prevents this.
        """
        turns, given = (Turn("user", prompt.replace("<|", "< |")),), self.settings
        effort = given.effort or ""
        if not given.samples:
            return [ChatRequest(turns, max_tokens=1, top_logprobs=_LISTED, effort=effort)]
        choices = given.labels if given.structured else ()
        return [
            ChatRequest(turns, given.max_tokens, given.temperature, seed=i, effort=effort, choices=choices)
            for i in range(given.samples)
        ]

    def estimate(self, prompts: Iterable[str], journal: Path) -> Estimate:
        found, given = estimate(self._all_requests(prompts), self.llm, journal), self.settings
        if not (given.samples and given.longer and found.dollars):
            return found
        # If each reply is cut off as often as it can be, and twice as long each time.
        read, written = found.input_tokens * (given.longer + 1), found.output_tokens * (2 ** (given.longer + 1) - 1)
        most = dollars(self.llm, read, written)
        return replace(
            found, input_tokens=read, output_tokens=written, dollars=most, dollars_batch=most * BATCH_DISCOUNT
        )

    def judge(self, prompts: Iterable[str], journal: Path) -> None:
        """Do as `Judge.judge`. Raises ConfigError before any prompt is sent if the model's replies can't be read."""
        if self.settings.samples:
            print(
                f"judge {self.name}: no log-probabilities; stances are shares of {self.settings.samples} sampled "
                "replies, with standard errors",
                file=sys.stderr,
            )
        self._check(journal)
        longer = self.settings.longer if self.settings.samples else 0
        requests: Iterable[ChatRequest] = self._all_requests(prompts)
        if longer:
            requests = list(dict.fromkeys(requests))  # to ask those whose replies are cut off again
        complete(requests, self.llm, journal)
        for _ in range(longer):
            with Journal.read(journal) as store:
                cut = [request for request in requests if store[request.key(self.llm.model)]["finish"] == "length"]
            if not cut:
                return
            requests = [_longer(request) for request in cut]
            told = f"{len(cut)} replies were cut off at {cut[0].max_tokens} tokens"
            print(f"judge {self.name}: {told}, and are asked again with {2 * cut[0].max_tokens}", file=sys.stderr)
            complete(requests, self.llm, journal)

    def records(self, prompt: str, store: Journal) -> list[Mapping[str, Any]]:
        """Return the last reply to each request, with the tokens, dollars and seconds of those that were cut off."""
        return [self._record(request, store) for request in self.requests(prompt)]

    def _record(self, request: ChatRequest, store: Journal) -> dict[str, Any]:
        record, longer = store[request.key(self.llm.model)], _longer(request)
        if record["finish"] != "length" or longer.key(self.llm.model) not in store:
            return record
        again = self._record(longer, store)
        return {**again, **{name: record[name] + again[name] for name in _SPENT}}

    def judgement(self, records: Sequence[Mapping[str, Any]]) -> Judgement:
        replies = [reply_from(dict(record)) for record in records]
        spent = math.fsum(record["dollars"] for record in records)
        labels, given = self.settings.labels, self.settings
        if given.samples:
            return judgement(replies, replied_masses(replies, labels), given.max_unassigned, spent, sampled=True)
        return judgement(replies, listed_masses(replies[0].top_logprobs, labels), given.max_unassigned, spent)

    def _all_requests(self, prompts: Iterable[str]) -> Iterator[ChatRequest]:
        return (request for prompt in prompts for request in self.requests(prompt))

    def _check(self, journal: Path) -> None:
        """Ask the judge to repeat each label, and raise ConfigError if a reply can't be read as that label.

        These replies are kept in a separate journal, so that each label is asked once and the main journal, which may
        be long, isn't read for them. If they can't be read, they are asked again in the next run, when the server may
        be set otherwise.
        """
        kept = journal.with_name(f"{journal.name}.check")
        words = self.settings.labels
        asked = [self.requests(f"Repeat this word exactly, and say nothing else: {word}")[0] for word in words]
        backend = "http" if self.llm.backend == "batch" else self.llm.backend
        try:
            settings = self.llm.replace(backend=backend, attempts=min(3, self.llm.attempts))
            replies = ask(asked, settings, kept)
        except EndpointError as error:
            if self.settings.samples or not mentions_logprobs(str(error)):
                raise
            raise self._no_log_probabilities(f" The endpoint's response: {error}") from None
        try:
            for word, reply in zip(words, replies, strict=True):
                self._check_reply(word, reply)
        except ConfigError:
            kept.unlink()
            raise

    def _check_reply(self, word: str, reply: ChatReply) -> None:
        if reply.finish in (CONTENT_FILTER, ERROR):
            raise ConfigError("judge.llm", reply.text, f"'{word}', which the judge was asked to repeat")
        if self.settings.samples:
            self._check_text(word, reply)
        else:
            self._check_alternatives(word, reply)

    def _check_text(self, word: str, reply: ChatReply) -> None:
        if not replied_masses([reply], [word]).total:
            raise ConfigError(
                "judge.llm.model",
                reply.text or f"no text ({reply.finish})",
                f"'{word}', which the judge was asked to repeat",
                "Is `max_tokens` enough for its reasoning?",
            )

    def _check_alternatives(self, word: str, reply: ChatReply) -> None:
        if not reply.top_logprobs or not listed_masses(reply.top_logprobs, [word]).readable:
            raise self._no_log_probabilities()
        if not is_one_token(word, reply.top_logprobs):
            raise ConfigError(
                "judge.labels",
                [token for token, _ in reply.top_logprobs],
                f"'{word}' as one token when the judge repeats it",
                "Choose other labels, such as [A, B, C]. If the model reasons before it answers, set `samples` to read "
                "the answer after its reasoning.",
            )

    def _no_log_probabilities(self, told: str = "") -> ConfigError:
        return ConfigError(
            "judge.llm",
            f"replies of {self.llm.model} without log-probabilities",
            f"the {_LISTED} most likely first tokens with their log-probabilities",
            f"Choose an endpoint that gives them, or set `samples` to judge by sampled replies.{told}",
        )


def _longer(request: ChatRequest) -> ChatRequest:
    """Return the request with twice the tokens, and the same seed."""
    return replace(request, max_tokens=2 * request.max_tokens)


def is_one_token(word: str, top: Sequence[tuple[str, float]]) -> bool:
    """Whether a model that was asked to repeat a word starts with the whole word as one token.

    One spelling can be one token and another several, so the probabilities of the whole word and of its beginnings
    are compared.
    """
    whole = listed_masses(top, [word]).labels[0]
    beginnings = {spelling.strip()[:end] for spelling in spellings(word) for end in range(1, len(word))}
    part = math.fsum(math.exp(p) for token, p in top if token.strip("Ġ▁ ") in beginnings)
    return whole > part
