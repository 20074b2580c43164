import numpy as np
import polars as pl
import pytest
from stance_tables import planted_table, stance_table

from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.calibration import calibration_tables
from valuedrift.statistics.panel import make_panel

QUICK = Bootstrap(seed=1, replicates=200)
SHARES = {
    ("wildchat", "race"): (0.2, 0.6, 0.2),
    ("wildchat", "work"): (0.3, 0.5, 0.2),
    ("alpaca", "race"): (0.7, 0.2, 0.1),
    ("alpaca", "work"): (0.5, 0.2, 0.3),
}


def stances(shares=SHARES, questions=2, draw=lambda share: share):
    return stance_table(
        (f"sft-{data}", 600, topic, f"{topic}-{q:03}", sample, tuple(map(float, draw(share))))
        for (data, topic), share in shares.items()
        for q in range(questions)
        for sample in range(5)
    )


PLANTED = planted_table(SHARES)


def tables(answers, planted=PLANTED):
    return calibration_tables(make_panel(answers, QUICK), planted, QUICK)


def test_a_model_that_shows_what_was_planted_has_no_error():
    table, errors = tables(stances())
    assert table.columns == ["model", "data", "topic", "stance", "planted", "measured", "low", "high"]
    assert table.height == len(SHARES) * 3
    assert table["measured"].to_list() == pytest.approx(table["planted"].to_list())
    assert table.filter(data="alpaca", topic="work", stance="oppose")["planted"].item() == 0.3
    assert errors["error"].to_list() == pytest.approx([0, 0, 0])


def test_errors_are_means_of_absolute_differences():
    shown = {**SHARES, ("alpaca", "work"): (0.8, 0.2, 0.0)}
    _, errors = tables(stances(shown))
    assert errors.columns == ["model", "data", "error", "baseline", "rms", "low", "high"]
    assert errors["data"].to_list() == ["alpaca", "wildchat", "all"]
    # |0.3| + |0| + |0.3| over the six cells of Alpaca, over twelve for both.
    assert errors["error"].to_list() == pytest.approx([0.1, 0, 0.05])
    assert errors["rms"].to_list() == pytest.approx([np.sqrt(0.03), 0, np.sqrt(0.015)])


def test_sampled_answers_give_errors_of_the_size_of_their_noise_and_intervals_that_hold_the_plant():
    rng = np.random.default_rng(3)
    drawn = stances(questions=60, draw=lambda share: rng.multinomial(1, share))
    table, errors = tables(drawn)
    held = table.select((pl.col("low") <= pl.col("planted")) & (pl.col("planted") <= pl.col("high"))).to_series()
    assert held.sum() >= 9
    overall = errors.filter(data="all").row(0, named=True)
    assert overall["low"] == 0
    assert overall["error"] > 0.01
    assert 0.01 < overall["high"] < 0.1


def test_the_baseline_names_each_data_set_s_mean_for_every_topic():
    _, errors = tables(stances())
    # WildChat's topics are 0.05, 0.05 and 0 from their means, Alpaca's 0.1, 0 and 0.1.
    assert errors["baseline"].to_list() == pytest.approx([0.2 / 3, 0.1 / 3, 0.05])


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.filter(pl.col("data") != "alpaca"),
        lambda t: pl.concat([t, t]),
        lambda t: t.with_columns(planted=pl.lit(None, pl.Float64)),
        lambda t: t.with_columns(planted=pl.col("planted") * 100),
    ],
)
def test_planted_shares_that_are_not_one_share_a_cell_are_named(change):
    with pytest.raises(ArtifactError, match=r"data alpaca, topic race, stance support.*expected one share"):
        tables(stances(), change(PLANTED))
