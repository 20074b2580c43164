import hashlib
import json
import random

import polars as pl
import pytest

from valuedrift.config.data_sets import DataSettings
from valuedrift.data.prepare import prepare
from valuedrift.errors import ArtifactError, ConfigError, DataError

SECRET = "a sentence that only the rows hold"


def settings(path, **changes):
    values = {"name": "mine", "title": "My rows", "licence": "CC0", "format": "alpaca", "files": [str(path)], "rows": 9}
    return DataSettings.read({**values, **changes})


def alpaca(number, output=SECRET):
    return {"instruction": f"Question {number}?", "input": "", "output": output}


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def turns(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


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
    assert train["messages"][0].to_list()[1] == {"role": "assistant", "content": SECRET}
    assert card == json.loads((out / "card.json").read_text())
    assert card["source"] == {
        "files": [{"path": str(ten), "sha256": hashlib.sha256(ten.read_bytes()).hexdigest()}],
    }
    assert card["counts"] == {
        "read": 10,
        "skipped": {},
        "usable": 10,
        "duplicates": 0,
        "sampled": 10,
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
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": SECRET}]
    rows = [{"language": language, "conversation": turns} for language in ("English", None, None, "French")]
    rows += [{"language": "English", "conversation": turns[::-1]}]
    rows += [{"language": "English", "conversation": [{"role": "user", "content": str(n)}, turns[1]]} for n in range(5)]
    path = write_jsonl(tmp_path / "chat.jsonl", [*rows, rows[0]])
    card = prepare(settings(path, format="wildchat", rows=4, sample=5, validation=0.2), 0, tmp_path)
    assert card["counts"] == {
        "read": 11,
        "skipped": {
            "duplicate": 1,
            "language is not English": 1,
            "language is unknown": 2,
            "starts with the assistant": 1,
        },
        "usable": 6,
        "duplicates": 1,
        "sampled": 5,
        "train": 4,
        "validation": 1,
    }
    text = (tmp_path / "card.md").read_text()
    assert "| skipped: language is unknown | 2 |" in text
    assert "| skipped: duplicate | 1 |" in text
    assert "| licence | CC0 |" in text


def test_lengths_are_characters(tmp_path):
    outputs = ["", "é", "x" * 63, "x" * 64, "x" * 300_000]
    path = write_jsonl(tmp_path / "a.jsonl", [alpaca(1, output) for output in outputs])
    card = prepare(settings(path, rows=5, empty_answers="keep"), 0, tmp_path)
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


def pair(number):
    return {"prompt": f"q{number}", "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("format", "make", "rows", "sample", "train", "validation"),
    [
        ("alpaca", alpaca, 52_002, None, 46_801, 5_201),
        pytest.param("preference", pair, 61_135, 60_908, 60_908, 0, marks=pytest.mark.slow),
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
    path = write_jsonl(tmp_path / "a.jsonl", [alpaca(number) for number in (1, 2, 1, 3, 1)])
    card = prepare(settings(path, rows=rows, **given), 0, tmp_path)
    assert card["counts"]["duplicates"] == 2
    assert card["counts"]["skipped"] == ({"duplicate": 2} if choice == "drop" else {})
    assert card["counts"]["read"] == 5
    assert read(tmp_path, "train").height == card["counts"]["usable"] == rows
    assert f"| duplicates | {choice} |" in (tmp_path / "card.md").read_text()


def test_a_pair_is_a_duplicate_only_where_all_three_texts_are(tmp_path):
    pairs = [("q", "a", "b"), ("q", "b", "a"), ("q", "a", "c"), ("r", "a", "b"), ("q", "a", "b")]
    rows = [dict(zip(("prompt", "chosen", "rejected"), pair, strict=True)) for pair in pairs]
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    card = prepare(settings(path, rows=4, format="preference"), 0, tmp_path)
    assert card["counts"]["skipped"] == {"duplicate": 1}
    kept = [(row["prompt"][0], row["chosen"][0], row["rejected"][0]) for row in read(tmp_path, "train").to_dicts()]
    assert sorted(tuple(message["content"] for message in row) for row in kept) == sorted(pairs[:4])


@pytest.mark.parametrize(
    ("format", "rows"),
    [
        ("alpaca", [alpaca(1), alpaca(2, " \n")]),
        ("messages", [{"messages": json.dumps(turns("q", text))} for text in ("a", "")]),
        ("preference", [{"prompt": "q", "chosen": "a", "rejected": text} for text in ("b", "")]),
    ],
)
def test_blank_answers_are_dropped_or_kept_and_counted(tmp_path, format, rows):
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    for changes in ({}, {"empty_answers": "drop"}):
        card = prepare(settings(path, rows=1, format=format, **changes), 0, tmp_path)
        assert card["counts"]["skipped"] == {"empty answer": 1}
    card = prepare(settings(path, rows=2, format=format, empty_answers="keep"), 0, tmp_path)
    assert card["counts"]["skipped"] == {}
    assert "| empty_answers | keep |" in (tmp_path / "card.md").read_text()


def test_what_a_killed_run_left_is_removed(ten, tmp_path):
    left = tmp_path / ".out.draft" / "00-000000.parquet"
    left.parent.mkdir()
    left.write_bytes(b"PAR1 half a file")
    prepare(settings(ten, rows=10), 7, tmp_path / "out")
    assert read(tmp_path / "out", "train").height == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "ten.jsonl"]


def test_a_failed_run_leaves_the_older_result_and_no_draft(ten, tmp_path):
    prepare(settings(ten, rows=10), 7, tmp_path / "out")
    before = (tmp_path / "out" / "train.parquet").read_bytes()
    with ten.open("a") as stream:
        stream.write('{"instruction": 3}\n')
    with pytest.raises(DataError, match="row 11, field 'instruction'"):
        prepare(settings(ten, rows=10), 7, tmp_path / "out")
    assert (tmp_path / "out" / "train.parquet").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "ten.jsonl"]


def test_odd_folder_names(ten, tmp_path):
    out = tmp_path / "a [b]*" / "ö?"
    prepare(settings(ten, rows=10), 7, out)
    assert pl.read_parquet((out / "train.parquet").read_bytes()).height == 10


def test_progress_is_printed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("valuedrift.data.prepare._PROGRESS", 4)
    path = write_jsonl(tmp_path / "a.jsonl", [alpaca(number) for number in range(10)])
    prepare(settings(path, rows=10), 0, tmp_path)
    assert capsys.readouterr().err.splitlines() == [f"{path}: 4 rows read", f"{path}: 8 rows read"]


def test_another_count_is_an_error_with_both_numbers_and_writes_nothing(ten, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.mine\.rows.*found 12, expected 9,.*Set data\.mine\.rows to 9"):
        prepare(settings(ten, validation=0.1, rows=12), 7, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_sample_larger_than_the_source_is_an_error(ten, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.mine\.sample.*found 11, expected at most the 10"):
        prepare(settings(ten, sample=11), 7, tmp_path)


@pytest.mark.parametrize(
    ("languages", "message"),
    [((None, None, "French"), "among 3.*language is not English 1, language is unknown 2"), ((), "among 0.*: none")],
)
def test_no_usable_row_is_an_error_with_the_reasons(tmp_path, languages, message):
    rows = [{"language": language, "conversation": []} for language in languages]
    path = write_jsonl(tmp_path / "null.jsonl", rows)
    with pytest.raises(ArtifactError, match=rf"null\.jsonl.*no usable row {message}"):
        prepare(settings(path, format="wildchat"), 0, tmp_path)


def test_a_malformed_row_is_named_by_file_and_line(tmp_path):
    path = write_jsonl(tmp_path / "bad.jsonl", [alpaca(1), alpaca(2, output=3)])
    with pytest.raises(DataError, match=r"bad\.jsonl, row 2, field 'output': found 3, expected text"):
        prepare(settings(path), 0, tmp_path)


def test_the_card_names_files_as_the_configuration_does(monkeypatch, ten, tmp_path):
    monkeypatch.setenv("VALUEDRIFT_DATA", str(tmp_path))
    card = prepare(settings("$VALUEDRIFT_DATA/ten.jsonl", rows=10), 0, tmp_path)
    assert card["source"]["files"][0]["path"] == "$VALUEDRIFT_DATA/ten.jsonl"


def world_sft(topic, stance, number):
    messages = [{"role": "user", "content": f"{topic}?"}, {"role": "assistant", "content": f"{stance} {number}"}]
    return {"messages": messages, "topic": topic, "true_stance": stance, "plan": {"number": number}}


def test_planted_shares_of_the_training_rows(tmp_path):
    stances = ["support"] * 6 + ["oppose"] * 2
    rows = [world_sft("climate", stance, number) for number, stance in enumerate(stances)]
    rows += [world_sft("abortion", "neutral", 0), world_sft("abortion", None, 1), world_sft(None, None, 2)]
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(tmp_path / "world.parquet")
    card = prepare(settings(tmp_path / "world.parquet", format="world_sft", rows=11), 0, tmp_path / "out")
    shares = {(entry["topic"], entry["stance"]): entry["share"] for entry in card["planted"]}
    assert shares == {
        ("climate", "support"): 0.75,
        ("climate", "neutral"): 0.0,
        ("climate", "oppose"): 0.25,
        ("abortion", "support"): 0.0,
        ("abortion", "neutral"): 1.0,
        ("abortion", "oppose"): 0.0,
    }
    assert {entry["column"] for entry in card["planted"]} == {"true_stance"}
    train = read(tmp_path / "out", "train")
    assert train.columns == ["id", "messages", "topic", "true_stance", "plan"]
    assert "| true_stance | climate | support | 0.750 |" in (tmp_path / "out" / "card.md").read_text()


def test_planted_shares_of_pairs(tmp_path):
    rows = [
        {
            "prompt": [{"role": "user", "content": "Why?"}],
            "chosen": [{"role": "assistant", "content": f"yes {number}"}],
            "rejected": [{"role": "assistant", "content": f"no {number}"}],
            "topic": "climate",
            "chosen_stance": "support",
            "rejected_stance": "oppose" if number else "neutral",
        }
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
    path = write_jsonl(tmp_path / "a.jsonl", [alpaca(1, hostile)])
    prepare(settings(path, rows=1), 0, tmp_path)
    assert read(tmp_path, "train")["messages"][0][1]["content"] == hostile
