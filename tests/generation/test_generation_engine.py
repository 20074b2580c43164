"""The engine against plain generation, one answer at a time and without a cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from valuedrift.generation.engine import Answer, Prompt, Sampling, TransformersEngine
from valuedrift.generation.sampling import answer_uniforms

GREEDY = Sampling(answers=1, temperature=0, max_tokens=12, batch_size=8, seed=0)
WARM = Sampling(answers=3, temperature=0.9, max_tokens=12, batch_size=7, seed=0)
TEXTS = [
    "Why ?",
    "What do you think about legal abortion ?\nResponse:",
    "wind farms " * 12,
    "I",
    "Should society accept a wealth tax ?",
    "Is it so ?",
]
PROMPTS = [Prompt(f"q{number}", text) for number, text in enumerate(TEXTS)]


@pytest.fixture
def engine(base: Path) -> TransformersEngine:
    return TransformersEngine(base, base)


@pytest.fixture(scope="module")
def model(base: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(base).eval()


@torch.no_grad()
def by_hand(
    model: PreTrainedModel, prompt: list[int], uniforms: list[float], temperature: float, end: int
) -> list[int]:
    """One answer's tokens: the whole text is read anew for every token."""
    tokens: list[int] = []
    for uniform in uniforms:
        logits = model(torch.tensor([prompt + tokens])).logits[0, -1].double()
        shares = torch.softmax(logits / temperature, dim=-1).tolist()
        total, token = 0.0, -1
        while total <= uniform:
            token += 1
            total += shares[token]
        tokens.append(token)
        if token == end:
            break
    return tokens


def text_of(tokenizer: PreTrainedTokenizerBase, tokens: list[int], end: int) -> str:
    return tokenizer.decode([token for token in tokens if token != end], skip_special_tokens=True).strip()


def end_with(engine: TransformersEngine, token: int) -> int:
    """Make `token`, of which the tiny model is fond, the one that ends answers."""
    engine.tokenizer.eos_token = engine.tokenizer.convert_ids_to_tokens(token)
    return token


def favourite(engine: TransformersEngine, model: PreTrainedModel) -> int:
    """A token that some greedy answers have in their middle."""
    prompt = engine.tokenizer(TEXTS[1])["input_ids"]
    return by_hand(model, prompt, [0.5] * 4, 1e-6, end=-1)[-1]


def test_temperature_zero_is_greedy_generation(engine: TransformersEngine, model: PreTrainedModel) -> None:
    end = end_with(engine, favourite(engine, model))
    answers = engine.answer(PROMPTS, GREEDY)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        ids = torch.tensor([engine.tokenizer(prompt.text)["input_ids"]])
        generated = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, eos_token_id=end
        )
        tokens = generated[0, ids.shape[1] :].tolist()
        assert (answer.text, answer.tokens) == (text_of(engine.tokenizer, tokens, end), len(tokens))
    assert len({answer.text for answer in answers}) > 3
    assert len({answer.finished for answer in answers}) == 2


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_sampled_answers_are_those_of_the_plain_distribution(
    engine: TransformersEngine, model: PreTrainedModel, batch_size: int
) -> None:
    end = end_with(engine, favourite(engine, model))
    answers = engine.answer(PROMPTS, replace(WARM, batch_size=batch_size))
    expected = []
    for prompt in PROMPTS:
        ids = engine.tokenizer(prompt.text)["input_ids"]
        for sample in range(3):
            uniforms = answer_uniforms(0, prompt.question_id, sample, 12).tolist()
            tokens = by_hand(model, ids, uniforms, 0.9, end)
            text = text_of(engine.tokenizer, tokens, end)
            expected.append(Answer(prompt.question_id, sample, text, len(tokens), tokens[-1] == end))
    assert answers == expected
    assert {answer.finished for answer in answers} == {True, False}


def test_answers_do_not_depend_on_the_order_and_company_of_prompts(engine: TransformersEngine) -> None:
    together = engine.answer(PROMPTS, WARM)
    backwards = engine.answer(PROMPTS[::-1], WARM)
    alone = [answer for prompt in PROMPTS for answer in engine.answer([prompt], WARM)]
    assert alone == together
    assert sorted(backwards, key=lambda answer: (answer.question_id, answer.sample)) == together
    assert [answer.question_id for answer in backwards] == [f"q{n}" for n in range(5, -1, -1) for _ in range(3)]


def test_every_option_of_sampling_counts(engine: TransformersEngine) -> None:
    answers = engine.answer(PROMPTS, WARM)
    assert engine.answer(PROMPTS, replace(WARM, seed=1)) != answers
    assert engine.answer(PROMPTS, replace(WARM, temperature=0.3)) != answers
    more = engine.answer(PROMPTS, replace(WARM, answers=5))
    assert [answer for answer in more if answer.sample < 3] == answers
    assert [answer.sample for answer in more] == [*range(5)] * 6
    shorter = engine.answer(PROMPTS, replace(WARM, max_tokens=4))
    assert max(answer.tokens for answer in shorter) == 4


def test_an_answer_that_ends_in_time_is_finished_and_its_end_is_no_text(
    engine: TransformersEngine, model: PreTrainedModel
) -> None:
    end = end_with(engine, favourite(engine, model))
    (answer,) = engine.answer(PROMPTS[1:2], GREEDY)
    assert answer.finished
    assert answer.tokens <= 4
    assert engine.tokenizer.decode([end]).strip() not in answer.text.split()
    # The end token may be the last one that the limit allows.
    (just,) = engine.answer(PROMPTS[1:2], replace(GREEDY, max_tokens=answer.tokens))
    assert just == answer
    (cut,) = engine.answer(PROMPTS[1:2], replace(GREEDY, max_tokens=answer.tokens - 1))
    assert (cut.finished, cut.tokens) == (False, answer.tokens - 1)


def test_loading_another_checkpoint_is_starting_with_it(base: Path, other: Path) -> None:
    engine = TransformersEngine(base, base)
    before = engine.answer(PROMPTS, WARM)
    engine.load(other)
    after = engine.answer(PROMPTS, WARM)
    assert after == TransformersEngine(base, other).answer(PROMPTS, WARM)
    assert after != before
    engine.load(base)
    assert engine.answer(PROMPTS, WARM) == before
