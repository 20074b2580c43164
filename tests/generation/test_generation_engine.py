"""The engine against plain generation, one answer at a time and without a cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

import valuedrift.generation.transformers_engine as transformers_engine
from valuedrift.config.sampling import Sampling
from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.generation.engine import EngineKind, engine_kind
from valuedrift.generation.probe_prompts import Answer, Prompt, PromptCodec, prompt_codec
from valuedrift.generation.sampling import answer_uniforms
from valuedrift.generation.transformers_engine import TransformersEngine
from valuedrift.models.architecture import Architecture
from valuedrift.models.weights import read_checkpoint

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
Start = Callable[[Path], TransformersEngine]


def prompts_of(engine: TransformersEngine, texts: list[str], answers: int) -> list[Prompt]:
    tokenizer = engine.codec.tokenizer
    return [
        Prompt(f"q{number}", text, tuple(tokenizer(text)["input_ids"]), tuple(range(answers)))
        for number, text in enumerate(texts)
    ]


@pytest.fixture
def engine(base: Path, start: Start) -> TransformersEngine:
    return start(base)


@pytest.fixture
def prompts(engine: TransformersEngine) -> list[Prompt]:
    return prompts_of(engine, TEXTS, WARM.answers)


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
    engine.codec = replace(engine.codec, ends=frozenset([token]))
    return token


def favourite(engine: TransformersEngine, model: PreTrainedModel) -> int:
    """A token that some greedy answers have in their middle."""
    prompt = engine.codec.tokenizer(TEXTS[1])["input_ids"]
    return by_hand(model, prompt, [0.5] * 4, 1e-6, end=-1)[-1]


def test_temperature_zero_is_greedy_generation(engine: TransformersEngine, model: PreTrainedModel) -> None:
    end = end_with(engine, favourite(engine, model))
    prompts = prompts_of(engine, TEXTS, 1)
    answers = engine.answer(prompts, GREEDY)
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = torch.tensor([prompt.ids])
        generated = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, eos_token_id=end
        )
        tokens = generated[0, ids.shape[1] :].tolist()
        assert (answer.text, answer.tokens) == (text_of(engine.codec.tokenizer, tokens, end), len(tokens))
    assert len({answer.text for answer in answers}) > 3
    assert len({answer.finished for answer in answers}) == 2


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_sampled_answers_are_those_of_the_plain_distribution(
    engine: TransformersEngine, model: PreTrainedModel, prompts: list[Prompt], batch_size: int
) -> None:
    end = end_with(engine, favourite(engine, model))
    answers = engine.answer(prompts, WARM.replace(batch_size=batch_size))
    expected = []
    for prompt in prompts:
        for sample in range(3):
            uniforms = answer_uniforms(0, prompt.question_id, sample, 12).tolist()
            tokens = by_hand(model, list(prompt.ids), uniforms, 0.9, end)
            text = text_of(engine.codec.tokenizer, tokens, end)
            expected.append(Answer(prompt.question_id, sample, text, len(tokens), tokens[-1] == end))
    assert answers == expected
    assert {answer.finished for answer in answers} == {True, False}


def test_answers_do_not_depend_on_the_order_and_company_of_prompts(
    engine: TransformersEngine, prompts: list[Prompt]
) -> None:
    together = engine.answer(prompts, WARM)
    backwards = engine.answer(prompts[::-1], WARM)
    alone = [
        answer
        for prompt in prompts
        for sample in prompt.samples
        for answer in engine.answer([replace(prompt, samples=(sample,))], WARM)
    ]
    assert alone == together
    assert sorted(backwards, key=lambda answer: (answer.question_id, answer.sample)) == together
    assert [answer.question_id for answer in backwards] == [f"q{n}" for n in range(5, -1, -1) for _ in range(3)]


def test_only_the_answers_that_prompts_want_are_given(engine: TransformersEngine, prompts: list[Prompt]) -> None:
    wanted = {"q1": (2,), "q4": (7, 0), "q5": (1, 2)}
    few = [replace(prompt, samples=wanted[prompt.question_id]) for prompt in prompts if prompt.question_id in wanted]
    answers = engine.answer(few, WARM)
    assert [(a.question_id, a.sample) for a in answers] == [(key, i) for key, some in wanted.items() for i in some]
    assert {a for a in answers if a.sample < 3} <= set(engine.answer(prompts, WARM))


class Noise:
    """Adds to a model's logits what rounding might, differently at every call, except when it reads a whole text."""

    def __init__(self, model: PreTrainedModel, size: float) -> None:
        self.model, self.size, self.config = model, size, model.config
        self.random = torch.Generator().manual_seed(0)

    def __call__(self, ids: torch.Tensor, **arguments: object) -> object:
        out = self.model(ids, **arguments)
        if arguments.get("use_cache") is not False:
            out.logits = out.logits + self.size * (2 * torch.rand(out.logits.shape, generator=self.random) - 1)
        return out


