"""Measure values, drifts, distances and noise of one model's trajectories in one pass over its joint replicates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from valuedrift.statistics.bands import simultaneous_bands
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.distances import measure_distances
from valuedrift.statistics.drift import (
    RunDrift,
    TopicDrift,
    drift_rows,
    movement,
    run_drift,
    settled,
    topic_drift,
    toward_end,
)
from valuedrift.statistics.intervals import interval_of_mean, spread_of
from valuedrift.statistics.noise import answer_noise, seed_noise, with_noise
from valuedrift.statistics.panel import ALL, STANCES, Panel, TopicValues, each_topic_and_all
from valuedrift.statistics.pooling import with_pooled
from valuedrift.statistics.significance import flips, q_values
from valuedrift.statistics.trajectory import Trajectory


@dataclass(frozen=True)
class Measures:
    """The tables of one model (see `measure`), and its runs as the argument of `paper_findings`."""

    values: pl.DataFrame
    drift: pl.DataFrame
    distances: pl.DataFrame
    noise: pl.DataFrame
    runs: tuple[RunDrift, ...]


def measure(
    panel: Panel,
    trajectories: Iterable[Trajectory],
    bootstrap: Bootstrap,
    seeds: Sequence[Path] = (),
) -> Measures:
    """Measure values, drifts, distances and noise of every trajectory.

    The answers to each question are averaged first, then the questions. All numbers of a trajectory use only the
    questions with a judged answer at every one of its checkpoints, and differences are paired over these questions.
    Topic "all" is the unweighted mean over topics. The tables:

    - values: `model, run, algorithm, data, sft, step, topic, stance, value, low, high, band_low, band_high, questions,
      answers`; the first step is the start point (paper, equation 1), and the band is `simultaneous_bands`.
    - drift: one row per run, topic and stance (paper, section 3): the columns of `drift_rows`, then `q_value`
      (Benjamini and Hochberg's, over all runs, topics and stances; the rows of topic "all" are a separate family),
      `real` (q_value at most 1 − level; times only where it is true, see `settled`), `noise_floor` and `exceeds_noise`
      (see `with_noise`), and `pooled, pooled_low, pooled_high, tau` (see `with_pooled`).
    - distances: `…, topic, measure, value, low, high, null, p_value`, between the stance vectors at start and end.
    - noise: see `answer_noise` and `seed_noise`.

    Args:
        panel: The model's answers.
        trajectories: The runs to measure.
        bootstrap: Settings of intervals and tests.
        seeds: Value tables of the same runs made with other seeds.

    Raises:
        ArtifactError: As `topic_values` and `seed_noise` do.
    """
    signs = {topic: flips(topic, own.stop - own.start, bootstrap) for topic, own in panel.topics.items()}
    values, drift, distances, noise, runs = [], [], [], [], []
    for trajectory in trajectories:
        ends, moves = [], []
        for part in each_topic_and_all(panel, trajectory.checkpoints):
            own = [signs[part.topic]] if part.topic != ALL else list(signs.values())
            spread = spread_of(part.means)
            intervals = interval_of_mean(part.values, part.replicates, spread, bootstrap, (0.0, 1.0))
            bands = simultaneous_bands(part, intervals, spread, bootstrap)
            found = topic_drift(part, trajectory.shown_steps, spread, own, bootstrap)
            values.append(_value_rows(panel.model, trajectory, part, (*intervals, *bands)))
            drift.append(drift_rows(panel.model, trajectory, part, found, bootstrap))
            distances += _distance_rows(panel.model, trajectory, part, found, bootstrap)
            sampling = part.sampling[[0, -1]]
            noise.append(answer_noise(panel.model, trajectory.run, part.topic, sampling, bootstrap.level))
            if part.topic != ALL:
                ends.append(part.ends())
                moves.append(toward_end(part))
        moved = movement(moves, trajectory.shown_steps, sum(part.questions for part in ends))
        runs.append(run_drift(trajectory, [part.topic for part in ends], ends, moved))
    shown = pl.concat(values)
    floors = pl.concat([*noise, seed_noise(shown, seeds, bootstrap.level)])
    tested = settled(_with_q(pl.concat(drift), bootstrap.level))
    return Measures(
        values=shown,
        drift=with_pooled(with_noise(tested, floors), bootstrap.level),
        distances=pl.DataFrame(distances),
        noise=floors,
        runs=tuple(runs),
    )


def _value_rows(
    model: str, trajectory: Trajectory, part: TopicValues, ends: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
) -> pl.DataFrame:
    steps = trajectory.shown_steps
    columns = {
        "model": model,
        **trajectory.labels,
        "step": np.repeat(steps, len(STANCES)),
        "topic": part.topic,
        "stance": STANCES * len(steps),
        "value": part.values.ravel(),
        **{name: end.ravel() for name, end in zip(("low", "high", "band_low", "band_high"), ends, strict=True)},
        "questions": part.questions,
        "answers": np.repeat(part.answers, len(STANCES)),
    }
    return pl.DataFrame(columns, schema_overrides={"questions": pl.Int64})


def _distance_rows(
    model: str, trajectory: Trajectory, part: TopicValues, drift: TopicDrift, bootstrap: Bootstrap
) -> list[dict[str, object]]:
    ends = [topic[0] for topic in part.means], [topic[-1] for topic in part.means]
    found = measure_distances(
        ends, (part.replicates[0], part.replicates[-1]), drift.flipped, part.per_question, bootstrap
    )
    return [{"model": model, **trajectory.labels, "topic": part.topic, **asdict(one)} for one in found]


def _with_q(drift: pl.DataFrame, level: float) -> pl.DataFrame:
    p, together = drift["p_value"].to_numpy(), (drift["topic"] == ALL).to_numpy()
    q = np.empty(len(p))
    for family in (together, ~together):
        q[family] = q_values(p[family])
    return drift.with_columns(q_value=q, real=q <= 1 - level)
