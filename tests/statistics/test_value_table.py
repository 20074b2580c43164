import numpy as np
import polars as pl
import pytest
from stance_tables import QUICK, RUN, measured, run_of, stance_table

from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import read_panel


def random_stances(questions, checkpoints=(("base", 0), (RUN, 10), (RUN, 20)), samples=3):
    """questions: topic → number of questions."""
    rng = np.random.default_rng(7)
    return stance_table(
        (run, step, topic, f"{topic}-{q}", sample, rng.dirichlet([1, 2, 1]).tolist())
        for run, step in checkpoints
        for topic, count in questions.items()
        for q in range(count)
        for sample in range(samples)
    )


def cell(table, topic, step, stance):
    return table.row(by_predicate=(pl.col("topic") == topic) & (pl.col("step") == step) & (pl.col("stance") == stance))


def test_judged_answers_are_averaged_before_questions_and_topics_weigh_the_same():
    stances = stance_table(
        [
            ("base", 0, "climate", "a", 0, (1.0, 0.0, 0.0)),
            ("base", 0, "climate", "a", 1, (0.0, 1.0, 0.0)),
            ("base", 0, "climate", "a", 2, (0.0, 1.0, 0.0)),
            ("base", 0, "climate", "b", 0, (1.0, 0.0, 0.0)),
            ("base", 0, "work", "c", 0, (0.0, 0.0, 1.0)),
            ("base", 0, "work", "c", 1, None),
            (RUN, 10, "climate", "a", 0, (0.5, 0.5, 0.0)),
            (RUN, 10, "climate", "b", 0, (0.5, 0.5, 0.0)),
            (RUN, 10, "work", "c", 0, (0.2, 0.3, 0.5)),
        ]
    )
    table = measured(stances, 10).values.drop("low", "high", "band_low", "band_high")
    label = ("pocket", RUN, "sft", "alpaca", "alpaca")
    # (1/3 + 1) / 2 for support: not the 2/4 of all four answers together.
    assert cell(table, "climate", 0, "support") == (*label, 0, "climate", "support", pytest.approx(2 / 3), 2, 4)
    assert cell(table, "climate", 0, "neutral") == (*label, 0, "climate", "neutral", pytest.approx(1 / 3), 2, 4)
    assert cell(table, "work", 10, "oppose") == (*label, 10, "work", "oppose", pytest.approx(0.5), 1, 1)
    assert cell(table, "all", 0, "support") == (*label, 0, "all", "support", pytest.approx(1 / 3), 3, 5)
    assert cell(table, "all", 10, "oppose") == (*label, 10, "all", "oppose", pytest.approx(0.25), 3, 3)
    assert table["topic"].unique(maintain_order=True).to_list() == ["climate", "work", "all"]
    assert table.height == 3 * 2 * 3


# Other topics belong to the same family of tests and share the noise floor.
SHARED = ("q_value", "real", "noise_floor", "exceeds_noise", "pooled", "pooled_low", "pooled_high", "tau")


@pytest.mark.parametrize("name", ["values", "drift", "distances"])
def test_order_of_rows_and_other_topics_change_nothing(name):
    def table(stances):
        return getattr(measured(stances, 10, 20), name)

    stances = random_stances({"climate": 6, "race": 4, "work": 5})
    found = table(stances)
    assert found.equals(table(stances.sample(fraction=1, shuffle=True, seed=3)))
    assert found.equals(table(stances.sort("topic", descending=True, maintain_order=True)))
    alone, own = (
        one.filter(topic="work").drop(SHARED, strict=False) for one in (table(stances.filter(topic="work")), found)
    )
    assert alone.equals(own)


def test_another_seed_changes_the_intervals_and_not_the_values():
    stances = random_stances({"climate": 6})
    one, other = (measured(stances, 10, 20, bootstrap=Bootstrap(seed=seed, replicates=50)).values for seed in (1, 2))
    assert one["value"].equals(other["value"])
    assert not one["low"].equals(other["low"])


