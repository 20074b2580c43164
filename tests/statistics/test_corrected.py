import csv

import numpy as np
import polars as pl
import pytest
from judge_correction import Regime, coverage, held, labelled, off, simulated
from sklearn.linear_model import LogisticRegression

from valuedrift.errors import ArtifactError, DataError
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.corrected import corrected_tables
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.judge_agreement import stage_agreement
from valuedrift.statistics.judge_errors import _fit, judge_errors
from valuedrift.statistics.labelled_sample import answers_with_labels, read_labelled
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import PROBABILITIES, make_panel

BOOTSTRAP = Bootstrap(seed=3, replicates=500)
SMALL = Regime("small", topics=2, preference=1, questions=12)


def tables(regime, labels, seed=0, **changes):
    random = np.random.default_rng(seed)
    answers, truth = simulated(regime, random)
    known = labelled(answers, labels, random).with_columns(**changes)
    return *corrected_tables(make_panel(answers, BOOTSTRAP), regime.trajectories, known, BOOTSTRAP), answers, truth


def test_corrected_drifts_are_nearer_to_the_truth_and_their_intervals_hold_it():
    found = coverage(Regime("", topics=4, preference=2, spread=(1.0, 0.3, 0.3)), 4, BOOTSTRAP)
    for kind in ("value", "magnitude"):
        own = found.filter(measure=kind)
        assert own.select(held()).item() >= 0.9 > own.select(held("raw_")).item()
        assert own.select(off("value")).item() < 0.85 * own.select(off("raw")).item()


@pytest.mark.parametrize("babble", [0.0, 0.5])
def test_where_every_answer_is_labelled_the_true_shares_are_found_among_answers_with_a_stance(babble):
    regime = Regime("", topics=2, preference=1, questions=12, babble=babble)
    values, _, answers, _ = tables(regime, 10_000)
    with_stance = answers.filter(pl.col("true_stance") != "none")
    assert with_stance.height == answers.height if babble == 0 else with_stance.height < answers.height
    shares = with_stance.group_by("run", "topic", stance="true_stance").agg(answers=pl.len())
    known = shares.with_columns(share=pl.col("answers") / pl.col("answers").sum().over("run", "topic"))
    ends = values.filter(pl.col("step") == 1, pl.col("topic") != "all").join(known, on=["run", "topic", "stance"])
    assert ends.height == 18
    assert ends["value"].to_list() == pytest.approx(ends["share"].to_list())
    assert ends["preferred"].unique().to_list() == ["corrected"]


def test_raw_is_preferred_where_labels_show_no_error():
    right = np.array(["support", "neutral", "oppose"])
    answers, _ = simulated(SMALL, np.random.default_rng(0))
    judged = pl.concat_list(PROBABILITIES).list.arg_max().replace_strict(range(3), right)
    perfect = answers.with_columns(true_stance=judged)
    known = labelled(perfect, 60, np.random.default_rng(0))
    _, drifts = corrected_tables(make_panel(answers, BOOTSTRAP), SMALL.trajectories, known, BOOTSTRAP)
    assert (drifts["preferred"] == "raw").mean() > 0.8
    assert (tables(SMALL, 60)[1]["preferred"] == "raw").mean() < 0.6


def test_a_run_with_too_few_labels_is_refused():
    values, drifts, *_ = tables(SMALL, 20, true_stance=pl.when(pl.col("run") != "sft-a").then("true_stance"))
    assert drifts.filter(run="sft-b")["value"].null_count() == 0
    for table, run in ((drifts, "sft-a"), (drifts, "sft-a/dpo-0"), (values.filter(step=1), "sft-a")):
        own = table.filter(run=run)
        assert set(own["refused"]) == {"run sft-a: 0 labelled answers, 5 needed"}
        assert own.select("value", "low", "high", "preferred").null_count().sum_horizontal().item() == 4 * own.height
        assert own["raw"].null_count() == 0
    none = tables(SMALL, 20, true_stance=pl.lit(None, pl.String))[1]
    assert none["value"].null_count() == none.height


def test_effects_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    design, true = random.normal(size=(60, 5)), random.integers(0, 3, 60)
    found = _fit(design, np.eye(3)[true]).mode
    theirs = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8, max_iter=1000).fit(design, true).coef_
    assert found == pytest.approx(theirs.T, abs=1e-3)


