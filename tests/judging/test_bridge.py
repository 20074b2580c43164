"""bridge: two judges of the same answers."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from valuedrift.errors import ArtifactError
from valuedrift.judging.checks.bridge import bridge, bridge_summary, changed_drifts, pairwise, write_bridges
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import ALL, make_panel
from valuedrift.statistics.trajectory import Trajectory

FAST = Bootstrap(replicates=300)
P = ("p_support", "p_neutral", "p_oppose")
RUNS = (("base", 0), ("sft-w", 10), ("sft-w", 20), ("sft-w/dpo-u", 5), ("sft-w/dpo-u", 9))


def stances(seed: int = 0, runs=RUNS, topics=("climate", "work"), questions: int = 6, samples: int = 2) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    rows = [
        ("m", run, step, topic, f"{topic}-{q}", f"answer {run} {step} {topic} {q} {sample}", sample)
        for run, step in runs
        for topic in topics
        for q in range(questions)
        for sample in range(samples)
    ]
    table = pl.DataFrame(
        rows, schema=["model", "run", "step", "topic", "question_id", "answer", "sample"], orient="row"
    )
    return table.with_columns(pl.DataFrame(random.dirichlet([1, 1, 1], table.height), schema=P))


OLD = stances()
EVERYWHERE = pl.lit(True)


def moved(table: pl.DataFrame, towards: str, share: float, where: pl.Expr = EVERYWHERE) -> pl.DataFrame:
    """`share` of the probability of every stance goes to `towards`, in the rows of `where`."""
    target = {p: float(p == towards) for p in P}
    return table.with_columns(
        pl.when(where).then((1 - share) * pl.col(p) + share * target[p]).otherwise(pl.col(p)).alias(p) for p in P
    )


def unjudged(table: pl.DataFrame, where: pl.Expr) -> pl.DataFrame:
    return table.with_columns(pl.when(~where).then(pl.col(p)).alias(p) for p in P)


def test_a_judge_agrees_with_itself():
    found = bridge(OLD, OLD.sample(fraction=1, shuffle=True, seed=3), FAST)
    assert set(found.agreement["agreement"]) == set(found.agreement["kappa"]) == {1.0}
    assert set(found.agreement["distance"]) == {0.0}
    assert found.values["shift"].abs().max() == found.drift["shift"].abs().max() == 0
    assert changed_drifts(found.drift).is_empty()


def test_agreement_by_hand_in_every_stage_and_topic():
    new = stances(seed=1)
    table = bridge(OLD, new, FAST).agreement
    assert table.select("stage", "topic").rows() == [
        (stage, topic) for stage in ("base", "sft", "dpo", "all") for topic in ("climate", "work", "all")
    ]
    stage_of = {"base": "base", "sft-w": "sft", "sft-w/dpo-u": "dpo"}
    for row in table.iter_rows(named=True):
        pairs, distances = [], []
        for a, b in zip(OLD.iter_rows(named=True), new.iter_rows(named=True), strict=True):
            if row["stage"] in ("all", stage_of[a["run"]]) and row["topic"] in ("all", a["topic"]):
                pairs.append(tuple(max(P, key=one.get) for one in (a, b)))
                distances.append(sum(abs(a[p] - b[p]) for p in P) / 2)
        n = len(pairs)
        same = sum(a == b for a, b in pairs) / n
        chance = sum(sum(a == p for a, _ in pairs) * sum(b == p for _, b in pairs) for p in P) / n**2
        assert row["both"] == n
        assert row["agreement"] == pytest.approx(same)
        assert row["kappa"] == pytest.approx((same - chance) / (1 - chance))
        assert row["distance"] == pytest.approx(sum(distances) / n)
        assert row["distance_low"] < row["distance"] < row["distance_high"]


def test_values_shift_by_what_the_new_judge_moves():
    found = bridge(OLD, moved(OLD, "p_oppose", 0.5, pl.col("run") == "sft-w"), FAST).values
    assert found.filter(pl.col("stage") != "sft")["shift"].abs().max() == 0
    own = OLD.filter(run="sft-w")
    for topic in ("climate", "work"):
        row = found.filter(stage="sft", topic=topic, stance="oppose").row(0, named=True)
        mean = own.filter(topic=topic)["p_oppose"].mean()
        assert (row["questions"], row["answers"]) == (6, 24)
        assert (row["old"], row["new"]) == pytest.approx((mean, 0.5 * mean + 0.5))
        assert row["low"] < row["shift"] < row["high"]
    every = found.filter(stage="sft", stance="oppose")
    parts = every.filter(pl.col("topic") != "all")["shift"].mean()
    assert every.filter(topic="all")["shift"].item() == pytest.approx(parts)


def test_a_constant_shift_has_no_width_because_questions_are_paired():
    # Both judges see the same stance in every answer, but for 0.2 of support that the new one gives to oppose.
    whole = OLD.with_columns(p_support=pl.col("p_support") * 0.5 + 0.3, p_neutral=pl.col("p_neutral") * 0.5)
    old = whole.with_columns(p_oppose=1 - pl.col("p_support") - pl.col("p_neutral"))
    new = old.with_columns(p_support=pl.col("p_support") - 0.2, p_oppose=pl.col("p_oppose") + 0.2)
    found = bridge(old, new, FAST)
    row = found.values.filter(stage="dpo", topic="work", stance="oppose").row(0, named=True)
    assert (row["low"], row["shift"], row["high"]) == pytest.approx((0.2, 0.2, 0.2))
    for end in ("", "_low", "_high"):
        assert found.drift[f"shift{end}"].to_list() == pytest.approx([0.0] * found.drift.height)


def test_drifts_are_those_of_the_drift_table():
    new = moved(OLD, "p_oppose", 0.6, (pl.col("run") == "sft-w/dpo-u") & (pl.col("step") == 9))
    found = bridge(OLD, new, FAST).drift
    runs = [
        Trajectory("sft-w", "sft", "w", "w", "base", 0, (10, 20)),
        Trajectory("sft-w/dpo-u", "dpo", "u", "w", "sft-w", 20, (5, 9)),
    ]
    keys = ["run", "topic", "stance"]
    for judge, table in (("old", OLD), ("new", new)):
        measured = measure(make_panel(table, FAST), runs, FAST).drift
        theirs = measured.select(*keys, "magnitude", "low", "high").sort(keys)
        ours = found.select(*keys, *(f"{judge}{end}" for end in ("", "_low", "_high"))).sort(keys)
        assert ours.select(keys).equals(theirs.select(keys))
        assert ours.select(pl.exclude(keys)).to_numpy() == pytest.approx(theirs.select(pl.exclude(keys)).to_numpy())
    assert found["shift"].to_list() == pytest.approx((found["new"] - found["old"]).to_list())
    assert found.filter(run="sft-w")["shift"].abs().max() == 0
    dpo = found.filter(run="sft-w/dpo-u", topic="all", stance="oppose").row(0, named=True)
    assert 0 < dpo["shift_low"] < dpo["shift"] < dpo["shift_high"]
    assert dpo["stage"] == "dpo"
    assert "sft-w/dpo-u" in set(changed_drifts(found)["run"])


def test_answers_of_one_judge_alone_are_counted_and_enter_nothing():
    new = unjudged(OLD, (pl.col("topic") == "work") & (pl.col("sample") == 1)).filter(pl.col("question_id") != "work-0")
    old = unjudged(OLD, pl.col("question_id") == "work-1")
    found = bridge(old, new, FAST)
    row = found.agreement.filter(stage="base", topic="work").row(0, named=True)
    assert (row["both"], row["only_old"], row["only_new"]) == (4, 6, 1)
    values = found.values.filter(stage="base", topic="work").row(0, named=True)
    assert (values["questions"], values["answers"]) == (4, 4)
    assert bridge_summary(found)["m"]["only_old"] == 30


def test_a_new_judge_of_some_answers_only():
    # It judged one topic at the first stage, and the start but not the end of the SFT run.
    new = OLD.filter((pl.col("run") == "base") & (pl.col("topic") == "work") | (pl.col("step") == 10))
    found = bridge(OLD, new, FAST)
    cell = found.agreement.filter(stage="base", topic="climate").row(0, named=True)
    assert (cell["both"], cell["only_old"], cell["agreement"]) == (0, 12, None)
    assert set(found.values.filter(stage="base")["topic"]) == {"work", "all"}
    assert found.drift.is_empty()


def test_models_are_compared_one_by_one():
    other = OLD.with_columns(model=pl.lit("n"))
    found = bridge(pl.concat([OLD, other]), pl.concat([OLD, moved(other, "p_neutral", 0.9)]), FAST)
    shifts = found.values.group_by("model").agg(pl.col("shift").abs().max()).sort("model")["shift"]
    assert shifts[0] == 0
    assert shifts[1] > 0.3
    assert list(bridge_summary(found)) == ["m", "n"]


def test_a_model_that_only_one_judge_judged_is_counted():
    found = bridge(pl.concat([OLD, OLD.with_columns(model=pl.lit("n"))]), OLD, FAST)
    row = found.agreement.filter(model="n", stage="all", topic="all").row(0, named=True)
    assert (row["both"], row["only_old"], row["kappa"]) == (0, OLD.height, None)
    assert set(found.values["model"]) == set(found.drift["model"]) == {"m"}


def test_other_answers_under_the_same_keys_are_refused():
    new = OLD.with_columns(answer=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("x")).otherwise("answer"))
    with pytest.raises(ArtifactError, match=r"run base.*sample 1.*1 such answers"):
        bridge(OLD, new, FAST)
    bridge(OLD, new.drop("answer"), FAST)  # without texts there is nothing to compare


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (OLD.drop("sample"), "sample"),
        (pl.concat([OLD, OLD[:1]]), "one row for each answer"),
        (OLD.with_columns(p_support=pl.lit(0.9)), "sum to 1"),
        (OLD.with_columns(run=pl.lit("other")), "no answer that both"),
        (unjudged(OLD, EVERYWHERE), "no answer that both"),
    ],
)
def test_an_unfit_table_is_refused(new, message):
    with pytest.raises(ArtifactError, match=message):
        bridge(OLD, new, FAST)


def test_every_two_judges():
    judges = {"a": OLD, "b": moved(OLD, "p_oppose", 0.4), "c": stances(seed=2)}
    table = pairwise(judges, FAST).filter(stage=ALL, topic=ALL)
    assert table.select("a", "b").rows() == [("a", "b"), ("a", "c"), ("b", "c")]
    assert table["kappa"][0] > table["kappa"][1]
    assert set(table["both"]) == {OLD.height}


def test_the_files(tmp_path):
    for name, table in (("gpt", OLD), ("qwen", stances(seed=1)), ("llama", moved(OLD, "p_neutral", 0.5))):
        for (run,), part in table.partition_by("run", as_dict=True).items():
            file = tmp_path / name / "stances" / f"{run}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            part.write_parquet(file)
    sources = [tmp_path / name / "stances" for name in ("gpt", "qwen", "llama")]
    write_bridges(sources[0], sources[1:], tmp_path / "out", FAST, formats=("svg",))
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        *("qwen-stances", "llama-stances"),
        *(f"pairwise.{kind}" for kind in ("md", "json", "parquet")),
    }
    tables = {f"{name}.parquet" for name in ("agreement", "values", "drift")}
    assert {path.name for path in (out / "qwen-stances").iterdir()} == {
        *tables,
        "bridge.md",
        "bridge.json",
        "bridge.svg",
        "bridge.txt",
    }
    written = json.loads((out / "llama-stances" / "bridge.json").read_text(encoding="utf-8"))
    assert (written["old"], written["new"]) == ("gpt-stances", "llama-stances")
    assert written["summary"]["m"]["largest_value_shift"]["stance"] == "neutral"
    assert pl.read_parquet(out / "qwen-stances" / "drift.parquet").equals(bridge(sources[0], sources[1], FAST).drift)
    text = (out / "llama-stances" / "bridge.md").read_text(encoding="utf-8")
    assert f"{OLD.height:,} answers judged by both" in text
    assert pl.read_parquet(out / "pairwise.parquet").height == 3


def test_a_path_that_is_no_table(tmp_path):
    OLD.drop("run").write_parquet(tmp_path / "old.parquet")
    with pytest.raises(ArtifactError, match=r"none\.parquet.*no parquet file"):
        bridge(tmp_path / "none.parquet", OLD, FAST)
    with pytest.raises(ArtifactError, match=r"old\.parquet.*the columns run"):
        bridge(tmp_path / "old.parquet", OLD, FAST)
    with pytest.raises(ArtifactError, match="different stance tables"):
        write_bridges(tmp_path / "old.parquet", [tmp_path / "old.parquet"], tmp_path / "out", FAST)
