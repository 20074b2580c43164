"""judge-against-people: reading labelled answers, and scores against plain loops."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from valuedrift.errors import DataError
from valuedrift.judging.checks.against_people import (
    judges_against_people,
    quality_markdown,
    summary,
    write_against_people,
)
from valuedrift.judging.checks.agreement_scores import cohen_kappa, macro_f1, resample, weighted_f1
from valuedrift.judging.checks.human_labels import FOUR, raw_label
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.intervals import wilson_interval

FAST = Bootstrap(replicates=200)
LABEL = {"1": "pro", "2": "pro", "3": "neutral", "4": "con", "5": "con"}


def write(folder: Path, rows: list[dict]) -> Path:
    file = folder / "labelled.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def row(final: str, judged: object, first: str | None = None, second: str | None = None) -> dict:
    return {"human_1": first or final, "human_2": second or final, "human_final": final, "judge:a": judged}


ROWS = [
    row("1 - only pro", "1"),
    row("2 - mostly pro", "I'd say 2"),
    row("3 - neutral/ambivalent", "4", second="2"),
    row("4 - mostly con", '"5"'),
    row("5 - only con", "refusal"),
    row("refusal", "I cannot"),
]


# Hand-computed figures: plain loops over (truth, found) pairs, nothing shared with the package.
def by_hand(pairs: list[tuple[str, str]]) -> dict[str, float]:
    n = len(pairs)
    accuracy = sum(truth == found for truth, found in pairs) / n
    f1, support = {}, {}
    for label in {label for pair in pairs for label in pair}:
        hits = misses = wrong = 0
        for truth, found in pairs:
            hits += truth == label and found == label
            misses += truth == label and found != label
            wrong += truth != label and found == label
        f1[label] = 2 * hits / (2 * hits + misses + wrong)
        support[label] = hits + misses
    chance = 0.0
    for label in f1:
        chance += (sum(t == label for t, _ in pairs) / n) * (sum(f == label for _, f in pairs) / n)
    return {
        "accuracy": accuracy,
        "macro_f1": sum(f1.values()) / len(f1),
        "weighted_f1": sum(f1[label] * support[label] for label in f1) / n,
        "kappa": (accuracy - chance) / (1 - chance),
    }


def four(text: str) -> str:
    for digit in "12345":
        if digit in text:
            return LABEL[digit]
    return "refusal"


def three(text: str) -> str:
    return "neutral" if four(text) == "refusal" else four(text)


def expected_summary(rows: list[dict]) -> dict:
    """What `--json` must print, from loops alone."""
    expected = {}
    for name in (field for field in rows[0] if field.startswith("judge:")):
        of_three = by_hand([(three(one["human_final"]), three(one[name])) for one in rows])
        of_four = by_hand([(four(one["human_final"]), four(one[name])) for one in rows])
        expected[name.removeprefix("judge:")] = {
            "n": len(rows),
            **{f"{key}_3": of_three[key] for key in ("accuracy", "macro_f1", "kappa")},
            **{f"{key}_4": of_four[key] for key in ("accuracy", "macro_f1", "weighted_f1", "kappa")},
        }
    people = by_hand([(four(one["human_1"]), four(one["human_2"])) for one in rows])
    return {**expected, "human": {"kappa_4": people["kappa"]}}


def assert_same(found: dict, expected: dict) -> None:
    assert list(found) == list(expected)
    for name in expected:
        assert list(found[name]) == list(expected[name])
        assert found[name] == pytest.approx(expected[name], abs=1e-12)


def test_the_summary_equals_that_of_plain_loops(tmp_path):
    assert_same(summary(judges_against_people(write(tmp_path, ROWS), FAST)), expected_summary(ROWS))


@pytest.mark.skipif("VALUEDRIFT_DATA" not in os.environ, reason="needs the real slices")
def test_the_real_slice_is_reproduced():
    file = Path(os.environ["VALUEDRIFT_DATA"]) / "issuebench_stance" / "labelled_responses.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    quality = judges_against_people(file)
    assert_same(summary(quality), expected_summary(rows))
    assert list(quality["judges"]) == ["gpt-4o-2024-08-06", "Llama-3.1-8B-Instruct", "Llama-3.2-3B-Instruct"]
    for name, judge in quality["judges"].items():
        assert sum(map(sum, judge["four"]["confusion"])) == judge["n"] == len(rows) == 200
        for i, truth in enumerate(FOUR):
            for j, found in enumerate(FOUR):
                count = sum(four(one["human_final"]) == truth and four(one[f"judge:{name}"]) == found for one in rows)
                assert judge["four"]["confusion"][i][j] == count
        for scores in (judge["three"], judge["four"]):
            for measure in ("accuracy", "macro_f1", "weighted_f1", "kappa"):
                assert scores[measure]["low"] < scores[measure]["value"] < scores[measure]["high"]
    accuracies = [judge["four"]["accuracy"]["value"] for judge in quality["judges"].values()]
    assert all(better > worse for better, worse in pairwise(accuracies))


def test_raw_outputs_are_read_by_ascending_digit():
    labels = {"5": "con", " 4.": "con", "3": "neutral", "2": "pro", "": "refusal", "I refuse (0, 6 to 9)": "refusal"}
    for text, label in labels.items():
        assert FOUR[raw_label(text)] == label
    assert FOUR[raw_label("5, although 1 of 3 paragraphs differ")] == "pro"  # not the first in the text
    assert FOUR[raw_label("3 (40 %)")] == "neutral"


def test_human_labels_in_every_form(tmp_path):
    forms = [("1", 1), ("5 - only con", "4"), ("Support", "pro"), ("OPPOSE ", "con"), ("neutral", 3)]
    rows = [{"human_1": a, "human_2": b, "human_final": a, "judge:a": "1"} for a, b in forms]
    assert judges_against_people(write(tmp_path, rows), FAST)["human"]["four"]["accuracy"]["value"] == 1


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"human_final": None}, ("row 2", "human_final")),
        ({"human_1": "6"}, ("row 2", "human_1")),
        ({"human_2": "1 or 2"}, ("row 2", "human_2")),
        ({"human_2": True}, ("row 2", "human_2")),
        ({"judge:a": None}, ("row 2", "judge:a")),
        ({"judge:a": ["1"]}, ("row 2", "judge:a")),
        ({"judge:b": "1"}, ("row 1", "judge:b")),
    ],
)
def test_a_malformed_row_is_named(tmp_path, change, place):
    file = write(tmp_path, [ROWS[0], ROWS[1] | change, ROWS[2]])
    with pytest.raises(DataError) as error:
        judges_against_people(file, FAST)
    assert all(part in str(error.value) for part in (str(file), *place))


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ([], "one row or more"),
        ([{key: value for key, value in ROWS[0].items() if key != "human_final"}], "human_final"),
        ([{key: value for key, value in ROWS[0].items() if key != "judge:a"}], "judge:<name>"),
        ([ROWS[0] | {"judge:human": "1"}], "any name but 'human'"),
    ],
)
def test_an_unfit_file_is_refused(tmp_path, lines, part):
    with pytest.raises(DataError, match=part):
        judges_against_people(write(tmp_path, lines), FAST)


def stance_row(final: str, p: tuple[float | None, ...], **more: object) -> dict:
    human = {"human_1": final, "human_2": final, "human_final": final}
    return human | dict(zip(("p_support", "p_neutral", "p_oppose"), p, strict=True)) | more


STANCE_ROWS = [
    stance_row("support", (0.9, 0.05, 0.05), judge="qwen", refusal=False),
    stance_row("neutral", (0.4, 0.4, 0.2), judge="qwen", refusal=False),
    stance_row("refusal", (0.1, 0.8, 0.1), judge="qwen", refusal=True),
    stance_row("oppose", (0.95, 0.05, 0.0), judge="qwen", refusal=None),
    stance_row("oppose", (None, None, None), judge="qwen", refusal=None),
]


def test_stance_columns_are_a_judge_too(tmp_path):
    quality = judges_against_people(write(tmp_path, STANCE_ROWS), FAST)
    judge = quality["judges"]["qwen"]
    assert (judge["n"], judge["unjudged"]) == (4, 1)
    assert judge["four"]["confusion"] == [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert judge["three"]["confusion"] == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]


def test_the_calibration_curve_by_hand(tmp_path):
    curve = pl.DataFrame(judges_against_people(write(tmp_path, STANCE_ROWS), FAST)["calibration"])
    support = curve.filter(stance="support").select("bin", "answers", "predicted", "observed").rows()
    assert support == [(1, 1, 0.1, 0.0), (4, 1, 0.4, 0.0), (9, 2, pytest.approx(0.925), 0.5)]
    low, high = curve.filter(stance="support", bin=9).select("low", "high").row(0)
    assert (low, high) == pytest.approx(wilson_interval(1, 2))
    neutral = curve.filter(stance="neutral", bin=8).row(0, named=True)  # the refusal, which people called one too
    assert (neutral["answers"], neutral["observed"]) == (1, 1.0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"p_support": 0.5}, "p_support, p_neutral, p_oppose"),
        ({"p_neutral": None}, "p_neutral"),
        ({"p_oppose": "few"}, "p_oppose"),
        ({"p_support": 1.4, "p_neutral": -0.4, "p_oppose": 0}, "p_support"),
        ({"refusal": "maybe"}, "refusal"),
        ({"judge": "gpt"}, "judge"),
    ],
)
def test_a_malformed_stance_is_named(tmp_path, change, field):
    with pytest.raises(DataError) as error:
        judges_against_people(write(tmp_path, [STANCE_ROWS[1], STANCE_ROWS[0] | change]), FAST)
    assert (error.value.row, error.value.field) == (2, field)


def test_probabilities_are_read_from_a_spreadsheet_too(tmp_path):
    file = tmp_path / "labels.csv"
    lines = ["human_1;human_2;human_final;judge;refusal;p_support;p_neutral;p_oppose"]
    lines += ["1,0;2;support;qwen;false;0,9;0,05;0,05", "3.0;neutral;3;qwen;0;0,4;0,4;0,2"]
    lines += ["refusal;refusal;refusal;qwen;TRUE;0,1;0,8;0,1", "con;4;oppose;qwen;;0,95;0,05;0"]
    lines += ["5;5;5;qwen;n/a;n/a;n/a;n/a", ";;;;;;;"]
    file.write_text("\ufeffsep=;\r\n" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    found = judges_against_people(file, FAST)
    assert found == judges_against_people(write(tmp_path, STANCE_ROWS), FAST)


def test_an_answer_that_is_in_the_file_twice_is_named(tmp_path):
    rows = [{"answer": f"text {n}", **row} for n, row in enumerate(ROWS)]
    with pytest.raises(DataError, match=r"row 7, field 'row': found 'the values as in row 2'"):
        judges_against_people(write(tmp_path, [*rows, rows[1]]), FAST)


def test_a_judge_without_any_stance_is_refused(tmp_path):
    with pytest.raises(DataError, match="no stance in any row"):
        judges_against_people(write(tmp_path, STANCE_ROWS[-1:]), FAST)


def test_scores_that_are_not_defined_are_null(tmp_path):
    quality = judges_against_people(write(tmp_path, [row("1", "1"), row("2", "1")]), FAST)
    assert summary(quality)["a"]["kappa_4"] is None
    assert summary(quality)["human"] == {"kappa_4": None}
    assert summary(quality)["a"]["macro_f1_4"] == 1  # labels that occur on neither side don't count
    assert quality["judges"]["a"]["four"]["kappa"] == {"value": None, "low": None, "high": None}


def test_f1_of_a_label_that_only_one_side_has_is_zero():
    counts = np.array([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert macro_f1(counts) == pytest.approx((6 / 7 + 0) / 2)
    assert weighted_f1(counts) == pytest.approx(6 / 7)


def test_intervals_are_those_of_drawing_rows():
    counts = np.array([[40.0, 10.0], [5.0, 45.0]])
    truth, found = np.repeat([0, 0, 1, 1], [40, 10, 5, 45]), np.repeat([0, 1, 0, 1], [40, 10, 5, 45])
    random = np.random.default_rng(5)
    kappas = []
    for _ in range(4000):
        drawn = random.integers(0, 100, 100)
        table = np.zeros((2, 2))
        np.add.at(table, (truth[drawn], found[drawn]), 1)
        kappas.append(float(cohen_kappa(table)))
    replicates = cohen_kappa(resample(counts, "a", Bootstrap(replicates=4000)))
    assert np.quantile(replicates, [0.025, 0.5, 0.975]) == pytest.approx(
        np.quantile(kappas, [0.025, 0.5, 0.975]), abs=0.015
    )


def test_intervals_depend_on_the_seed_alone(tmp_path):
    file = write(tmp_path, ROWS * 5)
    same, again, other = (judges_against_people(file, Bootstrap(seed, 300)) for seed in (1, 1, 2))
    assert same == again
    assert same != other


def test_the_files(tmp_path):
    rows = [one | {"judge:a|b*": "3"} for one in STANCE_ROWS[:4]]
    quality = judges_against_people(write(tmp_path, rows), FAST)
    write_against_people(quality, tmp_path / "out", formats=("svg",))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"quality.json", "quality.md", "quality.svg", "quality.txt", "calibration.svg", "calibration.txt"}
    written = json.loads((tmp_path / "out" / "quality.json").read_text(encoding="utf-8"))
    assert written == quality
    assert "a\\|b\\*" in quality_markdown(quality)
    assert f"{quality['judges']['qwen']['four']['accuracy']['value']:.3f} (" in quality_markdown(quality)
