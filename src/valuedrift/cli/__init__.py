"""The command line that the rules call: `valuedrift COMMAND …`. Each command reads files and writes files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache

from valuedrift.cli import (
    answers,
    data,
    expression,
    models,
    planning,
    probes,
    provenance,
    quality,
    results,
    staleness,
    synthetic,
)
from valuedrift.errors import ValueDriftError

_UNREPORTED = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; deliberate errors and a full disk are told without a traceback, and end with status 1."""
    parser = argparse.ArgumentParser(prog="valuedrift", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    rooms = (data, probes, synthetic, expression, models, answers, quality, results, planning, staleness, provenance)
    for room in rooms:
        for command in room.COMMANDS:
            command.add_to(commands)
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = parser.parse_args(words)
    # Libraries read it when commands import them: nothing is reported to the hub but what it is asked for.
    os.environ.update(_UNREPORTED)
    try:
        _run(given, words)
    except ValueDriftError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        from valuedrift.files import is_full

        if not is_full(error):
            raise
        said = str(error).splitlines()[0]
        print(
            f"error: {said}. A disk or a quota is full. Free space and run again; what exists is whole.",
            file=sys.stderr,
        )
        return 1
    return 0


def _run(given: argparse.Namespace, words: Sequence[str]) -> None:
    """Run the command, with the origin of what it writes in parquet files' metadata and in records."""
    from valuedrift.files import made_from
    from valuedrift.locks import job_lock
    from valuedrift.provenance.artifact_records import leave_records
    from valuedrift.provenance.origin import origin

    options = {name: value for name, value in vars(given).items() if name != "handler"}
    come_from = cache(lambda: json.dumps(origin(words, options), sort_keys=True, ensure_ascii=False))
    out = options.get("out")
    with job_lock(out) if out else nullcontext(), made_from(come_from) as published:
        given.handler(given)
        if published:
            leave_records(published, come_from())
