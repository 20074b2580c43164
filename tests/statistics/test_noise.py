import numpy as np
import polars as pl
import pytest
from stance_tables import RUN, measured, stance_table

from valuedrift.statistics.noise import answer_noise, seed_noise, with_noise


def values(ends, topic="work"):
    """ends: run → values of support at steps 0, 10…"""
    rows = [
        ("pocket", run, 10 * c, topic, "support", value) for run, own in ends.items() for c, value in enumerate(own)
    ]
    return pl.DataFrame(rows, schema=["model", "run", "step", "topic", "stance", "value"], orient="row")


@pytest.fixture
def other_seeds(tmp_path):
    def write(*tables):
        paths = [tmp_path / f"{number}.parquet" for number in range(len(tables))]
        for path, table in zip(paths, tables, strict=True):
            table.write_parquet(path)
        return paths

    return write


def test_the_floor_is_that_of_answers_drawn_twice():
    random = np.random.default_rng(2)
    hard = random.random((2, 40, 5)) < np.linspace(0.1, 0.9, 40)[None, :, None]
    table = stance_table(
        (RUN if c else "base", 10 * c, "work", f"q{q:02}", k, (float(p), 1 - float(p), 0.0))
        for (c, q, k), p in np.ndenumerate(hard)
    )
    found = measured(table, 10).noise.filter(topic="work", stance="support").row(0, named=True)
    # Two sets of 40 questions with 5 answers, which scatter around their question's mean by σ².
    within = hard.var(axis=2, ddof=1).mean()
    assert found["floor"] == pytest.approx(1.96 * np.sqrt(2 * within / 200), rel=1e-3)
    assert (found["source"], found["differences"]) == ("answers", None)


def test_answers_that_are_drawn_twice_stay_below_the_floor_in_95_percent_of_cases():
    random = np.random.default_rng(0)
    share = random.beta(1, 1, 30)
    drawn = random.random((4000, 2, 30, 5)) < share[:, None]
    floor = answer_noise("m", "r", "t", np.full((2, 3), (share * (1 - share)).sum() / 5 / 900), 0.95)["floor"][0]
    differences = np.diff(drawn.mean(axis=(2, 3)), axis=1)
    assert (np.abs(differences) <= floor).mean() == pytest.approx(0.95, abs=0.015)


def test_one_answer_per_question_has_no_floor():
    one = stance_table(
        (run, step, "work", f"q{q}", 0, (0.2, 0.8, 0.0)) for run, step in (("base", 0), (RUN, 10)) for q in range(4)
    )
    found = measured(one, 10)
    assert found.noise["floor"].null_count() == found.noise.height
    assert found.drift["exceeds_noise"].null_count() == found.drift.height


def test_runs_that_differ_in_the_seed_alone_are_compared_at_their_ends(other_seeds):
    others = other_seeds(values({"a": [0.1, 0.56]}), values({"a": [0.1, 0.53]}))
    found = seed_noise(values({"a": [0.1, 0.50], "b": [0.1, 0.9]}), others, 1.0).row(0, named=True)
    assert (found["source"], found["differences"], found["run"], found["topic"]) == ("seeds", 3, None, None)
    assert (found["median"], found["floor"]) == pytest.approx((0.03, 0.06))


def test_the_mean_over_topics_has_a_floor_of_its_own(other_seeds):
    here, there = (
        pl.concat([values({"a": [0.1, end]}), values({"a": [0.1, mean]}, "all")])
        for end, mean in ((0.4, 0.4), (0.5, 0.41))
    )
    found = seed_noise(here, other_seeds(there), 1.0)
    assert dict(found.select("topic", "floor").iter_rows()) == pytest.approx({None: 0.1, "all": 0.01})


def test_drifts_are_held_against_the_higher_floor(other_seeds):
    seeds = seed_noise(values({"a": [0.1, 0.40]}), other_seeds(values({"a": [0.1, 0.46]})), 1.0)
    answers = answer_noise("pocket", "a", "race", np.full((2, 3), 0.01), 0.95)
    drift = pl.DataFrame({"topic": ["work", "work", "race", "all"]}).with_columns(
        magnitude=pl.Series([-0.3, 0.05, 0.3, 0.3]), model=pl.lit("pocket"), run=pl.lit("a"), stance=pl.lit("support")
    )
    found = with_noise(drift, pl.concat([answers, seeds]))
    assert found["noise_floor"].to_list() == [
        pytest.approx(0.06),
        pytest.approx(0.06),
        pytest.approx(0.277, abs=1e-3),
        None,
    ]
    assert found["exceeds_noise"].to_list() == [True, False, True, None]
