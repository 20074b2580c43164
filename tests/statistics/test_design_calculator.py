"""design: the parts of a magnitude's variance, and the answers that a drift needs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_1samp

from valuedrift.cli import main
from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.design import Variances, cheapest, designs, pilot_variances, power, variance_parts
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import make_panel
from valuedrift.statistics.trajectory import Trajectory

KNOWN = Variances(between=0.01, within=0.1)


def pilot(answers: int, questions: int = 300) -> dict[str, pl.DataFrame]:
    """The statistics of a run whose questions and answers scatter by KNOWN, in one stance against another."""
    random, rows = np.random.default_rng(0), []
    start = random.uniform(0.4, 0.6, questions)
    for run, step, mean in (("base", 0, start), ("sft-a", 9, start + random.normal(0, 0.1, questions))):
        for q, share in enumerate(mean):
            for sample, drawn in enumerate(share + random.uniform(-1, 1, answers) * min(share, 1 - share)):
                key = {"model": "m", "run": run, "step": step, "topic": "t", "question_id": f"{q:03}", "sample": sample}
                rows.append(key | {"p_support": drawn, "p_neutral": 0.0, "p_oppose": 1 - drawn})
    trajectory = Trajectory("sft-a", "sft", "a", "a", "base", 0, (9,))
    bootstrap = Bootstrap(replicates=200)
    return vars(measure(make_panel(pl.DataFrame(rows), bootstrap), [trajectory], bootstrap))


def test_power_is_that_of_a_t_test() -> None:
    random = np.random.default_rng(0)
    for questions, answers, seeds in ((20, 5, 1), (50, 2, 3)):
        shape = (4000, questions)
        noise = random.normal(0, (2 * KNOWN.within / answers / seeds) ** 0.5, shape)
        changes = 0.1 + random.normal(0, KNOWN.between**0.5, shape) + noise
        found = (ttest_1samp(changes, 0, axis=1).pvalue <= 0.05).mean()
        assert power(0.1, (questions, answers, seeds), KNOWN) == pytest.approx(found, abs=0.03)
    assert power(0.0, (20, 5, 1), KNOWN) == pytest.approx(0.05)


def test_more_answers_replace_questions_where_answers_scatter_more() -> None:
    # Simulated stances of questions with an intraclass correlation of 1/3 are found in 25, 74 and 79 % of cases.
    assert [round(power(0.05, one, Variances()), 1) for one in ((50, 5, 1), (50, 20, 1), (200, 5, 1))] == [
        0.3,
        0.7,
        0.8,
    ]


def test_a_design_has_the_fewest_answers_that_reach_the_power() -> None:
    for found in designs(0.1, (20, 50, 100), 1, KNOWN, 0.8):
        assert found.power >= 0.8 > power(0.1, (found.questions, found.answers - 1, 1), KNOWN)
    assert designs(0.01, (10,), 1, KNOWN, 0.8) == []
    assert cheapest(0.001, 1, Variances(seeds=0.1), 0.8, 20) is None


@pytest.mark.parametrize("ratio", [1, 20, 100])
def test_the_best_number_of_answers_costs_least(ratio: float) -> None:
    best = cheapest(0.05, 1, KNOWN, 0.8, ratio)
    assert best is not None
    assert best.answers == round((2 * KNOWN.within / KNOWN.between * ratio) ** 0.5)
    others = designs(0.05, range(best.questions // 2, best.questions * 3, 5), 1, KNOWN, 0.8)
    assert len(others) > 5
    cost = best.questions * (ratio + best.answers)
    assert cost <= min(one.questions * (ratio + one.answers) for one in others) * 1.05


def test_a_pilot_tells_its_variances_and_their_parts() -> None:
    tables = pilot(40)
    parts = variance_parts(tables["drift"], tables["noise"]).row(0, named=True)
    error = tables["drift"].filter(topic="t", stance="support")["error"].item()
    assert parts["questions"] + parts["answers"] == pytest.approx(error**2)
    assert parts["questions"] == pytest.approx(0.01 / 300, rel=0.4)
    assert (parts["judge"], parts["seeds"]) == (None, None)
    drift = tables["drift"]
    corrected = drift.select("model", "run", "topic", "stance", raw="magnitude", value=pl.col("magnitude") + 0.02)
    seeds = (
        tables["noise"]
        .filter(topic="t")
        .with_columns(
            source=pl.lit("seeds"), run=pl.lit(None, pl.String), topic=pl.lit(None, pl.String), median=pl.lit(0.06745)
        )
    )
    whole = variance_parts(drift, pl.concat([tables["noise"], seeds]), corrected).row(0, named=True)
    assert whole["judge"] == pytest.approx(0.0004)
    assert whole["seeds"] == pytest.approx(0.01 / 2 - whole["answers"] / 2, rel=0.01)


def test_the_command_reads_a_pilot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("values", "drift", "noise"):
        pilot(40)[name].write_parquet(tmp_path / f"{name}.parquet")
    found = pilot_variances(tmp_path)
    assert (found.between, found.seeds) == (pytest.approx(0.0067, rel=0.4), 0)  # neutral never moves
    assert main(["design", "--detect", "0.1", "--pilot", str(tmp_path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["variances"]["within"] == pytest.approx(found.within)
    assert [row["best"] for row in shown["designs"]].count(True) == 2
    assert main(["design", "--detect", "0.1"]) == 0
    assert "<- k* answers per question" in capsys.readouterr().out
    with pytest.raises(ArtifactError, match="Name a folder such as results/statistics/pocket"):
        pilot_variances(tmp_path / "none")
    assert main(["design", "--detect", "2"]) == 1
    assert "detect and power between 0 and 1" in capsys.readouterr().err


def test_the_price_is_the_plans(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["design", "--detect", "0.1", "--model", "pocket", "--questions", "100", "--json"]) == 0
    first, *_, last = (row for row in json.loads(capsys.readouterr().out)["designs"] if not row["best"])
    assert first["all_answers"] % (100 * first["answers"]) == 0
    assert last["seeds"] == 3
    assert first["cpu_hours"] > 0
    assert last["all_answers"] == 3 * first["all_answers"] * last["answers"] / first["answers"]