def test_a_trajectory_stands_on_the_questions_judged_at_each_of_its_checkpoints():
    stances = stance_table(
        [
            ("base", 0, "work", "a", 0, (1.0, 0.0, 0.0)),
            ("base", 0, "work", "b", 0, (0.0, 0.0, 1.0)),
            ("base", 0, "work", "c", 0, (0.5, 0.5, 0.0)),
            (RUN, 10, "work", "a", 0, (0.0, 1.0, 0.0)),
            (RUN, 10, "work", "b", 0, None),
            (RUN, 10, "work", "c", 0, (0.0, 1.0, 0.0)),
            (RUN, 20, "work", "a", 0, (0.0, 1.0, 0.0)),
            (RUN, 20, "work", "b", 0, (0.0, 0.0, 1.0)),
        ]
    )
    columns = ("topic", "step", "stance", "value", "low", "high", "questions", "answers")
    table = measured(stances, 10, 20).values.select(columns)
    assert cell(table, "work", 0, "support")[3:] == (1.0, 0.0, 1.0, 1, 1)
    shorter = measured(stances, 10).values.select(columns)
    assert cell(shorter, "work", 0, "support")[3] == pytest.approx(0.75)


def test_a_topic_without_a_shared_question_stops_with_run_step_and_topic():
    stances = random_stances({"race": 2, "work": 2})
    gone = stances.filter(~((pl.col("topic") == "work") & (pl.col("step") == 20)))
    with pytest.raises(ArtifactError, match="run sft-alpaca, step 20, topic work"):
        measured(gone, 10, 20)
    with pytest.raises(ArtifactError, match="run sft-alpaca, step 30, topic race"):
        measured(stances, 10, 30)
    apart = stances.filter(
        ((pl.col("step") != 10) | (pl.col("question_id") == "work-0") | (pl.col("topic") == "race"))
        & ((pl.col("step") != 20) | (pl.col("question_id") == "work-1") | (pl.col("topic") == "race"))
    )
    with pytest.raises(ArtifactError, match="run sft-alpaca, step 20, topic work"):
        measured(apart, 10, 20)
    unjudged = stances.with_columns(pl.when(pl.col("topic") != "work").then(pl.col("^p_.*$")))
    with pytest.raises(ArtifactError, match="run base, step 0, topic work"):
        measured(unjudged, 10, 20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop("p_neutral"), "p_neutral"),
        (lambda t: pl.concat([t, t.head(1)]), "one row for each answer"),
        (lambda t: t.with_columns(p_support=pl.lit(float("nan"))), "sum to 1"),
        (lambda t: t.with_columns(p_support=pl.col("p_support") + 0.1), "sum to 1"),
        (lambda t: t.with_columns(p_support=-pl.col("p_support")), "sum to 1"),
        (lambda t: t.with_columns(question_id=pl.lit(None, dtype=pl.String)), "every key column"),
        (lambda t: t.with_columns(model=pl.col("question_id")), "rows of one model"),
        (lambda t: t.with_columns(topic=pl.lit("all")), "mean over topics"),
        (lambda t: t.clear(), "rows of one model"),
    ],
)
def test_tables_that_are_no_stances_are_refused(change, message):
    with pytest.raises(ArtifactError, match=message):
        measured(change(random_stances({"work": 2})), 10, 20)


def test_files_are_read_as_the_one_table_that_they_make_up(tmp_path):
    stances = random_stances({"race": 4, "work": 5}).with_columns(answer=pl.lit("Text that is not read."))
    parts = stances.partition_by("run", "step")
    files = [tmp_path / f"{place}.parquet" for place in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        part.sample(fraction=1, shuffle=True, seed=1).write_parquet(file)
    found = measure(read_panel(files, QUICK), [run_of(10, 20)], QUICK).values
    assert found.equals(measured(stances, 10, 20).values)


def test_a_checkpoint_in_two_files_or_two_models_are_refused(tmp_path):
    stances = random_stances({"work": 2})
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    stances.write_parquet(first)
    stances.filter(pl.col("question_id") == "work-1").write_parquet(second)
    with pytest.raises(ArtifactError, match=r"b\.parquet: found .*run base, step 0, as in .*a\.parquet"):
        read_panel([first, second], QUICK)
    stances.with_columns(model=pl.lit("other")).write_parquet(second)
    with pytest.raises(ArtifactError, match=r"other.*pocket.*one model"):
        read_panel([first, second], QUICK)
