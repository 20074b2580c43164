"""From stance files to the tables of one model, as the pipeline's jobs write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.files import read_json, write_json, write_parquet
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.calibration import calibration_errors, calibration_table
from valuedrift.statistics.corrected import corrected_tables
from valuedrift.statistics.findings import PreferenceSets, paper_findings
from valuedrift.statistics.labelled_sample import calibrate_stages, read_labelled, stage_agreement
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import read_panel
from valuedrift.statistics.trajectory import Trajectory

COLUMNS = ["model", "run", "step", "topic", "question_id", "sample", "p_support", "p_neutral", "p_oppose", "unassigned"]


def write_statistics(
    stances: Sequence[Path],
    trajectories: Sequence[Mapping[str, Any]],
    sets: Mapping[str, Any],
    cards: Mapping[str, str],
    settings: Mapping[str, Any],
    seed: int,
    out: Path,
    seeds: Sequence[Path] = (),
) -> None:
    """Write values.parquet, drift.parquet, distances.parquet, noise.parquet and findings.json into `out`.

    cards: SFT data set → its card.json, where stances are planted · seeds: value tables of the same runs with other
    seeds, as this function writes them
    """
    runs = [Trajectory.from_dict(entry) for entry in trajectories]
    bootstrap = Bootstrap(seed=seed, **settings)
    panel = read_panel(stances, bootstrap)
    measures = measure(panel, runs, bootstrap, seeds)
    named = PreferenceSets(tuple(sets.get("small_gap", ())), sets.get("support_aligned"), sets.get("oppose_aligned"))
    findings = paper_findings(measures.runs, named, planted=planted_table(cards), bootstrap=bootstrap)
    write_parquet(out / "values.parquet", measures.values)
    write_parquet(out / "drift.parquet", measures.drift)
    write_parquet(out / "distances.parquet", measures.distances)
    write_parquet(out / "noise.parquet", measures.noise)
    write_json(out / "findings.json", [asdict(finding) for finding in findings])


def write_corrected(
    stances: Sequence[Path],
    trajectories: Sequence[Mapping[str, Any]],
    labelled: Path,
    settings: Mapping[str, Any],
    seed: int,
    out: Path,
) -> None:
    """Write corrected_values.parquet, corrected_drift.parquet and judge_agreement.parquet into `out`.

    labelled: see `read_labelled`
    """
    runs = [Trajectory.from_dict(entry) for entry in trajectories]
    bootstrap = Bootstrap(seed=seed, **settings)
    panel, sample = read_panel(stances, bootstrap), read_labelled(labelled)
    values, drift = corrected_tables(panel, runs, calibrate_stages(sample, bootstrap), bootstrap)
    write_parquet(out / "corrected_values.parquet", values)
    write_parquet(out / "corrected_drift.parquet", drift)
    write_parquet(out / "judge_agreement.parquet", stage_agreement(sample, panel.model, bootstrap.level))


def write_calibration(
    stances: Sequence[Path], cards: Mapping[str, str], settings: Mapping[str, Any], seed: int, out: Path
) -> None:
    """Write table.parquet (planted and measured shares) and errors.parquet (their mean distance) into `out`."""
    judged = pl.concat([pl.read_parquet(path, columns=COLUMNS) for path in stances])
    planted = planted_table(cards)
    assert planted is not None
    bootstrap = Bootstrap(seed=seed, **settings)
    write_parquet(out / "errors.parquet", calibration_errors(judged, planted, bootstrap))
    write_parquet(out / "table.parquet", calibration_table(judged, planted, bootstrap))


def planted_table(cards: Mapping[str, str]) -> pl.DataFrame | None:
    """`data, topic, stance, planted` out of data cards; None where nothing is planted."""
    rows = [
        {"data": data, "topic": entry["topic"], "stance": entry["stance"], "planted": entry["share"]}
        for data, card in cards.items()
        for entry in read_json(card).get("planted", [])
        if entry["column"] == "true_stance"
    ]
    return pl.DataFrame(rows) if rows else None
