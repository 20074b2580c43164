"""The paper's three findings (sections 4 to 6) as numbers, intervals and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.errors import ConfigError
from valuedrift.statistics.bootstrap import Bootstrap, Estimate, FloatArray, mean, mean_absolute
from valuedrift.statistics.drift import RunDrift
from valuedrift.statistics.panel import STANCES
from valuedrift.statistics.planted import planted_shares
from valuedrift.statistics.trajectory import Trajectory
from valuedrift.titles import algorithm_title, full_title, run_title, with_interval

SFT = "sft"
# In the order of the finding: the furthest to move comes first.
_WIDE_GAP_ALGORITHMS = ("dpo", "simpo", "ppo")


@dataclass(frozen=True)
class PreferenceSets:
    """Which preference data sets play which part: names as in `Trajectory.data`."""

    small_gap: tuple[str, ...]
    support_aligned: str | None
    oppose_aligned: str | None


@dataclass(frozen=True)
class Thresholds:
    """What the words of the findings mean; the paper gives no limits, these are ours.

    early: most that the median drift time of SFT may be, as a share of its steps
    barely: most that a mean |magnitude| may be for "barely moves"
    strong: least mean M_support of DPO on support-aligned pairs for "amplifies" (the paper: 0.53 on immigration)
    """

    early: float = 0.5
    barely: float = 0.1
    strong: float = 0.3


@dataclass(frozen=True)
class Finding:
    """A finding: `holds` is None when runs that it needs are missing; `numbers` is JSON-able."""

    name: str
    holds: bool | None
    numbers: dict[str, Any]
    statement: str


def paper_findings(
    drifts: Sequence[RunDrift],
    sets: PreferenceSets,
    planted: pl.DataFrame | None = None,
    thresholds: Thresholds | None = None,
    bootstrap: Bootstrap | None = None,
) -> tuple[Finding, Finding, Finding]:
    """The three findings over one model's main runs (at most one run per SFT data set, algorithm and data set).

    planted: `data, topic, stance, planted` with the stance shares of the SFT data sets, where they are known.
    All averages over topics are taken within each joint replicate. Raises ConfigError if two runs are of the same
    SFT data set, algorithm and data set, and ArtifactError as `planted_shares` does.
    """
    bootstrap, thresholds = bootstrap or Bootstrap(), thresholds or Thresholds()
    _require_one_of_each([drift.trajectory for drift in drifts])
    return (
        sft_sets_values_early(drifts, sets, planted, thresholds, bootstrap),
        small_gap_barely_moves(drifts, sets, thresholds, bootstrap),
        wide_gap_separates_algorithms(drifts, sets, thresholds, bootstrap),
    )


def sft_sets_values_early(
    drifts: Sequence[RunDrift],
    sets: PreferenceSets,
    planted: pl.DataFrame | None,
    thresholds: Thresholds,
    bootstrap: Bootstrap,
) -> Finding:
    """Finding 1 (section 4): SFT sets the values, early, towards the stance mix of its data.

    Holds if for every SFT run the interval of mean |M| (over topics and stances) lies above the largest mean
    |M| of a small-gap preference run, the median drift time is at most `thresholds.early` (over the cells that
    drifted), and, where `planted` is given, the mean distance to its data's shares is smaller after than before.
    """
    name = "sft_sets_values_early"
    tuned = [drift for drift in drifts if drift.trajectory.algorithm == SFT]
    small = [drift for drift in drifts if drift.trajectory.data in sets.small_gap]
    if not tuned or not small:
        return _missing(name, "an SFT run and a run on small-gap pairs")
    largest, run = max((_mean_magnitude([drift], bootstrap).value, drift.trajectory.run) for drift in small)
    numbers = {drift.trajectory.run: _sft_numbers(drift, planted, bootstrap) for drift in tuned}
    holds = all(_sets_early(one, largest, thresholds) for one in numbers.values())
    told = "; ".join(
        f"{run_title(trained)} moved them by {_told(one['magnitude'])}{_when(one)}" for trained, one in numbers.items()
    )
    return Finding(
        name,
        holds,
        {"sft": numbers, "largest_small_gap": {"run": run, "value": largest}},
        f"SFT {_does(holds, 'sets the values early', 'does not set the values early')} (mean |M| over topics and "
        f"stances): {told}; the most that pairs with a small value gap moved them is {largest:.2f} "
        f"({full_title(run)}).",
    )


def small_gap_barely_moves(
    drifts: Sequence[RunDrift], sets: PreferenceSets, thresholds: Thresholds, bootstrap: Bootstrap
) -> Finding:
    """Finding 2 (section 5): preference optimisation on pairs with a small value gap barely moves the values.

    Holds if for each algorithm with runs on `sets.small_gap` the mean |M_s| over its runs and topics is at most
    `thresholds.barely` for every stance s; the largest of the three has the interval of its own stance.
    """
    name = "small_gap_barely_moves"
    small = [drift for drift in drifts if drift.trajectory.data in sets.small_gap]
    if not small:
        return _missing(name, "a run on small-gap pairs")
    numbers = {
        algorithm: _by_stance([drift for drift in small if drift.trajectory.algorithm == algorithm], bootstrap)
        for algorithm in sorted({drift.trajectory.algorithm for drift in small})
    }
    holds = all(one["largest"]["value"] <= thresholds.barely for one in numbers.values())
    told = "; ".join(
        f"{algorithm_title(algorithm)} moves {one['largest']['stance']} the most, by {_told(one['largest'])}"
        for algorithm, one in numbers.items()
    )
    return Finding(
        name,
        holds,
        {"algorithms": numbers},
        f"Pairs with a small value gap {_does(holds, 'barely move', 'do move')} the values (mean |M| over topics): "
        f"{told}.",
    )


def wide_gap_separates_algorithms(
    drifts: Sequence[RunDrift], sets: PreferenceSets, thresholds: Thresholds, bootstrap: Bootstrap
) -> Finding:
    """Finding 3 (section 6): with a wide value gap DPO amplifies, SimPO moves modestly, PPO keeps.

    Holds if on `sets.support_aligned` the mean M_support over topics (and the SFT data sets that all three
    algorithms have) of DPO is at least `thresholds.strong`, above SimPO's, and SimPO's above |PPO's|. M_oppose
    on `sets.oppose_aligned` is reported beside it and enters no verdict.
    """
    name = "wide_gap_separates_algorithms"
    support = _contrast(drifts, sets.support_aligned, "support", bootstrap)
    oppose = _contrast(drifts, sets.oppose_aligned, "oppose", bootstrap)
    if support is None:
        return _missing(name, "DPO, SimPO and PPO on the support-aligned pairs, after one and the same SFT")
    dpo, simpo, ppo = (support["magnitude"][algorithm] for algorithm in _WIDE_GAP_ALGORITHMS)
    holds = dpo["value"] >= thresholds.strong and dpo["value"] > simpo["value"] > abs(ppo["value"])
    return Finding(
        name,
        holds,
        {"support_aligned": support, "oppose_aligned": oppose},
        f"A wide value gap {_does(holds, 'separates', 'does not separate')} the algorithms as in the paper: "
        f"support-aligned pairs moved support by {_told(dpo)} with DPO, {_told(simpo)} with SimPO and "
        f"{_told(ppo)} with PPO.",
    )


def _require_one_of_each(runs: Sequence[Trajectory]) -> None:
    seen: dict[tuple[str, str, str], Trajectory] = {}
    for run in runs:
        first = seen.setdefault((run.sft, run.algorithm, run.data), run)
        if first is not run:
            expected = f"one {run.algorithm} run on {run.data} after SFT on {run.sft}"
            raise ConfigError("trajectories", [first.run, run.run], expected, "Leave ablations out.")


def _missing(name: str, needed: str) -> Finding:
    return Finding(name, None, {}, f"Cannot be told: the runs hold no {needed}.")


def _does(holds: bool, yes: str, no: str) -> str:
    return yes if holds else no


def _change(drifts: Sequence[RunDrift]) -> tuple[FloatArray, FloatArray]:
    """Magnitudes (runs, topics, stances) and their replicates (runs, topics, stances, replicates)."""
    values = np.stack([drift.end - drift.start for drift in drifts])
    return values, np.stack([drift.end_replicates - drift.start_replicates for drift in drifts])


def _mean_magnitude(drifts: Sequence[RunDrift], bootstrap: Bootstrap) -> Estimate:
    return mean_absolute(*_change(drifts), bootstrap)


def _sft_numbers(drift: RunDrift, planted: pl.DataFrame | None, bootstrap: Bootstrap) -> dict[str, Any]:
    drifted = drift.time > 0
    numbers = {
        "magnitude": asdict(_mean_magnitude([drift], bootstrap)),
        "drifted": int(drifted.sum()),
        "cells": drifted.size,
        "median_time": _median(drift, drifted),
    }
    if planted is None:
        return numbers
    shares = planted_shares(planted, drift.trajectory.data, drift.topics)
    before = mean_absolute(drift.start - shares, drift.start_replicates - shares[..., None], bootstrap)
    after = mean_absolute(drift.end - shares, drift.end_replicates - shares[..., None], bootstrap)
    return {**numbers, "distance_before": asdict(before), "distance_after": asdict(after)}


def _median(drift: RunDrift, drifted: NDArray[np.bool_]) -> dict[str, Any] | None:
    """Median drift time with the medians of the cells' intervals: wide, as it takes all cells to be off together."""
    if not drifted.any():
        return None
    value, low, high = (float(np.median(one[drifted])) for one in (drift.time, drift.time_low, drift.time_high))
    return asdict(Estimate(value, low, high))


