"""Commands that tell why results are made again."""

from __future__ import annotations

import argparse

from valuedrift.cli.options import Command


def why(given: argparse.Namespace) -> None:
    """Say in a sentence per job why it has to run again for these targets (none: for all)."""
    import json
    from dataclasses import asdict

    from valuedrift.workflow.why import explain, sentence, stale_jobs

    options = [("--configfile", given.configfile), ("--config", given.config), ("--profile", given.profile)]
    jobs = stale_jobs(given.target, [text for name, values in options if values for text in (name, *values)])
    if given.json:
        print(json.dumps([{**asdict(job), "sentence": sentence(job)} for job in jobs], indent=2, ensure_ascii=False))
    else:
        print(explain(jobs))


COMMANDS = (Command(why, "target*?! json~ configfile*? config*? profile*?"),)
