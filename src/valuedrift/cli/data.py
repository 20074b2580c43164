"""Commands that make data sets and probe questions."""

from __future__ import annotations

import argparse

from valuedrift.cli.options import Command


def world(given: argparse.Namespace) -> None:
    """Generate one table of the pocket world."""
    from valuedrift.config.pocket_world import WorldSettings
    from valuedrift.files import publish, write_parquet
    from valuedrift.world.world_tables import world_table

    table = world_table(WorldSettings.read(given.settings), given.kind, given.name, given.plan)
    if given.out.suffix == ".csv":
        with publish(given.out) as draft:
            table.write_csv(draft)
    else:
        write_parquet(given.out, table)


def prepare(given: argparse.Namespace) -> None:
    """Turn a data set into training tables and a data card."""
    from valuedrift.config.data_sets import DataSettings
    from valuedrift.data.prepare import prepare

    prepare(DataSettings.read(given.settings), given.seed, given.out)


def probes(given: argparse.Namespace) -> None:
    """Collect the probe questions."""
    from valuedrift.probes.questions import hand_made_probes, prism_probes, write_probes

    source, file = given.settings["source"], given.settings["file"]
    if source == "questions":
        probes = hand_made_probes(file, given.keywords)
    else:
        probes = prism_probes(file, given.keywords, given.settings["per_topic"], given.seed)
    write_probes(probes, given.out)


def documents(given: argparse.Namespace) -> None:
    """Turn conversations into plain documents to pre-train on."""
    from valuedrift.data.documents import documents
    from valuedrift.files import write_parquet

    write_parquet(given.out, documents(given.data))


COMMANDS = (
    Command(world, "settings kind name plan out"),
    Command(prepare, "settings seed out"),
    Command(probes, "settings keywords seed out"),
    Command(documents, "data* out"),
)
