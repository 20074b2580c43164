"""Every shape of data from every kind of source, through `prepare`; WildChat as the hub has it; the hub itself."""

import csv
import gzip
import json
import re

import polars as pl
import pytest
from data_rows import answer, pair, settings, user, write_jsonl

from valuedrift.data.prepare import prepare
from valuedrift.errors import ArtifactError, ConfigError, DataError

TURNS = [user("Naïve “q”,\n🙂?"), answer("a | b")]
SHAPES = {
    "messages": [{"messages": TURNS}, {"messages": [{"role": "system", "content": "Be brief."}, *TURNS, *TURNS]}],
    "prompt_completion": [{"prompt": TURNS[0]["content"], "completion": "a | b"}, {"prompt": "q", "completion": "a"}],
    "preference": [pair("q", "yes, 'x'", "no"), pair("p", "1", "2")],
}


def write_json(path, rows):
    path.write_text(json.dumps(rows))


def write_csv(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], "note"])
        writer.writeheader()
        for row in rows:
            cells = {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()}
            writer.writerow({**cells, "note": "x"})


def write_parquet(path, rows):
    schema = {"messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String}))}
    table = pl.DataFrame(rows, schema_overrides={key: schema[key] for key in rows[0] if key in schema})
    table.with_columns(note=1.5).write_parquet(path)


WRITERS = {".jsonl": write_jsonl, ".json": write_json, ".csv": write_csv, ".parquet": write_parquet}
NAMES = ["rows.jsonl", "rows.json", "rows.csv", "rows.parquet", "rows.jsonl.gz", "rows.json.gz", "rows.csv.gz"]


def write(path, rows):
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    WRITERS[plain.suffix](plain, rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    return path


def read(format, rows, out, path=None, **source):
    """The card and the training table of a file or of the hub."""
    card = prepare(settings(path, format=format, rows=rows, **source), 0, out)
    return card, pl.read_parquet(out / "train.parquet")


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    return {
        shape: read(shape, 2, folder / shape, write(folder / f"{shape}.jsonl", rows))[1]
        for shape, rows in SHAPES.items()
    }


def test_the_shapes_mean_what_they_say(expected):
    assert {len(messages) for messages in expected["messages"]["messages"]} == {2, 5}
    assert TURNS in expected["prompt_completion"]["messages"].to_list()
    assert {pair[0]["content"] for pair in expected["preference"]["chosen"]} == {"yes, 'x'", "1"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_in_every_kind_of_file(tmp_path, expected, shape, name):
    path = write(tmp_path / name, SHAPES[shape])
    assert read(shape, 2, tmp_path / "out", path)[1].equals(expected[shape])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_another_shape_are_named_in_every_kind_of_file(tmp_path, shape, name):
    other = {"messages": "preference"}.get(shape, "messages")
    path = write(tmp_path / name, SHAPES[other])
    with pytest.raises(DataError, match=r"row 1, field '\w+': found 'the fields .*', expected this field") as caught:
        read(shape, 2, tmp_path / "out", path)
    assert caught.value.file == str(path)
    assert caught.value.field in SHAPES[shape][0]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder that the real `datasets` library takes for a data set; the network is never asked."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    folder = tmp_path / "hub"
    folder.mkdir()
    return folder


def source(folder, split="train"):
    return {"name": str(folder), "revision": "0123abc", "split": split}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_from_the_hub(tmp_path, hub, expected, shape):
    write_parquet(hub / "train.parquet", SHAPES[shape])
    card, train = read(shape, 2, tmp_path / "out", hub=source(hub))
    assert train.equals(expected[shape])
    assert card["source"] == {"hub": source(hub)}
    assert "| revision | 0123abc |" in (tmp_path / "out" / "card.md").read_text()


def test_one_configuration_of_a_hub_set_is_read(tmp_path, hub, expected):
    (hub / "a").mkdir()
    (hub / "b").mkdir()
    write_parquet(hub / "a" / "train.parquet", [{"other": 1}])
    write_parquet(hub / "b" / "train.parquet", SHAPES["messages"])
    configs = [{"config_name": name, "data_files": f"{name}/train.parquet"} for name in "ab"]
    (hub / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")
    card, train = read("messages", 2, tmp_path / "out", hub={**source(hub), "config": "b"})
    assert train.equals(expected["messages"])
    assert card["source"]["hub"]["config"] == "b"
    with pytest.raises(ArtifactError, match=r"configuration 'c'.*Check these names"):
        read("messages", 2, tmp_path / "out", hub={**source(hub), "config": "c"})


def test_a_malformed_row_of_the_hub_is_named(tmp_path, hub, capsys):
    write_jsonl(hub / "train.jsonl", [{"prompt": "q", "completion": "a"}, {"prompt": "q", "completion": None}])
    read("prompt_completion", 1, tmp_path / "out", hub=source(hub))
    assert "hub at revision 0123abc, split train, row 2, field 'completion': found nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("split", "content", "says"),
    [("test", '{"a": 1}', "Unknown split"), ("train", '{"a": 1}\n{"a"', "DatasetGenerationError")],
)
def test_a_hub_set_that_can_not_be_read_is_explained(tmp_path, hub, split, content, says):
    (hub / "train.jsonl").write_text(content)
    with pytest.raises(ArtifactError, match=rf"hub:.*{says}.*split '{split}' at revision '0123abc'.*name them in"):
        read("messages", 1, tmp_path / "out", hub=source(hub, split))


@pytest.mark.parametrize("error", [ConnectionError("no route"), FileNotFoundError("gone"), RuntimeError("a script")])
def test_a_hub_that_can_not_be_reached_is_explained(tmp_path, hub, monkeypatch, error):
    import datasets

    def load_dataset(name, config, revision, split):
        assert (name, config, revision, split) == ("owner/set", None, "0123abc", "train")
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(ArtifactError, match=rf"hub:owner/set.*{error}.*name them in 'files'"):
        read("messages", 1, tmp_path / "out", hub=source("owner/set"))


def hub_turn(role, content, language="English"):
    """A turn with a field of each kind that WildChat's parquet files have: null, nested, bool, number, text."""
    other = {"country": None, "header": {"accept-language": "en"}, "turn_identifier": 101002}
    return {"content": content, "language": language, "role": role, "toxic": content == "toxic", **other}


def wildchat(conversation, language="English"):
    moderation = [{"categories": {"harassment": False}, "category_scores": {"harassment": 0.01}, "flagged": False}]
    other = {"openai_moderation": moderation, "toxic": False, "state": None, "header": {"accept-language": None}}
    return {"conversation": conversation, "turn": len(conversation) // 2, "language": language, **other}


ASKED = [hub_turn("user", "Hi"), hub_turn("assistant", "Hello.")]
MORE = [hub_turn("user", "toxic"), hub_turn("assistant", "No.", "Latin")]
WILDCHAT = [
    wildchat(ASKED),
    wildchat(ASKED + MORE),
    wildchat([*MORE, hub_turn("user", "Never answered")]),
    wildchat(ASKED, "French"),
    wildchat(ASKED, None),
    wildchat([*ASKED[::-1], *MORE]),
    wildchat([*ASKED, ASKED[1]]),
    wildchat([]),
    wildchat([*ASKED[:1], hub_turn("assistant", "")]),
    wildchat(ASKED),
]


def write_groups(path, rows):
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path, row_group_size=3)


@pytest.mark.parametrize(("name", "write"), [("a.parquet", write_groups), ("a.jsonl", write_jsonl)])
def test_wildchat_as_the_hub_has_it(tmp_path, name, write):
    write(tmp_path / name, WILDCHAT)
    card, train = read("wildchat", 3, tmp_path / "out", tmp_path / name)
    reasons = "duplicate, empty answer, language is not English, language is unknown, no answer"
    reasons += ", roles do not alternate, starts with the assistant"
    assert card["counts"]["skipped"] == dict.fromkeys(reasons.split(", "), 1)
    texts = [[message["content"] for message in messages] for messages in train["messages"]]
    assert sorted(texts) == [["Hi", "Hello."], ["Hi", "Hello.", "toxic", "No."], ["toxic", "No."]]
    assert train.schema["messages"] == pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


@pytest.mark.parametrize(("name", "write"), [("a.parquet", write_groups), ("a.jsonl", write_jsonl)])
@pytest.mark.parametrize(
    ("conversation", "says"),
    [
        ([hub_turn("user", "Hi"), hub_turn("assistant", None)], r"\[1\]\.content': found nothing, expected text"),
        (None, "': found nothing, expected a list of turns"),
    ],
)
def test_a_malformed_conversation_is_named(tmp_path, name, write, conversation, says, capsys):
    write(tmp_path / name, [*WILDCHAT[:4], {**wildchat(ASKED), "conversation": conversation}])
    with pytest.raises(ConfigError, match="expected"):  # the right number of rows
        read("wildchat", 99, tmp_path / "out", tmp_path / name)
    assert re.search(rf"row 5, field 'conversation{says}", capsys.readouterr().err)


def test_binarized_sets_from_parquet(tmp_path):
    """UltraFeedback as Argilla and as HuggingFaceH4 publish it, columns and all."""
    answers = [[TURNS[0], {"content": text, "role": "assistant"}] for text in ("good", "bad", "good")]
    argilla = {"source": "flan", "prompt": TURNS[0]["content"], "chosen": answers[0], "chosen-rating": 5.0}
    argilla |= {"chosen-model": "a", "rejected": answers[1], "rejected-rating": 1.0, "rejected-model": "b"}
    h4 = {"prompt": TURNS[0]["content"], "prompt_id": "f0", "chosen": answers[0], "rejected": answers[1]}
    h4 |= {"messages": answers[0], "score_chosen": 9.0, "score_rejected": 2.0}
    tables = []
    for name, row in (("argilla", argilla), ("h4", h4)):
        path = tmp_path / f"{name}.parquet"
        pl.DataFrame([row, {**row, "rejected": answers[2]}]).write_parquet(path)
        card, train = read("ultrafeedback", 1, tmp_path / name, path)
        assert card["counts"]["skipped"] == {"chosen equals rejected": 1}
        tables.append(train)
    assert tables[0].equals(tables[1])
    assert tables[0].columns == ["id", "prompt", "chosen", "rejected"]
