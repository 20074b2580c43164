"""Commands that let checkpoints answer and judges judge."""

from __future__ import annotations

import argparse

from valuedrift.cli.options import Command


def generate(given: argparse.Namespace) -> None:
    """Let checkpoints answer the probe questions."""
    from valuedrift.generation.engine import Sampling
    from valuedrift.generation.sweep import sweep

    sweep(given.model, given.run, given.base, given.checkpoints, given.probes, Sampling(**given.sampling), given.out)


def judge(given: argparse.Namespace) -> None:
    """Give the stance of every answer."""
    from valuedrift.judging.causal import JudgeSettings
    from valuedrift.judging.stances import write_stances

    write_stances(given.answers, given.judge, JudgeSettings(**given.settings), given.targets, given.out)


def judge_heldout(given: argparse.Namespace) -> None:
    """Measure a judge on labelled answers in phrasings it has not seen."""
    import polars as pl

    from valuedrift.files import write_json
    from valuedrift.judging.causal import CausalJudge, JudgeSettings
    from valuedrift.judging.prompt import read_prompt
    from valuedrift.judging.stances import judge_labelled, judge_quality

    settings = JudgeSettings(**given.settings)
    judge, template = CausalJudge(given.judge, settings), read_prompt(settings.prompt)
    write_json(given.out, judge_quality(judge_labelled(pl.read_parquet(given.data), judge, template, given.targets)))


COMMANDS = (
    Command(generate, "model run base probes sampling checkpoints* out"),
    Command(judge, "judge settings targets answers* out"),
    Command(judge_heldout, "judge settings targets data out"),
)
