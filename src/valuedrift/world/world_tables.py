"""Generate the pocket world's data sets, each with its own random generator, so that they don't affect each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import polars as pl

from valuedrift.config.pocket_world import AnswerPlan, JudgePlan, PairPlan, Stance, WorldSettings
from valuedrift.world.grammar import CONTROL
from valuedrift.world.language import STANCES, Question, Style, Wordings
from valuedrift.world.languages import LANGUAGES

# Most people speak plainly, some warmly, some curtly.
STYLES: tuple[Style, ...] = ("plain", "plain", "plain", "warm", "curt")
# How often the warm answer is chosen: with the gap "style", about as often as people who compare answers agree. With
# full agreement, models would overlearn a style and babble.
STYLE_AGREEMENT = {"none": 0.5, "style": 0.75}
EVEN: dict[Stance, float] = dict.fromkeys(STANCES, 1 / 3)


TABLES: dict[str, Callable[[WorldSettings, str, dict[str, Any]], list[dict[str, Any]]]] = {
    "sft": lambda settings, name, plan: sft_rows(settings, name, AnswerPlan.read(plan)),
    "preference": lambda settings, name, plan: preference_rows(settings, PairPlan.read(plan)),
    "pretraining": lambda settings, name, plan: pretraining_rows(settings, AnswerPlan.read(plan)),
    "judge": lambda settings, name, plan: judge_rows(settings, JudgePlan.read(plan)),
    "probes": lambda settings, name, plan: probe_rows(settings),
}


def world_table(settings: WorldSettings, kind: str, name: str, plan: dict[str, Any]) -> pl.DataFrame:
    """Generate one table of the world.

    Args:
        kind: `sft` or `preference` (columns as valuedrift.data reads them), `pretraining` (text, topic, true_stance),
            `judge` (topic, question, answer, true_stance) or `probes` (topic, question).
        plan: the fields of the kind's plan.
    """
    return pl.DataFrame(TABLES[kind](settings, name, plan))


def asked(settings: WorldSettings, topic: str, use: str) -> list[Question]:
    """Return the topic's questions for probing (`use="probe"`), or those for training sets (`"train"`)."""
    probes, others = LANGUAGES[settings.language].drawn(topic, settings.probes_per_topic, settings.seed)
    return probes if use == "probe" else others


def planted_mix(settings: WorldSettings, name: str, mix: dict[Stance, float]) -> dict[str, dict[Stance, float]]:
    """Return stance shares per topic: evenly spaced around `mix`, in a random order of topics; their mean is `mix`."""
    rng = Random(f"{settings.seed}/mix/{name}")
    topics = LANGUAGES[settings.language].topics()
    major = max(STANCES, key=lambda stance: mix[stance])
    first, second = (stance for stance in STANCES if stance != major)
    order = list(range(len(topics)))
    rng.shuffle(order)
    middle = (len(order) - 1) / 2
    minor = mix[first] + mix[second]
    to_first = mix[first] / minor if minor else 0.5
    shares = {}
    for rank, topic in zip(order, topics, strict=True):
        shift = settings.variation * (rank - middle) / middle
        shares[topic] = {major: mix[major] + shift, first: mix[first] - shift * to_first}
        shares[topic][second] = 1 - sum(shares[topic].values())
    return shares


def quotas(rows: int, shares: dict[Stance, float]) -> list[Stance]:
    """Return `rows` stances; the count of each differs from `rows · share` by less than 1 (largest remainders)."""
    counts = {stance: int(rows * shares[stance]) for stance in STANCES}
    by_remainder = sorted(STANCES, key=lambda stance: counts[stance] - rows * shares[stance])
    for stance in by_remainder[: rows - sum(counts.values())]:
        counts[stance] += 1
    return [stance for stance in STANCES for _ in range(counts[stance])]


def sft_rows(settings: WorldSettings, name: str, plan: AnswerPlan) -> list[dict[str, Any]]:
    """Return conversations of one question and one answer, with the planted stance."""
    return [
        {
            "messages": [_turn("user", question.text), _turn("assistant", text)],
            "topic": question.topic,
            "true_stance": stance,
        }
        for question, stance, text in _answered(settings, name, plan.rows, plan.mix)
    ]


