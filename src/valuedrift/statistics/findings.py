"""The paper's findings (sections 4 to 6) as claims with numbers, intervals and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.criteria import Claim, Mean, decide
from valuedrift.statistics.drift import RunDrift
from valuedrift.statistics.health import UNHEALTHY, rests_on_unhealthy
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.statistics.planted import planted_shares
from valuedrift.statistics.root_mean_square import RootDifference, RootMeanSquare, root_mean_square

EARLY, BARELY, WIDE, PRIOR = (
    "sft_sets_values_early",
    "small_gap_barely_moves",
    "wide_gap_separates_algorithms",
    "dpo_amplifies_the_prior",
)
MISSING, UNDECIDED = "missing", "undecided"

_WIDE_GAP_ALGORITHMS = ("dpo", "simpo", "ppo")


@dataclass(frozen=True)
class Thresholds:
    """The limits for the words of the findings; see the section `statistics` of the configuration."""

    early: float
    barely: float
    strong: float


@dataclass(frozen=True)
class PreferenceSets:
    """The preference data sets of each kind, named as in `Trajectory.data`; empty or None if the grid has none."""

    small_gap: Sequence[str] = ()
    support_aligned: str | None = None
    oppose_aligned: str | None = None


@dataclass(frozen=True)
class Finding:
    """A finding.

    Attributes:
        name: Its name.
        holds: True, False, or None.
        reason: Why `holds` is None: MISSING (runs that it needs) or UNDECIDED.
        numbers: Numbers that can be written as JSON; empty if runs are missing.
        runs: The runs that it is about.
        healthy: `holds` among healthy answers.
        unhealthy: Those of its runs that rest on unhealthy answers → the share of these, on the mean over topics.
    """

    name: str
    holds: bool | None
    reason: str | None
    numbers: dict[str, Any]
    runs: tuple[str, ...] = ()
    healthy: bool | None = None
    unhealthy: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _AnyTime:
    """The crossing time of a run in which nothing moved."""

    value: float = 0.5

    def bounds(self, tail: float) -> tuple[float, float]:
        return 0.0, 1.0


def paper_findings(
    drifts: Sequence[RunDrift],
    sets: PreferenceSets,
    planted: pl.DataFrame | None,
    thresholds: Thresholds,
    bootstrap: Bootstrap,
    others: Sequence[Sequence[Mapping[str, Any]]] = (),
) -> list[Finding]:
    """Return the findings that can be computed with the data sets in `sets`, over one model's main runs.

    The first two need small-gap sets, the third a support-aligned set, and the last both aligned sets; without them
    they are left out.

    Args:
        drifts: At most one run per SFT data set, algorithm and data set.
        sets: The preference data sets of each kind.
        planted: Stance shares of the SFT data sets where they are known: `data, topic, stance, planted`.
        thresholds: The limits.
        bootstrap: Settings of the intervals; verdicts are wrong with a probability of at most 1 − level.
        others: The same findings of the same grid run with other seeds, as JSON.

    Raises:
        ArtifactError: As `planted_shares` does.
    """
    claimed: dict[str, dict[str, Any]] = {}
    about: dict[str, Sequence[RunDrift]] = {}
    if sets.small_gap:
        small = [drift for drift in drifts if drift.trajectory.data in sets.small_gap]
        tuned = [drift for drift in drifts if drift.trajectory.algorithm == "sft"]
        claimed[EARLY] = _sft_sets_values_early(tuned, small, planted, thresholds)
        claimed[BARELY] = _small_gap_barely_moves(small, thresholds)
        about |= {EARLY: [*tuned, *small], BARELY: small}
    if sets.support_aligned:
        wide = [drift for drift in drifts if drift.trajectory.data == sets.support_aligned]
        claimed[WIDE] = _wide_gap_separates_algorithms(wide, thresholds, bootstrap)
        about[WIDE] = [drift for drift in wide if drift.trajectory.algorithm in _WIDE_GAP_ALGORITHMS]
    if sets.support_aligned and sets.oppose_aligned:
        sides = (sets.support_aligned, sets.oppose_aligned)
        about[PRIOR] = [d for d in drifts if d.trajectory.algorithm == "dpo" and d.trajectory.data in sides]
        claimed[PRIOR] = _dpo_amplifies_the_prior(about[PRIOR], *sides, bootstrap)
    found = []
    for name, claims in claimed.items():
        if not claims:
            found.append(Finding(name, None, MISSING, {}))
            continue
        same = [finding["numbers"] for other in others for finding in other if finding["name"] == name]
        holds, numbers = decide(claims, bootstrap.level, same)
        runs = tuple(drift.trajectory.run for drift in about[name])
        found.append(Finding(name, holds, UNDECIDED if holds is None else None, numbers, runs))
    return found


def with_healthy_verdicts(findings: Sequence[Finding], among: Sequence[Finding], drift: pl.DataFrame) -> list[Finding]:
    """Fill in `healthy` and `unhealthy`.

    Args:
        findings: The findings.
        among: The same findings among healthy answers.
        drift: The drift table, see `with_health`.
    """
    ill = dict(drift.filter(rests_on_unhealthy(), topic=ALL).select("run", UNHEALTHY).iter_rows())
    return [
        replace(one, healthy=other.holds, unhealthy={run: ill[run] for run in one.runs if run in ill})
        for one, other in zip(findings, among, strict=True)
    ]


def _sft_sets_values_early(
    tuned: Sequence[RunDrift], small: Sequence[RunDrift], planted: pl.DataFrame | None, thresholds: Thresholds
) -> dict[str, Any]:
    """Claim finding 1 (section 4): SFT sets the values early, and towards the stance mix of its data.

    For every SFT run: its RMS M (over topics and stances) is above that of each small-gap preference run; half of its
    movement is done before the share `early` of its steps, earlier than along a straight line; and, if shares are
    planted in its data, the RMS distance to them is smaller after SFT than before.
    """
    if not tuned or not small:
        return {}
    moved = {drift.trajectory.run: _rms(drift) for drift in (*tuned, *small)}
    return {
        drift.trajectory.run: {
            "further_than": {
                other.trajectory.run: _further(moved[drift.trajectory.run], moved[other.trajectory.run])
                for other in small
            },
            "t50": Claim(drift.moved or _AnyTime(), above=False, threshold=thresholds.early),
            "rms": moved[drift.trajectory.run],
            **_nearer(drift, planted),
        }
        for drift in tuned
    }


def _small_gap_barely_moves(small: Sequence[RunDrift], thresholds: Thresholds) -> dict[str, Any]:
    """Claim finding 2 (section 5): preference optimisation on pairs with a small value gap barely moves the values.

    For each algorithm and stance, RMS M over the algorithm's small-gap runs and topics is below `barely`.
    """
    runs: dict[str, list[RunDrift]] = {}
    for drift in sorted(small, key=lambda one: one.trajectory.algorithm):
        runs.setdefault(drift.trajectory.algorithm, []).append(drift)
    return {
        algorithm: {
            stance: Claim(_rms_of(own, s), above=False, threshold=thresholds.barely) for s, stance in enumerate(STANCES)
        }
        for algorithm, own in runs.items()
    }


def _wide_gap_separates_algorithms(
    drifts: Sequence[RunDrift], thresholds: Thresholds, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Claim finding 3 (section 6): with a wide gap, DPO amplifies values, SimPO moves them modestly, PPO keeps them.

    On the support-aligned set: M_support of DPO is above `strong`, that of SimPO below it; DPO's is above SimPO's, and
    SimPO's above PPO's; and RMS M_support of PPO is below `barely`. Means are over topics, and over the SFT data sets
    for which all three algorithms have runs.
    """
    runs = {(drift.trajectory.algorithm, drift.trajectory.sft): drift for drift in drifts}
    shared = [sft for sft in sorted({sft for _, sft in runs}) if all((a, sft) in runs for a in _WIDE_GAP_ALGORITHMS)]
    if not shared:
        return {}
    dpo, simpo, ppo = ([runs[algorithm, sft] for sft in shared] for algorithm in _WIDE_GAP_ALGORITHMS)
    s = STANCES.index("support")
    moved = {name: _mean(own, s, bootstrap) for name, own in (("dpo", dpo), ("simpo", simpo), ("ppo", ppo))}
    return {
        "sft": shared,
        "dpo": Claim(moved["dpo"], above=True, threshold=thresholds.strong),
        "simpo": Claim(moved["simpo"], above=False, threshold=thresholds.strong),
        "dpo_over_simpo": Claim(_minus(moved["dpo"], moved["simpo"]), above=True, threshold=0.0),
        "simpo_over_ppo": Claim(_minus(moved["simpo"], moved["ppo"]), above=True, threshold=0.0),
        "ppo": moved["ppo"],
        "ppo_rms": Claim(_rms_of(ppo, s), above=False, threshold=thresholds.barely),
    }


