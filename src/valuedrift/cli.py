"""The command line that the rules call: `valuedrift COMMAND …`. Each command reads files and writes files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from valuedrift.errors import ValueDriftError

Handler = Callable[[argparse.Namespace], None]

# What each option takes, in every command that has it. Settings are JSON, so that a rule passes them as they are.
TYPES: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("algorithm", "kind", "model", "name", "run", "prompt", "template"), str),
    **dict.fromkeys(("seed", "steps"), int),
    **dict.fromkeys(("settings", "shape", "chat", "source", "sampling", "targets", "keywords", "topics"), json.loads),
    **dict.fromkeys(
        ("plan", "trajectories", "sets", "cards", "report", "calibrations", "statistics-settings"), json.loads
    ),
    **dict.fromkeys(("data", "base", "init", "reward-model", "probes", "checkpoints", "out"), Path),
    **dict.fromkeys(("judge", "answers", "stances", "statistics", "quality", "benchmarks", "configuration"), Path),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; deliberate errors are printed without a traceback and end with status 1."""
    parser = argparse.ArgumentParser(prog="valuedrift", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_commands(commands)
    given = parser.parse_args(arguments)
    try:
        given.handler(given)
    except ValueDriftError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _command(commands: Any, handler: Handler, options: str) -> None:
    """Add the command named like its handler; `?` marks options that may be absent, `*` those of several values."""
    parser = commands.add_parser(handler.__name__[1:].replace("_", "-"), help=handler.__doc__)
    for option in options.split():
        name = option.rstrip("?*")
        parser.add_argument(
            f"--{name}",
            type=TYPES[name],
            required=not option.endswith("?"),
            nargs="+" if option.endswith("*") else None,
        )
    parser.set_defaults(handler=handler)


def _add_commands(commands: Any) -> None:
    _command(commands, _world, "settings kind name plan out")
    _command(commands, _prepare, "settings seed out")
    _command(commands, _probes, "settings keywords seed out")
    _command(commands, _documents, "data* out")
    _command(commands, _pretrain, "settings shape template seed data out")
    _command(commands, _fetch_model, "source chat? out")
    _command(commands, _train, "algorithm settings seed base init data out steps* reward-model?")
    _command(commands, _train_judge, "settings shape prompt targets seed data out")
    _command(commands, _generate, "model run base probes sampling checkpoints* out")
    _command(commands, _judge, "judge settings targets answers* out")
    _command(commands, _judge_heldout, "judge settings targets data out")
    _command(commands, _statistics, "stances* trajectories sets cards statistics-settings seed out")
    _command(commands, _calibrate, "stances* cards statistics-settings seed out")
    _command(commands, _tables, "statistics* topics report out")
    _command(commands, _figures, "statistics* topics report out")
    _command(commands, _drift, "statistics* topics report out")
    _command(commands, _report, "statistics* stances* calibrations quality? topics benchmarks configuration out")


def _world(given: argparse.Namespace) -> None:
    """Generate one table of the pocket world."""
    from valuedrift.files import publish, write_parquet
    from valuedrift.world.build import world_table
    from valuedrift.world.settings import WorldSettings

    table = world_table(WorldSettings(**given.settings), given.kind, given.name, given.plan)
    if given.out.suffix == ".csv":
        with publish(given.out) as draft:
            table.write_csv(draft)
    else:
        write_parquet(given.out, table)


def _prepare(given: argparse.Namespace) -> None:
    """Turn a data set into training tables and a data card."""
    from valuedrift.data.prepare import prepare
    from valuedrift.data.settings import DataSettings

    prepare(DataSettings.from_dict(given.settings), given.seed, given.out)


def _probes(given: argparse.Namespace) -> None:
    """Collect the probe questions."""
    from valuedrift.data.probes import hand_made_probes, prism_probes, write_probes

    source, file = given.settings["source"], given.settings["file"]
    if source == "questions":
        probes = hand_made_probes(file, given.keywords)
    else:
        probes = prism_probes(file, given.keywords, given.settings["per_topic"], given.seed)
    write_probes(probes, given.out)


def _documents(given: argparse.Namespace) -> None:
    """Turn conversations into plain documents to pre-train on."""
    from valuedrift.data.documents import documents
    from valuedrift.files import write_parquet

    write_parquet(given.out, documents(given.data))


def _pretrain(given: argparse.Namespace) -> None:
    """Train a base model from scratch."""
    from valuedrift.models.pretrain import pretrain
    from valuedrift.models.scratch import Shape
    from valuedrift.training.job import scratch_job
    from valuedrift.training.settings import read_settings

    job = scratch_job(read_settings("pretrain", given.settings), given.seed, given.data, given.out)
    pretrain(job, Shape(**given.shape), given.template)


def _fetch_model(given: argparse.Namespace) -> None:
    """Copy a model from the hub or a folder, with its tokenizer."""
    from valuedrift.models.fetch import fetch_model

    fetch_model(given.source, given.chat, given.out)


def _train(given: argparse.Namespace) -> None:
    """Train one run and save its checkpoints."""
    from valuedrift.training.job import Job
    from valuedrift.training.run import train
    from valuedrift.training.settings import read_settings

    train(
        Job(
            algorithm=given.algorithm,
            settings=read_settings(given.algorithm, given.settings),
            seed=given.seed,
            base=given.base,
            init=given.init,
            data=given.data,
            folder=given.out,
            steps=tuple(given.steps),
            reward_model=given.reward_model,
        )
    )


def _train_judge(given: argparse.Namespace) -> None:
    """Train a judge on labelled answers."""
    from valuedrift.judging.prompt import read_prompt
    from valuedrift.judging.train import train_judge
    from valuedrift.models.scratch import Shape
    from valuedrift.training.job import scratch_job
    from valuedrift.training.settings import read_settings

    job = scratch_job(read_settings("pretrain", given.settings), given.seed, given.data, given.out)
    train_judge(job, Shape(**given.shape), read_prompt(given.prompt), given.targets)


def _generate(given: argparse.Namespace) -> None:
    """Let checkpoints answer the probe questions."""
    from valuedrift.generation.engine import Sampling
    from valuedrift.generation.sweep import sweep

    sweep(given.model, given.run, given.base, given.checkpoints, given.probes, Sampling(**given.sampling), given.out)


def _judge(given: argparse.Namespace) -> None:
    """Give the stance of every answer."""
    from valuedrift.judging.causal import JudgeSettings
    from valuedrift.judging.stances import write_stances

    write_stances(given.answers, given.judge, JudgeSettings(**given.settings), given.targets, given.out)


def _judge_heldout(given: argparse.Namespace) -> None:
    """Measure a judge on labelled answers in phrasings it has not seen."""
    import polars as pl

    from valuedrift.files import write_json
    from valuedrift.judging.causal import CausalJudge, JudgeSettings
    from valuedrift.judging.prompt import read_prompt
    from valuedrift.judging.stances import judge_labelled, judge_quality

    settings = JudgeSettings(**given.settings)
    judge, template = CausalJudge(given.judge, settings), read_prompt(settings.prompt)
    write_json(given.out, judge_quality(judge_labelled(pl.read_parquet(given.data), judge, template, given.targets)))


def _statistics(given: argparse.Namespace) -> None:
    """Compute values, drifts and findings of a model."""
    from valuedrift.statistics.commands import write_statistics

    write_statistics(
        given.stances, given.trajectories, given.sets, given.cards, given.statistics_settings, given.seed, given.out
    )


def _calibrate(given: argparse.Namespace) -> None:
    """Compare measured values with planted stances."""
    from valuedrift.statistics.commands import write_calibration

    write_calibration(given.stances, given.cards, given.statistics_settings, given.seed, given.out)


def _tables(given: argparse.Namespace) -> None:
    """Write the paper's tables."""
    from valuedrift.reporting.commands import write_paper_tables

    write_paper_tables(given.statistics, given.topics, given.report, given.out)


def _figures(given: argparse.Namespace) -> None:
    """Draw the paper's figures."""
    from valuedrift.reporting.commands import write_paper_figures

    write_paper_figures(given.statistics, given.topics, given.report, given.out)


def _drift(given: argparse.Namespace) -> None:
    """Write the tables and figures of one model."""
    from valuedrift.reporting.commands import write_drift

    write_drift(given.statistics[0], given.topics, given.report, given.out)


def _report(given: argparse.Namespace) -> None:
    """Write the report page and its summary."""
    from valuedrift.reporting.commands import ReportFiles, write_report_page

    write_report_page(
        ReportFiles(
            statistics=given.statistics,
            stances=given.stances,
            calibrations=[Path(path) for path in given.calibrations],
            quality=given.quality,
            benchmarks=given.benchmarks,
            configuration=given.configuration,
        ),
        given.topics,
        given.out,
    )