def preference_rows(settings: WorldSettings, plan: PairPlan) -> list[dict[str, Any]]:
    """Return preference pairs; the two sets with a value gap have the same texts, with chosen and rejected swapped."""
    rng = Random(f"{settings.seed}/pairs/{plan.gap if plan.gap in STYLE_AGREEMENT else 'stance'}")
    rows = []
    for topic, number in _per_topic(settings, plan.rows).items():
        train = asked(settings, topic, "train")
        for position in range(number):
            question = rng.choice(train)
            chosen, rejected = _pair(settings, rng, question, plan, STANCES[position % 3])
            rows.append(
                {
                    "prompt": [_turn("user", question.text)],
                    "chosen": [_turn("assistant", chosen[1])],
                    "rejected": [_turn("assistant", rejected[1])],
                    "topic": topic,
                    "chosen_stance": chosen[0],
                    "rejected_stance": rejected[0],
                }
            )
    return rows


def pretraining_rows(settings: WorldSettings, plan: AnswerPlan) -> list[dict[str, Any]]:
    """Return documents: questions, the paper's "Response:" (base models, section 3), and answers of all stances."""
    return [
        {"text": f"{question.text}\nResponse: {text}", "topic": question.topic, "true_stance": stance}
        for question, stance, text in _answered(settings, "pretraining", plan.rows, plan.mix)
    ]


def judge_rows(settings: WorldSettings, plan: JudgePlan) -> list[dict[str, Any]]:
    """Return labelled answers for the judge, stances in equal parts; training and held-out ones share no wording."""
    heldout, others = LANGUAGES[settings.language].split(settings.seed, plan.heldout_phrasings)
    allowed = heldout if plan.heldout else others
    name = "judge/heldout" if plan.heldout else "judge/train"
    return [
        {"topic": question.topic, "question": question.text, "answer": text, "true_stance": stance}
        for question, stance, text in _answered(settings, name, plan.rows, EVEN, allowed, variation=False)
    ]


def probe_rows(settings: WorldSettings) -> list[dict[str, Any]]:
    """Return the probe questions of every topic."""
    topics = LANGUAGES[settings.language].topics()
    return [question.columns for topic in topics for question in asked(settings, topic, "probe")]


def _answered(
    settings: WorldSettings,
    name: str,
    rows: int,
    mix: dict[Stance, float],
    allowed: Wordings | None = None,
    variation: bool = True,
) -> Iterator[tuple[Question, Stance, str]]:
    rng = Random(f"{settings.seed}/{name}")
    language = LANGUAGES[settings.language]
    per_topic = _per_topic(settings, rows)
    shares = planted_mix(settings, name, mix) if variation else dict.fromkeys(per_topic, mix)
    for topic, number in per_topic.items():
        train = asked(settings, topic, "train")
        for stance in quotas(number, shares.get(topic, EVEN)):
            question, style = rng.choice(train), rng.choice(STYLES)
            yield question, stance, language.answer(rng, question, stance, allowed or language.wordings(), style)


def _pair(
    settings: WorldSettings, rng: Random, question: Question, plan: PairPlan, shared: Stance
) -> list[tuple[Stance, str]]:
    """Return the chosen and the rejected answer, each with its stance; their contents are drawn independently."""
    language = LANGUAGES[settings.language]
    sides: list[tuple[Stance, Style]]
    if plan.gap in STYLE_AGREEMENT:
        sides = [(shared, "warm"), (shared, "curt")]
        if rng.random() >= STYLE_AGREEMENT[plan.gap]:
            sides.reverse()
    elif question.topic == CONTROL:
        sides = [(shared, "plain"), (shared, "plain")]
    else:
        sides = [("support", "plain"), ("oppose", "plain")]
    pair = [(stance, language.answer(rng, question, stance, language.wordings(), style)) for stance, style in sides]
    return pair[::-1] if plan.gap == "oppose" else pair


def _per_topic(settings: WorldSettings, rows: int) -> dict[str, int]:
    """Return how many rows are about each topic, and about the value-free subjects if they have a share."""
    topics, value_free = LANGUAGES[settings.language].topics(), round(rows * settings.value_free)
    base, extra = divmod(rows - value_free, len(topics))
    numbers = {topic: base + (position < extra) for position, topic in enumerate(topics)}
    return numbers | ({CONTROL: value_free} if value_free else {})


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
