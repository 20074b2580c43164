"""How many questions does it take to find a drift? The power of the paired test, as a Markdown table.

    python benchmarks/power.py                                                 # the table of docs/statistics.md
    python benchmarks/power.py --questions 30 60 --magnitudes 0.05 0.1 --start 0.5 --answers 10

Power is the share of simulated experiments in which the test finds a true drift (p at most 0.05, a single test;
controlling the false discoveries of a whole grid takes more questions). A magnitude of 0 gives the share of false
alarms.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.significance import flips, p_values

MAGNITUDES = (0.0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4)
QUESTIONS = (10, 20, 50, 100, 200)


@dataclass(frozen=True)
class Questions:
    """What the simulated questions are like, for one stance.

    Attributes:
        start: Mean share of the stance before training.
        concentration: Of the Beta distribution of the questions' shares: the smaller, the more the answers to one
            question agree.
        answers: Answers per question.
    """

    start: float = 0.3
    concentration: float = 2.0
    answers: int = 5


def power_table(
    questions: Sequence[int],
    magnitudes: Sequence[float],
    like: Questions,
    experiments: int,
    bootstrap: Bootstrap,
) -> pl.DataFrame:
    """How often the paired test finds a true drift: `questions, answers, magnitude, power, low, high`.

    In each experiment, training replaces just enough of every question's stance by a new draw to move the mean by
    `magnitude`, which must be below 1 − `like.start`.
    """
    rows = []
    for size in questions:
        signs = flips("power", size, bootstrap)
        for magnitude in magnitudes:
            random = np.random.default_rng([bootstrap.seed, size, round(magnitude * 1e6)])
            changes = _changes(like, (experiments, size), magnitude, random)
            p = np.concatenate(
                [p_values(part.mean(axis=1), part @ signs / size) for part in np.split(changes, [experiments // 2])]
            )
            found = int((p <= 1 - bootstrap.level).sum())
            rows.append((size, like.answers, magnitude, found / experiments, *wilson_interval(found, experiments)))
    return pl.DataFrame(rows, schema=["questions", "answers", "magnitude", "power", "low", "high"], orient="row")


def _changes(like: Questions, shape: tuple[int, int], magnitude: float, random: np.random.Generator) -> FloatArray:
    """Paired differences of question means, (experiments, questions)."""
    own = random.beta(like.concentration * like.start, like.concentration * (1 - like.start), shape)
    # The questions move towards a mean four fifths of the way to 1, or further where that is too near.
    goal = like.start + max(0.8 * (1 - like.start), magnitude)
    replaced = magnitude / (goal - like.start)
    new = random.beta(like.concentration * goal, like.concentration * (1 - goal), shape)
    after = own + replaced * (new - own)
    before, later = (random.binomial(like.answers, share) / like.answers for share in (own, after))
    return np.asarray(later - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, nargs="+", default=QUESTIONS, help="questions per topic")
    parser.add_argument("--magnitudes", type=float, nargs="+", default=MAGNITUDES, help="true drifts")
    parser.add_argument("--start", type=float, default=Questions.start, help="mean share of the stance before")
    parser.add_argument("--concentration", type=float, default=Questions.concentration)
    parser.add_argument("--answers", type=int, default=Questions.answers, help="answers per question")
    parser.add_argument("--experiments", type=int, default=4000)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if max(given.magnitudes) >= 1 - given.start:
        parser.error(f"--magnitudes: found {max(given.magnitudes)}, expected less than 1 - start")
    like = Questions(given.start, given.concentration, given.answers)
    bootstrap = Bootstrap(seed=given.seed, replicates=given.replicates)
    table = power_table(given.questions, given.magnitudes, like, given.experiments, bootstrap)
    wide = table.pivot("questions", index="magnitude", values="power")
    lines = [["true magnitude", *(f"{size} questions" for size in wide.columns[1:])], ["---"] * wide.width]
    lines += [[f"{row[0]:.3f}", *(f"{power:.2f}" for power in row[1:])] for row in wide.iter_rows()]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))


if __name__ == "__main__":
    main()
