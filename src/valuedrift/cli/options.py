"""What every option of the command line takes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Handler = Callable[[argparse.Namespace], None]

# Settings are JSON, so that a rule passes them as they are.
TYPES: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(
        ("algorithm", "kind", "model", "name", "run", "prompt", "template", "names", "side", "engine", "keep"), str
    ),
    **dict.fromkeys(("target", "configfile", "config", "profile"), str),
    **dict.fromkeys(("seed", "steps", "pairs", "longest", "examples", "per-topic", "nth", "labels"), int),
    **dict.fromkeys(("settings", "shape", "chat", "source", "sampling", "targets", "keywords", "topics"), json.loads),
    **dict.fromkeys(("questions", "embeddings", "reduced", "clustered", "published"), Path),
    **dict.fromkeys(("descriptions", "names-file", "choice", "value-laden"), Path),
    **dict.fromkeys(("llm", "judge-settings", "tables", "machine", "let-go", "prompts", "metrics"), json.loads),
    **dict.fromkeys(
        ("plan", "trajectories", "ablated", "sets", "cards", "report", "calibrations", "statistics-settings"),
        json.loads,
    ),
    **dict.fromkeys(("data", "base", "init", "reward-model", "probes", "checkpoints", "out"), Path),
    **dict.fromkeys(("judge", "answers", "stances", "statistics", "quality", "benchmarks", "configuration"), Path),
    **dict.fromkeys(("file", "old", "new", "sheet", "key", "checkpoint", "aligned", "seeds"), Path),
    **dict.fromkeys(("paths", "archive", "downstream", "ablations", "corrected"), Path),
    **dict.fromkeys(("candidates", "store", "retrieved", "journal", "resume", "labelled", "expression"), Path),
    "prediction": Path,
}


@dataclass(frozen=True)
class Command:
    """`valuedrift <handler's name> --option …`; the handler's first line is its help.

    options: names, each with marks: `?` it may be absent, `*` it takes several values, `!` it has a place instead of
    a name, `~` it is a flag
    """

    handler: Handler
    options: str

    def add_to(self, commands: Any) -> None:
        name = self.handler.__name__.replace("_", "-")
        parser = commands.add_parser(name, help=self.handler.__doc__)
        for option in self.options.split():
            _add_option(parser, option)
        parser.set_defaults(handler=self.handler)


def _add_option(parser: argparse.ArgumentParser, option: str) -> None:
    name = option.rstrip("?*!~")
    marks = option.removeprefix(name)
    if "~" in marks:
        parser.add_argument(f"--{name}", action="store_true")
        return
    several = ("*" if "?" in marks else "+") if "*" in marks else None
    if "!" in marks:
        parser.add_argument(name, type=TYPES[name], metavar=name.upper().removesuffix("S"), nargs=several)
    else:
        parser.add_argument(f"--{name}", type=TYPES[name], required="?" not in marks, nargs=several)
