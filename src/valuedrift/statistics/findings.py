"""The paper's three findings (sections 4 to 6) as numbers, intervals and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.statistics.bootstrap import Bootstrap, Estimate, FloatArray, mean, mean_absolute
from valuedrift.statistics.drift import RunDrift
from valuedrift.statistics.panel import STANCES
from valuedrift.statistics.planted import planted_shares

# Limits for the words of the findings. The paper gives none; these are ours.
EARLY = 0.5
"""Largest median drift time of SFT, as a share of its steps, that counts as early."""
BARELY = 0.1
"""Largest mean |magnitude| that counts as barely moving."""
STRONG = 0.3
"""Smallest mean M_support of DPO on support-aligned pairs that counts as amplifying (paper: 0.53 on immigration)."""

# In the order of finding 3: the algorithm that moves values the furthest comes first.
_WIDE_GAP_ALGORITHMS = ("dpo", "simpo", "ppo")


@dataclass(frozen=True)
class PreferenceSets:
    """The preference data sets of each kind, named as in `Trajectory.data`; empty or None if the grid has none."""

    small_gap: Sequence[str] = ()
    support_aligned: str | None = None
    oppose_aligned: str | None = None


@dataclass(frozen=True)
class Finding:
    """A finding; `holds` is None if runs that it needs are missing, and `numbers` can be written as JSON."""

    name: str
    holds: bool | None
    numbers: dict[str, Any]


def paper_findings(
    drifts: Sequence[RunDrift], sets: PreferenceSets, planted: pl.DataFrame | None, bootstrap: Bootstrap
) -> list[Finding]:
    """Return the findings that can be computed with the data sets in `sets`, over one model's main runs.

    Findings 1 and 2 need small-gap sets, and finding 3 needs a support-aligned set; without them they are left out. All
    means over topics are taken within each joint replicate.

    Args:
        drifts: At most one run per SFT data set, algorithm and data set.
        sets: The preference data sets of each kind.
        planted: Stance shares of the SFT data sets where they are known: `data, topic, stance, planted`.
        bootstrap: Settings of the intervals.

    Raises:
        ArtifactError: As `planted_shares` does.
    """
    findings = []
    if sets.small_gap:
        small = [drift for drift in drifts if drift.trajectory.data in sets.small_gap]
        tuned = [drift for drift in drifts if drift.trajectory.algorithm == "sft"]
        findings += [
            _sft_sets_values_early(tuned, small, planted, bootstrap),
            _small_gap_barely_moves(small, bootstrap),
        ]
    if sets.support_aligned:
        support = _contrast(drifts, sets.support_aligned, "support", bootstrap)
        oppose = _contrast(drifts, sets.oppose_aligned, "oppose", bootstrap)
        findings.append(_wide_gap_separates_algorithms(support, oppose))
    return findings


def _sft_sets_values_early(
    tuned: Sequence[RunDrift], small: Sequence[RunDrift], planted: pl.DataFrame | None, bootstrap: Bootstrap
) -> Finding:
    """Compute finding 1 (section 4): SFT sets the values early, and towards the stance mix of its data.

    It holds if the following is true for every SFT run: the interval of mean |M| (over topics and stances) is above the
    largest mean |M| of a small-gap preference run; the median drift time (over the cells that drifted) is at most
    EARLY; and, if `planted` is given, the mean distance to the shares of its data is smaller after SFT than before.
    """
    name = "sft_sets_values_early"
    if not tuned or not small:
        return Finding(name, None, {})
    largest, run = max((mean_absolute(*_change([drift]), bootstrap).value, drift.trajectory.run) for drift in small)
    numbers = {drift.trajectory.run: _sft_numbers(drift, planted, bootstrap) for drift in tuned}
    holds = all(_sets_early(one, largest) for one in numbers.values())
    return Finding(name, holds, {"sft": numbers, "largest_small_gap": {"run": run, "value": largest}})


def _small_gap_barely_moves(small: Sequence[RunDrift], bootstrap: Bootstrap) -> Finding:
    """Compute finding 2 (section 5): preference optimisation on pairs with a small value gap barely moves the values.

    It holds if, for each algorithm with small-gap runs, the mean |M_s| over its runs and topics is at most BARELY for
    every stance s. The largest of the three means is reported with the interval of its stance.
    """
    name = "small_gap_barely_moves"
    if not small:
        return Finding(name, None, {})
    numbers = {
        algorithm: _by_stance([drift for drift in small if drift.trajectory.algorithm == algorithm], bootstrap)
        for algorithm in sorted({drift.trajectory.algorithm for drift in small})
    }
    holds = all(one["largest"]["value"] <= BARELY for one in numbers.values())
    return Finding(name, holds, {"algorithms": numbers})


def _wide_gap_separates_algorithms(support: dict[str, Any] | None, oppose: dict[str, Any] | None) -> Finding:
    """Compute finding 3 (section 6): with a wide gap, DPO amplifies values, SimPO moves them modestly, PPO keeps them.

    It holds if, on the support-aligned set, the mean M_support of DPO is at least STRONG and above SimPO's, and SimPO's
    is above |PPO's|. Means are over topics, and over the SFT data sets for which all three algorithms have runs.
    M_oppose on the oppose-aligned set is also reported, but does not affect the verdict.
    """
    name = "wide_gap_separates_algorithms"
    if support is None:
        return Finding(name, None, {})
    dpo, simpo, ppo = (support["magnitude"][algorithm]["value"] for algorithm in _WIDE_GAP_ALGORITHMS)
    holds = dpo >= STRONG and dpo > simpo > abs(ppo)
    return Finding(name, holds, {"support_aligned": support, "oppose_aligned": oppose})


def _change(drifts: Sequence[RunDrift]) -> tuple[FloatArray, FloatArray]:
    """Return magnitudes (runs, topics, stances) and their replicates (runs, topics, stances, replicates)."""
    values = np.stack([drift.end - drift.start for drift in drifts])
    return values, np.stack([drift.end_replicates - drift.start_replicates for drift in drifts])


def _sft_numbers(drift: RunDrift, planted: pl.DataFrame | None, bootstrap: Bootstrap) -> dict[str, Any]:
    drifted = drift.time > 0
    numbers = {
        "magnitude": asdict(mean_absolute(*_change([drift]), bootstrap)),
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
    """Return the median drift time and the medians of the cells' interval ends (wide, as if all cells erred alike)."""
    if not drifted.any():
        return None
    value, low, high = (float(np.median(one[drifted])) for one in (drift.time, drift.time_low, drift.time_high))
    return asdict(Estimate(value, low, high))


