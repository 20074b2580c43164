"""What the report and the exports are made from. The command line imports this, so it imports no large library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Files and folders that the report and the exports read; the options of their commands.

    Attributes:
        statistics: Folders of statistics, one per model.
        stances: Stance files of these models.
        quality: Judge → its quality file, for each judge that was measured.
        expression: Suite → the folder with the stances that its data sets express.
        prediction: Folders of predicted drift, one per model.
        metrics: Model → run → the file of its metrics.
        benchmarks: The folder of Snakemake's benchmark files; the predictions are next to it.
        calibrations: Folders of calibrations, one per calibrated model.
        corrected: Folders of corrected drift, one per model with a labelled sample.
        judges: Folders in which judges are compared, one per model with several or with a reference.
        controls: Drift tables of negative controls, one per model that was asked them.
        health: Tables with the signs of bad health of each answer, one per model.
        labelled: Model → its labelled sample of answers, if it has one.
    """

    statistics: Sequence[Path]
    stances: Sequence[Path]
    quality: Mapping[str, Path]
    expression: Mapping[str, Path]
    prediction: Sequence[Path] = ()
    metrics: Mapping[str, Mapping[str, str]]
    benchmarks: Path
    calibrations: Sequence[Path] = ()
    corrected: Sequence[Path] = ()
    judges: Sequence[Path] = ()
    controls: Sequence[Path] = ()
    health: Sequence[Path] = ()
    labelled: Mapping[str, Path] = field(default_factory=dict)