def _sets_early(numbers: dict[str, Any], largest_small_gap: float, thresholds: Thresholds) -> bool:
    time = numbers["median_time"]
    nearer = "distance_after" not in numbers or numbers["distance_after"]["value"] < numbers["distance_before"]["value"]
    early = time is not None and time["value"] <= thresholds.early
    return bool(numbers["magnitude"]["low"] > largest_small_gap and early and nearer)


def _by_stance(drifts: Sequence[RunDrift], bootstrap: Bootstrap) -> dict[str, Any]:
    values, replicates = _change(drifts)
    stances = {
        stance: asdict(mean_absolute(values[:, :, s], replicates[:, :, s], bootstrap))
        for s, stance in enumerate(STANCES)
    }
    largest = max(STANCES, key=lambda stance: stances[stance]["value"])
    return {
        "runs": [drift.trajectory.run for drift in drifts],
        "stances": stances,
        "largest": {"stance": largest, **stances[largest]},
    }


def _contrast(drifts: Sequence[RunDrift], data: str | None, stance: str, bootstrap: Bootstrap) -> dict[str, Any] | None:
    runs = {(d.trajectory.algorithm, d.trajectory.sft): d for d in drifts if d.trajectory.data == data}
    shared = [sft for sft in sorted({sft for _, sft in runs}) if all((a, sft) in runs for a in _WIDE_GAP_ALGORITHMS)]
    if not shared:
        return None
    by_algorithm = {a: [runs[a, sft] for sft in shared] for a in _WIDE_GAP_ALGORITHMS}
    return {"sft": shared, "stance": stance, **_separation(by_algorithm, STANCES.index(stance), bootstrap)}


