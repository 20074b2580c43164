"""Partial pooling of drifts over topics."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from valuedrift.statistics.pooling import partial_pooling, with_pooled


def test_equal_topics_are_pooled_nearly_to_their_mean_and_distant_ones_hardly() -> None:
    errors, freedom = np.full(11, 0.05), np.full(11, 19.0)
    near = 0.2 + 0.02 * np.cos(np.arange(11))
    pooled, low, high, tau = partial_pooling(near, errors, freedom, 0.95)
    assert tau == 0
    # Even with τ = 0 a fifth of the deviation is kept, since τ is uncertain.
    assert pooled == pytest.approx(near.mean() + 0.2 * (near - near.mean()))
    assert (high - low < 2 * 2.1 * 0.05).all()
    far = near + np.linspace(-1, 1, 11)
    pooled, *_, tau = partial_pooling(far, errors, freedom, 0.95)
    assert tau == pytest.approx(np.sqrt(far.var(ddof=1) - 0.05**2), rel=0.01)
    assert pooled == pytest.approx(far, abs=0.02)


def test_a_noisier_topic_is_drawn_further() -> None:
    values, errors = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.6]), np.array([0.05] * 5 + [0.2])
    pooled, *_ = partial_pooling(values, errors, np.full(6, 19.0), 0.95)
    assert pooled[5] < pooled[4] < 0.6


@pytest.mark.parametrize("tau", [0.0, 0.03, 0.1])
def test_pooled_intervals_hold_the_truth_and_are_nearer_to_it(tau: float) -> None:
    random = np.random.default_rng(1)
    held, off, raw = [], [], []
    for _ in range(300):
        errors = random.uniform(0.04, 0.07, 11)
        true = random.normal(0.1, tau, 11)
        values = random.normal(true, errors)
        pooled, low, high, _ = partial_pooling(values, errors, np.full(11, 19.0), 0.95)
        held.append((low <= true) & (true <= high))
        off.append(np.square(pooled - true))
        raw.append(np.square(values - true))
    assert np.mean(held) >= 0.93
    assert np.mean(off) < np.mean(raw)


def test_only_single_topics_of_runs_with_four_or_more_are_pooled() -> None:
    def rows(run: str, topics: int) -> pl.DataFrame:
        names = [*(f"t{t}" for t in range(topics)), "all"]
        magnitude = [0.1 * t for t in range(topics + 1)]
        return pl.DataFrame({"topic": names, "magnitude": magnitude}).with_columns(
            model=pl.lit("m"), run=pl.lit(run), stance=pl.lit("support"), error=0.05, questions=20
        )

    found = with_pooled(pl.concat([rows("few", 3), rows("many", 4)]), 0.95)
    assert found["pooled"].is_not_null().to_list() == [False] * 4 + [True] * 4 + [False]
    assert found["run"].to_list() == ["few"] * 4 + ["many"] * 5
