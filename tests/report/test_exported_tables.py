"""Exports hold what was measured, are described column by column, and can't act in a spreadsheet."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from exported import HOSTILE, results, stance_rows

from valuedrift.cli import main
from valuedrift.report.data_dictionary import describe
from valuedrift.report.exports import TIMED, question_stances, spreadsheet_safe


def export(options: dict[str, Any], out: Path) -> int:
    return main(
        ["exports", *(str(word) for name, value in options.items() for word in (f"--{name}", value)), "--out", str(out)]
    )


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    assert export(results(tmp_path / "results"), tmp_path / "out") == 0
    return tmp_path / "out"


def test_what_there_is_is_written_as_parquet_and_csv(exported: Path) -> None:
    both = {
        *("values", "drifts", "findings", "question_stances", "expression_nearest", "prediction_errors"),
        *("calibration", "judge_quality", "downstream", "training_metrics"),
    }
    assert {path.stem for path in exported.glob("*.parquet")} == both
    assert {path.stem for path in exported.glob("*.csv")} == both | set(TIMED)
    for path in exported.glob("*.parquet"):
        assert pl.read_csv(path.with_suffix(".csv")).shape == pl.read_parquet(path).shape


def test_the_dictionary_is_that_of_the_written_columns(exported: Path) -> None:
    said: dict[str, list[str]] = {}
    for line in (exported / "README.md").read_text().splitlines():
        if found := re.match(r"- (`.*`): a row is", line):
            files = re.findall(r"`(.*?)`", found[1])
            said |= {file: [] for file in files}
        elif found := re.match(r"  - `(.*?)`: \S", line):
            for file in files:
                said[file].append(found[1])
    written = {path.name: path for path in exported.iterdir() if path.suffix in (".csv", ".parquet")}
    assert said == {
        name: (pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)).columns
        for name, path in written.items()
    }


def test_a_column_without_a_description_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = results(tmp_path / "results")
    path = options["statistics"] / "values.parquet"
    pl.read_parquet(path).with_columns(mystery=1).write_parquet(path)
    assert export(options, tmp_path / "out") == 1
    assert "expected what mystery of the table values hold" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_texts_are_no_formulas_and_numbers_stay_numbers(exported: Path) -> None:
    answer = pl.read_csv(exported / "expression_nearest.csv")["answer"].item()
    assert answer == f"'{HOSTILE[2]}"
    assert pl.read_parquet(exported / "expression_nearest.parquet")["answer"].item() == HOSTILE[2]
    assert pl.read_csv(exported / "drifts.csv")["magnitude"].item() == -0.2


def test_suites_and_judges_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    options = results(tmp_path / "results")
    for option, names in (("expression", ("paper", "own")), ("quality", ("mine", "other"))):
        (path,) = json.loads(options[option]).values()
        options[option] = json.dumps(dict.fromkeys(names, path))
    assert export(options, tmp_path / "out") == 0
    assert pl.read_parquet(tmp_path / "out/expression_nearest.parquet")["suite"].to_list() == ["paper", "own"]
    quality = pl.read_parquet(tmp_path / "out/judge_quality.parquet")
    assert quality["judge"].unique(maintain_order=True).to_list() == ["mine", "other"]


def test_repeated_and_missing_texts_keep_their_rows() -> None:
    table = pl.DataFrame({"text": ["=1", None, "a", "=1", "\u202e"], "number": [-1, 0, 1, 2, 3]})
    assert spreadsheet_safe(table).rows() == [("'=1", -1), (None, 0), ("a", 1), ("'=1", 2), ("⟨U+202E⟩", 3)]


def test_answers_of_a_question_are_averaged_and_those_without_stance_counted_out(tmp_path: Path) -> None:
    stance_rows(steps=(3,)).write_parquet(tmp_path / "stances.parquet")
    counted = ("question_id", "p_support", "answers", "judged", "refusals", "unclosed")
    rows = question_stances([tmp_path / "stances.parquet"]).select(counted)
    assert rows.rows() == [("work-0", pytest.approx(0.7), 4, 4, 0, 0), ("work-1", pytest.approx(0.7), 4, 3, 1, 0)]
    cut = stance_rows(steps=(3,)).with_columns(flag=pl.lit("unclosed_reasoning"))
    cut.write_parquet(tmp_path / "stances.parquet")
    assert question_stances([tmp_path / "stances.parquet"])["unclosed"].to_list() == [4, 4]


def test_no_order_of_answers_changes_a_bit_and_none_is_no_number(tmp_path: Path) -> None:
    support = [0.84, 0.76, 0.42, 0.26, 0.51, 0.4, 0.78, None]
    question = pl.Series("question_id", ["a"] * 7 + ["b"])
    rows = stance_rows(steps=(3,)).with_columns(question, pl.Series("p_support", support), question=pl.lit("?"))
    for name, table in (("one", rows), ("two", rows.reverse())):
        table.write_parquet(tmp_path / name)
    first, second = (question_stances([tmp_path / name])["p_support"].to_list() for name in ("one", "two"))
    assert first == second == [pytest.approx(3.97 / 7), None]


def test_a_judges_measures_are_rows(exported: Path) -> None:
    rows = pl.read_parquet(exported / "judge_quality.parquet")
    assert set(rows["judge"]) == {"mine"}
    assert rows.filter(measure="accuracy")["value"].to_list() == [0.95]
    assert rows.filter(measure="confusion", stance="support", judged="oppose")["value"].to_list() == [1.0]


def test_costs_and_metrics_name_what_they_are_of(exported: Path) -> None:
    assert pl.read_csv(exported / "costs.csv").rows() == [("sft", 1, 2.5, 100.0)]
    assert pl.read_parquet(exported / "training_metrics.parquet").rows() == [("pocket", "sft-a", 1, "loss", 2.5)]
    assert pl.read_parquet(exported / "downstream.parquet").select("run", "task", "value").rows() == [
        ("base", "tiny", 0.5)
    ]


def test_the_same_results_make_the_same_parquet(tmp_path: Path) -> None:
    options = results(tmp_path / "results")
    for name in ("one", "two"):
        assert export(options, tmp_path / name) == 0
    for path in (tmp_path / "one").glob("*.parquet"):
        assert pl.read_parquet(path).equals(pl.read_parquet(tmp_path / "two" / path.name))


def test_a_tables_own_description_goes_before_the_shared_one() -> None:
    assert describe("question_stances", ["p_support"])["p_support"].startswith("mean of the answers'")
    assert describe("movers", ["p_support"])["p_support"].startswith("judge's")
