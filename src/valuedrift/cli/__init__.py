"""The command line that the rules call: `valuedrift COMMAND …`. Each command reads files and writes files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from valuedrift.cli import answers, data, expression, models, probes, quality, results, synthetic
from valuedrift.errors import ValueDriftError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; deliberate errors are printed without a traceback and end with status 1."""
    parser = argparse.ArgumentParser(prog="valuedrift", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for room in (data, probes, synthetic, expression, models, answers, quality, results):
        for command in room.COMMANDS:
            command.add_to(commands)
    given = parser.parse_args(arguments)
    try:
        given.handler(given)
    except ValueDriftError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
