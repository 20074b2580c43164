"""What the tables and figures are made from. The command line imports this, so it imports no large library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TableInputs:
    """Files and folders that the paper's tables are made from; the options of their command.

    Attributes:
        statistics: Folders of statistics, one per model.
        stances: Stance tables of the models.
        probes: Suite and its table of probe questions.
        aligned: Suite and its table of support-aligned pairs, if it has any.
        expression: Suite and the folder with the stances of its data sets.
        corrected: The corrected_drift.parquet of each model with a labelled sample.
        judges: Folders in which judges are compared, one per model with several or with a reference.
        downstream: Files of benchmark scores, one per checkpoint.
    """

    statistics: Sequence[Path]
    stances: Sequence[Path]
    probes: Mapping[str, Path]
    aligned: Mapping[str, Path]
    expression: Mapping[str, Path]
    corrected: Sequence[Path] = ()
    judges: Sequence[Path] = ()
    downstream: Sequence[Path] = ()


@dataclass(frozen=True, kw_only=True)
class FigureInputs:
    """Files and folders that the paper's figures are made from; the options of their command.

    Attributes:
        statistics: Folders of statistics, one per model.
        expression: Suite and the folder with the stances of its data sets.
        prompts: Prompts of the judges and of the writers, as for `draw_prompts`.
        ablations: Figures of ablations; the index links to them, they aren't copied.
    """

    statistics: Sequence[Path]
    expression: Mapping[str, Path]
    prompts: Mapping[str, Mapping[str, str]]
    ablations: Sequence[Path] = ()
