"""Commands that tell how good a judge is, and what another one would change."""

from __future__ import annotations

import argparse
import json

from valuedrift.cli.options import Command


def judge_quality(given: argparse.Namespace) -> None:
    """Measure judges against human labels."""
    from valuedrift.judge_checks.judge_quality import judge_quality, quality_markdown, summary, write_quality

    quality = judge_quality(given.file)
    print(json.dumps(summary(quality), indent=2) if given.json else quality_markdown(quality))
    if given.out:
        write_quality(quality, given.out)


def bridge(given: argparse.Namespace) -> None:
    """Compare judges, or prompts, on the same answers, and show what a change does to values and drifts."""
    from valuedrift.judge_checks.bridge import write_bridges

    write_bridges(given.old, given.new, given.out)


def sheet(given: argparse.Namespace) -> None:
    """Draw judged answers for a person to judge blindly: a CSV file and a form."""
    from valuedrift.judge_checks.blind_sheet import write_sheet

    write_sheet(given.stances, given.targets, given.pairs, given.seed, given.out)


def check_sheet(given: argparse.Namespace) -> None:
    """Read a filled sheet back: agreement with the judge, and a sample to correct values by."""
    from valuedrift.judge_checks.filled_sheet import write_check

    write_check(given.sheet, given.key, given.out)


def world_labels(given: argparse.Namespace) -> None:
    """Draw judged answers of a world's model, and label them with the stances that they express."""
    from valuedrift.judge_checks.world_labels import write_world_labels

    write_world_labels(given.stances, given.labels, given.seed, given.out)


COMMANDS = (
    Command(judge_quality, "file! json~ out?"),
    Command(bridge, "old new* out"),
    Command(sheet, "stances* targets pairs seed out"),
    Command(check_sheet, "sheet key out"),
    Command(world_labels, "stances* labels seed out"),
)
