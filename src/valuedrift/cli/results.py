"""Commands that compute and show drift."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from valuedrift.cli.options import Command

if TYPE_CHECKING:
    from valuedrift.report.sources import Sources


def statistics(given: argparse.Namespace) -> None:
    """Compute values, drifts and findings of a model."""
    from valuedrift.statistics.write_statistics import write_statistics

    write_statistics(
        given.stances,
        given.trajectories,
        given.sets,
        given.cards,
        given.statistics_settings,
        given.seed,
        given.out,
        given.seeds or (),
    )


def correct(given: argparse.Namespace) -> None:
    """Correct values and drifts of a model for the judge's errors, by a labelled sample of its answers."""
    from valuedrift.statistics.write_statistics import write_corrected

    write_corrected(given.stances, given.trajectories, given.labelled, given.statistics_settings, given.seed, given.out)


def calibrate(given: argparse.Namespace) -> None:
    """Compare measured values with planted stances."""
    from valuedrift.statistics.write_statistics import write_calibration

    write_calibration(given.stances, given.cards, given.statistics_settings, given.seed, given.out)


def downstream(given: argparse.Namespace) -> None:
    """Score a checkpoint on standard benchmarks."""
    from valuedrift.config.sampling import DownstreamSettings
    from valuedrift.downstream import write_scores

    settings = DownstreamSettings.read(given.settings)
    write_scores(given.model, given.run, given.checkpoint, given.base, settings, given.out)


def tables(given: argparse.Namespace) -> None:
    """Write the paper's tables."""
    from valuedrift.paper.write_folders import TableFiles, write_paper_tables

    files = TableFiles(
        statistics=given.statistics,
        stances=given.stances,
        probes=given.probes,
        aligned=given.aligned,
        expression=given.expression,
        corrected=given.corrected or [],
        downstream=given.downstream or [],
    )
    write_paper_tables(files, given.topics, given.report, given.seed, given.out)


def figures(given: argparse.Namespace) -> None:
    """Draw the paper's figures."""
    from valuedrift.paper.write_folders import FigureFiles, write_paper_figures

    files = FigureFiles(given.statistics, given.expression, given.ablations or [])
    write_paper_figures(files, given.topics, given.report, given.prompts, given.out)


def drift(given: argparse.Namespace) -> None:
    """Write the tables and figures of one model."""
    from valuedrift.paper.write_folders import write_drift

    write_drift(given.statistics[0], given.topics, given.report, given.out)


def ablations(given: argparse.Namespace) -> None:
    """Compare the runs of a model's ablations."""
    from valuedrift.paper.ablations import write_ablations

    write_ablations(
        given.stances, given.ablated, given.topics, given.report, given.statistics_settings, given.seed, given.out
    )


def report(given: argparse.Namespace) -> None:
    """Write the report: a page, the answers that it loads in pieces, and its summary."""
    from valuedrift.report.write_report import write_report_folder

    write_report_folder(_sources(given), given.corrected or [], given.configuration, given.topics, given.out)


def exports(given: argparse.Namespace) -> None:
    """Write what tables, figures and report show as tidy parquet and CSV."""
    from valuedrift.report.exports import write_exports

    write_exports(_sources(given), given.downstream or [], given.out)


def export_inspect(given: argparse.Namespace) -> None:
    """Write answers with their stances as logs of inspect_ai."""
    from valuedrift.report.inspect_logs import write_inspect_logs

    write_inspect_logs(given.stances, given.out)


def _sources(given: argparse.Namespace) -> Sources:
    from valuedrift.report.sources import Sources

    return Sources(
        statistics=given.statistics,
        stances=given.stances,
        calibrations=[Path(path) for path in given.calibrations],
        quality=given.quality,
        expression=given.expression,
        prediction=given.prediction,
        metrics=given.metrics,
        benchmarks=given.benchmarks,
    )


_SOURCES = "statistics* stances* calibrations quality? expression prediction* metrics benchmarks"

COMMANDS = (
    Command(statistics, "stances* trajectories sets cards statistics-settings seed seeds*? out"),
    Command(correct, "stances* trajectories labelled statistics-settings seed out"),
    Command(calibrate, "stances* cards statistics-settings seed out"),
    Command(downstream, "model run checkpoint base settings out"),
    Command(tables, "statistics* stances* probes aligned? expression corrected*? downstream*? topics report seed out"),
    Command(figures, "statistics* topics report expression prompts ablations*? out"),
    Command(drift, "statistics* topics report out"),
    Command(ablations, "stances* ablated topics report statistics-settings seed out"),
    Command(report, f"{_SOURCES} corrected*? topics configuration out"),
    Command(exports, f"{_SOURCES} downstream*? out"),
    Command(export_inspect, "stances* out"),
)
