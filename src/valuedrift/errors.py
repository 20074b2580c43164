"""Every error that valuedrift raises on purpose.

ValueDriftError
├── ConfigError       a key of the configuration
├── DataError         a row of an input file
├── ArtifactError     a file or folder that the pipeline made, or a model that the configuration names
└── ClusterError      a batch system that doesn't answer, or gives an unexpected answer
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path


class ValueDriftError(Exception):
    """The base class of these errors; the command line prints the message without a traceback."""


class ConfigError(ValueDriftError):
    """A configuration value is missing, unknown or out of range."""

    def __init__(self, key: str, found: object, expected: str, do: str = "") -> None:
        self.key, self.found, self.expected = key, found, expected
        super().__init__(_sentence(f"configuration key '{key}'", found, expected, do))


class DataError(ValueDriftError):
    """A row of an input file does not have the form that its loader expects."""

    def __init__(
        self, file: Path | str, row: int | None, field: str, found: object, expected: str, do: str = ""
    ) -> None:
        self.file, self.row, self.field = str(file), row, field
        place = f"{file}" if row is None else f"{file}, row {row}"
        super().__init__(_sentence(f"{place}, field '{field}'", found, expected, do))


class ArtifactError(ValueDriftError):
    """A file or folder that the pipeline needs is missing, incomplete or of the wrong kind."""

    def __init__(self, path: Path | str, found: object, expected: str, do: str = "") -> None:
        self.path = str(path)
        super().__init__(_sentence(str(path), found, expected, do))


class ClusterError(ValueDriftError):
    """The batch system does not answer, or gives an unexpected answer."""

    def __init__(self, place: str, found: object, expected: str, do: str = "") -> None:
        super().__init__(_sentence(place, found, expected, do))


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn an error into SystemExit, which a Snakefile ends with without a traceback or a line of its own.

    Paths that can't be read or written are told, too, such as those of another user.
    """
    try:
        yield
    except ValueDriftError as error:
        raise SystemExit(f"error: {error}") from error
    except OSError as error:
        if not error.filename:
            raise
        told = f"{error.filename}: {error.strerror}. Check the path, its owner and the permissions."
        raise SystemExit(f"error: {told}") from ValueDriftError(told)


def require_no_braces(path: str) -> str:
    """Return a path for Snakemake. Raises ArtifactError if it has braces, which Snakemake reads as wildcards."""
    if "{" in path or "}" in path:
        raise ArtifactError(path, "a brace", "a path without { and }", "Rename it, or make a link to it.")
    return path


def require_columns(place: Path | str, found: Iterable[str], needed: Iterable[str]) -> None:
    """Raise ArtifactError with the names of the columns that the table `place` lacks, if it lacks any."""
    names = list(found)
    if missing := [name for name in needed if name not in names]:
        raise ArtifactError(place, names, f"the columns {', '.join(missing)} as well")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `Did you mean 'a' or 'b'?` with the most similar known names, in any case; empty if none is similar."""
    folded = {one.casefold(): one for one in known}
    close = [repr(folded[one]) for one in get_close_matches(name.casefold(), folded, n=2)]
    return f"Did you mean {' or '.join(close)}?" if close else ""


def in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _sentence(place: str, found: object, expected: str, do: str) -> str:
    shown = "nothing" if found is None else repr(found)
    if len(shown) > 120:
        shown = shown[:117] + "..."
    return f"{place}: found {shown}, expected {expected}." + (f" {do}" if do else "")
