"""The sheet for checking by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import polars as pl
import pytest
from synthetic_doubles import TOPICS

from valuedrift.errors import ArtifactError, DataError
from valuedrift.synthetic.pair_sheet import COLUMNS, make_sheet, write_agreement, write_sheet

Rows = list[dict[str, str]]


def pair_table(count: int, **changed: str) -> pl.DataFrame:
    rows = [
        {
            "pair_id": f"{n:016x}",
            "topic": "tax",
            "prompt": f"Q{n}?",
            "support_answer": f"yes {n}",
            "oppose_answer": f"no {n}",
        }
        for n in range(count)
    ]
    return pl.DataFrame(rows).with_columns(**{name: pl.lit(text) for name, text in changed.items()})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the pairs, an empty sheet of 40 of them, and its key."""
    pair_table(60).write_parquet(tmp_path / "pairs.parquet")
    write_sheet(tmp_path / "pairs.parquet", TOPICS, 40, 0, tmp_path / "sheet.csv", tmp_path / "key.parquet")
    return tmp_path


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def save(folder: Path, rows: Rows) -> Path:
    with (folder / "filled.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder / "filled.csv"


def fill(rows: Rows) -> Rows:
    """What a careful reader would write."""
    stance = {"yes": "support", "no": "oppose"}
    return [{**row, **{f"stance_{x}": stance[row[f"answer_{x}"].split()[0]] for x in "ab"}} for row in rows]


def result(folder: Path, rows: Rows) -> dict[str, object]:
    write_agreement(save(folder, rows), folder / "key.parquet", folder / "agreement.json")
    return json.loads((folder / "agreement.json").read_text())


def test_the_sheet_is_seeded_blind_and_shuffled(folder: Path) -> None:
    rows = read(folder / "sheet.csv")
    assert tuple(rows[0]) == COLUMNS
    assert len({row["pair_id"] for row in rows}) == 40
    first = sum(row["answer_a"].startswith("yes") for row in rows)
    assert 8 < first < 32
    assert not any(row[name] for row in rows for name in ("stance_a", "stance_b", "note"))
    again, key = make_sheet(pl.read_parquet(folder / "pairs.parquet"), TOPICS, 40, 0)
    assert again == rows
    assert key.equals(pl.read_parquet(folder / "key.parquet"))
    other, _ = make_sheet(pl.read_parquet(folder / "pairs.parquet"), TOPICS, 40, 1)
    assert [row["pair_id"] for row in other] != [row["pair_id"] for row in rows]


def test_fewer_pairs_than_rows() -> None:
    assert len(make_sheet(pair_table(3), TOPICS, 100, 0)[0]) == 3


def test_a_sheet_filled_as_written_agrees_fully(folder: Path) -> None:
    found = result(folder, fill(read(folder / "sheet.csv")))
    assert found["complete"]
    assert found["agreement"] == pytest.approx(
        {"count": 40, "pairs": 40, "share": 1.0, "low": 0.9124, "high": 1.0}, abs=1e-4
    )
    assert found["disagreements"] == []


def test_disagreements_are_counted_by_pair_and_by_side_and_listed(folder: Path) -> None:
    rows = fill(read(folder / "sheet.csv"))
    wrong = next(row for row in rows if row["answer_b"].startswith("no"))
    wrong.update(stance_b="Neutral ", note="says nothing")
    found = result(folder, rows)
    assert (found["agreement"]["count"], found["support"]["count"], found["oppose"]["count"]) == (39, 40, 39)
    assert found["agreement"]["low"] == pytest.approx(0.8712, abs=1e-4)
    assert found["disagreements"] == [
        {"pair_id": wrong["pair_id"], "topic": "tax", "support": "support", "oppose": "neutral", "note": "says nothing"}
    ]
    text = write_agreement(folder / "filled.csv", folder / "key.parquet", folder / "agreement.json")
    assert "39 of 40 (0.975, 95 % interval 0.871 to 0.996)" in text
    assert wrong["pair_id"] in text


def test_a_partly_filled_sheet_says_so(folder: Path) -> None:
    rows = fill(read(folder / "sheet.csv"))
    for row in rows[10:]:
        row["stance_b"] = ""
    found = result(folder, rows)
    assert (found["filled"], found["rows"], found["complete"]) == (10, 40, False)
    assert found["agreement"]["pairs"] == 10
    text = write_agreement(folder / "filled.csv", folder / "key.parquet", folder / "agreement.json")
    assert "PARTLY FILLED: 10 of 40" in text


def broken(rows: Rows, fault: str) -> Rows:
    if fault == "stance":
        rows[2]["stance_a"] = "yes"
    elif fault == "unknown":
        rows[2]["pair_id"] = "f" * 16
    elif fault == "repeated":
        rows[2]["pair_id"] = rows[0]["pair_id"]
    elif fault == "column":
        rows = [{name: row[name] for name in COLUMNS if name != "stance_b"} for row in rows]
    elif fault == "missing":
        rows = rows[1:]
    elif fault == "empty":
        rows = [{**row, "stance_a": "", "stance_b": ""} for row in rows]
    return rows


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("stance", "filled.csv, row 3, field 'stance_a': found 'yes', expected one of support, neutral, oppose"),
        ("unknown", "filled.csv, row 3, field 'pair_id': found 'ffffffffffffffff'"),
        ("repeated", "filled.csv, row 3, field 'pair_id'"),
        ("column", "filled.csv, field 'header'"),
        ("missing", "filled.csv, field 'pair_id': found '39 pairs, without"),
        ("empty", "filled.csv, field 'stance_a': found 'no row with both stances'"),
    ],
)
def test_a_malformed_sheet_is_refused_with_row_and_field(folder: Path, fault: str, message: str) -> None:
    rows = broken(fill(read(folder / "sheet.csv")), fault)
    with pytest.raises(DataError) as error:
        write_agreement(save(folder, rows), folder / "key.parquet", folder / "agreement.json")
    assert message in str(error.value)
    assert not (folder / "agreement.json").exists()


def test_other_delimiters_and_a_missing_key_are_explained(folder: Path) -> None:
    with (folder / "semicolons.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([COLUMNS, *(row.values() for row in read(folder / "sheet.csv"))])
    with pytest.raises(DataError, match="with commas"):
        write_agreement(folder / "semicolons.csv", folder / "key.parquet", folder / "agreement.json")
    with pytest.raises(ArtifactError, match="the key that was written with the sheet"):
        write_agreement(folder / "sheet.csv", folder / "absent.parquet", folder / "agreement.json")


def test_hostile_pairs_survive_the_round_trip(tmp_path: Path) -> None:
    evil = '=HYPERLINK("x"),"\n\x00;' + "y" * 200_000
    pair_table(5, prompt=evil, support_answer=f"+{evil}", oppose_answer=f"no{evil}").write_parquet(
        tmp_path / "pairs.parquet"
    )
    write_sheet(tmp_path / "pairs.parquet", TOPICS, 5, 0, tmp_path / "sheet.csv", tmp_path / "key.parquet")
    rows = read(tmp_path / "sheet.csv")
    assert all(row["prompt"].startswith("'=HYPERLINK") for row in rows)
    for row in rows:
        row.update({f"stance_{x}": "oppose" if row[f"answer_{x}"].startswith("no") else "support" for x in "ab"})
    assert result(tmp_path, rows)["agreement"]["count"] == 5
