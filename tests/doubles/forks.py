"""Run programs in forks of a process that has imported them, which takes longer than most of what tests run."""

from __future__ import annotations

import atexit
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path

PROGRAMS = {"snakemake": "snakemake.cli", "valuedrift": "valuedrift.cli"}
"""Programs, and the modules with their `main`."""
_IMPORTED = (*PROGRAMS.values(), "valuedrift.workflow.project", "snakemake_executor_plugin_slurm")


def run(
    words: Sequence[object], folder: Path, environment: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` gives for a command line that begins with one of `PROGRAMS`."""
    server, line = _server(), [*map(str, words)]
    assert server.stdin and server.stdout
    with tempfile.TemporaryDirectory() as streams:
        files = [Path(streams, name) for name in ("out", "err")]
        request = {"line": line, "folder": str(folder), "files": [*map(str, files)], "variables": dict(environment)}
        print(json.dumps(request), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(line, status, *(file.read_text(errors="replace") for file in files))


@cache
def _server() -> subprocess.Popen[str]:
    command = [sys.executable, "-P", __file__]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _become(line: list[str], folder: str, files: list[str], variables: dict[str, str]) -> None:
    for stream, file in enumerate([os.devnull, *files]):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv, status = line, 1
    # The first to be registered runs last. It leaves out what would only free memory.
    atexit.register(lambda: (sys.stdout.flush(), sys.stderr.flush(), os._exit(status)))
    try:
        status = import_module(PROGRAMS[line[0]]).main(line[1:])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else bool(end.code)
        raise


if __name__ == "__main__":
    for name in _IMPORTED:
        import_module(name)
    gc.freeze()  # what the forks share is never garbage
    for request in sys.stdin:
        if not (fork := os.fork()):
            _become(**json.loads(request))
            break
        print(os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]), flush=True)
