"""The commands with their options, and what all commands have in common.

Every function of `people` and of the modules of jobs is a command; its signature and docstring declare the options.
Commands import the other packages when they run, so that `--help` and errors of usage are answered at once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import is_dataclass
from functools import cache
from inspect import BoundArguments, isfunction
from pathlib import Path
from types import ModuleType

from cyclopts import App, CycloptsError, Parameter

from valuedrift import __version__
from valuedrift.cli import data_jobs, model_jobs, people, result_jobs
from valuedrift.errors import ValueDriftError

JOBS = (data_jobs, model_jobs, result_jobs)
_GROUPS = {"Commands for people": (people,), "Commands that the rules call": JOBS}

_EXTRAS = {"hdbscan": "probes", "umap": "probes"}
"""Package → the extra of pyproject.toml with it; other optional packages have checks of their own."""

NO_TELEMETRY = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


def run(words: Sequence[str]) -> int:
    """Run one command in this process.

    Returns:
        The exit status: 0; 2 for bad usage; 1, after one sentence on stderr, for a ValueDriftError, a path that can't
        be used, or a full disk.
    """
    try:
        command, bound, _ = application().parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        said, _, _ = str(error).partition(" Available commands: ")
        help_of = " ".join(["valuedrift", *(error.command_chain or ()), "--help"])
        return _fail(f"{said} See `{help_of}`.", status=2)
    try:
        Path.cwd()
    except FileNotFoundError:
        return _fail("this folder was removed. Change to one that exists.")
    # Libraries read these variables when commands import them. The hub then receives nothing but the downloads.
    os.environ.update(NO_TELEMETRY)
    try:
        _run(command, bound, words)
    except ValueDriftError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("interrupted", status=130)
    except BaseException as error:  # a panic in Rust is no Exception
        from valuedrift.files import is_full

        said = str(error).splitlines()[0] if str(error) else ""
        if is_full(error):
            return _fail(f"{said}. A disk or a quota is full. Free space and run again; finished files are complete.")
        if isinstance(error, ModuleNotFoundError) and (extra := _EXTRAS.get(error.name or "")):
            return _fail(f"the package {error.name} isn't installed. Install it: `scripts/setup {extra}`.")
        if type(error).__module__.startswith(("polars.", "pyarrow.", "pyo3_runtime")):
            files = ", ".join(_files(bound)) or "the inputs"
            return _fail(f"{said or type(error).__name__}. Read from {files}. Check that these are the right files.")
        if isinstance(error, OSError) and not error.filename and "(os error " in said:  # from polars
            return _fail(f"{said}. Check the path and the permissions.")
        if isinstance(error, OSError) and error.filename:
            return _fail(f"{error.filename}: {error.strerror}. Check the path and the permissions.")
        raise
    return 0


def application() -> App:
    """Return the application: the commands with their options, in groups."""
    app = App(
        "valuedrift",
        help="Trace the values that post-training gives a language model. Each command reads files and writes files.",
        version=__version__,
        help_format="plaintext",
        # A list takes at least one value after its option's name; flags have no negative form.
        default_parameter=Parameter(consume_multiple=(1, None), negative=(), show_default=False),
    )
    for group, modules in _GROUPS.items():
        for name, command in commands(modules).items():
            app.command(command, name=name, group=group)
    return app


def commands(modules: Sequence[ModuleType]) -> dict[str, Callable[..., object]]:
    """Return name → function of the commands in these modules."""
    return {one.__name__.replace("_", "-"): one for module in modules for one in functions(module)}


def functions(module: ModuleType) -> list[Callable[..., object]]:
    """Return the functions that a module defines, which are its commands."""
    return [one for one in vars(module).values() if isfunction(one) and one.__module__ == module.__name__]


def _fail(message: str, status: int = 1) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status


def _files(bound: BoundArguments) -> list[str]:
    """Return the existing files among the arguments of a command."""
    given = [value if isinstance(value, tuple | list) else (value,) for value in bound.arguments.values()]
    return [str(value) for values in given for value in values if isinstance(value, Path) and value.exists()]


def _run(command: Callable[..., object], bound: BoundArguments, words: Sequence[str]) -> None:
    """Run the command, and write the origin of its files into parquet metadata and records."""
    from valuedrift.files import made_from
    from valuedrift.locks import job_lock
    from valuedrift.provenance.artifact_records import leave_records
    from valuedrift.provenance.origin import origin

    groups = [vars(value) if is_dataclass(value) else {name: value} for name, value in bound.arguments.items()]
    options = {name: value for group in groups for name, value in group.items()}
    come_from = cache(lambda: json.dumps(origin(words, options), sort_keys=True, ensure_ascii=False))
    out = options.get("out")
    with job_lock(out) if out else nullcontext(), made_from(come_from) as published:
        command(*bound.args, **bound.kwargs)
        if published:
            leave_records(published, come_from())
