"""Tables from people: any CSV, JSON lines or parquet is read right, or refused with its file, row and column."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from valuedrift.errors import DataError, ValueDriftError
from valuedrift.input_tables.checked_rows import (
    FlagOrNone,
    InputRow,
    LabelOrNone,
    NumberOrNone,
    ScaleLabel,
    Text,
    WholeNumber,
    read_checked,
)
from valuedrift.input_tables.rows import read_rows, separator

FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Row(InputRow):
    name: Text
    number: WholeNumber
    share: NumberOrNone = None
    label: LabelOrNone = None
    flag: FlagOrNone = None


def read(folder: Path, text: str | bytes, name: str = "a.csv") -> list[dict[str, Any]]:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return [row.model_dump() for _, row in read_checked(folder / name, Row)]


@pytest.mark.parametrize(
    "text",
    [
        "name,number,share\na,1,0.5\nb,2,\n",
        "name;number;share\na;1;0,5\nb;2;\n",
        "name,number,share\ra,1,0.5\rb,2,\r",
        "name\tnumber\tshare\r\na\t1.0\t.5\r\nb\t2\tn/a\r\n",
        "name|number|share\na|1|5e-1\nb|2|NaN",
        "sep=;\nname;number;share\na;1;0,5\nb;2;-\n",
        '"sep=,"\r\nname,number,share\r\na,1,"0,5"\r\nb,2,\r\n',
        "\ufeffname,number,share\na,1,0.50\nb,2,null\n",
        "name,number,share,,\na,1,0.5,,\n,,,,\nb,2,,,\n,,,,\n,,,,\n",
        "name,number,share\na,1,0.5,,\n\n\nb,2,,\n",
        " name , number,share \n a ,1 , 0.5\nb,2,\n",
        ",name,number,share\n,a,1,0.5\n,b,2,\n",
        "name,number,share,,\na,1,0.5\nb,2,,,\n",
        "sep=\\t\nname\tnumber\tshare\na\t1\t0.5\nb\t2\t\n",
    ],
)
def test_spreadsheets_of_every_kind_are_read_alike(tmp_path: Path, text: str) -> None:
    empty = {"label": None, "flag": None}
    assert read(tmp_path, text) == [
        {"name": "a", "number": 1, "share": 0.5, **empty},
        {"name": "b", "number": 2, "share": None, **empty},
    ]


@pytest.mark.parametrize(
    ("text", "row", "field", "says"),
    [
        ("", None, "name", "no rows"),
        ("name,number\n,\n", None, "name", "no rows"),
        ("Name,number\na,1\n", None, "name", "separated by ','.*Did you mean 'Name'"),
        ("name:number\na:1\n", None, "name", "columns name:number, separated by ','"),
        ("name,number\na,x\n", 1, "number", "found 'x', expected a number"),
        ("name,number\na,1.5\n", 1, "number", "a whole number"),
        ("name,number\na,\n", 1, "number", "expected a value. Fill it in"),
        ("name,number\na,true\n", 1, "number", "a number"),
        ('name,number\na,"1,000"\n', 1, "number", "found '1,000', expected a number"),
        ("name;number\na;1.000\n", 1, "number", "found '1.000', expected a whole number, without a point"),
        ("name,number\na,1e300\n", 1, "number", "expected 9007199254740992 or less"),
        ("My table,\nname,number\na,1\n", 1, "record", "2 values, separated by ','\", expected 1, as in the header"),
        ("name;number\na;1\nb;1;2\n", 2, "record", "3 values, separated by ';'"),
        ("name,number\na,1\nb\n", 2, "record", "1 values, separated by ','"),
        ("name,number,label\na,1,supports\n", 1, "label", "one of support.*Did you mean 'support'"),
        ("name,number,flag\na,1,maybe\n", 1, "flag", "true or false"),
        ("name,number,share\na,1,inf\n", 1, "share", "a number"),
        ("name,name\na,1\n", None, "header", "each column name once"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, row: int | None, field: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        read(tmp_path, text)
    assert (error.value.file, error.value.row, error.value.field) == (str(tmp_path / "a.csv"), row, field)


class Labels(InputRow):
    label: LabelOrNone
    scale: ScaleLabel


@pytest.mark.parametrize(
    ("label", "scale", "expected"),
    [
        ("support", "1", "support"),
        ("Support ", 1, "support"),
        ("PRO", 2.0, "support"),
        ("neutral", "3.0", "neutral"),
        ("con", "5 - only con", "oppose"),
        ("oppose", "4", "oppose"),
        ("refusal", "Refusal", "refusal"),
    ],
)
def test_labels_in_every_form(tmp_path: Path, label: str, scale: object, expected: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"label": label, "scale": scale}))
    [(_, row)] = read_checked(tmp_path / "a.jsonl", Labels)
    assert (row.label, row.scale) == (expected, expected)


@pytest.mark.parametrize("label", ["1", "yes", True, ["support"]])
def test_other_words_are_no_labels(tmp_path: Path, label: object) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"label": label, "scale": 1}))
    with pytest.raises(DataError, match=r"a\.jsonl, row 1, field 'label'"):
        read_checked(tmp_path / "a.jsonl", Labels)


def test_parquet_and_json_lines_are_checked_alike(tmp_path: Path) -> None:
    table = pl.DataFrame({"name": ["a", None], "number": [1.0, None], "share": [math.nan, None], "flag": [1, None]})
    table.write_parquet(tmp_path / "a.parquet")
    table.write_ndjson(tmp_path / "a.jsonl")
    for name in ("a.parquet", "a.jsonl"):
        [(number, row)] = read_checked(tmp_path / name, Row)
        assert (number, row.number, row.share, row.flag) == (1, 1, None, True)


@FUZZ
@given(content=st.binary(max_size=200), name=st.sampled_from(["a.csv", "a.jsonl", "a.json", "a.parquet", "a.csv.gz"]))
@example(content=b"sep=", name="a.csv")
@example(content=b'"', name="a.csv")
@example(content=b"\xff\xfen\x00", name="a.csv")
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    try:
        read(tmp_path, content, name)
    except ValueDriftError as error:
        assert str(tmp_path / name) in str(error)


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\ufeff"), min_size=1, max_size=10)


@FUZZ
@given(cells=st.lists(PLAIN.filter(str.strip), min_size=1, max_size=5), between=st.sampled_from([",", ";", "\t", "|"]))
def test_texts_come_back_as_they_were_written(tmp_path: Path, cells: list[str], between: str) -> None:
    file = tmp_path / "a.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=between).writerows([["question", "topic"], *([cell, "a"] for cell in cells)])
    assert separator(file) == between
    assert [row["question"] for _, row in read_rows(file)] == cells


@FUZZ
@example(shares=[1.175494351e-38], between=";", point=",")
@given(
    shares=st.lists(st.floats(0, 1e6), min_size=1, max_size=5),
    between=st.sampled_from([",", ";", "\t"]),
    point=st.sampled_from([",", "."]),
)
def test_decimals_are_read_with_their_value(tmp_path: Path, shares: list[float], between: str, point: str) -> None:
    point = "." if between == "," else point
    rows = [["a", "1", repr(share).replace(".", point)] for share in shares]
    text = io.StringIO()
    csv.writer(text, delimiter=between).writerows([["name", "number", "share"], *rows])
    assert [row["share"] for row in read(tmp_path, text.getvalue())] == shares
