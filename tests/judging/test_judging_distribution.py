"""Lists of log-probabilities, as servers give them, are read as a distribution: right within the bound, or flagged."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from judging_examples import top

from valuedrift.judging.judgement import judgement, listed_masses
from valuedrift.judging.label_words import label_of, spellings
from valuedrift.llm.alternatives import read_alternatives
from valuedrift.llm.request import ChatReply
from valuedrift.statistics.panel import STANCES as LABELS

REPLY = ChatReply("support", "length", 10, 1, 0.1)
WORDS = [spelling for label in LABELS for spelling in spellings(label)]
OTHERS = ["The", " I", "<think>", "sup", "\n", "bytes:\\xe2\\x80", "�", "�", "</s>", "", "Supports", "{", "**"]


@st.composite
def distributions(draw: st.DrawFn) -> list[tuple[str, float]]:
    """Tokens of a vocabulary, some of one text, with probabilities that sum to 1; some tokens are impossible."""
    tokens = draw(st.permutations([*WORDS, *OTHERS]))[: draw(st.integers(1, len(WORDS) + len(OTHERS)))]
    weights = [draw(st.sampled_from([0.0, 1.0]) | st.floats(1e-9, 1.0)) for _ in tokens]
    weights[0] = weights[0] or 1.0
    return [(token, weight / math.fsum(weights)) for token, weight in zip(tokens, weights, strict=True)]


def logprob(probability: float, impossible: float | None) -> float | None:
    return math.log(probability) if probability else impossible


def test_equal_parts_of_characters_may_be_different_tokens() -> None:
    part = ("�", math.log(0.2))
    listed = [("The", math.log(0.01)), part, part, ("support", math.log(0.2))]  # the sampled token, and the 3 likely
    assert [token for token, _ in read_alternatives(listed, 3)] == ["�", "support"]
    masses = listed_masses(read_alternatives(listed, 3), LABELS)
    assert masses.hidden == pytest.approx(0.6)  # not 8 spellings of at most 0.01


@given(distributions(), st.integers(1, 25), st.sampled_from([None, -math.inf, -9999.0]), st.data())
def test_masses_are_right_within_their_bound_however_the_list_is_written(
    true: list[tuple[str, float]], most: int, impossible: float | None, data: st.DataObject
) -> None:
    ranked = sorted(true, key=lambda each: -each[1])
    listed = [(token, logprob(p, impossible)) for token, p in ranked[:most]]
    sampled = data.draw(st.sampled_from(ranked))  # vLLM lists the sampled token also, wherever it ranks
    listed = data.draw(st.permutations([(sampled[0], logprob(sampled[1], impossible)), *listed]))
    masses = listed_masses(read_alternatives(listed, most), LABELS)
    exact = [math.fsum(p for token, p in true if label_of(token, LABELS) == i) for i in range(3)]
    assert 0 <= masses.total <= 1 + 1e-12
    assert all(mass <= known + 1e-9 for mass, known in zip(masses.labels, exact, strict=True))
    if stances := masses.stances(1.0):
        off = [abs(p - mass / math.fsum(exact)) for p, mass in zip(stances, exact, strict=True)]
        assert max(off) <= masses.bound + 1e-9


@given(st.lists(st.tuples(st.sampled_from([*WORDS, *OTHERS]), st.none() | st.floats()), max_size=25))
@example([("support", math.inf)])
@example([("support", 800.0), ("oppose", -1.0)])
@example([("support", math.nan)])
@example([("support", -0.1), ("oppose", -0.1)])
@example([("support", 0.0), ("oppose", None)])
def test_any_list_is_a_distribution_or_flagged(listed: list[tuple[str, float | None]]) -> None:
    try:
        alternatives = read_alternatives(listed)
    except ValueError:
        alternatives = tuple((token, -9999.0 if p is None else p) for token, p in listed)
        assert judgement([REPLY], listed_masses(alternatives, LABELS), 1.0).flag == "error"
        return
    found = judgement([REPLY], listed_masses(alternatives, LABELS), 1.0)
    assert (found.stances is None) == (found.flag is not None)
    if found.stances:
        assert math.fsum(found.stances) == pytest.approx(1)
        assert 0 <= found.unassigned <= 1
        assert 0 <= found.bound <= 1


def test_the_sampled_token_listed_twice_counts_once() -> None:
    once = top(support=0.5, oppose=0.3, neutral=0.1, The=0.1)
    assert listed_masses([once[0], *once], LABELS) == listed_masses(once, LABELS)
    rounded = ("support", round(math.log(0.5), 4))
    assert listed_masses([rounded, *once], LABELS).labels == pytest.approx((0.5, 0.1, 0.3), abs=1e-4)
    assert listed_masses([once[0], *once], LABELS).stances(0.5) == pytest.approx((5 / 9, 1 / 9, 3 / 9))


def test_different_entries_of_one_text_are_different_tokens() -> None:
    assert listed_masses(top(support=0.5, oppose=0.3) + top(support=0.2), LABELS).labels == pytest.approx((0.7, 0, 0.3))


def test_a_sampled_token_below_the_most_likely_ones_tells_nothing_about_them() -> None:
    listed = read_alternatives([*top(The=1e-8, support=0.5, oppose=0.3, I=0.1)], 3)
    assert [token for token, _ in listed] == ["support", "oppose", "I"]
    assert listed_masses(listed, LABELS).hidden == pytest.approx(0.1)


def test_a_spelling_that_is_listed_twice_hides_no_other() -> None:
    # "\nsupport" is none of the spellings that are counted as unlisted: all twelve may have up to 1 %.
    assert listed_masses(top(**{"\nsupport": 0.8, "The": 0.01}), LABELS).hidden == pytest.approx(0.12)


@pytest.mark.parametrize(
    "listed",
    [
        [("support", 0.0)],
        [(" support", -1e-7), ("oppose", -9999.0), ("neutral", -math.inf)],
        [("support", -0.1), ("oppose", -1.0)],
        [("support", 0.2)],
    ],
    ids=["one token", "one possible token", "a sum above one", "a probability above one"],
)
def test_what_is_not_the_models_distribution_is_flagged(listed: list[tuple[str, float]]) -> None:
    found = judgement([REPLY], listed_masses(listed, LABELS), 1.0)
    assert (found.stances, found.unassigned, found.bound, found.flag) == (None, None, None, "error")


def test_sums_that_rounding_lifts_above_one_are_scaled() -> None:
    masses = listed_masses([("support", math.log(0.6)), ("oppose", math.log(0.4004))], LABELS)
    assert masses.total == pytest.approx(1, abs=1e-12)
    assert masses.bound == 0


@pytest.mark.parametrize("broken", ["x", {}, []])
def test_what_is_no_number_is_refused(broken: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_alternatives([("support", broken)])
