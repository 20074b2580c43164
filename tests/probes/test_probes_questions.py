import csv
import hashlib
import json
import random

import polars as pl
import pytest
from probes_doubles import write_prism

from valuedrift.errors import ArtifactError, ConfigError, DataError
from valuedrift.probes.questions import hand_made_probes, prism_probes, question_id, write_probes

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
        (("climate", "  "), "question", "not empty"),
        (("", "Is it warm?"), "topic", "not empty"),
    ],
)
def test_a_wrong_row_is_named_by_file_row_and_field(tmp_path, row, field, says):
    file = hand_made(tmp_path, [("climate", "Is it hot?"), row])
    with pytest.raises(DataError, match=rf"probes\.csv, row 2, field '{field}'.*{says}"):
        hand_made_probes(file, TOPICS)


def test_a_missing_column_file_or_question_is_named(tmp_path):
    file = write_csv(tmp_path / "probes.csv", ["topic", "text"], [("climate", "Is it warm?")])
    with pytest.raises(DataError, match=r"probes\.csv, row 1, field 'question'"):
        hand_made_probes(file, TOPICS)
    with pytest.raises(DataError, match="at least one question"):
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
