"""Write the statistics tables of one model from its stance files, as the pipeline's jobs do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.files import read_json, write_json, write_parquet
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.calibration import calibration_tables
from valuedrift.statistics.corrected import corrected_tables, ends_of
from valuedrift.statistics.findings import PreferenceSets, Thresholds, paper_findings, with_healthy_verdicts
from valuedrift.statistics.framing import framing_table
from valuedrift.statistics.health import health_shares, healthy_drifts, unhealthy, with_health
from valuedrift.statistics.judge_agreement import stage_agreement
from valuedrift.statistics.labelled_sample import answers_with_labels, read_labelled
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import KEYS, make_panel, read_panel, read_panels
from valuedrift.statistics.planted import planted_table
from valuedrift.statistics.trajectory import Trajectory


def write_statistics(
    stances: Sequence[Path],
    trajectories: Sequence[Mapping[str, Any]],
    sets: Mapping[str, Any],
    cards: Mapping[str, str],
    thresholds: Mapping[str, float],
    settings: Mapping[str, Any],
    seed: int,
    health: Path,
    out: Path,
    seeds: Sequence[Path] = (),
) -> None:
    """Write the tables values, drift, distances, noise, health and framing, and findings.json, into `out`.

    Args:
        stances: Stance tables of one model.
        trajectories: The runs to measure, see `Trajectory`.
        sets: The fields of `PreferenceSets` that are set in the grid.
        cards: SFT data set → its card.json, for the data sets with planted stances.
        thresholds: The fields of `Thresholds`.
        settings: `replicates` and `level` of `Bootstrap`.
        seed: Seed of the bootstrap.
        health: The health of the model's answers, see `answer_health`.
        out: Folder to write into.
        seeds: Folders that this function wrote into for the same runs with other seeds.
    """
    runs = [Trajectory.from_dict(entry) for entry in trajectories]
    bootstrap = Bootstrap(seed=seed, **settings)
    shares, ill = _read_health(health, bootstrap.level)
    panel, healthy = read_panels(stances, ill, bootstrap)
    measures = measure(panel, runs, bootstrap, [one / "values.parquet" for one in seeds])
    among, healthy_runs = healthy_drifts(healthy, measures.runs, bootstrap)
    drift = with_health(measures.drift, measures.runs, shares, among)
    given = PreferenceSets(**sets), planted_table(cards), Thresholds(**thresholds), bootstrap
    findings = paper_findings(measures.runs, *given, [read_json(one / "findings.json") for one in seeds])
    for name in ("values", "distances", "noise"):
        write_parquet(out / f"{name}.parquet", getattr(measures, name))
    write_parquet(out / "drift.parquet", drift)
    write_parquet(out / "health.parquet", shares)
    write_parquet(out / "framing.parquet", framing_table(stances, bootstrap.level))
    checked = with_healthy_verdicts(findings, paper_findings(healthy_runs, *given), drift)
    write_json(out / "findings.json", [asdict(finding) for finding in checked])


def _read_health(path: Path, level: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return `health_shares` and the keys of unhealthy answers; all answers are in memory only here."""
    answers = pl.read_parquet(path)
    return health_shares(answers, level), answers.filter(unhealthy()).select(KEYS)


def write_controls(
    stances: Sequence[Path],
    trajectories: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    seed: int,
    out: Path,
) -> None:
    """Write the drift table of the negative controls, all of which are one topic.

    Args:
        stances: Stance tables of the answers to the control questions.
        trajectories: The runs to measure, see `Trajectory`.
        settings: `replicates` and `level` of `Bootstrap`.
        seed: Seed of the bootstrap.
        out: Table to write.
    """
    runs = [Trajectory.from_dict(entry) for entry in trajectories]
    bootstrap = Bootstrap(seed=seed, **settings)
    answers = pl.concat([pl.read_parquet(file) for file in stances]).with_columns(topic=pl.lit("controls"))
    drift = measure(make_panel(answers, bootstrap), runs, bootstrap).drift
    write_parquet(out, drift.filter(topic="controls"))


def write_corrected(
    stances: Sequence[Path],
    trajectories: Sequence[Mapping[str, Any]],
    labelled: Path,
    settings: Mapping[str, Any],
    seed: int,
    out: Path,
) -> None:
    """Write corrected_values.parquet, corrected_drift.parquet and judge_agreement.parquet into `out`.

    Args:
        stances: Stance tables of one model.
        trajectories: The runs to measure, see `Trajectory`.
        labelled: The labelled sample, see `read_labelled`.
        settings: `replicates` and `level` of `Bootstrap`.
        seed: Seed of the bootstrap.
        out: Folder to write into.
    """
    runs = [Trajectory.from_dict(entry) for entry in trajectories]
    bootstrap = Bootstrap(seed=seed, **settings)
    panel = read_panel(stances, bootstrap)
    sample = read_labelled(labelled, panel.model)
    values, drift = corrected_tables(panel, runs, answers_with_labels(stances, sample, ends_of(runs)), bootstrap)
    write_parquet(out / "corrected_values.parquet", values)
    write_parquet(out / "corrected_drift.parquet", drift)
    write_parquet(out / "judge_agreement.parquet", stage_agreement(sample, panel.model, bootstrap.level))


def write_calibration(
    stances: Sequence[Path], cards: Mapping[str, str], settings: Mapping[str, Any], seed: int, out: Path
) -> None:
    """Write table.parquet (planted and measured shares) and errors.parquet (their mean distance) into `out`."""
    planted = planted_table(cards)
    assert planted is not None
    bootstrap = Bootstrap(seed=seed, **settings)
    table, errors = calibration_tables(read_panel(stances, bootstrap), planted, bootstrap)
    write_parquet(out / "errors.parquet", errors)
    write_parquet(out / "table.parquet", table)