def _dpo_amplifies_the_prior(
    drifts: Sequence[RunDrift], support: str, oppose: str, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Claim the prior sensitivity of DPO (section 6): it moves a stance further that SFT already prefers.

    After the same SFT, the stance that is more probable at the start, of support and oppose, moves further on the pairs
    that reward it than the other one on the pairs that reward the other. That it is more probable is a claim too. Means
    are over topics, and over the SFT data sets with both runs.
    """
    runs = {(drift.trajectory.data, drift.trajectory.sft): drift for drift in drifts}
    shared = [sft for sft in sorted({sft for _, sft in runs}) if (support, sft) in runs and (oppose, sft) in runs]
    if not shared:
        return {}
    sides = {stance: [runs[data, sft] for sft in shared] for stance, data in (("support", support), ("oppose", oppose))}
    prior = {stance: _mean(own, STANCES.index(stance), bootstrap, start=True) for stance, own in sides.items()}
    moved = {stance: _mean(own, STANCES.index(stance), bootstrap) for stance, own in sides.items()}
    favoured, other = (
        ("support", "oppose") if prior["support"].value >= prior["oppose"].value else ("oppose", "support")
    )
    return {
        "sft": shared,
        "favoured": favoured,
        "prior": Claim(_minus(prior[favoured], prior[other]), above=True, threshold=0.0),
        "moved": moved,
        "difference": Claim(_minus(moved[favoured], moved[other]), above=True, threshold=0.0),
    }


def _further(first: RootMeanSquare, second: RootMeanSquare) -> Claim:
    return Claim(RootDifference(first, second), above=True, threshold=0.0)


def _nearer(drift: RunDrift, planted: pl.DataFrame | None) -> dict[str, Any]:
    if planted is None or drift.trajectory.data not in set(planted["data"]):
        return {}
    shares = list(planted_shares(planted, drift.trajectory.data, drift.topics))
    before, after = (root_mean_square([topic[end] for topic in drift.questions], shares) for end in (0, 1))
    return {"nearer_to_data": Claim(RootDifference(before, after), above=True, threshold=0.0)}


def _rms(drift: RunDrift) -> RootMeanSquare:
    return root_mean_square([topic[1] - topic[0] for topic in drift.questions], answers=drift.answers)


def _rms_of(drifts: Sequence[RunDrift], stance: int) -> RootMeanSquare:
    """Return RMS M of one stance over runs and topics."""
    topics = zip(*(drift.questions for drift in drifts), strict=True)
    cells = [np.stack([run[1, stance] - run[0, stance] for run in topic]) for topic in topics]
    return root_mean_square(cells, answers=min(drift.answers for drift in drifts))


def _mean(drifts: Sequence[RunDrift], stance: int, bootstrap: Bootstrap, start: bool = False) -> Mean:
    """Return the mean M of one stance, or its mean value at the start, over runs and topics."""
    topics = zip(*(drift.questions for drift in drifts), strict=True)
    replicates = [d.start_replicates if start else d.end_replicates - d.start_replicates for d in drifts]
    return Mean(
        [
            np.mean([run[0, stance] if start else run[1, stance] - run[0, stance] for run in own], axis=0)
            for own in topics
        ],
        np.mean([one[:, stance].mean(axis=0) for one in replicates], axis=0),
        min(drift.answers for drift in drifts),
        bootstrap,
    )


def _minus(first: Mean, second: Mean) -> Mean:
    topics: list[FloatArray] = [a - b for a, b in zip(first.topics, second.topics, strict=True)]
    return Mean(topics, first.replicates - second.replicates, min(first.answers, second.answers), first.bootstrap)
