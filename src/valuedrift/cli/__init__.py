"""The command line: `valuedrift COMMAND …`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, by default that of the process, and return its exit status.

    The command of a process runs in a fork of the job server, if there is one.
    """
    if arguments is None:
        from valuedrift.job_server import run_in_fork

        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # what an ASCII terminal can't show is spelled out
        status = run_in_fork(sys.argv)
        if status is not None:
            return status
    from valuedrift.cli.application import run

    return run(sys.argv[1:] if arguments is None else list(arguments))
