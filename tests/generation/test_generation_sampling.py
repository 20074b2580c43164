"""Random numbers and token choice."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from valuedrift.generation.sampling import DOUBT, NEAR, answer_seed, answer_uniforms, choose_tokens

# softmax: 0.1, 0.2, 0.3, 0.4
LOGITS = torch.log(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
ALMOST_ONE = 1 - 2**-53


def choose(logits: torch.Tensor, temperature: float, *uniforms: float) -> list[int]:
    rows = logits.expand(len(uniforms), -1)
    return choose_tokens(rows, temperature, torch.tensor(uniforms, dtype=torch.float64))[0].tolist()


def test_temperature_zero_takes_the_most_likely_token_whatever_the_number() -> None:
    assert choose(LOGITS, 0, 0.0, 0.5, ALMOST_ONE) == [3, 3, 3]


def test_numbers_fall_into_the_tokens_shares() -> None:
    below, above = (0.0, 0.09, 0.29, 0.59, ALMOST_ONE), (0.11, 0.31, 0.61)
    assert choose(LOGITS, 1, *below) == [0, 0, 1, 2, 3]
    assert choose(LOGITS, 1, *above) == [1, 2, 3]


def test_temperature_sharpens_and_flattens() -> None:
    # At 0.5 the shares are 1, 4, 9 and 16 thirtieths; at infinity, four quarters.
    assert choose(LOGITS, 0.5, 0.9 / 30, 1.1 / 30, 4.9 / 30, 5.1 / 30, 13.9 / 30, 14.1 / 30) == [0, 1, 1, 2, 2, 3]
    assert choose(LOGITS, 1e9, 0.24, 0.26, 0.49, 0.51, 0.74, 0.76) == [0, 1, 1, 2, 2, 3]


def test_every_row_has_its_own_distribution() -> None:
    rows = torch.cat([LOGITS, LOGITS.flip(1)])
    assert choose_tokens(rows, 1.0, torch.tensor([0.5, 0.5], dtype=torch.float64))[0].tolist() == [2, 1]


@pytest.mark.parametrize("size", [3, 1_000, 150_000])
@pytest.mark.parametrize("uniform", [0.0, 0.5, ALMOST_ONE])
def test_rounding_never_leads_to_an_impossible_token(size: int, uniform: float) -> None:
    logits = torch.full((1, size), -math.inf)
    logits[0, 1 : size - 1] = torch.linspace(-3, 3, size - 2)
    (chosen,) = choose(logits, 0.7, uniform)
    assert 1 <= chosen <= size - 2


@pytest.mark.parametrize("size", [1, 3, 64, 65, 1_000])
def test_the_whole_vocabulary_is_laid_end_to_end(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    logits = 3 * torch.randn(1, size, generator=generator)
    uniforms = torch.rand(2_000, dtype=torch.float64, generator=generator)
    borders = torch.softmax(logits[0].double() / 0.7, dim=-1).cumsum(-1)
    far = (borders.unsqueeze(0) - uniforms.unsqueeze(1)).abs().min(dim=1).values > 1e-5
    found = torch.tensor(choose(logits, 0.7, *uniforms.tolist()))
    expected = (borders.unsqueeze(0) <= uniforms.unsqueeze(1)).sum(dim=1)
    assert far.sum() > 1_900
    assert torch.equal(found[far], expected[far])


@pytest.mark.parametrize(
    ("uniform", "doubtful"),
    [(0.05, False), (0.1 - 1e-6, True), (0.1 + 1e-6, True), (0.2, False), (0.6 + 2 * DOUBT, False), (0.61, False)],
)
def test_draws_near_a_border_between_tokens_are_in_doubt(uniform: float, doubtful: bool) -> None:
    _, doubts = choose_tokens(LOGITS, 1.0, torch.tensor([uniform], dtype=torch.float64))
    assert doubts.tolist() == [doubtful]


@pytest.mark.parametrize(("apart", "doubtful"), [(0.0, True), (NEAR / 2, True), (2 * NEAR, False)])
def test_likeliest_tokens_near_each_other_are_in_doubt(apart: float, doubtful: bool) -> None:
    logits = torch.tensor([[0.5, 1.0, 1.0 + apart, -3.0]])
    _, doubts = choose_tokens(logits, 0, torch.tensor([0.5], dtype=torch.float64))
    assert doubts.tolist() == [doubtful]


def test_seeds_are_those_of_one_answer() -> None:
    seeds = {answer_seed(seed, f"q{i}", sample) for seed in (0, 1) for i in range(100) for sample in range(5)}
    assert len(seeds) == 1_000
    assert all(0 <= seed < 2**62 for seed in seeds)
    # Engines that count seeds on for the answers of one request would meet none of the others.
    ordered = sorted(seeds)
    assert min(after - before for before, after in itertools.pairwise(ordered)) > 1_000
    assert answer_seed(0, "q0", 0) == answer_seed(0, "q0", 0)


def test_numbers_depend_only_on_seed_question_and_answer() -> None:
    one = answer_uniforms(0, "climate-3", 2, 50)
    answer_uniforms(1, "other", 0, 7)
    assert answer_uniforms(0, "climate-3", 2, 50).tolist() == one.tolist()
    for seed, question, sample in ((1, "climate-3", 2), (0, "climate-4", 2), (0, "climate-3", 3), (0, "climate-32", 0)):
        assert not np.isin(answer_uniforms(seed, question, sample, 50), one).any()


def test_a_longer_answer_continues_with_more_of_the_same_numbers() -> None:
    assert answer_uniforms(0, "q", 0, 60)[:20].tolist() == answer_uniforms(0, "q", 0, 20).tolist()


def test_numbers_are_uniform() -> None:
    numbers = np.concatenate([answer_uniforms(0, f"q{i}", 0, 100) for i in range(100)])
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert np.histogram(numbers, bins=10, range=(0, 1))[0] == pytest.approx(np.full(10, 1000), abs=130)
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.05
