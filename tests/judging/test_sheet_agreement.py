"""Judge against a person: agreement in the sample and in the population."""

from __future__ import annotations

import csv
import json

import polars as pl
import pytest

from valuedrift.judging.checks.blind_sheet import read_sheet
from valuedrift.judging.checks.draw_sample import write_sample_sheet
from valuedrift.judging.checks.sheet_agreement import (
    agreement_with_person,
    calibration_sample,
    disagreements,
    write_check,
)
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.intervals import wilson_interval

FAST = Bootstrap(replicates=300)
KEYS = {"model": "m", "run": "sft-w", "step": 1, "topic": "work", "sample": 0}


def checked(*rows: tuple[str, str, float]) -> pl.DataFrame:
    """rows: human stance, judged stance, weight."""
    return pl.DataFrame(
        [
            {"sheet": "s1", "pair": i + 1, **KEYS, "question_id": f"q{i}", "stage": "sft", "target": "t"}
            | {"question": "q?", "answer": "a", "p_support": 0.2, "p_neutral": 0.5, "p_oppose": 0.3}
            | {"human_stance": human, "judged_stance": judged, "weight": weight, "note": ""}
            for i, (human, judged, weight) in enumerate(rows)
        ]
    )


ROWS = checked(
    ("support", "support", 1.0),
    ("oppose", "support", 1.0),
    ("neutral", "neutral", 10.0),
    ("refusal", "neutral", 10.0),
    ("oppose", "oppose", 2.0),
    ("support", "oppose", 2.0),
)


def cell(table: pl.DataFrame, measure: str, stance: str) -> dict:
    return table.filter(measure=measure, stance=stance).row(0, named=True)


def test_agreement_by_hand():
    table = agreement_with_person(ROWS, FAST)
    every = cell(table, "agreement", "all")
    assert every["pairs"] == 6
    assert every["sample"] == pytest.approx(4 / 6)  # the refusal counts as neutral
    assert (every["sample_low"], every["sample_high"]) == pytest.approx(wilson_interval(4, 6))
    assert every["population"] == pytest.approx((1 + 10 + 10 + 2) / 26)
    for stance, sample in (("support", 0.5), ("neutral", 1.0), ("oppose", 0.5)):
        assert cell(table, "agreement", stance)["sample"] == sample
    assert cell(table, "agreement", "neutral")["pairs"] == 2


def test_the_population_interval_is_that_of_the_effective_number_of_pairs():
    every = cell(agreement_with_person(ROWS, FAST), "agreement", "all")
    effective = 26**2 / (1 + 1 + 100 + 100 + 4 + 4)
    assert 3 < effective < 4
    p, z = 23 / 26, 1.959964
    centre = (p + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z / (1 + z * z / effective) * (p * (1 - p) / effective + z * z / (4 * effective**2)) ** 0.5
    assert (every["population_low"], every["population_high"]) == pytest.approx((centre - half, centre + half))


def test_equal_weights_give_the_sample_back():
    table = agreement_with_person(ROWS.with_columns(weight=pl.lit(7.0)), FAST)
    for end in ("", "_low", "_high"):
        assert table[f"sample{end}"].to_list() == pytest.approx(table[f"population{end}"].to_list())


def test_kappa_by_hand():
    row = cell(agreement_with_person(ROWS, FAST), "kappa", "all")
    assert row["sample"] == pytest.approx((4 / 6 - 1 / 3) / (1 - 1 / 3))
    chance = (3 * 2 + 20 * 20 + 3 * 4) / 26**2
    assert row["population"] == pytest.approx((23 / 26 - chance) / (1 - chance))
    assert row["sample_low"] < row["sample"] <= row["sample_high"]


def test_what_is_not_defined_is_null():
    table = agreement_with_person(checked(("neutral", "neutral", 1.0), ("neutral", "neutral", 2.0)), FAST)
    assert cell(table, "kappa", "all")["sample"] is None
    assert cell(table, "agreement", "oppose")["population"] is None
    assert cell(table, "agreement", "all")["population"] == 1.0
    assert cell(table, "agreement", "all")["population_low"] < 1


def test_disagreements_are_listed():
    assert disagreements(ROWS)["pair"].to_list() == [2, 6]


def test_a_filled_sheet_gives_the_calibration_sample_and_the_files(tmp_path):
    stances = pl.DataFrame(
        [
            {**KEYS, "question_id": f"q{i:02}", "question": "q?", "answer": f"<b>|{i}", "unassigned": 0.01}
            | {"p_support": (i % 3 == 0) * 1.0, "p_neutral": (i % 3 == 1) * 1.0, "p_oppose": (i % 3 == 2) * 1.0}
            for i in range(30)
        ]
    )
    stances.write_parquet(tmp_path / "stances.parquet")
    out = tmp_path / "sheet"
    write_sample_sheet([tmp_path / "stances.parquet"], {"work": "shorter weeks"}, 6, 0, out)
    with (out / "sheet.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row["human_stance"] = "refusal"
    with (out / "filled.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    sample = calibration_sample(read_sheet(out / "filled.csv", out / "key.parquet"))
    assert sample.columns == [
        *("model", "run", "step", "topic", "question_id", "sample", "stage", "human_stance", "human_refusal"),
        *("p_support", "p_neutral", "p_oppose", "unassigned", "judged_stance", "weight"),
    ]
    assert set(sample["human_stance"]) == {"neutral"}
    assert sample["human_refusal"].all()
    assert sample["weight"].to_list() == [5.0] * 6
    joined = sample.join(stances, on=["run", "step", "question_id", "sample"], suffix="_theirs")
    assert joined.height == 6
    assert joined["p_oppose"].equals(joined["p_oppose_theirs"], check_names=False)

    write_check(out / "filled.csv", out / "key.parquet", tmp_path / "check", FAST)
    found = json.loads((tmp_path / "check" / "check.json").read_text(encoding="utf-8"))
    assert (found["pairs"], found["answers"], found["refusals"], len(found["disagreements"])) == (6, 30, 6, 4)
    assert found["agreement"][0]["sample"] == pytest.approx(1 / 3)
    assert pl.read_parquet(tmp_path / "check" / "calibration.parquet").equals(sample)
    assert pl.read_parquet(tmp_path / "check" / "disagreements.parquet").height == 4
    text = (tmp_path / "check" / "check.md").read_text(encoding="utf-8")
    assert "&lt;b>\\|" in text
    assert "<b>" not in text
