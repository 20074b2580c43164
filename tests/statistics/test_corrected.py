import numpy as np
import polars as pl
import pytest
from interval_coverage import corrected_coverage
from ppi_py import ppi_mean_ci
from simulation import Regime, judged_panel, labelled_answers

from valuedrift.errors import ArtifactError
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
        (lambda t: t.drop("weight"), "the columns weight as well"),
        (lambda t: t.with_columns(true_stance=pl.lit("pro")), "column true_stance: found .*pro"),
        (lambda t: t.with_columns(weight=pl.lit(0.0)), "column weight"),
    ],
)
def test_tables_that_are_no_calibration_sample_are_refused(tmp_path, change, message):
    change(labels(6)).write_parquet(tmp_path / "sheet.parquet")
    with pytest.raises(ArtifactError, match=message):
        read_labelled(tmp_path / "sheet.parquet")


def test_a_filled_sheet_is_read_as_a_calibration_sample(tmp_path):
    sample = labels(6).rename({"true_stance": "human_stance"}).with_columns(stage=pl.lit("simpo"))
    sample.write_parquet(tmp_path / "sheet.parquet")
    sample.write_csv(tmp_path / "sheet.csv")
    for name in ("sheet.parquet", "sheet.csv"):
        assert set(read_labelled(tmp_path / name)["stage"]) == {"preference"}
    with pytest.raises(ArtifactError, match="no such file"):
        read_labelled(tmp_path / "other.parquet")


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
