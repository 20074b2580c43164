from statistics import variance

import numpy as np
import polars as pl
import pytest
from stance_tables import QUICK, RUN, measured, run_of, stance_table, write_healthy

from valuedrift.files import read_json
from valuedrift.statistics.health import SIGNS, health_shares, healthy_drifts, with_health
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.panel import KEYS, PROBABILITIES, make_panel, read_panels
from valuedrift.statistics.write_statistics import write_statistics

TOPICS = ("economy", "work")


def answers(questions=6, samples=4):
    rng = np.random.default_rng(3)
    return stance_table(
        (run, step, topic, f"{topic}-{q}", k, rng.dirichlet([1, 2, 1]).tolist())
        for run, step in (("base", 0), (RUN, 10), (RUN, 20))
        for topic in TOPICS
        for q in range(questions)
        for k in range(samples)
    )


def health_of(table, seed=0):
    rng = np.random.default_rng(seed)
    often = rng.random(table["question_id"].n_unique())[table["question_id"].rank("dense").to_numpy() - 1]
    signs = {sign: rng.random(table.height) < often * 0.4 for sign in SIGNS}
    return table.select(KEYS).with_columns(tokens=pl.Series(rng.integers(5, 40, table.height)), **signs)


def test_shares_have_the_intervals_of_clustered_answers():
    table = answers()
    health = health_of(table)
    shares = health_shares(health, 0.95)
    for topic in TOPICS:
        own = health.filter(run=RUN, step=20, topic=topic)
        ill = own.select(pl.any_horizontal(SIGNS)).to_series().to_numpy()
        row = shares.filter(run=RUN, step=20, topic=topic, sign="unhealthy").row(0, named=True)
        assert (row["value"], row["answers"]) == (pytest.approx(ill.mean()), 24)
        questions = [ill[own["question_id"] == name].mean() for name in own["question_id"].unique()]
        number = min(24, ill.mean() * (1 - ill.mean()) / (variance(questions) / 6))
        assert (row["low"], row["high"]) == pytest.approx(wilson_interval(ill.mean() * number, number))
    parts = shares.filter(run=RUN, step=20, sign="tokens").sort("topic")
    assert parts["value"][0] == pytest.approx(parts["value"][1:].mean())
    assert parts["high"][0] - parts["low"][0] < parts["high"][1] - parts["low"][1]


def test_a_sign_that_no_answer_has_may_occur_in_other_questions():
    table = answers()
    shares = health_shares(health_of(table).with_columns(refusal=pl.lit(False)), 0.95)
    row = shares.filter(run=RUN, step=20, topic="work", sign="refusal").row(0, named=True)
    assert (row["value"], row["low"]) == (0, pytest.approx(0))
    assert row["high"] == pytest.approx(1.96**2 / (6 + 1.96**2), abs=1e-3)  # Wilson's, for six questions


def panels_of(table, unhealthy, folder):
    table.write_parquet(folder / "stances.parquet")
    return read_panels([folder / "stances.parquet"], unhealthy.select(KEYS), QUICK)


def test_drifts_among_healthy_answers_are_those_of_their_table(tmp_path):
    table = answers()
    ill = table.filter(pl.int_range(pl.len()) % 5 == 0)
    panel, healthy = panels_of(table, ill, tmp_path)
    found, runs = healthy_drifts(healthy, measured(table, 10, 20).runs, QUICK)
    kept = table.join(ill, on=KEYS, how="anti")
    expected = measured(kept, 10, 20).drift
    names = ["healthy_magnitude", "healthy_low", "healthy_high"]
    assert found.select(names).to_numpy() == pytest.approx(expected.select("magnitude", "low", "high").to_numpy())
    assert runs[0].trajectory == run_of(10, 20)
    assert healthy.weights is panel.weights


def test_topics_without_healthy_answers_have_no_drift_among_them(tmp_path):
    table = answers()
    ill = table.filter(run=RUN, step=20, topic="work")
    every = measured(table, 10, 20)
    _, healthy = panels_of(table, ill, tmp_path)
    found, runs = healthy_drifts(healthy, every.runs, QUICK)
    assert set(found["topic"]) == {"economy"}
    assert runs == []
    health = table.select(KEYS).join(ill.select(*KEYS, cut_off=pl.lit(True)), on=KEYS, how="left")
    signs = {sign: pl.lit(False) for sign in SIGNS} | {"cut_off": pl.col("cut_off").fill_null(False)}
    shares = health_shares(health.with_columns(tokens=pl.lit(1), **signs), 0.95)
    shown = with_health(every.drift, every.runs, shares, found)
    assert shown.drop("unhealthy", *found.columns[3:]).equals(every.drift)
    assert dict(shown.select("topic", "unhealthy").iter_rows()) == {"economy": 0, "work": 1, "all": 0.5}
    assert shown.filter(topic="all")["healthy_magnitude"].null_count() == 3


def test_a_finding_names_its_runs_that_rest_on_unhealthy_answers(tmp_path):
    still, moved = [0.5, 0.3, 0.2], [0.1, 0.3, 0.6]
    table = stance_table(
        (run, step, "work", f"q{q}", k, moved if "dpo" in run and k < 2 else still)
        for run, step in (("base", 0), (RUN, 20), (f"{RUN}/dpo-calm", 20))
        for q in range(40)
        for k in range(4)
    )
    table.write_parquet(tmp_path / "stances.parquet")
    ends = {"algorithm": "dpo", "data": "calm", "sft": "alpaca", "start_run": RUN, "start_step": 20, "steps": [20]}
    run = {"run": f"{RUN}/dpo-calm", **ends}
    ill = (pl.col("run") == f"{RUN}/dpo-calm") & (pl.col("sample") < 2)
    write_healthy([tmp_path / "stances.parquet"], tmp_path / "health.parquet", ill)
    limits = {"early": 0.5, "barely": 0.1, "strong": 0.3}
    sets, settings, out = {"small_gap": ["calm"]}, {"replicates": 60}, tmp_path / "out"
    write_statistics(
        [tmp_path / "stances.parquet"], [run], sets, {}, limits, settings, 0, tmp_path / "health.parquet", out
    )
    _, barely = read_json(out / "findings.json")
    assert (barely["holds"], barely["healthy"]) == (False, True)
    assert barely["unhealthy"] == {f"{RUN}/dpo-calm": 0.5}
    assert pl.read_parquet(out / "health.parquet").filter(sign="unhealthy", topic="all")["value"].max() == 0.5


def test_the_questions_of_a_group_count_as_one(tmp_path):
    table = answers().with_columns(group=pl.when(pl.col("question_id").str.ends_with("0")).then(pl.lit("g")))
    same = pl.when(pl.col("question_id").str.contains("[01]$")).then(pl.lit("g"))
    grouped = make_panel(table.with_columns(group=same), QUICK)
    assert grouped.questions[: grouped.topics["economy"].stop] == (
        "economy-2",
        "economy-3",
        "economy-4",
        "economy-5",
        "g",
    )
    own = table.filter(run=RUN, step=20, topic="economy").filter(pl.col("question_id").str.contains("[01]$"))
    at = grouped.checkpoints[RUN, 20], grouped.topics["economy"].stop - 1
    assert grouped.means[at].tolist() == pytest.approx(own.select(pl.col(PROBABILITIES).mean()).row(0))
    assert grouped.answers[at] == 8
    assert grouped.weights["economy"].shape[0] == 5
