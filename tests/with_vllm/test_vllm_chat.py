"""A chat model in vLLM's engine, as the writer of pairs is asked, beside the same one in transformers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.complete import ask
from valuedrift.llm.request import ChatReply, ChatRequest, Turn

TEXTS = ["Should we?", "Is a wealth tax a good idea ? I support it .", "No ."]


@pytest.fixture(scope="module")
def folder(make_model: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("chat") / "model", 0)


def request(text: str, **changes: object) -> ChatRequest:
    return replace(ChatRequest((Turn("user", text),), max_tokens=12, top_logprobs=20), **changes)


def replies(folder: Path, journal: Path, backend: str, requests: list[ChatRequest]) -> list[ChatReply]:
    return ask(requests, LlmSettings(backend=backend, model=str(folder)), journal / f"{backend}.jsonl")


def test_greedy_replies_and_log_probabilities_are_those_of_transformers(folder: Path, tmp_path: Path) -> None:
    requests = [*map(request, TEXTS), request("long " * 600)]
    found, expected = (replies(folder, tmp_path, backend, requests) for backend in ("vllm", "transformers"))
    for one, other in zip(found, expected, strict=True):
        assert (one.text, one.finish, one.prompt_tokens) == (other.text, other.finish, other.prompt_tokens)
        listed = [[logprob for _, logprob in reply.top_logprobs] for reply in (one, other)]
        assert listed[0] == pytest.approx(listed[1], abs=1e-3)
    assert found[-1].finish == "error"


def test_a_sampled_reply_depends_on_its_seed_and_not_on_its_neighbours(folder: Path, tmp_path: Path) -> None:
    drawn = [request(TEXTS[0], temperature=1.5, seed=seed, top_logprobs=0) for seed in range(4)]
    together = replies(folder, tmp_path, "vllm", [request(TEXTS[1]), *drawn])[1:]
    (tmp_path / "alone").mkdir()
    alone = replies(folder, tmp_path / "alone", "vllm", drawn[2:3])
    assert together[2].text == alone[0].text
    assert len({reply.text for reply in together}) > 1
