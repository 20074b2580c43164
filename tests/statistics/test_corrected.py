import csv

import numpy as np
import polars as pl
import pytest
from interval_coverage import corrected_coverage
from ppi_py import ppi_mean_ci
from simulation import Regime, judged_panel, labelled_answers

from valuedrift.errors import ArtifactError, DataError
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.corrected import corrected_tables, nearest_shares
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.judge_agreement import stage_agreement
from valuedrift.statistics.labelled_sample import calibrate_stages, read_labelled
from valuedrift.statistics.panel import PROBABILITIES, STANCES

BOOTSTRAP = Bootstrap(seed=3, replicates=1000)
# Rows: the true stance; columns: what the judge says. It sees support everywhere, more so after SFT.
BIASED = {
    "base": np.array([[0.9, 0.05, 0.05], [0.2, 0.75, 0.05], [0.25, 0.05, 0.7]]),
    "sft": np.array([[0.95, 0.03, 0.02], [0.4, 0.55, 0.05], [0.4, 0.05, 0.55]]),
}
REGIME = Regime("biased judge", questions=400, checkpoints=1)


def tables(labels, regime=REGIME, judges=BIASED, seed=0):
    panel = judged_panel(regime, judges, np.random.default_rng(seed), BOOTSTRAP)
    return corrected_tables(panel, [regime.trajectory], calibrate_stages(labels, BOOTSTRAP), BOOTSTRAP)


def labels(questions=400, regime=REGIME, judges=BIASED):
    return labelled_answers(regime, judges, questions, np.random.default_rng(1))


def test_a_biased_judge_is_corrected_to_the_truth_by_both_methods():
    held = 0
    for seed in range(3):
        values, drifts = tables(labels(), seed=seed)
        for step, truth in enumerate(REGIME.values):
            for method in ("inverse_confusion", "prediction_powered"):
                rows = values.filter(topic="topic-00000", step=step, method=method)
                assert rows["stance"].to_list() == list(STANCES)
                assert rows["value"].to_list() == pytest.approx(truth.tolist(), abs=0.06)
                held += ((rows["low"] <= pl.Series(truth)) & (rows["high"] >= pl.Series(truth))).sum()
            # The raw values are off by far more than their intervals own up to.
            support = values.filter(topic="topic-00000", step=step, stance="support").row(0, named=True)
            assert support["raw_low"] > truth[0] + 0.03
        truth = (REGIME.values[-1] - REGIME.values[0]).tolist()
        for method in ("inverse_confusion", "prediction_powered"):
            moved = drifts.filter(topic="all", method=method)
            assert moved["value"].to_list() == pytest.approx(truth, abs=0.08)
        neutral = drifts.filter(topic="all", stance="neutral").row(0, named=True)
        assert neutral["raw_high"] < truth[1]
    assert held >= 32  # of 36


def test_prediction_powered_intervals_are_ppi_py_s_where_each_answer_is_a_question():
    regime = Regime("single answers", questions=600, answers=1, checkpoints=1)
    sample = labels(200, regime)
    rows = tables(sample, regime)[0].filter(topic="topic-00000", step=1, method="prediction_powered")
    panel = judged_panel(regime, BIASED, np.random.default_rng(0), BOOTSTRAP)
    own = sample.filter(stage="sft")
    for s, stance in enumerate(STANCES):
        true, judged = (own["true_stance"] == stance).to_numpy().astype(float), own[PROBABILITIES[s]].to_numpy()
        low, high = ppi_mean_ci(true, judged, panel.means[1, :, s], alpha=0.05, lam=1)
        found = rows.filter(stance=stance).row(0, named=True)
        assert found["value"] == pytest.approx(float(low[0] + high[0]) / 2, abs=1e-9)
        assert (found["low"], found["high"]) == pytest.approx((float(low[0]), float(high[0])), abs=0.012)


def test_sampling_weights_count():
    # Judged support is drawn four times as often as the rest, and each pair says so.
    sample = labels(400).with_columns(judged=pl.concat_list(PROBABILITIES).list.arg_max())
    kept = sample.filter((pl.col("judged") == 0) | (pl.int_range(pl.len()) % 4 == 0))
    weighted = kept.with_columns(weight=pl.when(pl.col("judged") == 0).then(1.0).otherwise(4.0)).drop("judged")
    whole, unweighted = tables(sample.drop("judged"))[0], tables(weighted.with_columns(weight=pl.lit(1.0)))[0]
    found = tables(weighted)[0]
    off = [(table["value"] - whole["value"]).abs().max() for table in (found, unweighted)]
    assert off[0] < 0.06 < off[1]


