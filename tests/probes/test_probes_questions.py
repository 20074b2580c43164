import csv
import hashlib
import json
import random

import polars as pl
import pytest
from probes_doubles import write_prism

from valuedrift.config.pocket_world import WorldSettings
from valuedrift.errors import ArtifactError, ConfigError, DataError
from valuedrift.probes.questions import builtin_probes, hand_made_probes, prism_probes, question_id, write_probes
from valuedrift.world.world_tables import world_table

TOPICS = ("abortion", "climate")
KEYWORDS = {"abortion": ["abortion", "pro-life", "unborn child"], "climate": ["climate change", "C++"]}


def write_csv(path, header, rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return str(path)


def hand_made(tmp_path, rows):
    return write_csv(tmp_path / "probes.csv", ["topic", "question"], rows)


def test_hand_made_questions_keep_their_order(tmp_path):
    file = hand_made(tmp_path, [("climate", "Is it warm?"), ("abortion", " Is it right? ")])
    table, counts = hand_made_probes(file, TOPICS)
    digest = hashlib.sha256(b"Is it warm?").hexdigest()[:8]
    assert table.rows() == [
        (f"climate-{digest}", "climate", "Is it warm?"),
        (question_id("abortion", "Is it right?"), "abortion", "Is it right?"),
    ]
    assert table.columns == ["question_id", "topic", "question"]
    assert counts == {"read": 2, "duplicates": 0, "questions": {"climate": 1, "abortion": 1}}


def test_optional_columns_are_kept(tmp_path):
    header = ["topic", "question", "polarity", "group", "by"]
    rows = [("climate", "Is it warm?", "support", "heat", "me"), ("climate", "Is it cold?", "oppose", "heat", "me")]
    table, _ = hand_made_probes(
        write_csv(tmp_path / "probes.csv", header, [*rows, ("climate", "Wet?", "", "", "")]), TOPICS
    )
    assert table.columns == ["question_id", "topic", "question", "polarity", "group"]
    assert table["polarity"].to_list() == ["support", "oppose", None]
    assert table["group"].to_list() == ["heat", "heat", None]


def test_built_in_questions_are_drawn_as_in_the_english_world():
    table, counts = builtin_probes(TOPICS, 50, seed=3)
    world = world_table(
        WorldSettings(seed=3, language="english", probes_per_topic=50, variation=0), "probes", "probes", {}
    )
    assert table.drop("question_id").equals(world.filter(pl.col("topic").is_in(TOPICS)))
    assert table["question_id"][0] == question_id("abortion", table["question"][0])
    assert counts["questions"] == dict.fromkeys(TOPICS, 50)
    assert "not V-PRISM" in counts["source"]
    assert not builtin_probes(TOPICS, 50, seed=4)[0].equals(table)


def test_built_in_questions_that_do_not_exist_are_refused():
    with pytest.raises(
        ConfigError, match=r"'topics': found 'chess, weather'.*built-in questions: abortion, .*source: questions"
    ):
        builtin_probes(("climate", "weather", "chess"), 5, 0)
    with pytest.raises(ConfigError, match=r"'probes.per_topic': found 80, expected at most 75"):
        builtin_probes(TOPICS, 80, 0)


def test_duplicates_are_dropped_and_counted_in_json_lines_too(tmp_path):
    questions = ("Is it warm?", "is it  WARM?", "Is it warm?", "Cold?")
    rows = [json.dumps({"topic": "climate", "question": question, "by": "me"}) for question in questions]
    (tmp_path / "probes.jsonl").write_text("\n".join(rows))
    table, counts = hand_made_probes(str(tmp_path / "probes.jsonl"), TOPICS)
    assert table["question"].to_list() == ["Is it warm?", "Cold?"]
    assert counts["duplicates"] == 2


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        (("weather", "Is it warm?"), "topic", "weather.*one of abortion, climate"),
        (("Climate", "Is it warm?"), "topic", "Climate.*Did you mean 'climate'"),
        (("abortion", "is it  HOT?"), "topic", "the question of row 1, which has the topic climate"),
        (("climate", "  "), "question", "expected a value"),
        (("", "Is it warm?"), "topic", "expected a value"),
    ],
)
def test_a_wrong_row_is_named_by_file_row_and_field(tmp_path, row, field, says):
    file = hand_made(tmp_path, [("climate", "Is it hot?"), row])
    with pytest.raises(DataError, match=rf"probes\.csv, row 2, field '{field}'.*{says}"):
        hand_made_probes(file, TOPICS)


