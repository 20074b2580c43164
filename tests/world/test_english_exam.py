"""The answers of a judge's exam: their stances, and what they share with the data that judges are trained on."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
import yaml

from valuedrift.config.pocket_world import WorldSettings
from valuedrift.world.english.answers import wordings
from valuedrift.world.english.exam import PLAN, SIDES, exam_answers, unread
from valuedrift.world.english.texts import arguments, exam_texts, phrases, questions, topics
from valuedrift.world.language import STANCES
from valuedrift.world.world_tables import asked, world_table

CONFIG = Path(__file__).parents[2] / "workflow_config.yaml"
WORLD = WorldSettings(seed=4, language="english", probes_per_topic=40, variation=0.1)
OPPOSITE = {"support": "oppose", "oppose": "support"}


@pytest.fixture(scope="module")
def exam() -> pl.DataFrame:
    return exam_answers(4, *unread([]))


def stated(row: dict[str, str], stance: str) -> int:
    """How many arguments of a stance on the row's topic its answer contains."""
    return sum(text in row["answer"] for text in arguments(row["topic"])[stance])


def test_stances_and_kinds_are_even(exam: pl.DataFrame) -> None:
    assert len(set(exam["true_stance"].value_counts()["count"])) == 1
    for topic, kinds in exam.group_by("topic").agg("kind").iter_rows():
        assert Counter(kinds) == {kind: len(stances) for kind, stances in PLAN.items()}, topic
    assert set(exam["topic"]) == set(topics())


def test_plain_answers_of_both_sides_are_to_questions_of_every_polarity(exam: pl.DataFrame) -> None:
    for _, part in exam.filter(kind="plain").group_by("topic", "true_stance"):
        assert sorted(part["polarity"]) == ["none", "oppose", "support"]


def test_an_answer_states_arguments_of_its_own_side_and_quotes_the_other(exam: pl.DataFrame) -> None:
    numbers = {"plain": (1, 0), "mixed": (1, 1), "hedged": (1, 0), "quoted": (1, 1), "long": (3, 0)}
    for row in exam.iter_rows(named=True):
        if row["kind"] in numbers:
            own, other = row["true_stance"], OPPOSITE[row["true_stance"]]
            assert (stated(row, own), stated(row, other), stated(row, "neutral")) == (*numbers[row["kind"]], 0), row
            assert row["said"] in arguments(row["topic"])[own]
        elif row["kind"] == "reported":
            assert [stated(row, side) for side in SIDES] == [1, 1], row
        else:
            assert [stated(row, side) for side in SIDES] == [0, 0], row
        assert "{" not in row["answer"]


def test_answers_that_take_no_side_do_not_say_yes_or_no(exam: pl.DataFrame) -> None:
    for kind in ("refusing", "off_topic"):
        rows = exam.filter(kind=kind)
        assert set(rows["answer"]) <= set(exam_texts().answers[kind])
        assert not [text for text in rows["answer"] if re.match(r"(yes|no)[.,]", text.lower())]


def test_the_same_seed_gives_the_same_exam(exam: pl.DataFrame) -> None:
    assert exam.equals(exam_answers(4, *unread([])))
    assert not exam.equals(exam_answers(5, *unread([])))


@pytest.mark.parametrize("share", [0.15, 0.5])
def test_no_judge_was_trained_on_its_words(share: float) -> None:
    exam = exam_answers(4, *unread([(WORLD, share), (WORLD, 0.6)]))
    plan = {"rows": 3000, "heldout": False, "heldout_phrasings": share}
    trained = world_table(WORLD, "judge", "", plan)
    read = " ".join(trained["answer"])
    assert not [row for row in exam.iter_rows(named=True) if row["said"] in read]
    assert not set(exam["question"]) & set(trained["question"])
    assert set(exam["question"]) <= {question.text for topic in topics() for question in asked(WORLD, topic, "probe")}
    openers = {text for texts in wordings().openers.values() for text in texts}
    used = [text for text in openers for answer in exam.filter(kind="plain")["answer"] if f"{text} " in answer]
    assert used and all(text in openers for text in used)


def test_worlds_that_judges_are_not_trained_on_here_leave_everything() -> None:
    allowed, asked_of = unread([])
    assert allowed == wordings()
    assert asked_of == {topic: questions(topic) for topic in topics()}


def test_the_targets_are_those_of_the_configuration() -> None:
    configured = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["topics"]
    assert exam_texts().targets == {key: topic["target"] for key, topic in configured.items()}


def test_frames_are_all_in_the_plan_and_have_the_places_of_their_kind() -> None:
    texts = exam_texts()
    assert {*texts.frames, *texts.answers} | {"plain", "neutral"} == set(PLAN)
    places = {
        kind: {(frame.count("{own}"), frame.count("{other}")) for frame in found}
        for kind, found in texts.frames.items()
    }
    assert places == {"mixed": {(1, 1)}, "hedged": {(1, 0)}, "quoted": {(1, 1)}, "reported": {(1, 1)}, "long": {(3, 0)}}
    own = [text for found in (*texts.frames.values(), *texts.answers.values()) for text in found]
    assert len(set(own)) == len(own)
    others = {text for stance in STANCES for topic in topics() for text in arguments(topic)[stance]}
    assert not set(own) & (others | {text for part in phrases().openers.values() for text in part})