def test_raw_drifts_have_the_intervals_of_the_drift_table():
    random = np.random.default_rng(0)
    answers, _ = simulated(SMALL, random)
    # Nothing moves but one answer, so that only pseudo-questions give the intervals a width.
    moves = ((pl.col("run") == "sft-a") & (pl.col("question_id") == "q0") & (pl.col("sample") == 0)).cast(pl.Float64)
    still = answers.with_columns(p_support=1 - moves, p_neutral=moves, p_oppose=0.0)
    panel = make_panel(still, BOOTSTRAP)
    _, corrected = corrected_tables(panel, SMALL.trajectories, labelled(still, 20, random), BOOTSTRAP)
    drift = measure(panel, SMALL.trajectories, BOOTSTRAP).drift
    assert drift["magnitude"].abs().max() > 0
    ends = ("raw", "raw_low", "raw_high")
    assert corrected.select(ends).rows() == drift.select("magnitude", "low", "high").rows()


def test_equal_answers_count_once_and_draws_spread_around_the_estimate():
    answers, _ = simulated(SMALL, np.random.default_rng(1))
    known = labelled(answers, 20, np.random.default_rng(1))
    copied = pl.concat([known, known])
    first, second = (judge_errors(one, BOOTSTRAP) for one in (known, copied))
    assert second.best == pytest.approx(first.best, abs=1e-4)
    assert first.draws.sum(axis=1) == pytest.approx(1)
    few = judge_errors(labelled(answers, 200, np.random.default_rng(1)), BOOTSTRAP)
    assert few.draws.std(axis=-1).mean() < 0.8 * first.draws.std(axis=-1).mean()


def test_a_label_counts_for_equal_answers_of_other_checkpoints(tmp_path):
    key = {"model": "m", "topic": "t", "p_support": 0.1, "p_neutral": 0.8, "p_oppose": 0.1, "weight": 1.0}
    places = (("a", 1, "q", "x"), ("b", 4, "q", "x"), ("b", 4, "other", "x"), ("b", 4, "q", "y"), ("b", 2, "q", "x"))
    rows = [
        key | {"run": run, "step": step, "question_id": question, "sample": sample, "answer": text}
        for sample, (run, step, question, text) in enumerate(places)
    ]
    stances, sheet = tmp_path / "stances.parquet", tmp_path / "sheet.csv"
    pl.DataFrame(rows).write_parquet(stances)
    sample = pl.DataFrame(rows[:1]).drop("answer").with_columns(human_stance=pl.lit("oppose"), stage=pl.lit("dpo"))
    sample.write_csv(sheet)
    found = answers_with_labels([stances], read_labelled(sheet, "m"), [("b", 4)])
    assert found.select("run", "question_id", "judged", "true_stance").rows() == [
        ("a", "q", "neutral", "oppose"),
        ("b", "other", "neutral", None),
        ("b", "q", "neutral", "oppose"),
        ("b", "q", "neutral", None),
    ]
    sample.with_columns(sample=pl.lit(7)).write_csv(sheet)
    with pytest.raises(ArtifactError, match=r"run a, step 1, .*1 labels of other answers"):
        answers_with_labels([stances], read_labelled(sheet, "m"), [("b", 4)])


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


def test_the_agreement_of_a_sample_without_any_label_is_unknown():
    sample = sampled(("base", "a", "1", None, 0.8, 0.1, 0.1, 1.0)).with_columns(pl.col("true_stance").cast(pl.String))
    assert stage_agreement(sample, "m", 0.95).filter(measure="accuracy")["value"].to_list() == [None]


ROW = {
    "model": "m",
    "run": "sft-a",
    "step": 4,
    "topic": "a",
    "question_id": "a-1",
    "sample": 0,
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
        {"run": "sft-a", "human_stance": " Oppose", "step": "4.0"},
        {"run": "sft-a/dpo-b", "human_stance": "con", "p_support": "0,5", "p_neutral": "0,25", "p_oppose": "0,25"},
        {"run": "base", "human_stance": "refusal", "weight": "2,125"},
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
        ({"run": ""}, "run", "expected a value"),
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
