"""How often the findings get each verdict in simulated experiments, as Markdown.

    python benchmarks/verdicts.py --experiments 400 --out verdicts.md

The table of verdicts in docs/statistics_evidence.md is this output. Each experiment has eleven topics of 20 questions
with 5 answers; at a threshold, "true" and "false" are both wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from valuedrift.files import write_text
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.drift import movement, run_drift, toward_end
from valuedrift.statistics.findings import BARELY, EARLY, PRIOR, WIDE, PreferenceSets, Thresholds, paper_findings
from valuedrift.statistics.panel import Panel, shares_of_draws, topic_values
from valuedrift.statistics.trajectory import Trajectory

TOPICS, QUESTIONS, ANSWERS, CONCENTRATION = 11, 20, 5, 2.0
BASE, TUNED = np.array([0.35, 0.25, 0.4]), np.array([0.3, 0.5, 0.2])
THRESHOLDS = Thresholds(early=0.5, barely=0.1, strong=0.3)
SETS = PreferenceSets(("small",), "support", "oppose")
STEPS = tuple(range(1, 7))
_REPLACED = 0.6

Moves = Mapping[tuple[str, str], tuple[float, float]]
"""(Algorithm, data set) → how far support and oppose move; neutral moves by the rest."""

QUIET: Moves = {("dpo", "small"): (0.03, -0.03), ("simpo", "small"): (0.0, 0.0), ("ppo", "small"): (0.0, 0.0)}
PAPER: Moves = {
    ("dpo", "support"): (0.4, -0.11),
    ("simpo", "support"): (0.1, 0.0),
    ("ppo", "support"): (0.0, 0.0),
    ("dpo", "oppose"): (-0.1, 0.25),
}


@dataclass(frozen=True)
class Scenario:
    """What is simulated: a finding, the moves of the preference runs, and the course of SFT.

    `straight` is whether SFT moves along a straight line; otherwise four fifths of it is done in the first quarter.
    `tuned` is where SFT ends.
    """

    finding: str
    name: str
    moves: Moves = field(default_factory=dict)
    straight: bool = False
    tuned: tuple[float, float, float] = (0.3, 0.5, 0.2)


def neutral_by(change: float) -> Moves:
    return {**QUIET, ("dpo", "small"): (-change, 0.0)}


SCENARIOS = (
    Scenario(EARLY, "as in the paper", QUIET),
    Scenario(EARLY, "threshold: a straight line", QUIET, straight=True),
    Scenario(EARLY, "threshold: pairs with a small gap move as far as SFT", {**QUIET, ("dpo", "small"): (0.2, 0.05)}),
    Scenario(EARLY, "pairs with a small gap move further", {**QUIET, ("dpo", "small"): (0.3, -0.02)}),
    Scenario(BARELY, "as in the paper: RMS M 0.03", QUIET),
    Scenario(BARELY, "RMS M 0.05", neutral_by(0.05)),
    Scenario(BARELY, "threshold: RMS M 0.1", neutral_by(0.1)),
    Scenario(BARELY, "RMS M 0.15", neutral_by(0.15)),
    Scenario(WIDE, "as in the paper", PAPER),
    Scenario(WIDE, "threshold: DPO moves support by 0.3", {**PAPER, ("dpo", "support"): (0.3, -0.1)}),
    Scenario(WIDE, "threshold: SimPO moves support as far as PPO", {**PAPER, ("simpo", "support"): (0.0, 0.0)}),
    Scenario(WIDE, "threshold: RMS M of PPO 0.1", {**PAPER, ("ppo", "support"): (-0.1, 0.0)}),
    Scenario(WIDE, "DPO moves support by 0.2", {**PAPER, ("dpo", "support"): (0.2, -0.1)}),
    Scenario(PRIOR, "as in the paper: 0.4 and 0.25", PAPER),
    Scenario(
        PRIOR, "threshold: 0.3 and 0.3", {**PAPER, ("dpo", "support"): (0.3, -0.1), ("dpo", "oppose"): (-0.1, 0.3)}
    ),
    Scenario(PRIOR, "0.25 and 0.4", {**PAPER, ("dpo", "support"): (0.25, -0.1), ("dpo", "oppose"): (-0.15, 0.4)}),
)


def verdicts(scenario: Scenario, experiments: int, bootstrap: Bootstrap) -> Counter[bool | None]:
    """How often the scenario's finding is true, false and undecided (None)."""
    random = np.random.default_rng([bootstrap.seed, *map(ord, scenario.name)])
    runs = [Trajectory("sft", "sft", "chats", "chats", "base", 0, STEPS)]
    runs += [Trajectory(f"sft/{a}-{data}", a, data, "chats", "sft", STEPS[-1], (1,)) for a, data in scenario.moves]
    found: Counter[bool | None] = Counter()
    for _ in range(experiments):
        panel = _panel(scenario, random, bootstrap)
        drifts = []
        for run in runs:
            parts = [topic_values(panel, topic, run.checkpoints) for topic in panel.topics]
            moved = movement([toward_end(part) for part in parts], run.shown_steps, TOPICS * QUESTIONS)
            drifts.append(run_drift(run, list(panel.topics), [part.ends() for part in parts], moved))
        findings = paper_findings(drifts, SETS, None, THRESHOLDS, bootstrap)
        found[next(one.holds for one in findings if one.name == scenario.finding)] += 1
    return found


