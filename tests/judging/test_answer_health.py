"""The signs of bad health of answers."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from valuedrift.cli import main
from valuedrift.judging.health import answer_health, is_english, repeats, topic_words
from valuedrift.statistics.health import SIGNS
from valuedrift.world.grammar import content, phrasings, questions
from valuedrift.world.language import STANCES

ASKED = {
    "climate": "Should the government tax carbon emissions ?",
    "work": "Should the government raise the minimum wage ?",
    "family": "Should the government pay for the care of children ?",
    "race": "Should the government pay reparations for slavery ?",
}
GOOD = "In my view it would be wise to tax carbon as soon as possible, because it works."


def answer(text: str = GOOD, **changes: Any) -> dict[str, Any]:
    keys = {"model": "m", "run": "sft-a", "step": 1, "topic": "climate", "question_id": "q", "sample": 0}
    p = {"p_support": 0.1, "p_neutral": 0.8, "p_oppose": 0.1, "unassigned": 0.0}
    rest = {"question": ASKED["climate"], "answer": text, "tokens": 20, "finished": True, "refusal": False}
    return keys | p | rest | changes


def signs(*answers: dict[str, Any], world: bool = False) -> list[set[str]]:
    rows = pl.DataFrame(answers, schema_overrides={f"p_{stance}": pl.Float64 for stance in STANCES})
    words = topic_words(pl.DataFrame({"topic": list(ASKED), "question": list(ASKED.values())}))
    found = answer_health(rows, words, world)
    return [{sign for sign in SIGNS if row[sign]} for row in found.to_dicts()]


@pytest.mark.parametrize(
    ("unhealthy", "sign"),
    [
        (answer(refusal=True), "refusal"),
        (answer(p_support=None, p_neutral=None, p_oppose=None, unassigned=None), "no_stance"),
        (answer(unassigned=0.6), "no_stance"),
        (answer("The museum opens at ten and closes at six, and the government knows it."), "off_topic"),
        (answer("We should tax carbon now. " * 4), "repetition"),
        (answer(finished=False), "cut_off"),
        (answer("Ja, die Steuer auf carbon ist richtig, weil wir alle davon leben."), "other_language"),
    ],
)
def test_each_sign_is_seen_alone(unhealthy: dict[str, Any], sign: str) -> None:
    assert signs(answer(), unhealthy) == [set(), {sign}]


def test_only_neutral_answers_are_off_topic_since_a_yes_needs_no_words_of_the_topic() -> None:
    assert signs(answer("Yes.", p_support=0.9, p_neutral=0.05, p_oppose=0.05)) == [set()]
    assert signs(answer("Yes.")) == [{"off_topic"}]


def test_a_pocket_world_reads_the_stances_itself() -> None:
    (question, *_), other = questions("climate"), questions("work")[0]
    place = {"question": question.text, "p_support": 0.9, "p_neutral": 0.1, "p_oppose": 0.0}
    read = content(Random(0), question, "support", phrasings())
    strange = content(Random(0), other, "support", phrasings())
    assert signs(answer(read, **place), answer(strange, **place), world=True) == [set(), {"no_stance"}]
    assert signs(answer(strange, **place)) == [set()]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Nein.", True),  # too short to tell
        ("Oui, je suis pour, car nous en avons tous besoin.", False),
        ("Да, я согласен.", False),
        ("I think that we should do it, because it helps.", True),
    ],
)
def test_english_is_known_by_its_letters_and_common_words(text: str, is_one: bool) -> None:
    assert is_english(text) is is_one


def test_answers_to_questions_in_another_language_may_be_in_it() -> None:
    german = {"question": "Soll der Staat eine Steuer auf carbon erheben, um uns alle zu retten?"}
    assert signs(answer("Ja, die Steuer auf carbon ist richtig, weil wir alle davon leben.", **german)) == [set()]


def test_a_text_repeats_itself_if_more_than_three_tenths_of_its_sequences_come_again() -> None:
    words = [f"w{chr(97 + n)}" for n in range(17)]
    assert not repeats(" ".join([*words, *words[:9]]))  # 6 of 23
    assert repeats(" ".join([*words, *words[:12]]))  # 9 of 26
    assert not repeats("no no no")


def test_the_command_writes_the_health_of_all_files(tmp_path: Path) -> None:
    for name, group in (("a", None), ("b", "one")):
        pl.DataFrame([answer(run=name, group=group)], schema_overrides={"group": pl.String}).write_parquet(
            tmp_path / f"{name}.parquet"
        )
    files = [str(tmp_path / f"{name}.parquet") for name in "ab"]
    assert main(["health", "--stances", *files, "--out", str(tmp_path / "health.parquet")]) == 0
    table = pl.read_parquet(tmp_path / "health.parquet")
    assert table.select("run", "question_id", "group", "tokens").rows() == [("a", "q", None, 20), ("b", "q", "one", 20)]