def _separation(drifts: dict[str, list[RunDrift]], stance: int, bootstrap: Bootstrap) -> dict[str, Any]:
    changes = {algorithm: _change(runs) for algorithm, runs in drifts.items()}
    cells = {a: (values[:, :, stance], replicates[:, :, stance]) for a, (values, replicates) in changes.items()}
    magnitude = {algorithm: asdict(mean(*cell, bootstrap)) for algorithm, cell in cells.items()}
    # |PPO| keeps the sign of its value in every replicate, for the reason given in `mean_absolute`.
    sign = -1.0 if magnitude["ppo"]["value"] < 0 else 1.0
    (dpo, dpo_replicates), (simpo, simpo_replicates), (ppo, ppo_replicates) = cells.values()
    return {
        "magnitude": magnitude,
        "difference": {
            "dpo_simpo": asdict(mean(dpo - simpo, dpo_replicates - simpo_replicates, bootstrap)),
            "simpo_ppo": asdict(mean(simpo - sign * ppo, simpo_replicates - sign * ppo_replicates, bootstrap)),
        },
    }


def _told(numbers: dict[str, Any]) -> str:
    return with_interval(numbers["value"], numbers["low"], numbers["high"])


def _when(numbers: dict[str, Any]) -> str:
    time = numbers["median_time"]
    return "" if time is None else f", half of its drifts by {time['value']:.0%} of its steps"