def test_nearest_shares_solve_exactly_inside_and_stay_shares_outside():
    matrix = BIASED["base"]
    inside = np.random.default_rng(0).dirichlet([2, 2, 2], 50)
    assert nearest_shares(matrix, inside @ matrix) == pytest.approx(inside, abs=1e-12)
    outside = np.random.default_rng(1).dirichlet([0.3, 0.3, 0.3], 200)
    found = nearest_shares(matrix, outside)
    assert found.min() >= 0
    assert found.sum(axis=-1) == pytest.approx(1)
    grid = np.random.default_rng(2).dirichlet([0.5, 0.5, 0.5], 4000)
    off = np.square(grid @ matrix - outside[:, None]).sum(axis=-1).min(axis=1)
    assert (np.square(found @ matrix - outside).sum(axis=-1) <= off + 1e-12).all()


def test_a_judge_that_can_not_tell_stances_apart_is_refused():
    blind = np.array([[0.4, 0.35, 0.25], [0.36, 0.36, 0.28], [0.36, 0.34, 0.3]])
    values, drifts = tables(labels(judges={"base": BIASED["base"], "sft": blind}))
    refused = values.filter(method="inverse_confusion", stage="sft")
    assert refused["value"].null_count() == refused.height
    assert refused["raw"].null_count() == 0
    assert "stage sft: the judge's confusion has condition" in refused["refused"][0]
    assert values.filter(method="inverse_confusion", stage="base")["refused"].null_count() > 0
    assert values.filter(method="prediction_powered")["value"].null_count() == 0
    assert drifts.filter(method="inverse_confusion")["value"].null_count() == 6


def test_what_labels_are_missing_is_said():
    sample = labels(40)
    without = tables(sample.filter(stage="base"))[0].filter(stage="sft")
    assert set(without["refused"]) == {"no labelled answers of stage sft"}
    few = tables(sample.filter(pl.col("question_id").is_in(["0-1", "0-2", "0-3"])))[0]
    assert few.filter(method="prediction_powered")["refused"][0] == (
        "stage base, topic topic-00000: 3 labelled questions, 5 needed"
    )
    onesided = tables(sample.filter(pl.col("true_stance") != "oppose"))[0].filter(method="inverse_confusion")
    assert onesided["refused"][0] == "stage base: 0 labelled questions with true stance oppose, 5 needed"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop("weight"), "field 'weight': found"),
        (
            lambda t: t.with_columns(true_stance=pl.lit("pros")),
            "row 1, field 'true_stance': found 'pros'",
        ),
        (lambda t: t.with_columns(weight=pl.lit(0.0)), "row 1, field 'weight': found 0.0, expected more than 0"),
    ],
)
def test_tables_that_are_no_calibration_sample_are_refused(tmp_path, change, message):
    change(labels(6)).write_parquet(tmp_path / "sheet.parquet")
    with pytest.raises(DataError, match=message):
        read_labelled(tmp_path / "sheet.parquet", "m")


def test_a_filled_sheet_is_read_as_a_calibration_sample(tmp_path):
    sample = labels(6).rename({"true_stance": "human_stance"}).with_columns(stage=pl.lit("simpo"))
    sample.write_parquet(tmp_path / "sheet.parquet")
    sample.write_csv(tmp_path / "sheet.csv")
    for name in ("sheet.parquet", "sheet.csv"):
        assert set(read_labelled(tmp_path / name, "m")["stage"]) == {"preference"}
    with pytest.raises(ArtifactError, match="no such file"):
        read_labelled(tmp_path / "other.parquet", "m")


ROW = {
    "model": "m",
    "run": "sft-a",
    "step": 4,
    "topic": "a",
    "question_id": "a-1",
    "sample": 0,
    "stage": "sft",
    "human_stance": "support",
    "p_support": 0.5,
    "p_neutral": 0.25,
    "p_oppose": 0.25,
    "weight": 2.5,
}


def handed_in(file, *rows, between=","):
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ROW, delimiter=between)
        writer.writeheader()
        writer.writerows({**ROW, "sample": number, **row} for number, row in enumerate(rows))
    return file


