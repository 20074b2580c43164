"""Generate the pocket world's data sets, each from a generator of its own, so that one never shifts another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from valuedrift.files import write_parquet
from valuedrift.world.grammar import (
    STANCES,
    Question,
    Stance,
    Style,
    answer,
    phrasings,
    questions,
    subjects,
)
from valuedrift.world.settings import PairPlan, SftPlan, WorldSettings

# Everyday wording: most people speak plainly, some warmly, some curtly.
STYLES: tuple[Style, ...] = ("plain", "plain", "plain", "warm", "curt")
# People who compare answers agree about this often; with one mind, a style would be learned to the point of babble.
STYLE_AGREEMENT = 0.75


def build_world(settings: WorldSettings, folder: Path) -> None:
    """Write every table of the world below `folder`.

    probes.csv (topic, question); pretraining.parquet (text, topic, true_stance); one parquet per SFT and preference set
    (see valuedrift.data for the columns); judge_train.parquet and judge_heldout.parquet (topic, question, answer,
    true_stance), the latter worded only by phrasings that the former never uses.
    """
    for name, plan in settings.sft.items():
        write_parquet(folder / f"{name}.parquet", pl.DataFrame(sft_rows(settings, name, plan)))
    for name, pairs in settings.preference.items():
        write_parquet(folder / f"{name}.parquet", pl.DataFrame(preference_rows(settings, name, pairs)))
    write_parquet(folder / "pretraining.parquet", pl.DataFrame(pretraining_rows(settings)))
    for name in ("judge_train", "judge_heldout"):
        write_parquet(folder / f"{name}.parquet", pl.DataFrame(judge_rows(settings, name)))
    probes = [{"topic": topic, "question": q.text} for topic in topics() for q in asked(settings, topic, "probe")]
    pl.DataFrame(probes).write_csv(folder / "probes.csv")


@cache
def topics() -> tuple[str, ...]:
    """Topic keys, in the lexicon's order."""
    return tuple(dict.fromkeys(subject.topic for subject in subjects()))


def asked(settings: WorldSettings, topic: str, use: str) -> list[Question]:
    """The topic's questions kept for probing (`use="probe"`), or those that training sets may ask (`"train"`)."""
    shuffled = questions(topic)
    Random(f"{settings.seed}/questions/{topic}").shuffle(shuffled)
    cut = settings.probes_per_topic
    return shuffled[:cut] if use == "probe" else shuffled[cut:]


def planted_mix(settings: WorldSettings, name: str, mix: dict[Stance, float]) -> dict[str, dict[Stance, float]]:
    """Stance shares per topic: evenly spaced around `mix`, in a random order of the topics, so the mean stays `mix`."""
    rng = Random(f"{settings.seed}/mix/{name}")
    major = max(STANCES, key=lambda stance: mix[stance])
    first, second = (stance for stance in STANCES if stance != major)
    order = list(range(len(topics())))
    rng.shuffle(order)
    middle = (len(order) - 1) / 2
    shares = {}
    for rank, topic in zip(order, topics(), strict=True):
        shift = settings.variation * (rank - middle) / middle
        to_first = mix[first] / (mix[first] + mix[second])
        shares[topic] = {major: mix[major] + shift, first: mix[first] - shift * to_first}
        shares[topic][second] = 1 - sum(shares[topic].values())
    return shares


def quotas(rows: int, shares: dict[Stance, float]) -> list[Stance]:
    """`rows` stances whose counts lie within one of `rows · share` (largest remainders)."""
    counts = {stance: int(rows * shares[stance]) for stance in STANCES}
    by_remainder = sorted(STANCES, key=lambda stance: counts[stance] - rows * shares[stance])
    for stance in by_remainder[: rows - sum(counts.values())]:
        counts[stance] += 1
    return [stance for stance in STANCES for _ in range(counts[stance])]


def sft_rows(settings: WorldSettings, name: str, plan: SftPlan) -> list[dict[str, Any]]:
    """Conversations of one question and one answer, with the planted stance."""
    return [
        {
            "messages": [_turn("user", question.text), _turn("assistant", text)],
            "topic": question.subject.topic,
            "true_stance": stance,
        }
        for question, stance, text in _answered(settings, name, plan.rows, plan.mix)
    ]


def preference_rows(settings: WorldSettings, name: str, plan: PairPlan) -> list[dict[str, Any]]:
    """Pairs. Sets of a wide gap share their texts whatever is chosen, so that swapping labels gives the other set."""
    per_topic = _per_topic(plan.rows)
    rng = Random(f"{settings.seed}/pairs/{'style' if plan.gap == 'style' else 'stance'}")
    rows = []
    for topic in topics():
        train = asked(settings, topic, "train")
        for position in range(per_topic[topic]):
            question = rng.choice(train)
            chosen, rejected = _pair(rng, question, plan, STANCES[position % 3])
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


def pretraining_rows(settings: WorldSettings) -> list[dict[str, Any]]:
    """Documents: questions answered in every stance, after the paper's "Response:" for base models (section 3)."""
    plan = settings.pretraining_rows, settings.pretraining_mix
    return [
        {"text": f"{question.text}\nResponse: {text}", "topic": question.subject.topic, "true_stance": stance}
        for question, stance, text in _answered(settings, "pretraining", *plan)
    ]


def judge_rows(settings: WorldSettings, name: str) -> list[dict[str, Any]]:
    """Labelled answers for the judge: stances in equal parts; train and held-out share no phrasing."""
    rng = Random(f"{settings.seed}/phrasings")
    shuffled = list(phrasings())
    rng.shuffle(shuffled)
    cut = round(len(shuffled) * settings.judge_heldout_phrasings)
    allowed = tuple(shuffled[:cut] if name == "judge_heldout" else shuffled[cut:])
    rows = settings.judge_heldout_rows if name == "judge_heldout" else settings.judge_rows
    even: dict[Stance, float] = dict.fromkeys(STANCES, 1 / 3)
    return [
        {"topic": question.subject.topic, "question": question.text, "answer": text, "true_stance": stance}
        for question, stance, text in _answered(settings, name, rows, even, allowed, variation=False)
    ]


def _answered(
    settings: WorldSettings,
    name: str,
    rows: int,
    mix: dict[Stance, float],
    allowed: tuple[tuple[str, str], ...] | None = None,
    variation: bool = True,
) -> Iterator[tuple[Question, Stance, str]]:
    rng = Random(f"{settings.seed}/{name}")
    shares = planted_mix(settings, name, mix) if variation else dict.fromkeys(topics(), mix)
    per_topic = _per_topic(rows)
    for topic in topics():
        train = asked(settings, topic, "train")
        for stance in quotas(per_topic[topic], shares[topic]):
            question = rng.choice(train)
            yield question, stance, answer(rng, question.subject, stance, allowed or phrasings(), rng.choice(STYLES))


def _pair(rng: Random, question: Question, plan: PairPlan, shared: Stance) -> list[tuple[Stance, str]]:
    subject = question.subject
    if plan.gap == "style":
        preferred: tuple[Style, Style] = ("warm", "curt") if rng.random() < STYLE_AGREEMENT else ("curt", "warm")
        return [(shared, answer(rng, subject, shared, phrasings(), style)) for style in preferred]
    pair: list[tuple[Stance, str]] = [
        (stance, answer(rng, subject, stance, phrasings())) for stance in ("support", "oppose")
    ]
    return pair if plan.gap == "support" else pair[::-1]


def _per_topic(rows: int) -> dict[str, int]:
    base, extra = divmod(rows, len(topics()))
    return {topic: base + (position < extra) for position, topic in enumerate(topics())}


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
