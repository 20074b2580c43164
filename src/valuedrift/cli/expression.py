"""Commands that tell what data sets express, and what that foretells (appendix K)."""

from __future__ import annotations

import argparse
from pathlib import Path

from valuedrift.cli.options import Command


def retrieve(given: argparse.Namespace) -> None:
    """Find a data set's rows on the topics of the probes."""
    from valuedrift.config.suites import RowRetrieval
    from valuedrift.dataset_stances.retrieval import write_retrieved, write_vectors

    settings = RowRetrieval.read(given.settings)
    write_vectors(given.data, settings.model, given.store)
    write_retrieved(given.name, given.data, given.store, given.probes, settings, given.out)


def express(given: argparse.Namespace) -> None:
    """Aggregate the stances of data sets' rows: shares, value gaps, nearest examples."""
    from valuedrift.dataset_stances.write_tables import write_expression

    write_expression(given.stances, given.statistics_settings, given.seed, given.examples, given.out)


def recover(given: argparse.Namespace) -> None:
    """Compare what data sets express with what was planted."""
    from valuedrift.dataset_stances.write_tables import write_recovery

    write_recovery(given.stances, given.expression, given.tables, given.out)


def predict(given: argparse.Namespace) -> None:
    """Foretell a model's values from its SFT data, and list what moved them."""
    from valuedrift.dataset_stances.write_tables import write_prediction

    statistics: Path = given.statistics[0]
    write_prediction(given.expression, statistics, given.statistics_settings, given.seed, given.out)


COMMANDS = (
    Command(retrieve, "name data* store probes settings out"),
    Command(express, "stances* statistics-settings seed examples out"),
    Command(recover, "stances* expression tables out"),
    Command(predict, "expression statistics* statistics-settings seed out"),
)