def test_what_people_write_is_read_right(tmp_path):
    rows = [
        {"stage": "SFT ", "human_stance": " Oppose", "step": "4.0"},
        {"stage": "DPO", "human_stance": "con", "p_support": "0,5", "p_neutral": "0,25", "p_oppose": "0,25"},
        {"stage": "base", "human_stance": "refusal", "weight": "2,125"},
        {"human_stance": "n/a", "weight": "3.0"},
        dict.fromkeys(("p_support", "p_neutral", "p_oppose"), ""),
        {"model": "another", "weight": 9},
        dict.fromkeys(ROW, ""),
    ]
    found = read_labelled(handed_in(tmp_path / "a.csv", *rows, between=";"), "m")
    assert found["stage"].to_list() == ["sft", "preference", "base", "sft", "sft"]
    assert found["true_stance"].to_list() == ["oppose", "oppose", "neutral", None, "support"]
    assert found["weight"].to_list() == [2.5, 2.5, 2.125, 3.0, 2.5]
    assert found["p_support"].to_list() == [0.5, 0.5, 0.5, 0.5, None]
    assert found["step"].to_list() == [4] * 5


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        ({"stage": ""}, "stage", "expected a value"),
        ({"stage": "sfd"}, "stage", "one of base, preference, ppo.*Did you mean 'sft'"),
        ({"stage": "reward"}, "stage", "one of base"),
        ({"weight": "nan"}, "weight", "expected a value"),
        ({"weight": -1}, "weight", "more than 0"),
        ({"weight": "inf"}, "weight", "a number"),
        ({"weight": "2,125"}, "weight", "found '2,125', expected a number"),  # perhaps two thousand
        ({"p_support": "50 %"}, "p_support", "a number"),
        ({"p_support": 0.7}, "p_support, p_neutral, p_oppose", "sum to 1"),
        ({"p_support": ""}, "p_support", "or nothing in all three"),
        ({"topic": ""}, "topic", "expected a value"),
        ({"sample": 0}, "row", "found 'the answer as in row 1', expected each once. Remove one"),
        ({"sample": 0.5}, "sample", "a whole number"),
    ],
)
def test_what_is_wrong_in_a_labelled_sample_is_named(tmp_path, row, field, says):
    file = handed_in(tmp_path / "a.csv", {}, row)
    with pytest.raises(DataError, match=says) as error:
        read_labelled(file, "m")
    assert (error.value.file, error.value.row, error.value.field) == (str(file), 2, field)


def test_labels_of_another_model_are_refused(tmp_path):
    with pytest.raises(DataError, match="field 'model': found 'm'"):
        read_labelled(handed_in(tmp_path / "a.csv", {}, {}), "other")


def test_rows_that_may_be_pasted_twice_are_told(tmp_path, capsys):
    columns = [name for name in ROW if name not in ("model", "run", "step", "sample")]
    (tmp_path / "a.csv").write_text("\n".join([",".join(columns), *[",".join(str(ROW[name]) for name in columns)] * 2]))
    assert read_labelled(tmp_path / "a.csv", "m").height == 2
    assert "a.csv: 1 rows repeat another one in every column" in capsys.readouterr().err


def test_corrected_intervals_hold_the_truth_where_the_raw_ones_do_not():
    found = corrected_coverage(
        Regime("small", questions=30, checkpoints=1), BIASED, 30, 80, Bootstrap(seed=1, replicates=300)
    ).with_columns(share=pl.col("covered") / pl.col("intervals"))
    by_method = dict(found.group_by("method").agg(pl.col("share").mean()).iter_rows())
    assert 0.91 <= by_method["inverse_confusion"] <= 0.99
    assert 0.91 <= by_method["prediction_powered"] <= 0.99
    assert by_method["raw"] < 0.8


def sampled(*rows):
    columns = ["stage", "topic", "question_id", "true_stance", *PROBABILITIES, "weight"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_the_judges_accuracy_counts_what_each_label_stands_for():
    right, wrong = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1)
    sample = sampled(
        ("base", "a", "1", "support", *right, 3.0),
        ("base", "a", "2", "support", *wrong, 1.0),
        ("base", "a", "3", "neutral", *wrong, 4.0),
        ("base", "a", "4", None, *right, 1.0),
        ("preference", "a", "1", "oppose", *right, 1.0),
        ("preference", "a", "2", "oppose", None, None, None, 1.0),
    )
    table = stage_agreement(sample, "m", 0.95)
    found = {row[1:4]: row[4:] for row in table.iter_rows()}
    value, low, high, answers = found["base", "accuracy", "all"]
    assert (value, answers) == (0.875, 3)
    assert (low, high) == pytest.approx(wilson_interval(0.875 * 64 / 26, 64 / 26))
    assert found["base", "recall", "support"][0] == 0.75
    assert found["base", "recall", "oppose"] == (None, None, None, 0)
    assert found["base", "unlabelled", "all"][::3] == (0.25, 4)
    assert found["preference", "accuracy", "all"][::3] == (0.0, 1)
    assert {key[0] for key in found} == {"base", "preference"}
    assert set(table["model"]) == {"m"}


def test_a_sample_without_any_label_corrects_nothing_and_says_why():
    sample = sampled(("base", "a", "1", None, 0.8, 0.1, 0.1, 1.0)).with_columns(pl.col("true_stance").cast(pl.String))
    assert calibrate_stages(sample, BOOTSTRAP) == {}
    assert stage_agreement(sample, "m", 0.95).filter(measure="accuracy")["value"].to_list() == [None]
