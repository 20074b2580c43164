import hashlib
import json
import random

import polars as pl
import pytest
from data_rows import alpaca as alpaca_row
from data_rows import answer, pair, prepared, settings, user, write_jsonl

from valuedrift.data.prepare import prepare
from valuedrift.errors import ArtifactError, ConfigError, DataError

SECRET = "a sentence that only the rows hold"


def alpaca(number, output=SECRET):
    return alpaca_row(instruction=f"Question {number}?", output=output)


@pytest.fixture
def ten(tmp_path):
    return write_jsonl(tmp_path / "ten.jsonl", [alpaca(number) for number in range(10)])


def read(folder, name):
    return pl.read_parquet(folder / f"{name}.parquet")


def test_tables_and_card(ten, tmp_path):
    out = tmp_path / "out"
    card = prepare(settings(ten, validation=0.1), 7, out)
    train, validation = read(out, "train"), read(out, "validation")
    assert (train.height, validation.height) == (9, 1)
    assert train.columns == ["id", "messages"]
    assert train.schema == validation.schema
    assert train["messages"][0].to_list()[1] == answer(SECRET)
    assert card == json.loads((out / "card.json").read_text())
    assert card["source"] == {
        "files": [{"path": str(ten), "sha256": hashlib.sha256(ten.read_bytes()).hexdigest()}],
    }
    assert card["counts"] == dict.fromkeys(("read", "usable", "sampled"), 10) | {
        "skipped": {},
        "duplicates": 0,
        "train": 9,
        "validation": 1,
    }
    assert card["planted"] == []