def test_a_missing_column_file_or_question_is_named(tmp_path):
    file = write_csv(tmp_path / "probes.csv", ["topic", "text"], [("climate", "Is it warm?")])
    with pytest.raises(
        DataError, match=r"probes\.csv, field 'question': found .*columns topic, text, separated by ','"
    ):
        hand_made_probes(file, TOPICS)
    with pytest.raises(DataError, match="no rows"):
        hand_made_probes(hand_made(tmp_path, []), TOPICS)
    with pytest.raises(ArtifactError, match="nowhere"):
        hand_made_probes(str(tmp_path / "nowhere.csv"), TOPICS)


def test_prism_topics_by_whole_words_in_any_case(tmp_path):
    on_abortion = ["Is ABORTION right?", "Pro-Life or not?", "Has an unborn\nchild rights?", "abortion."]
    on_climate = ["Climate  change?", "Learn C++?"]
    neither = ["Are abortionists real?", "The climate of change", "Hello", "Is C+ fine?", "pro-lifer"]
    both = ["Abortion and climate change?"]
    file = write_prism(tmp_path, [*on_abortion, *on_climate, *neither, *both, "is abortion RIGHT?"])
    table, counts = prism_probes(file, KEYWORDS, 2, seed=1)
    assert counts == {
        "read": 13,
        "duplicates": 1,
        "no_topic": 5,
        "several_topics": 1,
        "matched": {"abortion": 4, "climate": 2},
        "seed": 1,
        "questions": {"abortion": 2, "climate": 2},
    }
    chosen = table.group_by("topic").agg("question").to_dicts()
    by_topic = {entry["topic"]: set(entry["question"]) for entry in chosen}
    assert by_topic["climate"] == set(on_climate)
    assert by_topic["abortion"] < set(on_abortion)


def test_prism_choice_depends_on_the_seed_and_not_on_the_order(tmp_path):
    prompts = [f"Is abortion right in case {number}?" for number in range(200)]
    keywords = {"abortion": ["abortion"]}
    first = prism_probes(write_prism(tmp_path, prompts), keywords, 50, seed=1)[0]
    mixed = random.Random(0).sample(prompts, len(prompts))
    assert prism_probes(write_prism(tmp_path, mixed), keywords, 50, seed=1)[0].equals(first)
    assert not prism_probes(write_prism(tmp_path, prompts), keywords, 50, seed=2)[0].equals(first)
    assert first["question_id"].n_unique() == 50


def test_too_few_prompts_name_topic_found_and_wanted(tmp_path):
    file = write_prism(tmp_path, ["Is abortion right?", "Is abortion wrong?", "Is climate change real?"])
    with pytest.raises(ArtifactError, match=r"prism\.csv.*climate \(1\).*expected 2 per topic"):
        prism_probes(file, KEYWORDS, 2, seed=1)


@pytest.mark.parametrize("words", [[], ["abortion", " "]])
def test_empty_keywords_are_refused(tmp_path, words):
    with pytest.raises(ConfigError, match="'abortion'"):
        prism_probes(write_prism(tmp_path, ["x"]), {"abortion": words}, 1, seed=1)


def test_write_probes(tmp_path):
    table, counts = hand_made_probes(hand_made(tmp_path, [("climate", "Is it warm?")]), TOPICS)
    write_probes((table, counts), tmp_path / "out" / "probes.parquet")
    assert pl.read_parquet(tmp_path / "out" / "probes.parquet").equals(table)
    assert json.loads((tmp_path / "out" / "probes.json").read_text()) == counts
