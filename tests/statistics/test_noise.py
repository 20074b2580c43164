import polars as pl
import pytest

from valuedrift.statistics.noise import noise_table, with_noise


def values(runs, topic="work"):
    """runs: name → values of support by step 0, 10, 20…"""
    rows = [
        ("pocket", run, 10 * c, topic, "support", value) for run, own in runs.items() for c, value in enumerate(own)
    ]
    return pl.DataFrame(rows, schema=["model", "run", "step", "topic", "stance", "value"], orient="row")


def test_neighbours_of_the_last_quarter_give_the_floor():
    own = [0.1, 0.5, 0.9, 0.3, 0.6, 0.60, 0.62, 0.61, 0.64]
    found = noise_table(values({"a": own}), level=0.5).row(0, named=True)
    # Steps 60, 70 and 80 of 80.
    assert (found["source"], found["scope"], found["differences"]) == ("neighbours", "topic", 2)
    assert found["floor"] == pytest.approx(0.02)


def test_the_start_is_no_neighbour_and_a_single_checkpoint_has_none():
    assert noise_table(values({"a": [0.1, 0.9]})).is_empty()
    assert noise_table(values({"a": [0.1, 0.9]})).schema["floor"] == pl.Float64


def test_runs_that_differ_in_the_seed_alone_are_compared_at_their_ends():
    table = values({"a": [0.1, 0.50], "a@1": [0.1, 0.56], "a@2": [0.1, 0.53], "b": [0.1, 0.9]})
    found = noise_table(table, 1.0).row(0, named=True)
    assert (found["source"], found["differences"]) == ("seeds", 3)
    assert (found["median"], found["floor"]) == pytest.approx((0.03, 0.06))


def test_the_mean_over_topics_has_a_floor_of_its_own():
    one = values({"a": [0.1, 0.2, 0.3, 0.40, 0.50]})
    mean = values({"a": [0.1, 0.2, 0.3, 0.40, 0.41]}, "all")
    found = noise_table(pl.concat([one, mean]))
    assert dict(found.select("scope", "floor").iter_rows()) == pytest.approx({"topic": 0.1, "all": 0.01})


def test_drifts_are_held_against_the_highest_floor_of_their_stance():
    noise = noise_table(values({"a": [0.1, 0.2, 0.3, 0.40, 0.41], "a@1": [0.1, 0.2, 0.3, 0.4, 0.46]}), 1.0)
    drift = pl.DataFrame({"model": "pocket", "topic": ["work", "work", "all"], "stance": "support"}).with_columns(
        magnitude=pl.Series([-0.3, 0.05, 0.3])
    )
    found = with_noise(drift, noise)
    assert found["noise_floor"].to_list() == [pytest.approx(0.06), pytest.approx(0.06), None]
    assert found["exceeds_noise"].to_list() == [True, False, None]