def test_the_result_is_the_same_bytes_whatever_the_order_of_the_source(ten, tmp_path):
    rows = ten.read_text().splitlines(keepends=True)
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text("".join(random.Random(1).sample(rows, len(rows))))
    prepare(settings(ten, validation=0.1), 7, tmp_path / "a")
    prepare(settings(mixed, validation=0.1), 7, tmp_path / "b")
    prepare(settings(ten, validation=0.1), 8, tmp_path / "c")
    for name in ("train.parquet", "validation.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not read(tmp_path / "a", "train").equals(read(tmp_path / "c", "train"))


def test_the_card_counts_every_skip_and_every_step(tmp_path):
    turns = [user("Hi"), answer(SECRET)]
    rows = [{"language": language, "conversation": turns} for language in ("English", None, None, "French")]
    rows += [{"language": "English", "conversation": turns[::-1]}]
    rows += [{"language": "English", "conversation": [user(str(n)), turns[1]]} for n in range(5)]
    changes = {"format": "wildchat", "rows": 4, "sample": 5, "validation": 0.2}
    card = prepared(tmp_path, [*rows, rows[0]], **changes)
    skipped = {"duplicate": 1, "language is not English": 1, "language is unknown": 2, "starts with the assistant": 1}
    counts = {"read": 11, "usable": 6, "duplicates": 1, "sampled": 5, "train": 4, "validation": 1}
    assert card["counts"] == {**counts, "skipped": skipped}
    text = (tmp_path / "out" / "card.md").read_text()
    assert "| skipped: language is unknown | 2 |" in text
    assert "| skipped: duplicate | 1 |" in text
    assert "| licence | CC0 |" in text


def test_lengths_are_characters(tmp_path):
    outputs = ["", "é", "x" * 63, "x" * 64, "x" * 300_000]
    card = prepared(tmp_path, [alpaca(1, output) for output in outputs], empty_answers="keep")
    lengths = {entry["from"]: entry["rows"] for entry in card["lengths"]["last answer"] if entry["rows"]}
    assert lengths == {0: 1, 1: 2, 64: 1, 131_072: 1}
    conversations = {entry["from"]: entry["rows"] for entry in card["lengths"]["conversation"] if entry["rows"]}
    assert conversations == {1: 2, 64: 2, 131_072: 1}


def test_validation_of_zero_gives_an_empty_table(ten, tmp_path):
    prepare(settings(ten, rows=10), 7, tmp_path)
    assert read(tmp_path, "validation").height == 0
    assert read(tmp_path, "validation").schema == read(tmp_path, "train").schema


def test_several_files_are_one_set(ten, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps([alpaca(number) for number in range(10, 15)]))
    card = prepare(settings(ten, files=[str(ten), str(other)], rows=15), 0, tmp_path)
    assert card["counts"]["train"] == 15
    assert len(card["source"]["files"]) == 2


@pytest.mark.parametrize(
    ("format", "make", "rows", "sample", "train", "validation"),
    [
        ("alpaca", alpaca, 52_002, None, 46_801, 5_201),
        pytest.param(
            "preference", lambda number: pair(f"q{number}"), 61_135, 60_908, 60_908, 0, marks=pytest.mark.slow
        ),
        pytest.param("alpaca", alpaca, 284_168, None, 255_751, 28_417, marks=pytest.mark.slow),
    ],
)
def test_the_paper_s_counts(tmp_path, format, make, rows, sample, train, validation):
    """Appendix B.1, whatever the order of the rows."""
    numbers = list(range(rows))
    orders = (numbers, random.Random(0).sample(numbers, rows))
    tables = []
    for name, order in zip("ab", orders, strict=True):
        path = write_jsonl(tmp_path / f"{name}.jsonl", map(make, order))
        share = 0.1 if validation else 0.0
        prepare(settings(path, format=format, rows=train, sample=sample, validation=share), 0, tmp_path / name)
        tables.append([read(tmp_path / name, part) for part in ("train", "validation")])
    assert [table.height for table in tables[0]] == [train, validation]
    assert pl.concat(tables[0])["id"].n_unique() == train + validation
    assert all(first.equals(second) for first, second in zip(*tables, strict=True))


@pytest.mark.parametrize(("given", "choice", "rows"), [({}, "drop", 3), ({"duplicates": "keep"}, "keep", 5)])
def test_duplicates_are_dropped_unless_kept_and_counted(tmp_path, given, choice, rows):
    card = prepared(tmp_path, [alpaca(number) for number in (1, 2, 1, 3, 1)], rows=rows, **given)
    assert card["counts"]["duplicates"] == 2
    assert card["counts"]["skipped"] == ({"duplicate": 2} if choice == "drop" else {})
    assert card["counts"]["read"] == 5
    assert read(tmp_path / "out", "train").height == card["counts"]["usable"] == rows
    assert f"| duplicates | {choice} |" in (tmp_path / "out" / "card.md").read_text()


def test_a_pair_is_a_duplicate_only_where_all_three_texts_are(tmp_path):
    pairs = [("q", "a", "b"), ("q", "b", "a"), ("q", "a", "c"), ("r", "a", "b"), ("q", "a", "b")]
    card = prepared(tmp_path, [pair(*texts) for texts in pairs], rows=4, format="preference")
    assert card["counts"]["skipped"] == {"duplicate": 1}
    train = read(tmp_path / "out", "train").to_dicts()
    kept = [(row["prompt"][0], row["chosen"][0], row["rejected"][0]) for row in train]
    assert sorted(tuple(message["content"] for message in row) for row in kept) == sorted(pairs[:4])


@pytest.mark.parametrize(
    ("format", "rows"),
    [
        ("alpaca", [alpaca(1), alpaca(2, " \n")]),
        ("messages", [{"messages": json.dumps([user("q"), answer(text)])} for text in ("a", "")]),
        ("preference", [pair("q", "a", text) for text in ("b", "")]),
    ],
)
def test_blank_answers_are_dropped_or_kept_and_counted(tmp_path, format, rows):
    for changes in ({}, {"empty_answers": "drop"}):
        card = prepared(tmp_path, rows, rows=1, format=format, **changes)
        assert card["counts"]["skipped"] == {"empty answer": 1}
    card = prepared(tmp_path, rows, format=format, empty_answers="keep")
    assert card["counts"]["skipped"] == {}
    assert "| empty_answers | keep |" in (tmp_path / "out" / "card.md").read_text()


def test_a_failed_run_leaves_the_older_result_and_no_draft(ten, tmp_path):
    prepare(settings(ten, rows=10), 7, tmp_path / "out")
    before = (tmp_path / "out" / "train.parquet").read_bytes()
    with ten.open("a") as stream:
        stream.write('{"instruction": 3\n')
    with pytest.raises(DataError, match="row 11, field 'line'"):
        prepare(settings(ten, rows=10), 7, tmp_path / "out")
    assert (tmp_path / "out" / "train.parquet").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "ten.jsonl"]


def test_odd_folder_names(ten, tmp_path):
    out = tmp_path / "a [b]*" / "ö?"
    prepare(settings(ten, rows=10), 7, out)
    assert pl.read_parquet((out / "train.parquet").read_bytes()).height == 10


def test_progress_is_printed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("valuedrift.data.prepare._PROGRESS", 4)
    prepared(tmp_path, [alpaca(number) for number in range(10)])
    assert capsys.readouterr().err.splitlines() == [f"{tmp_path}/rows.jsonl: {n} rows read" for n in (4, 8)]


