"""Commands that let checkpoints answer and judges judge."""

from __future__ import annotations

import argparse

from valuedrift.cli.options import Command


def generate(given: argparse.Namespace) -> None:
    """Let checkpoints answer the probe questions."""
    from valuedrift.config.sampling import Sampling
    from valuedrift.generation.sweep import sweep

    sampling = Sampling.read(given.sampling)
    sweep(
        given.model,
        given.run,
        given.base,
        given.checkpoints,
        given.probes,
        sampling,
        given.out,
        given.store,
        given.engine or "auto",
        given.let_go or (),
    )


def thin(given: argparse.Namespace) -> None:
    """Remove the weights of a run's checkpoints that have answered, but for those that are kept."""
    from valuedrift.generation.prune_answered import thin
    from valuedrift.quantities import byte_size

    freed = thin(given.base, given.checkpoints, given.answers, given.keep, given.nth or 1)
    print(f"{byte_size(freed)} freed")


def judge(given: argparse.Namespace) -> None:
    """Give the stance of every answer, or (--dry-run) say what that would cost."""
    from valuedrift.config.judges import JudgeSettings
    from valuedrift.judging.dry_run import dry_run_text
    from valuedrift.judging.judge import open_judge
    from valuedrift.judging.stances import estimate_stances, write_stances

    chosen = open_judge(JudgeSettings.read(given.settings), given.judge)
    if given.dry_run:
        found = estimate_stances(given.answers, chosen, given.targets, given.journal)
        print(dry_run_text(found, chosen.settings.llm))
    else:
        write_stances(given.answers, chosen, given.targets, given.journal, given.out)


def judge_heldout(given: argparse.Namespace) -> None:
    """Measure a judge on labelled answers in phrasings it has not seen."""
    from valuedrift.config.judges import JudgeSettings
    from valuedrift.judging.heldout import write_quality
    from valuedrift.judging.judge import open_judge

    chosen = open_judge(JudgeSettings.read(given.settings), given.judge)
    write_quality(given.data, chosen, given.targets, given.journal, given.out)


COMMANDS = (
    Command(generate, "model run base probes sampling engine? checkpoints* store? let-go? out"),
    Command(thin, "base checkpoints* answers* keep nth?"),
    Command(judge, "judge? settings targets answers* journal dry-run~ out"),
    Command(judge_heldout, "judge? settings targets data journal out"),
)
