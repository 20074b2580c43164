"""Values foretold from what the data expresses."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from valuedrift.data.stances.prediction import METHODS, prediction_errors, prediction_table
from valuedrift.statistics.bootstrap import Bootstrap

STANCES = ("support", "neutral", "oppose")
TOPICS = ("climate", "work", "race", "economy")
START = np.array([0.3, 0.4, 0.3])
OVERALL = {"wildchat": np.array([0.2, 0.6, 0.2]), "alpaca": np.array([0.6, 0.25, 0.15])}


def share_of(data: str, topic: str) -> np.ndarray:
    shift = (TOPICS.index(topic) - 1.5) * 0.05 * np.array([1, -1, 0])
    return OVERALL[data] + shift


def shares() -> pl.DataFrame:
    lines = [
        {"data": data, "role": "answer", "topic": topic, "stance": stance, "share": share}
        for data in OVERALL
        for topic in (*TOPICS, "all")
        for stance, share in zip(STANCES, OVERALL[data] if topic == "all" else share_of(data, topic), strict=True)
    ]
    lines += [{**lines[0], "data": "uf", "role": "chosen"}]
    return pl.DataFrame(lines).with_columns(low=pl.col("share") - 0.02, high=pl.col("share") + 0.02)


def measured(reach: float, topic_reach: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Values and drift where SFT moves that far towards the data's overall and topic's own shares."""
    drift, values = [], []
    for data in OVERALL:
        for topic in (*TOPICS, "all"):
            own = OVERALL[data] if topic == "all" else share_of(data, topic)
            end = START + reach * (OVERALL[data] - START) + topic_reach * (own - OVERALL[data])
            for stance, start, value in zip(STANCES, START, end, strict=True):
                keys = {"model": "m", "run": f"sft-{data}", "data": data, "topic": topic, "stance": stance}
                change = {"magnitude": value - start, "low": value - start - 0.1, "high": value - start + 0.1}
                drift.append(
                    keys | {"algorithm": "sft", "end_step": 40, "start_value": start, "end_value": value} | change
                )
                for step, at in ((0, start), (40, value)):
                    values.append(keys | {"step": step, "value": at, "low": at - 0.05, "high": at + 0.05})
    drift.append({**drift[0], "run": "sft-wildchat/dpo-uf", "algorithm": "dpo", "data": "uf"})
    return pl.DataFrame(values), pl.DataFrame(drift)


def test_a_model_that_takes_over_its_data_is_foretold_by_the_plain_share() -> None:
    table = prediction_table(shares(), *measured(1, 1))
    assert table.height == len(OVERALL) * len(TOPICS) * len(STANCES)
    assert table["share"].to_list() == pytest.approx(table["measured"].to_list())
    assert table["predicted_drift"].to_list() == pytest.approx(table["drift"].to_list())
    row = table.filter(data="alpaca", topic="work", stance="support").row(0, named=True)
    assert row["share"] == pytest.approx(0.575)
    assert (row["no_change"], row["overall"]) == (pytest.approx(0.3), pytest.approx(0.6))
    assert (row["low"], row["high"]) == (pytest.approx(0.525), pytest.approx(0.625))


def test_the_fit_finds_how_far_training_reaches() -> None:
    table = prediction_table(shares(), *measured(0.7, 0.2))
    assert table["fitted"].to_list() == pytest.approx(table["measured"].to_list())
    assert set(table["reach"].round(9)) == {0.7}
    assert set(table["topic_reach"].round(9)) == {0.2}


def test_a_topics_own_outcome_plays_no_part_in_its_fit() -> None:
    values, drift = measured(0.7, 0.2)
    odd = pl.when(pl.col("topic") == "race").then(pl.col("end_value") + 0.3).otherwise(pl.col("end_value"))
    before, after = (
        prediction_table(shares(), values, table).filter(pl.col("topic") == "race")["fitted"]
        for table in (drift, drift.with_columns(end_value=odd))
    )
    assert after.to_list() == pytest.approx(before.to_list())


def test_with_one_topic_the_fit_is_the_plain_share() -> None:
    values, drift = measured(0.7, 0.2)
    table = prediction_table(shares(), values, drift.filter(pl.col("topic") == "work"))
    assert table["fitted"].to_list() == pytest.approx(table["share"].to_list())


def test_topics_without_retrieved_rows_are_left_out() -> None:
    table = prediction_table(shares().filter(pl.col("topic") != "race"), *measured(1, 1))
    assert set(table["topic"]) == {"climate", "work", "economy"}


def test_errors_name_the_better_method_for_each_data_set_and_all() -> None:
    errors = prediction_errors(prediction_table(shares(), *measured(1, 0)), Bootstrap(replicates=300))
    assert errors.select("data", "method").rows() == [
        (data, method) for data in ("wildchat", "alpaca", "all") for method in METHODS
    ]
    found = {row["method"]: row for row in errors.filter(pl.col("data") == "all").to_dicts()}
    assert found["overall"]["error"] == pytest.approx(0)
    assert found["fitted"]["error"] == pytest.approx(0)
    # |shift| is 0.075, 0.025, 0.025, 0.075 for two of the three stances
    assert found["share"]["error"] == pytest.approx(0.05 * 2 / 3)
    assert found["share"]["low"] <= found["share"]["error"] <= found["share"]["high"]
    assert found["no_change"]["error"] > 0.1
    assert found["share"]["topics"] == 4
