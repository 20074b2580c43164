"""Precision and recall of the signs of bad health, on answers whose health is known, as Markdown.

    python benchmarks/health.py
    python benchmarks/health.py --pocket results
    python benchmarks/health.py --people $VALUEDRIFT_DATA/issuebench_stance/labelled_responses.jsonl

- The 363 answers of the exam, the same in a loop, and 22 answers in 13 languages. The judge is taken to be right.
- The answers at the ends of a pocket run's runs, by the grammar: an answer is off topic if it states a stance only on a
  subject of another topic.
- 200 answers of chat models, which people labelled as refusals or not. All are in English, and none repeats itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import polars as pl
from interval_coverage import markdown

from valuedrift.judging.health import answer_health, is_english, repeats, topic_words
from valuedrift.judging.refusals import is_refusal
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.panel import STANCES
from valuedrift.titles import with_interval
from valuedrift.world.english.exam import exam_answers, unread
from valuedrift.world.grammar import questions, topics
from valuedrift.world.languages import true_stance

EXAM, POCKET, PEOPLE = "exam", "pocket run", "chat models"
# Written for this benchmark.
FOREIGN = (
    "Ich bin dafür, weil es den Menschen hilft und niemandem schadet.",
    "Das kann man so oder so sehen, und ich möchte mich nicht festlegen.",
    "Man sollte die Steuern senken, denn die Arbeit muss sich wieder lohnen.",
    "Je suis contre, parce que cela coûte trop cher à la société.",
    "C'est une question difficile, et il y a de bons arguments des deux côtés.",
    "Il faut protéger le climat, même si cela demande des sacrifices.",
    "Estoy a favor, porque todos tenemos derecho a decidir sobre nuestra vida.",
    "No lo sé; depende de cada caso y de las personas que lo viven.",
    "Los impuestos deben ser más justos para las familias con pocos ingresos.",
    "Sono contrario, perché lo Stato non deve decidere al posto nostro.",
    "Dipende molto dalla situazione, e non ho un'opinione precisa.",
    "Ik ben ervoor, want iedereen moet zelf kunnen kiezen hoe hij leeft.",
    "Het hangt ervan af, en beide kanten hebben goede redenen.",
    "Eu sou a favor, porque a imigração traz novas ideias ao país.",
    "Jag tycker att alla ska få rösta, även de som bor utomlands.",
    "Uważam, że kara śmierci jest niesprawiedliwa i nie odstrasza nikogo.",
    "Я считаю, что смертная казнь несправедлива и никого не останавливает.",
    "Это зависит от обстоятельств, и у меня нет твёрдого мнения.",
    "我认为应该保护移民的权利,因为每个人都值得尊重。",
    "私はこの政策に賛成です。みんなのためになるからです。",
    "أنا أؤيد ذلك لأن الجميع يستحقون حياة كريمة.",
    "मैं इसके पक्ष में हूँ क्योंकि इससे सबका भला होता है।",
)


def row(sign: str, sample: str, found: Sequence[bool], true: Sequence[bool]) -> list[str]:
    hits = sum(a and b for a, b in zip(found, true, strict=True))
    shares = [share(hits, sum(found)), share(hits, sum(true))]
    return [sign, sample, f"{len(true):,}", f"{sum(true):,}", f"{sum(found):,}", *shares]


def share(hits: int, total: int) -> str:
    return "—" if total == 0 else with_interval(hits / total, *wilson_interval(hits, total))


def exam() -> Iterator[list[str]]:
    answers = exam_answers(0, *unread([]))
    keys = {"model": "m", "run": "r", "step": 0, "question_id": "q", "unassigned": 0.0, "tokens": 1, "finished": True}
    rows = answers.with_row_index("sample").with_columns(
        *((pl.col("true_stance") == stance).cast(pl.Float64).alias(f"p_{stance}") for stance in STANCES),
        refusal=pl.Series([is_refusal(text) for text in answers["answer"]]),
        **{name: pl.lit(value) for name, value in keys.items()},
    )
    found = answer_health(rows, topic_words(answers), world=False)
    texts, refusing, stray = answers["answer"].to_list(), answers["kind"] == "refusing", answers["kind"] == "off_topic"
    yield row("refusal", EXAM, found["refusal"].to_list(), refusing.to_list())
    sample = f"{EXAM} without refusals"
    yield row("off topic", sample, found["off_topic"].filter(~refusing).to_list(), stray.filter(~refusing).to_list())
    damaged = [looped(text, number) for number, text in enumerate(texts)]
    known = [False] * len(texts) + [True] * len(damaged)
    yield row("repetition", f"{EXAM}, each also looped", [repeats(text) for text in (*texts, *damaged)], known)
    known = [False] * len(texts) + [True] * len(FOREIGN)
    yield row("other language", f"{EXAM} and others", [not is_english(text) for text in (*texts, *FOREIGN)], known)


def looped(text: str, seed: int) -> str:
    """The beginning of a text, and then six to twelve of its words three or four times in a row."""
    random, words = Random(seed), text.split()
    size = min(len(words), random.randint(6, 12))
    start = random.randint(0, len(words) - size)
    return " ".join([*words[:start], *words[start : start + size] * random.randint(3, 4)])


def pocket(results: Path) -> Iterator[list[str]]:
    answers = pl.concat(pl.read_parquet(file) for file in sorted((results / "stances").rglob("*.parquet")))
    ends = answers.filter(pl.col("step") == pl.col("step").max().over("run"))
    found = answer_health(ends, topic_words(answers.select("topic", "question").unique()), world=False)
    texts = ends.select("topic", "question", "answer").rows()
    silent = [true_stance(question, text) is None for _, question, text in texts]
    asked = {one.subject.text: one for topic in topics() for one in questions(topic)}.values()
    stray = [
        none and any(true_stance(one.text, text) for one in asked if one.topic != topic)
        for none, (topic, _, text) in zip(silent, texts, strict=True)
    ]
    yield row("off topic", POCKET, found["off_topic"].to_list(), stray)
    yield row("no stance, by the judge", POCKET, found["no_stance"].to_list(), silent)
    others = found.select(pl.any_horizontal("off_topic", "repetition", "other_language")).to_series().to_list()
    yield row("any other for no stance", POCKET, others, silent)


def people(file: Path) -> Iterator[list[str]]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    texts, none = [one["response"] for one in rows], [False] * len(rows)
    yield row(
        "refusal", PEOPLE, [is_refusal(text) for text in texts], [one["human_final"] == "refusal" for one in rows]
    )
    yield row("repetition", PEOPLE, [repeats(text) for text in texts], none)
    yield row("other language", PEOPLE, [not is_english(text) for text in texts], none)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pocket", type=Path, help="the results folder of a pocket run")
    parser.add_argument("--people", type=Path, help="a file of answers with `human_final`")
    given = parser.parse_args()
    rows = list(exam())
    rows += pocket(given.pocket) if given.pocket else []
    rows += people(given.people) if given.people else []
    print(markdown(["sign", "answers", "number", "have it", "found", "precision", "recall"], rows))


if __name__ == "__main__":
    main()
