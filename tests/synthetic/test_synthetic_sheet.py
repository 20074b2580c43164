"""The blind sheet of synthetic pairs: what is drawn and shown, and the agreement of a filled one."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from synthetic_doubles import TOPICS

from valuedrift.errors import DataError
from valuedrift.synthetic.side_agreement import draw_answers, write_agreement, write_pair_sheet

Rows = list[dict[str, str]]


def pair_table(count: int) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "pair_id": f"{n:016x}",
                "topic": "tax",
                "prompt": f"Q{n}?",
                "support_answer": f"yes {n}",
                "oppose_answer": f"no {n}",
            }
            for n in range(count)
        ]
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the pairs, an empty sheet of 40 of them, and its key."""
    pair_table(60).write_parquet(tmp_path / "pairs.parquet")
    write_pair_sheet(tmp_path / "pairs.parquet", TOPICS, 40, 0, tmp_path / "sheet.csv", tmp_path / "key.parquet")
    return tmp_path


def read(folder: Path) -> Rows:
    with (folder / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill(rows: Rows) -> Rows:
    """What a careful reader would write."""
    return [{**row, "human_stance": "support" if row["answer"].startswith("yes") else "oppose"} for row in rows]


def result(folder: Path, rows: Rows) -> tuple[dict[str, Any], str]:
    with (folder / "filled.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    text = write_agreement(folder / "filled.csv", folder / "key.parquet", folder / "agreement.json")
    return json.loads((folder / "agreement.json").read_text()), text


def test_the_sheet_is_seeded_blind_and_shuffled(folder: Path) -> None:
    rows = read(folder)
    key = pl.read_parquet(folder / "key.parquet")
    assert list(rows[0]) == ["sheet", "pair", "target", "question", "answer", "human_stance", "note"]
    assert key["pair_id"].n_unique() == 40
    assert key["side"].value_counts()["count"].to_list() == [40, 40]
    changes = sum(a != b for a, b in zip(key["side"], key["side"][1:], strict=False))
    assert 25 < changes < 55
    assert not any(row["human_stance"] or row["note"] for row in rows)
    assert "yes" in (folder / "sheet.html").read_text(encoding="utf-8")
    pairs = pl.read_parquet(folder / "pairs.parquet")
    assert draw_answers(pairs, TOPICS, 40, 0).equals(key)
    assert not draw_answers(pairs, TOPICS, 40, 1).equals(key)
    assert draw_answers(pair_table(3), TOPICS, 100, 0).height == 6


def test_a_sheet_filled_as_written_agrees_fully(folder: Path) -> None:
    found, _ = result(folder, fill(read(folder)))
    assert found["complete"]
    assert found["agreement"] == pytest.approx(
        {"count": 40, "pairs": 40, "share": 1.0, "low": 0.9124, "high": 1.0}, abs=1e-4
    )
    assert found["disagreements"] == []


def test_disagreements_are_counted_by_pair_and_by_side_and_listed(folder: Path) -> None:
    rows = fill(read(folder))
    wrong = next(row for row in rows if row["answer"].startswith("no"))
    wrong |= {"human_stance": "Neutral ", "note": "says nothing"}
    found, text = result(folder, rows)
    assert (found["agreement"]["count"], found["support"]["count"], found["oppose"]["count"]) == (39, 40, 39)
    assert found["agreement"]["low"] == pytest.approx(0.8712, abs=1e-4)
    (listed,) = found["disagreements"]
    assert listed["pair_id"] == f"{int(wrong['question'][1:-1]):016x}"
    assert (listed["support"], listed["oppose"], listed["note"]) == ("support", "neutral", "says nothing")
    assert "39 of 40 (0.975, 95 % interval 0.871 to 0.996)" in text
    assert listed["pair_id"] in text


def test_a_pair_with_one_stance_does_not_count(folder: Path) -> None:
    rows = fill(read(folder))
    numbers = sorted({row["question"] for row in rows})[:30]
    for row in rows:
        if row["question"] in numbers and row["answer"].startswith("no"):
            row["human_stance"] = ""
    found, text = result(folder, rows)
    assert (found["filled"], found["rows"], found["complete"]) == (10, 40, False)
    assert found["agreement"]["pairs"] == 10
    assert "PARTLY FILLED: 10 of 40" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [row | {"human_stance": ""} for row in rows], "field 'human_stance': found 'no pair with both"),
        (lambda rows: rows[1:], "field 'pair': found '1 pairs missing"),
    ],
)
def test_an_unfit_sheet_is_refused(folder: Path, change: Callable[[Rows], Rows], message: str) -> None:
    with pytest.raises(DataError) as error:
        result(folder, change(fill(read(folder))))
    assert message in str(error.value)
    assert not (folder / "agreement.json").exists()
