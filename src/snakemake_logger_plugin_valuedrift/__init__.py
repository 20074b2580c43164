"""What a run prints: a line per finished job, warnings, and errors with their logs; on a terminal, also a bar.

Snakemake finds this package by its name; `logger` in profiles/default names it. The log in .snakemake/log has
everything. So has the output of dry runs and of runs with options that ask for more or less of it, such as `-p`.
"""

from __future__ import annotations

import logging
import sys
import time
from logging import LogRecord
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter, get_event
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from valuedrift.quantities import duration
from valuedrift.workflow.job_name import job_name

_UNSAID = (
    "Activating conda env",
    "Assuming unrestricted shared filesystem",
    "Building DAG of jobs",
    "Conda environments: ignored",
    "Elapsed time",
    "Select jobs to execute",
    "Singularity containers: ignored",
    "Using shell",
)
_SHOWN = (None, LogEvent.ERROR, LogEvent.GROUP_ERROR, LogEvent.JOB_ERROR)


class LogHandler(LogHandlerBase):
    """Prints what Snakemake reports; one instance for a run, called by one thread."""

    writes_to_stream, writes_to_file = True, False
    has_filter = has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        asked = self.common_settings
        stream = sys.stdout if asked.stdout else sys.stderr
        self.setFormatter(formatter := DefaultFormatter(asked.quiet, asked.show_failed_logs))
        self._plain: logging.Handler | None = None
        if asked.dryrun or asked.verbose or asked.debug_dag or asked.printshellcmds or asked.quiet:
            kept = DefaultFilter(asked.quiet, asked.debug_dag, asked.verbose, asked.dryrun, asked.printshellcmds)
            self._plain = ColorizingTextHandler(asked.nocolor, stream, formatter, kept)
        self._console = Console(file=stream, no_color=asked.nocolor or None, highlight=False)
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._jobs: TaskID | None = None
        self._running: dict[int, tuple[str, float]] = {}
        self._done = self._total = 0

    def emit(self, record: LogRecord) -> None:
        if self._plain:
            self._plain.handle(record)
            return
        fields: dict[str, Any] = vars(record)
        match get_event(record):
            case LogEvent.RUN_INFO:
                self._start(fields["stats"]["total"])
            case LogEvent.JOB_INFO:
                name = job_name(fields["rule_name"], fields["wildcards"].values(), fields["output"])
                self._running[fields["jobid"]] = name, time.monotonic()
            case LogEvent.JOB_FINISHED:
                self._finish(*self._running.pop(fields["job_id"]))
            case event if event in _SHOWN and (text := self.format(record)) and not text.startswith(_UNSAID):
                self._running.pop(fields.get("jobid", -1), None)
                self._console.out(text, style="red" if record.levelno >= logging.ERROR else None)
        if self._jobs is not None:
            running = ", ".join(name for name, _ in self._running.values())
            self._bar.update(self._jobs, completed=self._done, description=running)

    def close(self) -> None:
        self._bar.stop()
        super().close()

    def _start(self, total: int) -> None:
        self._total = total
        self._console.out(f"{total:,} jobs. `valuedrift status` shows how far they are.")
        if self._console.is_terminal:
            self._jobs = self._bar.add_task("", total=total)
            self._bar.start()

    def _finish(self, name: str, start: float) -> None:
        self._done += 1
        clock, took = time.strftime("%H:%M:%S"), duration(time.monotonic() - start)
        self._console.out(f"{clock}  {self._done:>{len(str(self._total))}}/{self._total}  {name}  {took}")
