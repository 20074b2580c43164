"""The transformers backend with a model of random weights."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.complete import ask
from valuedrift.llm.local_backend import prompt_of
from valuedrift.llm.request import ChatRequest, Turn

TEXTS = ["Should we?", "Is a wealth tax a good idea ? I support it .", "No ."]


def request(text: str, **changes: object) -> ChatRequest:
    return replace(ChatRequest((Turn("user", text),), max_tokens=1, top_logprobs=20), **changes)


def test_first_token_log_probabilities_are_those_of_the_model(base: Path, journal: Path) -> None:
    found = ask([request(text) for text in TEXTS], LlmSettings(backend="transformers", model=str(base)), journal)
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModelForCausalLM.from_pretrained(base)
    for text, reply in zip(TEXTS, found, strict=True):
        prompt = prompt_of(tokenizer, request(text))
        expected = model(torch.tensor([prompt])).logits[0, -1].double().log_softmax(-1).topk(20)
        assert [logprob for _, logprob in reply.top_logprobs] == pytest.approx(expected.values.tolist(), abs=1e-4)
        assert reply.top_logprobs[0][0] == tokenizer.decode([int(expected.indices[0])])
        assert (reply.prompt_tokens, reply.completion_tokens) == (len(prompt), 1)
        assert sum(math.exp(logprob) for _, logprob in reply.top_logprobs) <= 1 + 1e-9


def test_greedy_answers_are_those_of_generate(base: Path, journal: Path) -> None:
    requests = [request(text, max_tokens=5 + i, top_logprobs=0) for i, text in enumerate(TEXTS)]
    found = ask(requests, LlmSettings(backend="transformers", model=str(base)), journal)
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModelForCausalLM.from_pretrained(base)
    for each, reply in zip(requests, found, strict=True):
        prompt = torch.tensor([prompt_of(tokenizer, each)])
        expected = model.generate(prompt, max_new_tokens=each.max_tokens, do_sample=False)[0, prompt.shape[1] :]
        assert reply.text == tokenizer.decode(expected, skip_special_tokens=True)
        assert reply.completion_tokens == len(expected)
        assert reply.top_logprobs == ()


def test_a_sampled_answer_depends_on_its_seed_and_not_on_its_neighbours(base: Path, tmp_path: Path) -> None:
    settings = LlmSettings(backend="transformers", model=str(base))
    drawn = [request(TEXTS[0], max_tokens=12, temperature=1.5, seed=seed, top_logprobs=0) for seed in range(4)]
    together = ask([request(TEXTS[1]), *drawn], settings, tmp_path / "one.jsonl")[1:]
    alone = [ask([each], settings, tmp_path / f"{each.seed}.jsonl")[0] for each in drawn]
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    assert len({reply.text for reply in alone}) > 1


def test_what_does_not_fit_the_context_is_an_error_reply(base: Path, journal: Path) -> None:
    found = ask(
        [request("long " * 300), request("No .")], LlmSettings(backend="transformers", model=str(base)), journal
    )
    assert [reply.finish for reply in found] == ["error", "length"]
    assert "context length of 256" in found[0].text
