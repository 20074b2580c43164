"""Commands that train or fetch models."""

from __future__ import annotations

import argparse

from valuedrift.cli.options import Command


def pretrain(given: argparse.Namespace) -> None:
    """Train a base model from scratch."""
    from valuedrift.config.hyperparameters import read_settings
    from valuedrift.config.sources import Shape
    from valuedrift.training.job import scratch_job
    from valuedrift.training.pretrain import pretrain

    job = scratch_job(read_settings("pretrain", given.settings), given.seed, given.data, given.out)
    pretrain(job, Shape.read(given.shape), given.template)


def fetch_model(given: argparse.Namespace) -> None:
    """Copy a model from the hub or a folder, with its tokenizer."""
    from valuedrift.models.fetch import fetch_model

    fetch_model(given.source, given.chat, given.out)


def train(given: argparse.Namespace) -> None:
    """Train one run and save its checkpoints."""
    from valuedrift.config.hyperparameters import read_settings
    from valuedrift.training.job import Job
    from valuedrift.training.run import train

    machine = given.machine or {}
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
            resume=given.resume,
            resume_minutes=machine.get("resume_minutes", 30),
            report_to=tuple(machine.get("report_to", ())),
        )
    )


def train_judge(given: argparse.Namespace) -> None:
    """Train a judge on labelled answers."""
    from valuedrift.config.hyperparameters import read_settings
    from valuedrift.config.sources import Shape
    from valuedrift.judging.judge_prompt import read_judge_prompt
    from valuedrift.judging.train_judge import train_judge
    from valuedrift.training.job import scratch_job

    job = scratch_job(read_settings("pretrain", given.settings), given.seed, given.data, given.out)
    train_judge(job, Shape.read(given.shape), read_judge_prompt(given.prompt), given.targets)


COMMANDS = (
    Command(pretrain, "settings shape template seed data out"),
    Command(fetch_model, "source chat? out"),
    Command(train, "algorithm settings seed base init data out steps* resume? reward-model? machine?"),
    Command(train_judge, "settings shape prompt targets seed data out"),
)
