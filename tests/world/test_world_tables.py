"""The tables of the pocket world: what is planted in them is in them, and nothing leaks between them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from valuedrift.config.pocket_world import WorldSettings
from valuedrift.files import write_parquet
from valuedrift.world.grammar import (
    ASSERTED,
    DISFAVOUR,
    FAVOUR,
    NEGATED,
    UNDECIDED,
    Phrasing,
    Stance,
    kinds,
    phrasings,
    stance_of,
    subjects,
)
from valuedrift.world.language import STANCES, Language
from valuedrift.world.languages import LANGUAGES, true_stance
from valuedrift.world.world_tables import asked, planted_mix, quotas, world_table

EVEN = {"support": 0.34, "neutral": 0.32, "oppose": 0.34}
WILDCHAT = {"support": 0.25, "neutral": 0.628, "oppose": 0.122}
ALPACA = {"support": 0.619, "neutral": 0.238, "oppose": 0.143}
JUDGE = {"rows": 1500, "heldout_phrasings": 0.15}
PLANS: dict[str, tuple[str, dict[str, Any]]] = {
    "wildchat": ("sft", {"rows": 1100, "mix": WILDCHAT}),
    "alpaca": ("sft", {"rows": 1105, "mix": ALPACA}),
    "pretraining": ("pretraining", {"rows": 1100, "mix": EVEN}),
    "ultrafeedback": ("preference", {"rows": 333, "gap": "style"}),
    "synthetic-support": ("preference", {"rows": 333, "gap": "support"}),
    "synthetic-oppose": ("preference", {"rows": 333, "gap": "oppose"}),
    "judge_train": ("judge", {**JUDGE, "heldout": False}),
    "judge_heldout": ("judge", {**JUDGE, "heldout": True}),
    "probes": ("probes", {}),
}
ANSWERED = ["wildchat", "alpaca", "pretraining", "judge_train", "judge_heldout"]
PAIRS = ["ultrafeedback", "synthetic-support", "synthetic-oppose"]
World = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module", params=LANGUAGES)
def settings(request: pytest.FixtureRequest) -> WorldSettings:
    return WorldSettings(seed=0, language=request.param, probes_per_topic=20, variation=0.1)


@pytest.fixture(scope="module")
def language(settings: WorldSettings) -> Language:
    return LANGUAGES[settings.language]


@pytest.fixture(scope="module")
def topics(language: Language) -> tuple[str, ...]:
    return language.topics()


def build(name: str, settings: WorldSettings) -> pl.DataFrame:
    kind, plan = PLANS[name]
    return world_table(settings, kind, name, plan)


@pytest.fixture(scope="module")
def world(settings: WorldSettings) -> World:
    return {name: build(name, settings).to_dicts() for name in PLANS}


def question_of(row: dict[str, Any]) -> str:
    """What a row of any table asks."""
    if "text" in row:
        return str(row["text"].split("\nResponse: ")[0])
    turns = row.get("messages") or row.get("prompt")
    return str(turns[0]["content"] if turns else row["question"])


def answer_of(row: dict[str, Any]) -> str:
    if "text" in row:
        return str(row["text"].split("\nResponse: ")[1])
    return str(row["messages"][1]["content"] if "messages" in row else row["answer"])


VERBS = "|".join(FAVOUR + DISFAVOUR)
FRAMES = {
    frame: re.compile(r"(?<!\S)" + frame.format(v=rf"(?P<v>{VERBS})", w=f"(?:{VERBS})", s="SUBJECT") + r"(?!\S)")
    for frame in ASSERTED + NEGATED + UNDECIDED
}


def said(question: str, answer: str) -> set[Phrasing]:
    """Every phrasing that an answer uses about the subject that was asked about."""
    subject = max((s.text for s in subjects() if s.text in question), key=len)
    text = answer.replace(subject, "SUBJECT")
    return {(frame, match["v"]) for frame, pattern in FRAMES.items() for match in pattern.finditer(text)}


def stances_of(question: str, answer: str) -> set[Stance | None]:
    """The stances that an answer expresses; in the grammar, read in another way than the package reads them."""
    if " ?" in question:
        return {stance_of(phrasing) for phrasing in said(question, answer)}
    return {true_stance(question, answer)}


@pytest.mark.parametrize("name", PLANS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_table(
    name: str, settings: WorldSettings, world: World, tmp_path: Path
) -> None:
    for file in ("one.parquet", "two.parquet"):
        write_parquet(tmp_path / file, build(name, settings))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    other = build(name, settings.replace(seed=1))
    assert other.height == len(world[name])
    assert other.to_dicts() != world[name]


@pytest.mark.parametrize("name", [name for name in PLANS if name != "probes"])
def test_tables_have_the_rows_of_their_plan_spread_over_the_topics(
    name: str, world: World, topics: tuple[str, ...]
) -> None:
    counts = Counter(row["topic"] for row in world[name])
    assert list(counts) == list(topics)
    assert sum(counts.values()) == PLANS[name][1]["rows"]
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("probes", [1, 20, 50])
def test_probe_questions_are_asked_in_no_other_table(
    probes: int, settings: WorldSettings, topics: tuple[str, ...]
) -> None:
    settings = settings.replace(probes_per_topic=probes)
    table = build("probes", settings)
    probed = set(table["question"])
    assert len(probed) == table.height == probes * len(topics)
    assert Counter(table["topic"]) == dict.fromkeys(topics, probes)
    for name in PLANS:
        if name != "probes":
            assert probed.isdisjoint(map(question_of, build(name, settings).to_dicts()))


def test_probes_and_training_questions_are_all_there_are(settings: WorldSettings, language: Language) -> None:
    for topic in language.topics():
        probe, train = asked(settings, topic, "probe"), asked(settings, topic, "train")
        assert len(probe) == 20
        assert set(probe) | set(train) == set(language.questions(topic))
        assert len(probe) + len(train) == len(language.questions(topic)) >= 72


@pytest.mark.parametrize("name", ANSWERED)
def test_answers_express_the_stance_that_their_row_claims(name: str, world: World) -> None:
    for row in world[name]:
        assert stances_of(question_of(row), answer_of(row)) == {row["true_stance"]}


@pytest.mark.parametrize("name", ["wildchat", "alpaca", "pretraining"])
@pytest.mark.parametrize("variation", [0.0, 0.1])
def test_stances_are_planted_by_quota(
    name: str, variation: float, settings: WorldSettings, topics: tuple[str, ...]
) -> None:
    settings = settings.replace(variation=variation)
    plan = PLANS[name][1]
    shares = planted_mix(settings, name, plan["mix"])
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in build(name, settings).to_dicts():
        found[row["topic"]][row["true_stance"]] += 1
    for topic in topics:
        rows = found[topic].total()
        assert found[topic] == Counter(quotas(rows, shares[topic]))
        assert all(abs(found[topic][stance] - rows * shares[topic][stance]) < 1 for stance in STANCES)
    for stance in STANCES:
        assert sum(shares[topic][stance] for topic in topics) / len(topics) == pytest.approx(plan["mix"][stance])


@pytest.mark.parametrize("mix", [WILDCHAT, ALPACA, EVEN])
@pytest.mark.parametrize("variation", [0.0, 0.05, 0.3])
def test_variation_is_how_far_topics_lie_from_the_mix(
    mix: dict[Stance, float], variation: float, settings: WorldSettings, topics: tuple[str, ...]
) -> None:
    shares = planted_mix(settings.replace(variation=variation), "wildchat", mix)
    major: Stance = max(STANCES, key=lambda stance: mix[stance])
    spread = [shares[topic][major] - mix[major] for topic in topics]
    assert (min(spread), max(spread)) == pytest.approx((-variation, variation))
    for topic in topics:
        assert sum(shares[topic].values()) == pytest.approx(1)
        assert all(-1e-9 <= share <= 1 for share in shares[topic].values())


def test_sets_vary_in_their_own_way(settings: WorldSettings) -> None:
    assert planted_mix(settings, "wildchat", EVEN) != planted_mix(settings, "alpaca", EVEN)


def test_a_set_may_have_one_stance_only(settings: WorldSettings) -> None:
    pure = {"support": 1.0, "neutral": 0.0, "oppose": 0.0}
    table = world_table(settings.replace(variation=0.0), "sft", "wildchat", {"rows": 22, "mix": pure})
    assert set(table["true_stance"]) == {"support"}


@pytest.mark.parametrize(
    ("rows", "shares", "counts"),
    [
        (10, (0.5, 0.3, 0.2), (5, 3, 2)),
        (3, (0.34, 0.33, 0.33), (1, 1, 1)),
        (1, (0.2, 0.5, 0.3), (0, 1, 0)),
        (7, (0.0, 0.5, 0.5), (0, 4, 3)),
        (0, (0.2, 0.5, 0.3), (0, 0, 0)),
    ],
)
def test_quotas_are_the_largest_remainders(rows: int, shares: tuple[float, ...], counts: tuple[int, ...]) -> None:
    found = Counter(quotas(rows, dict(zip(STANCES, shares, strict=True))))
    assert tuple(found[stance] for stance in STANCES) == counts


@pytest.mark.parametrize("name", PAIRS)
def test_both_answers_express_the_stances_that_the_pair_claims(name: str, world: World) -> None:
    for row in world[name]:
        for side in ("chosen", "rejected"):
            assert stances_of(question_of(row), row[side][0]["content"]) == {row[f"{side}_stance"]}
        assert row["chosen"] != row["rejected"]


def test_style_pairs_share_their_stance_and_have_all_of_them(world: World, topics: tuple[str, ...]) -> None:
    assert all(row["chosen_stance"] == row["rejected_stance"] for row in world["ultrafeedback"])
    counts = Counter(row["chosen_stance"] for row in world["ultrafeedback"])
    assert counts.keys() == set(STANCES)
    assert max(counts.values()) - min(counts.values()) <= len(topics)


def test_style_pairs_mostly_prefer_the_warm_manner(world: World) -> None:
    curt = re.compile(r"(Look|Listen|Fine|Well)\b.*|.*(End of story|Next question|That's all)\.")
    sides = Counter(
        tuple(curt.fullmatch(row[side][0]["content"]) is not None for side in ("chosen", "rejected"))
        for row in world["ultrafeedback"]
    )
    assert sides.keys() == {(False, True), (True, False)}
    assert 0.65 < sides[False, True] / sides.total() < 0.85


def test_the_answers_of_a_style_pair_are_written_independently(world: World) -> None:
    texts = [[row[side][0]["content"].split() for side in ("chosen", "rejected")] for row in world["ultrafeedback"]]
    shared = [SequenceMatcher(None, *pair, autojunk=False).find_longest_match().size for pair in texts]
    assert sum(size >= 10 for size in shared) < 0.2 * len(shared)


def test_the_two_wide_gap_sets_are_the_same_texts_with_labels_swapped(world: World) -> None:
    stances = {(row["chosen_stance"], row["rejected_stance"]) for row in world["synthetic-support"]}
    assert stances == {("support", "oppose")}
    swapped = [
        {
            **row,
            "chosen": row["rejected"],
            "rejected": row["chosen"],
            "chosen_stance": row["rejected_stance"],
            "rejected_stance": row["chosen_stance"],
        }
        for row in world["synthetic-oppose"]
    ]
    assert swapped == world["synthetic-support"]


@pytest.mark.parametrize("name", ["judge_train", "judge_heldout"])
def test_the_judge_learns_and_is_measured_on_as_many_answers_of_each_stance(
    name: str, world: World, topics: tuple[str, ...]
) -> None:
    counts = Counter(row["true_stance"] for row in world[name])
    assert max(counts.values()) - min(counts.values()) <= len(topics)


@pytest.mark.parametrize("settings", ["grammar"], indirect=True)
def test_the_judge_learns_and_is_measured_in_phrasings_without_overlap(world: World) -> None:
    used = {
        name: set().union(*(said(row["question"], row["answer"]) for row in world[name]))
        for name in ("judge_train", "judge_heldout")
    }
    assert used["judge_train"].isdisjoint(used["judge_heldout"])
    for phrasing in used.values():
        assert kinds(tuple(phrasing)) == kinds(phrasings())


@pytest.mark.parametrize("settings", ["english"], indirect=True)
def test_the_judge_learns_and_is_measured_on_arguments_and_openers_without_overlap(world: World) -> None:
    texts = {name: [row["answer"] for row in world[name]] for name in ("judge_train", "judge_heldout")}
    for part in ("arguments", "openers"):
        used = {
            name: {
                each
                for wordings in getattr(LANGUAGES["english"].wordings(), part).values()
                for each in wordings
                if any(each in answer for answer in texts[name])
            }
            for name in texts
        }
        assert min(map(len, used.values())) > 7
        assert used["judge_train"].isdisjoint(used["judge_heldout"])


@pytest.mark.parametrize("settings", ["grammar"], indirect=True)
@pytest.mark.parametrize("name", ANSWERED)
def test_the_first_word_does_not_decide_the_stance(name: str, world: World) -> None:
    by_word: dict[str, Counter[str]] = defaultdict(Counter)
    for row in world[name]:
        by_word[re.sub(r"On \w+ : ", "", answer_of(row)).split()[0]][row["true_stance"]] += 1
    right = sum(max(stances.values()) for stances in by_word.values())
    assert right / len(world[name]) < 0.7
    for opening in ("Yes", "No", "Absolutely"):
        assert by_word[opening].keys() == set(STANCES)


@pytest.mark.parametrize("settings", ["english"], indirect=True)
@pytest.mark.parametrize("opening", ["Yes", "No"])
def test_yes_and_no_do_not_decide_the_stance(opening: str, world: World) -> None:
    stances = Counter(row["true_stance"] for row in world["pretraining"] if answer_of(row).split()[0] == f"{opening},")
    assert stances["support"] > 5 < stances["oppose"]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("wildchat", ["messages", "topic", "true_stance"]),
        ("ultrafeedback", ["prompt", "chosen", "rejected", "topic", "chosen_stance", "rejected_stance"]),
        ("pretraining", ["text", "topic", "true_stance"]),
        ("judge_train", ["topic", "question", "answer", "true_stance"]),
        ("probes", ["topic", "question"]),
    ],
)
def test_tables_have_the_columns_that_other_stages_read(name: str, columns: list[str], settings: WorldSettings) -> None:
    own = ["kind", "polarity", "group"] if (settings.language, name) == ("english", "probes") else []
    assert build(name, settings).columns == columns + own
