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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; deliberate errors are printed without a traceback and end with status 1."""
    parser = argparse.ArgumentParser(prog="valuedrift", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_data_commands, _model_commands, _answer_commands, _result_commands):
        add(commands)
    given = parser.parse_args(arguments)
    try:
        given.handler(given)
    except ValueDriftError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _command(commands: Any, name: str, handler: Handler, *options: str, **typed: Callable[[str], Any]) -> None:
    """Add a command whose options are all required, but for those ending in `?`; `typed` gives their types."""
    parser = commands.add_parser(name, help=(handler.__doc__ or "").strip())
    for option in options:
        plain = option.rstrip("?*")
        key = plain.replace("-", "_")
        parser.add_argument(
            f"--{plain}",
            type=typed.get(key, str),
            required=not option.endswith("?"),
            nargs="+" if option.endswith("*") else None,
        )
    parser.set_defaults(handler=handler)


def _data_commands(commands: Any) -> None:
    _command(commands, "world", _world, "settings", "out", settings=json.loads, out=Path)
    _command(commands, "prepare", _prepare, "settings", "seed", "out", settings=json.loads, seed=int, out=Path)
    _command(
        commands, "probes", _probes, "settings", "keywords", "seed", "out", settings=json.loads, keywords=json.loads, seed=int
    )
    _command(commands, "documents", _documents, "data*", "out", data=Path, out=Path)


def _model_commands(commands: Any) -> None:
    _command(
        commands,
        "pretrain",
        _pretrain,
        *("settings", "shape", "template", "seed", "data", "out"),
        **{"settings": json.loads, "shape": json.loads, "seed": int, "data": Path, "out": Path},
    )
    _command(commands, "fetch-model", _fetch_model, "source", "chat?", "out", source=json.loads, chat=json.loads, out=Path)
    _command(
        commands,
        "train",
        _train,
        *("algorithm", "settings", "seed", "base", "init", "data", "out", "steps*", "reward-model?"),
        **{"settings": json.loads, "seed": int, "steps": int},
        **dict.fromkeys(("base", "init", "data", "out", "reward_model"), Path),
    )
    _command(
        commands,
        "train-judge",
        _train_judge,
        *("settings", "shape", "prompt", "targets", "seed", "data", "out"),
        **{"settings": json.loads, "shape": json.loads, "targets": json.loads, "seed": int, "data": Path, "out": Path},
    )


def _answer_commands(commands: Any) -> None:
    _command(
        commands,
        "generate",
        _generate,
        *("model", "run", "base", "probes", "sampling", "checkpoints*", "out"),
        **{"base": Path, "probes": Path, "sampling": json.loads, "checkpoints": Path, "out": Path},
    )
    judge = {"judge": Path, "settings": json.loads, "targets": json.loads, "out": Path}
    _command(
        commands, "judge", _judge, "judge", "settings", "targets", "answers*", "out", answers=Path, **judge
    )
    _command(
        commands, "judge-heldout", _judge_heldout, "judge", "settings", "targets", "data", "out", data=Path, **judge
    )


def _result_commands(commands: Any) -> None:
    statistics = {"seed": int, "statistics": json.loads, "stances": Path, "out": Path}
    _command(
        commands,
        "statistics",
        _statistics,
        *("stances*", "trajectories", "sets", "cards?", "statistics", "seed", "out"),
        **{"trajectories": json.loads, "sets": json.loads, "cards": json.loads},
        **statistics,
    )
    _command(
        commands,
        "calibrate",
        _calibrate,
        *("stances*", "cards", "statistics", "seed", "out"),
        **{"cards": json.loads},
        **statistics,
    )
    shown = {"topics": json.loads, "report": json.loads, "statistics": Path, "out": Path}
    _command(commands, "tables", _tables, "statistics*", "topics", "report", "out", **shown)
    _command(commands, "figures", _figures, "statistics*", "topics", "report", "out", **shown)
    _command(commands, "drift", _drift, "statistics", "topics", "report", "out", **shown)
    _command(
        commands,
        "report",
        _report,
        *("statistics*", "stances*", "calibrations?", "quality?", "topics", "benchmarks", "configuration", "out"),
        **{"stances": Path, "calibrations": json.loads, "quality": Path, "benchmarks": Path, "configuration": Path},
        **shown,
    )


def _world(given: argparse.Namespace) -> None:
    """Generate the pocket world."""
    from valuedrift.world.build import build_world
    from valuedrift.world.settings import WorldSettings

    build_world(WorldSettings.from_dict(given.settings), given.out)


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
    from valuedrift.judging.commands import judge_files

    judge_files(given.answers, given.judge, given.settings, given.targets, given.out)


def _judge_heldout(given: argparse.Namespace) -> None:
    """Measure a judge on labelled answers in phrasings it has not seen."""
    from valuedrift.judging.commands import judge_heldout

    judge_heldout(given.data, given.judge, given.settings, given.targets, given.out)


def _statistics(given: argparse.Namespace) -> None:
    """Compute values, drifts and findings of a model."""
    from valuedrift.statistics.commands import write_statistics

    write_statistics(
        given.stances, given.trajectories, given.sets, given.cards or {}, given.statistics, given.seed, given.out
    )


def _calibrate(given: argparse.Namespace) -> None:
    """Compare measured values with planted stances."""
    from valuedrift.statistics.commands import write_calibration

    write_calibration(given.stances, given.cards, given.statistics, given.seed, given.out)


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

    write_drift(given.statistics, given.topics, given.report, given.out)


def _report(given: argparse.Namespace) -> None:
    """Write the report page and its summary."""
    from valuedrift.reporting.commands import ReportFiles, write_report_page

    write_report_page(
        ReportFiles(
            statistics=given.statistics,
            stances=given.stances,
            calibrations=[Path(path) for path in given.calibrations or []],
            quality=given.quality,
            benchmarks=given.benchmarks,
            configuration=given.configuration,
        ),
        given.topics,
        given.out,
    )
