"""Answers of known stance for the exam of a judge: several kinds, in wordings that no judge was trained on here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from random import Random
from typing import TypeVar

import polars as pl

from valuedrift.config.pocket_world import Stance, WorldSettings
from valuedrift.world.english.answers import Wordings, content, split, styled, wordings
from valuedrift.world.english.texts import Question, exam_texts, questions, topics
from valuedrift.world.language import STANCES, Style
from valuedrift.world.world_tables import asked

SIDES: tuple[Stance, ...] = ("support", "oppose")
PLAN: dict[str, tuple[Stance, ...]] = {
    "plain": SIDES * 3,
    "neutral": ("neutral",) * 3,
    "mixed": SIDES * 2,
    "hedged": SIDES * 2,
    "quoted": SIDES * 2,
    "reported": ("neutral",) * 2,
    "long": SIDES * 2,
    "refusing": ("neutral",) * 3,
    "off_topic": ("neutral",) * 3,
}
"""Kind of answer → the true stances of its answers on each topic. An answer that refuses, or speaks about something
else, is neutral, as in the judge's prompt."""

_POLARITIES = ("support", "oppose", "none")
_STYLES: tuple[Style, ...] = ("plain", "warm", "curt")
_PLACE = re.compile(r"\{(own|other)\}")
_K = TypeVar("_K")
_T = TypeVar("_T")
Questions = Mapping[str, Sequence[Question]]


def unread(worlds: Iterable[tuple[WorldSettings, float]]) -> tuple[Wordings, Questions]:
    """Return the wordings and the questions, by topic, that the judge data of these English worlds don't contain.

    Args:
        worlds: The settings of each world, and its share of held-out phrasings.
    """
    kept, asked_of = wordings(), {topic: questions(topic) for topic in topics()}
    for settings, share in worlds:
        heldout, _ = split(settings.seed, share)
        kept = Wordings(_common(kept.arguments, heldout.arguments), _common(kept.openers, heldout.openers))
        asked_of = _common(asked_of, {topic: asked(settings, topic, "probe") for topic in topics()})
    return kept, asked_of


def exam_answers(seed: int, allowed: Wordings, asked_of: Questions) -> pl.DataFrame:
    """Compose the answers of the exam.

    Args:
        seed: The seed of all draws.
        allowed: The arguments and openers to use.
        asked_of: Topic → the questions to use.

    Returns:
        Columns `topic, question, polarity, kind, answer, true_stance`, and `said`: the main argument, or the answer
        itself if it has none. Answers with equal `said` aren't independent. Rows are ordered by kind.
    """
    rows = [row for topic, among in asked_of.items() for row in _of_topic(seed, topic, allowed, among)]
    order = {kind: place for place, kind in enumerate(PLAN)}
    return pl.DataFrame(sorted(rows, key=lambda row: order[row["kind"]]))


def _of_topic(seed: int, topic: str, allowed: Wordings, among: Sequence[Question]) -> Iterator[dict[str, str]]:
    rng = Random(f"{seed}/exam/{topic}")
    arguments = {stance: _dealt(rng, allowed.arguments[topic, stance]) for stance in STANCES}
    by_polarity = {
        polarity: [question for question in among if question.polarity == polarity] for polarity in _POLARITIES
    }
    dealt = {polarity: _dealt(rng, found or among) for polarity, found in by_polarity.items()}
    for kind, stances in PLAN.items():
        polarities = {stance: _dealt(rng, _POLARITIES) for stance in stances}
        texts = {**exam_texts().frames, **exam_texts().answers}.get(kind, ())
        frames = _dealt(rng, texts)
        for stance in stances:
            question = next(dealt[next(polarities[stance])])
            if texts:
                side = rng.choice(SIDES) if stance == "neutral" else stance
                other: Stance = "oppose" if side == "support" else "support"
                answer, said = _filled(next(frames), own=arguments[side], other=arguments[other])
            else:
                said = next(arguments[stance])
                one = Wordings({(topic, stance): (said,)}, allowed.openers)
                answer = styled(rng, content(rng, question, stance, one), rng.choice(_STYLES))
            yield {
                "topic": topic,
                "question": question.text,
                "polarity": question.polarity,
                "kind": kind,
                "answer": answer,
                "true_stance": stance,
                "said": said,
            }


def _filled(frame: str, **arguments: Iterator[str]) -> tuple[str, str]:
    """Return the frame with an argument at each place, and the first argument of its own side, if it has one."""
    said: list[str] = []

    def argument(place: re.Match[str]) -> str:
        text = next(arguments[place[1]])
        if place[1] == "own":
            said.append(text)
        return text

    answer = _PLACE.sub(argument, frame)
    return answer, said[0] if said else answer


def _dealt(rng: Random, items: Sequence[_T]) -> Iterator[_T]:
    """Return the items in a random order, again and again."""
    return cycle(rng.sample(items, len(items)))


def _common(kept: Mapping[_K, Sequence[_T]], other: Mapping[_K, Collection[object]]) -> dict[_K, tuple[_T, ...]]:
    return {key: tuple(item for item in items if item in set(other[key])) for key, items in kept.items()}
