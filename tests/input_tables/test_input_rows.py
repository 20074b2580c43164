import gzip
import json

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from valuedrift.errors import ArtifactError, DataError
from valuedrift.input_tables.rows import expand_path, read_rows

ROWS = [{"question": "naïve — “q”?", "n": "1"}, {"question": "two\u2028lines", "n": "2"}]


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


CSV = 'question,n\r\n"naïve — “q”?",1\r\ntwo\u2028lines,2\r\n'.encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", jsonl(ROWS)),
        ("a.JSONL", jsonl(ROWS)),
        ("a.jsonl", b"\xef\xbb\xbf" + jsonl(ROWS)),
        ("a.jsonl.gz", gzip.compress(jsonl(ROWS), mtime=0)),
        ("a.json", json.dumps(ROWS, indent=1).encode()),
        ("a.json", b"\xef\xbb\xbf " + json.dumps(ROWS, ensure_ascii=False).encode() + b"\r\n\t "),
        ("a.json.gz", gzip.compress(json.dumps(ROWS).encode(), mtime=0)),
        ("a.csv", CSV),
        ("a.csv", b"\xef\xbb\xbf" + CSV),
        ("a.csv.gz", gzip.compress(CSV, mtime=0)),
    ],
)
def test_reads_every_text_form(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert list(read_rows(tmp_path / name)) == [(1, ROWS[0]), (2, ROWS[1])]


def test_reads_parquet_with_nested_values(tmp_path):
    rows = [{"messages": [{"role": "user", "content": str(place)}]} for place in range(2500)]
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    assert list(read_rows(tmp_path / "a.parquet")) == list(enumerate(rows, start=1))


def test_reads_the_named_columns_of_parquet_where_all_are_there(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a": [1], "b": [2], "c": [3]}).write_parquet(path)
    assert list(read_rows(path, ("c", "a"))) == [(1, {"c": 3, "a": 1})]
    assert list(read_rows(path, ("a", "d"))) == [(1, {"a": 1, "b": 2, "c": 3})]


def test_a_cell_may_be_long(tmp_path):
    (tmp_path / "a.csv").write_text(f"a\n{'x' * 200_000}\n")
    assert [len(row["a"]) for _, row in read_rows(tmp_path / "a.csv")] == [200_000]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json.gz", "a.parquet"])
def test_no_rows(tmp_path, name):
    empty = {"a.jsonl": b"\n", "a.csv": b"a,b\n", "a.json.gz": gzip.compress(b"[ ]", mtime=0)}
    if name == "a.parquet":
        pl.DataFrame(schema={"a": pl.String}).write_parquet(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(empty[name])
    assert list(read_rows(tmp_path / name)) == []


def test_jsonl_numbers_are_lines_and_blank_lines_are_passed_over(tmp_path):
    (tmp_path / "a.jsonl").write_text('\n{"a": 1}\n\n  \n{"a": 2}\n\n')
    assert list(read_rows(tmp_path / "a.jsonl")) == [(2, {"a": 1}), (5, {"a": 2})]


def test_csv_keeps_line_breaks_inside_quotes_and_counts_records(tmp_path):
    (tmp_path / "a.csv").write_text('id,text\n1,"one\n\ntwo, ""three"""\n\n2,four\n')
    assert list(read_rows(tmp_path / "a.csv")) == [
        (1, {"id": "1", "text": 'one\n\ntwo, "three"'}),
        (2, {"id": "2", "text": "four"}),
    ]


@pytest.mark.parametrize(
    ("name", "content", "row", "says"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": \n', 2, "line 2"),
        ("a.jsonl", b'{"a": 1}\n[1, 2]\n', 2, "JSON object"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', 2, "UTF-8"),
        ("a.jsonl", b"[" * 100_000, 1, "valid JSON"),
        ("a.jsonl", b'{"a": ' + b"9" * 5_000 + b"}", 1, "valid JSON"),
        ("a.jsonl.gz", gzip.compress(jsonl(ROWS), mtime=0)[:-12], None, "undamaged gzip"),
        ("a.jsonl.gz", jsonl(ROWS), 1, "undamaged gzip"),
        ("a.json", b'[{"a": 1},\n{"a"}]', 2, "line 2 column 5"),
        ("a.json", b'[{"a": 1},', 2, "JSON list"),
        ("a.json", b'[{"a": 1} {"a": 2}]', 2, "no ']' at line 1 column 11"),
        ("a.json", b'[{"a": 1}]\n{"a": 2}', 2, "text after the list at line 2 column 1"),
        ("a.json", b'[{"a": "\xff"}]', None, "UTF-8"),
        ("a.json", b"[" + b'{"a":' * 100_000, 1, "JSON list"),
        ("a.json", b'[{"a": ' + b"9" * 5_000 + b"}]", 1, "JSON list"),
        ("a.json", b"", None, "JSON list"),
        ("a.json", b'[{"a": 1}, "b"]', 2, "JSON object"),
        ("a.json", b'{"a": 1}', None, "a JSON list"),
        ("a.json.gz", gzip.compress(b'[{"a": 1}]', mtime=0)[:-9], None, "undamaged gzip"),
        ("a.csv", b"a,b\n1,2\n3\n", 2, "as in the header"),
        ("a.csv", b"a,b\n1,2,3\n", 1, "as in the header"),
        ("a.csv", b'a,b\n1,2\n3,"never closed\n5,6\n', 2, "well-formed CSV"),
        ("a.csv", b"a,a\n1,2\n", None, "each column name once"),
        ("a.csv", b"PK\x03\x04\x14\x00\x06\x00", None, "a spreadsheet.*Save the table as CSV"),
        ("a.parquet", b"PAR1 and nothing else", None, "whole parquet.*It is cut off or damaged"),
        ("a.parquet", b"a,b\n1,2\n", None, "It has another format than its name says"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", None, "git lfs pull"),
        ("a.csv.gz", b"<!DOCTYPE html>", 1, "It is a web page"),
        ("a.jsonl", b"<html>", 1, "It is a web page"),
        ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\n", 1, "git lfs pull"),
        ("a.parquet", b"", None, "whole parquet"),
    ],
)
def test_damage_is_reported_with_its_place(tmp_path, name, content, row, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        list(read_rows(path))
    assert caught.value.file == str(path)
    assert row is None or caught.value.row == row


def test_a_parquet_file_has_each_column_once(tmp_path):
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["x", "x"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="each column name once"):
        list(read_rows(tmp_path / "a.parquet"))


def test_truncated_parquet(tmp_path):
    pl.DataFrame({"a": range(1000)}).write_parquet(tmp_path / "whole.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:-20])
    with pytest.raises(DataError, match="whole parquet"):
        list(read_rows(tmp_path / "cut.parquet"))


def test_missing_file_is_named_at_once(tmp_path):
    with pytest.raises(ArtifactError, match=r"nowhere\.jsonl.*no such file.*correct 'files'"):
        read_rows(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize("name", ["a.txt", "a.parquet.gz", "jsonl"])
def test_other_kinds_of_file_are_refused(tmp_path, name):
    (tmp_path / name).write_text("x")
    with pytest.raises(ArtifactError, match=r"\.jsonl\.gz"):
        read_rows(tmp_path / name)


def test_expand_path(monkeypatch, tmp_path):
    monkeypatch.setenv("VALUEDRIFT_DATA", str(tmp_path))
    assert expand_path("$VALUEDRIFT_DATA/a.json") == tmp_path / "a.json"
    assert expand_path("${VALUEDRIFT_DATA}/a.json") == tmp_path / "a.json"
    assert str(expand_path("data/a.json")) == "data/a.json"


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_variable_is_explained(monkeypatch, value):
    monkeypatch.delenv("VALUEDRIFT_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("VALUEDRIFT_DATA", value)
    with pytest.raises(ArtifactError, match=r"VALUEDRIFT_DATA is not set.*folder with the source files.*export"):
        expand_path("$VALUEDRIFT_DATA/a.json")