def _panel(scenario: Scenario, random: np.random.Generator, bootstrap: Bootstrap) -> Panel:
    size = TOPICS * QUESTIONS
    base, tuned = random.dirichlet(CONCENTRATION * BASE, size), np.array(scenario.tuned)
    end = _moved(base, BASE, tuned - BASE, random)
    progress = (
        np.linspace(0, 1, len(STEPS) + 1) if scenario.straight else -np.expm1(-6 * np.linspace(0, 1, len(STEPS) + 1))
    )
    path = base + (progress / progress[-1])[:, None, None] * (end - base)
    shares: list[FloatArray] = [*path]
    places = {("base", 0): 0, **{("sft", step): step for step in STEPS}}
    for (algorithm, data), (support, oppose) in scenario.moves.items():
        places[f"sft/{algorithm}-{data}", 1] = len(shares)
        shares.append(_moved(end, tuned, np.array([support, -support - oppose, oppose]), random))
    means = random.multinomial(ANSWERS, np.stack(shares)) / ANSWERS
    topics = {f"topic-{t:02}": slice(t * QUESTIONS, (t + 1) * QUESTIONS) for t in range(TOPICS)}
    scatter = means * (1 - means) * ANSWERS / (ANSWERS - 1)
    answers = np.full(means.shape[:2], ANSWERS)
    return Panel("simulated", topics, places, means, answers, scatter, shares_of_draws(topics, bootstrap))


def _moved(shares: FloatArray, mean: FloatArray, change: FloatArray, random: np.random.Generator) -> FloatArray:
    """Replace a part of each question's shares, so that their mean changes by `change`."""
    if not change.any():
        return shares
    target = mean + change / _REPLACED
    assert (target > 0).all(), target
    return shares + _REPLACED * (random.dirichlet(CONCENTRATION * target, len(shares)) - shares)


def table(experiments: int, bootstrap: Bootstrap) -> str:
    lines = ["| finding | simulated | true | false | undecided |", "| --- | --- | --- | --- | --- |"]
    for scenario in SCENARIOS:
        print(f"verdicts: {scenario.finding}, {scenario.name}", file=sys.stderr, flush=True)
        found = verdicts(scenario, experiments, bootstrap)
        shares = " | ".join(f"{found[holds] / experiments:.1%}" for holds in (True, False, None))
        lines.append(f"| {scenario.finding} | {scenario.name} | {shares} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=400)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    given = parser.parse_args()
    bootstrap = Bootstrap(seed=given.seed, replicates=given.replicates)
    text = f"{given.experiments} experiments each, {given.replicates} replicates, seed {given.seed}.\n\n"
    text += table(given.experiments, bootstrap)
    print(text)
    if given.out:
        write_text(given.out, text)


if __name__ == "__main__":
    main()