def _sets_early(numbers: dict[str, Any], largest_small_gap: float) -> bool:
    time = numbers["median_time"]
    nearer = "distance_after" not in numbers or numbers["distance_after"]["value"] < numbers["distance_before"]["value"]
    early = time is not None and time["value"] <= EARLY
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
    """Return magnitudes of `stance` per algorithm on `data`, and differences; None without runs of all algorithms."""
    runs = {(d.trajectory.algorithm, d.trajectory.sft): d for d in drifts if d.trajectory.data == data}
    shared = [sft for sft in sorted({sft for _, sft in runs}) if all((a, sft) in runs for a in _WIDE_GAP_ALGORITHMS)]
    if not shared:
        return None
    changes = {a: _change([runs[a, sft] for sft in shared]) for a in _WIDE_GAP_ALGORITHMS}
    s = STANCES.index(stance)
    cells = {a: (values[:, :, s], replicates[:, :, s]) for a, (values, replicates) in changes.items()}
    magnitude = {algorithm: asdict(mean(*cell, bootstrap)) for algorithm, cell in cells.items()}
    # For |PPO|, each replicate is multiplied by the sign of the value, for the reason given in `mean_absolute`.
    sign = -1.0 if magnitude["ppo"]["value"] < 0 else 1.0
    (dpo, dpo_replicates), (simpo, simpo_replicates), (ppo, ppo_replicates) = cells.values()
    return {
        "sft": shared,
        "stance": stance,
        "magnitude": magnitude,
        "difference": {
            "dpo_simpo": asdict(mean(dpo - simpo, dpo_replicates - simpo_replicates, bootstrap)),
            "simpo_ppo": asdict(mean(simpo - sign * ppo, simpo_replicates - sign * ppo_replicates, bootstrap)),
        },
    }
