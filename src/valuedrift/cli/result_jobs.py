"""Commands that rules call to compute and show results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from valuedrift.cli.options import Json, JsonList, Paths
from valuedrift.paper.folder_inputs import FigureInputs, TableInputs
from valuedrift.report.source_files import Sources

_FIELDS = Parameter(name="*")  # each field of the class is an option


def configuration(*, settings: Json, out: Path) -> None:
    """Write the configuration to a file among the results.

    Args:
        settings: The configuration.
        out: File to write.
    """
    from valuedrift.files import write_text

    write_text(out, json.dumps(settings, ensure_ascii=False) + "\n")


def retrieve(*, name: str, data: Paths, store: Path, probes: Path, settings: Json, out: Path) -> None:
    """Find a data set's rows on the topics of the probes.

    Args:
        name: The data set's key.
        data: The data set's tables.
        store: File that keeps the rows' vectors.
        probes: Table of probe questions.
        settings: Sentence encoder, threshold and topics.
        out: Table to write.
    """
    from valuedrift.config.suites import RowRetrievalSettings
    from valuedrift.data.stances.retrieval import write_retrieved, write_vectors

    retrieval = RowRetrievalSettings.read(settings)
    write_vectors(data, retrieval.model, store)
    write_retrieved(name, data, store, probes, retrieval, out)


def express(*, stances: Paths, statistics_settings: Json, seed: int, examples: int, out: Path) -> None:
    """Aggregate the stances of data sets' rows: shares, value gaps, nearest examples.

    Args:
        stances: Stance tables of the data sets.
        statistics_settings: Replicates and level of the bootstrap.
        seed: Seed of the bootstrap.
        examples: Number of nearest rows to keep per stance.
        out: Folder to write.
    """
    from valuedrift.data.stances.write_tables import write_expression

    write_expression(stances, statistics_settings, seed, examples, out)


def recover(*, stances: Paths, expression: Path, tables: Json, out: Path) -> None:
    """Compare the stances that data sets express with the planted ones.

    Args:
        stances: Stance tables of the data sets.
        expression: Folder that `express` wrote.
        tables: Tables of every data set, with the planted stances.
        out: Folder to write.
    """
    from valuedrift.data.stances.write_tables import write_recovery

    write_recovery(stances, expression, tables, out)


def predict(*, expression: Path, statistics: Path, statistics_settings: Json, seed: int, out: Path) -> None:
    """Predict a model's values from its SFT data, and list the rows that they depend on.

    Args:
        expression: Folder that `express` wrote.
        statistics: Folder of the model's statistics.
        statistics_settings: Replicates and level of the bootstrap.
        seed: Seed of the bootstrap.
        out: Folder to write.
    """
    from valuedrift.data.stances.write_tables import write_prediction

    write_prediction(expression, statistics, statistics_settings, seed, out)


def statistics(
    *,
    stances: Paths,
    trajectories: JsonList,
    sets: Json,
    cards: Json,
    thresholds: Json,
    statistics_settings: Json,
    seed: int,
    health: Path,
    seeds: Paths = (),
    out: Path,
) -> None:
    """Compute values, drifts and findings of a model.

    Args:
        stances: Stance tables of the model.
        trajectories: The model's runs and their steps.
        sets: Which preference sets are small-gap, support-aligned and oppose-aligned.
        cards: Data cards of SFT sets with planted stances.
        thresholds: The limits for the words of the findings.
        statistics_settings: Replicates and level of the bootstrap.
        seed: Seed of the bootstrap.
        health: Health of the model's answers.
        seeds: Folders of statistics of the same runs with other seeds.
        out: Folder to write.
    """
    from valuedrift.statistics.write_statistics import write_statistics

    write_statistics(stances, trajectories, sets, cards, thresholds, statistics_settings, seed, health, out, seeds)


def controls(*, stances: Paths, trajectories: JsonList, statistics_settings: Json, seed: int, out: Path) -> None:
    """Compute the drifts of a model's stances on value-free questions.

    Args:
        stances: Stance tables of the answers to these questions.
        trajectories: The model's runs and their steps.
        statistics_settings: Replicates and level of the bootstrap.
        seed: Seed of the bootstrap.
        out: Table to write.
    """
    from valuedrift.statistics.write_statistics import write_controls

    write_controls(stances, trajectories, statistics_settings, seed, out)


def agreement(*, stances: Json, statistics: Json, statistics_settings: Json, seed: int, out: Path) -> None:
    """Compare several judges of a model's answers: agreement, drifts and findings by judge.

    Args:
        stances: Stance tables of the model by judge.
        statistics: Folder of statistics by judge.
        statistics_settings: Replicates and level of the bootstrap.
        seed: Seed of the bootstrap.
        out: Folder to write.
    """
    from valuedrift.judging.checks.compare_judges import write_judge_comparison
    from valuedrift.statistics.bootstrap import Bootstrap

    files = {name: [Path(file) for file in given] for name, given in stances.items()}
    folders = {name: Path(folder) for name, folder in statistics.items()}
    write_judge_comparison(files, folders, Bootstrap(seed=seed, **statistics_settings), out)


def correct(
    *, stances: Paths, trajectories: JsonList, labelled: Path, statistics_settings: Json, seed: int, out: Path
) -> None:
    """Correct a model's values and drifts for the judge's errors, with a labelled sample of its answers.

    Args:
        stances: Stance tables of the model.
        trajectories: The model's runs and their steps.
        labelled: Table of labelled answers.
        statistics_settings: Replicates and level of the bootstrap.
        seed: Seed of the bootstrap.
        out: Folder to write.
    """
    from valuedrift.statistics.write_statistics import write_corrected

    write_corrected(stances, trajectories, labelled, statistics_settings, seed, out)


def calibrate(*, stances: Paths, cards: Json, statistics_settings: Json, seed: int, out: Path) -> None:
    """Compare measured values with planted stances.

    Args:
        stances: Stance tables of SFT models.
        cards: Data cards of the models' data, with planted stances.
        statistics_settings: Replicates and level of the bootstrap.
        seed: Seed of the bootstrap.
        out: Folder to write.
    """
    from valuedrift.statistics.write_statistics import write_calibration

    write_calibration(stances, cards, statistics_settings, seed, out)


def tables(*, inputs: Annotated[TableInputs, _FIELDS], display: Json, seed: int, out: Path) -> None:
    """Write the paper's tables.

    Args:
        display: Names, orders and roles of models, data sets and topics.
        seed: Seed that chooses sample answers and pairs.
        out: Folder to write.
    """
    from valuedrift.display import Display
    from valuedrift.paper.result_folders import write_table_folder

    write_table_folder(inputs, Display.read(display), seed, out)


def figures(*, inputs: Annotated[FigureInputs, _FIELDS], display: Json, out: Path) -> None:
    """Draw the paper's figures.

    Args:
        display: Names, orders and roles of models, data sets and topics.
        out: Folder to write.
    """
    from valuedrift.display import Display
    from valuedrift.paper.result_folders import write_figure_folder

    write_figure_folder(inputs, Display.read(display), out)


def drift(*, statistics: Path, display: Json, out: Path) -> None:
    """Write the tables and figures of one model.

    Args:
        statistics: Folder of the model's statistics.
        display: Names, orders and roles of the model, data sets and topics.
        out: Folder to write.
    """
    from valuedrift.display import Display
    from valuedrift.paper.result_folders import write_drift_folder

    write_drift_folder(statistics, Display.read(display), out)


def ablations(
    *, stances: Paths, ablated: JsonList, display: Json, statistics_settings: Json, seed: int, out: Path
) -> None:
    """Compare the runs of a model's ablations.

    Args:
        stances: Stance tables of the runs, and of the runs that they start from.
        ablated: The runs to compare.
        display: Names, orders and roles of the model, data sets and topics.
        statistics_settings: Replicates and level of the bootstrap.
        seed: Seed of the bootstrap.
        out: Folder to write.
    """
    from valuedrift.display import Display
    from valuedrift.paper.ablations import write_ablations

    write_ablations(stances, ablated, Display.read(display), statistics_settings, seed, out)


def report(*, sources: Annotated[Sources, _FIELDS], configuration: Path, display: Json, sizes: Json, out: Path) -> None:
    """Write the report: a page, files of answers that it loads when needed, and its summary.

    Args:
        configuration: File that `configuration` wrote.
        display: Names, orders and roles of models, data sets and topics.
        sizes: Model → its number of parameters.
        out: Folder to write.
    """
    from valuedrift.display import Display
    from valuedrift.report.write_report import write_report_folder

    write_report_folder(sources, configuration, Display.read(display), sizes, out)


def exports(*, sources: Annotated[Sources, _FIELDS], downstream: Paths = (), display: Json, out: Path) -> None:
    """Write the data of tables, figures and report as tidy parquet and CSV files.

    Args:
        downstream: Files of benchmark scores.
        display: Names, orders and roles of models, data sets and topics.
        out: Folder to write.
    """
    from valuedrift.display import Display
    from valuedrift.report.exports import write_exports

    write_exports(sources, downstream, Display.read(display), out)