def test_rounding_decides_no_draw(
    engine: TransformersEngine, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both a few hundred times too large, so that a few hundred draws are enough to see what the rule is for.
    rounding, doubt = 3e-3, 3e-2
    monkeypatch.setattr("valuedrift.generation.sampling.DOUBT", doubt)
    many = [replace(prompt, samples=tuple(range(8))) for prompt in prompts]
    clean = engine.answer(many, WARM)
    model, differing = engine.model, {True: 0, False: 0}
    for exact in (True, False):
        engine.exact, engine.model = exact, Noise(model, rounding)
        for _ in range(2):
            differing[exact] += sum(a != b for a, b in zip(engine.answer(many, WARM), clean, strict=True))
    assert differing[True] == 0
    assert differing[False] > 0


def test_batches_hold_at_most_their_size_in_answers(prompts: list[Prompt]) -> None:
    batches = list(transformers_engine._batches(prompts, 7))
    assert [sum(len(prompt.samples) for prompt in batch) for batch in batches] == [6, 6, 6]
    lengths = [len(prompt.ids) for batch in batches for prompt in batch]
    assert lengths == sorted(lengths)
    assert [len(batch) for batch in transformers_engine._batches(prompts, 1)] == [1] * 6


def test_every_option_of_sampling_counts(engine: TransformersEngine, prompts: list[Prompt]) -> None:
    answers = engine.answer(prompts, WARM)
    assert engine.answer(prompts, WARM.replace(seed=1)) != answers
    assert engine.answer(prompts, WARM.replace(temperature=0.3)) != answers
    shorter = engine.answer(prompts, WARM.replace(max_tokens=4))
    assert max(answer.tokens for answer in shorter) == 4


def test_an_answer_that_ends_in_time_is_finished_and_its_end_is_no_text(
    engine: TransformersEngine, model: PreTrainedModel
) -> None:
    end = end_with(engine, favourite(engine, model))
    prompts = prompts_of(engine, TEXTS[1:2], 1)
    (answer,) = engine.answer(prompts, GREEDY)
    assert answer.finished
    assert answer.tokens <= 4
    assert engine.codec.tokenizer.decode([end]).strip() not in answer.text.split()
    # The end token may be the last one that the limit allows.
    (just,) = engine.answer(prompts, GREEDY.replace(max_tokens=answer.tokens))
    assert just == answer
    (cut,) = engine.answer(prompts, GREEDY.replace(max_tokens=answer.tokens - 1))
    assert (cut.finished, cut.tokens) == (False, answer.tokens - 1)


@pytest.mark.parametrize("own", [7, [7, 9], None])
def test_the_chat_formats_end_and_the_models_own_end_answers(codec: PromptCodec, own: int | list[int] | None) -> None:
    chat = codec.tokenizer.eos_token_id
    ends = {chat, *([own] if isinstance(own, int) else own or [])}
    assert prompt_codec(codec.tokenizer, {"eos_token_id": own}).ends.keys() == ends


def test_loading_another_checkpoint_is_starting_with_it(
    base: Path, other: Path, start: Start, architecture: Architecture, prompts: list[Prompt]
) -> None:
    first, second = (read_checkpoint(folder, architecture, torch.float32) for folder in (base, other))
    engine = start(base)
    before = engine.answer(prompts, WARM)
    assert engine.load(second) == "in place"
    after = engine.answer(prompts, WARM)
    assert after == start(other).answer(prompts, WARM)
    assert after != before
    engine.load(first)
    assert engine.answer(prompts, WARM) == before


def test_weights_that_changed_since_they_were_read_never_answer(
    base: Path, other: Path, engine: TransformersEngine, architecture: Architecture, prompts: list[Prompt]
) -> None:
    second = read_checkpoint(other, architecture, torch.float32)
    with pytest.raises(ArtifactError, match=r"other values in 'lm_head\.weight' than in the files"):
        engine.load(replace(second, tensors=read_checkpoint(base, architecture, torch.float32).tensors))
    with pytest.raises(RuntimeError, match="no checkpoint was loaded to its end"):
        engine.answer(prompts, WARM)


def test_auto_is_transformers_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_kind("auto") == EngineKind("transformers", torch.float32)
    assert engine_kind("auto", "bfloat16") == EngineKind("transformers", torch.bfloat16)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("valuedrift.generation.engine.find_spec", lambda name: None)
    assert str(engine_kind("auto")) == "transformers bfloat16"
    with pytest.raises(ConfigError, match=r"generation\.engine': found 'vllm', expected vllm in the environment"):
        engine_kind("vllm")
    folder = ModuleSpec("vllm", None, is_package=True)
    monkeypatch.setattr("valuedrift.generation.engine.find_spec", lambda name: folder)
    assert str(engine_kind("auto")) == "transformers bfloat16"
    monkeypatch.setattr(folder, "origin", "vllm/__init__.py")
    assert str(engine_kind("auto")) == "vllm bfloat16"
    assert str(engine_kind("transformers")) == "transformers bfloat16"
    with pytest.raises(ConfigError, match="found 'tgi', expected auto, vllm or transformers"):
        engine_kind("tgi")