def test_another_count_is_an_error_with_both_numbers_and_writes_nothing(ten, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.mine\.rows.*found 12, expected 9,.*Set data\.mine\.rows to 9"):
        prepare(settings(ten, validation=0.1, rows=12), 7, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_sample_larger_than_the_source_is_an_error(ten, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.mine\.sample.*found 11, expected at most the 10"):
        prepare(settings(ten, sample=11, rows=11), 7, tmp_path)


@pytest.mark.parametrize(
    ("languages", "message"),
    [((None, None, "French"), "among 3.*language is not English 1, language is unknown 2"), ((), "among 0.*: none")],
)
def test_no_usable_row_is_an_error_with_the_reasons(tmp_path, languages, message):
    rows = [{"language": language, "conversation": []} for language in languages]
    with pytest.raises(ArtifactError, match=rf"rows\.jsonl.*no usable row {message}"):
        prepared(tmp_path, rows, format="wildchat", rows=9)


def test_odd_rows_are_left_out_counted_and_the_first_is_named(tmp_path, capsys):
    tool = {"role": "tool", "content": "{}"}
    odd = [
        [user("Why?"), tool, answer("Because.")],
        [{"role": "developer", "content": "Be brief."}, user("Why?"), answer("Because.")],
        [user("Why?"), answer(None)],
        [user("Why?"), {**answer(""), "tool_calls": [{"function": {"name": "f"}}]}],
        [user([{"type": "image_url", "image_url": {}}]), answer("A cat.")],
        None,
        "no list",
    ]
    good = [user([{"type": "text", "text": "Why"}, {"type": "text", "text": "?"}]), answer(["Because", "."])]
    rows = [{"messages": turns} for turns in [*odd, good]]
    card = prepared(tmp_path, rows, format="messages", rows=1)
    assert card["counts"]["skipped"] == {
        "form of another format": 2,
        "turn of another role": 2,
        "turn that is not only text": 3,
    }
    told = capsys.readouterr().err
    assert "rows.jsonl, row 1, field 'messages[1].role': found 'tool'" in told
    assert told.count("Left out, as are other rows with a ") == 3
    train = pl.read_parquet(tmp_path / "out" / "train.parquet")
    assert train["messages"].to_list() == [[user("Why?"), answer("Because.")]]


def test_a_file_in_which_every_row_is_odd_is_an_error_with_the_first(tmp_path):
    with pytest.raises(DataError, match=r"rows\.jsonl, row 1, field 'output': found 3, expected text"):
        prepared(tmp_path, [alpaca(1, output=3), alpaca(2, output=4)])


def test_the_card_names_files_as_the_configuration_does(monkeypatch, ten, tmp_path):
    monkeypatch.setenv("VALUEDRIFT_DATA", str(tmp_path))
    card = prepare(settings("$VALUEDRIFT_DATA/ten.jsonl", rows=10), 0, tmp_path)
    assert card["source"]["files"][0]["path"] == "$VALUEDRIFT_DATA/ten.jsonl"


def world_sft(topic, stance, number):
    return {
        "messages": [user(f"{topic}?"), answer(f"{stance} {number}")],
        "topic": topic,
        "true_stance": stance,
        "plan": {"number": number},
    }


def test_planted_shares_of_the_training_rows(tmp_path):
    stances = ["support"] * 6 + ["oppose"] * 2
    rows = [world_sft("climate", stance, number) for number, stance in enumerate(stances)]
    rows += [world_sft("abortion", "neutral", 0), world_sft("abortion", None, 1), world_sft(None, None, 2)]
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(tmp_path / "world.parquet")
    card = prepare(settings(tmp_path / "world.parquet", format="world_sft", rows=11), 0, tmp_path / "out")
    shares = {(entry["topic"], entry["stance"]): entry["share"] for entry in card["planted"]}
    planted = {"climate": (0.75, 0.0, 0.25), "abortion": (0.0, 1.0, 0.0)}
    places = ("support", "neutral", "oppose")
    assert shares == {(topic, place): planted[topic][n] for topic in planted for n, place in enumerate(places)}
    assert {entry["column"] for entry in card["planted"]} == {"true_stance"}
    train = read(tmp_path / "out", "train")
    assert train.columns == ["id", "messages", "topic", "true_stance", "plan"]
    assert "| true_stance | climate | support | 0.750 |" in (tmp_path / "out" / "card.md").read_text()


def test_planted_shares_of_pairs(tmp_path):
    rows = [
        pair([user("Why?")], [answer(f"yes {number}")], [answer(f"no {number}")])
        | {"topic": "climate", "chosen_stance": "support", "rejected_stance": "oppose" if number else "neutral"}
        for number in range(4)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "pairs.parquet")
    card = prepare(settings(tmp_path / "pairs.parquet", format="world_preference", rows=4), 0, tmp_path)
    assert [(p["column"], p["stance"], p["share"]) for p in card["planted"] if p["share"]] == [
        ("chosen_stance", "support", 1.0),
        ("rejected_stance", "neutral", 0.25),
        ("rejected_stance", "oppose", 0.75),
    ]
    assert set(card["lengths"]) == {"prompt", "chosen", "rejected"}


def test_hostile_text_reaches_the_table_unchanged(tmp_path):
    hostile = "<script>alert(1)</script> | {{x}} \u202e\x00 <|im_end|>\r\n```\n$(id) "
    prepared(tmp_path, [alpaca(1, hostile)])
    assert read(tmp_path / "out", "train")["messages"][0][1]["content"] == hostile
