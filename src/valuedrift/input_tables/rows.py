"""Stream the rows of a source file; errors name the row that can't be read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from valuedrift.errors import ArtifactError, DataError
from valuedrift.input_tables.json_list import read_items

Row = dict[str, Any]
NumberedRow = tuple[int, Row]
Reader = Callable[[Path], Iterator[NumberedRow]]

_PARQUET_BATCH = 1_000
_PIECE = 2**20  # characters
_BUFFER = 2**20  # bytes
# by default, the standard library rejects values of more than 131,072 characters; long conversations have more
csv.field_size_limit(2**31 - 1)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def expand_path(text: str) -> Path:
    """Return `text` with `~` and environment variables expanded.

    Raises:
        ArtifactError: a variable is unset or empty, such as VALUEDRIFT_DATA, the folder with the source files.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if not os.environ.get(name):
            raise ArtifactError(
                text,
                f"{name} is not set",
                f"the environment variable {name} to hold the folder with the source files of the data sets",
                f"Set it, for example: export {name}=$HOME/data",
            )
        return os.environ[name]

    return Path(os.path.expanduser(_VARIABLE.sub(value, text)))  # noqa: PTH111 (~nobody stays as it is)


def read_rows(path: Path | str, columns: Sequence[str] = ()) -> Iterator[NumberedRow]:
    """Yield (number, row) for each row of a .jsonl, .json (one list), .csv (each also with .gz) or .parquet file.

    The number is that of the line in .jsonl, and of the item or record in other files, from 1. Blank lines are skipped.
    No file is in memory as a whole.

    Args:
        columns: the columns to read of a .parquet file; all are read if it is empty or the file lacks one of them.

    Raises:
        ArtifactError: the file is missing or of another kind.
        DataError: broken JSON, a row that is not an object, bytes that are not UTF-8, damaged gzip or parquet, or a
            record with another number of values than the header; names file and row.
    """
    path = Path(path)
    if not path.is_file():
        raise ArtifactError(path, "no such file", "a source file of a data set", "Put it there or correct 'files'.")
    text: dict[str, Reader] = {".jsonl": _read_jsonl, ".json": _read_json, ".csv": _read_csv}
    zipped = {f"{suffix}.gz": reader for suffix, reader in text.items()}
    readers: dict[str, Reader] = {".parquet": partial(_read_parquet, columns=columns), **text, **zipped}
    for suffix, reader in readers.items():
        if path.name.lower().endswith(suffix):
            if reader is not readers[".parquet"] and _starts(path).startswith(b"PK\x03\x04"):
                raise DataError(
                    path, None, "file", "a spreadsheet or another zip file", "text", "Save the table as CSV."
                )
            return reader(path)
    raise ArtifactError(path, path.name, f"a name that ends in one of {', '.join(readers)}")


def _read_jsonl(path: Path) -> Iterator[NumberedRow]:
    for number, line in _read_lines(path):
        if line.strip():
            yield number, _as_object(path, number, _parse_json(path, number, line))


def _read_json(path: Path) -> Iterator[NumberedRow]:
    number = 0
    do = "Correct or remove the item; name the file .jsonl if it has one row per line."
    try:
        for number, item in enumerate(read_items(_read_pieces(path)), start=1):
            yield number, _as_object(path, number, item)
    except UnicodeDecodeError as error:
        raise DataError(path, None, "file", str(error), "UTF-8 text", "Convert the file to UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise DataError(path, number + 1, "item", str(error), "a JSON list of objects", do) from None


def _read_csv(path: Path) -> Iterator[NumberedRow]:
    number, between = 0, separator(path)
    try:
        # strict: otherwise an unclosed quote would include the rest of the file in its value without an error
        records = csv.reader(_csv_lines(path), delimiter=between, strict=True)
        header = [name.strip() for name in next(records, [])]
        if "".join(header).lower().startswith("sep="):
            header = [name.strip() for name in next(records, [])]
        while header and not header[-1]:
            header.pop()
        if len(names := [name for name in header if name]) != len(set(names)):
            raise DataError(path, None, "header", header, "each column name once")
        for number, record in enumerate(filter(None, records), start=1):
            if any(cell.strip() for cell in record):
                yield number, _named_cells(path, number, header, record, between)
    except csv.Error as error:
        raise DataError(path, number + 1, "record", str(error), "a well-formed CSV record") from None


def _csv_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file, which may end as those of old Macs did, with a carriage return."""
    return (part for _, line in _read_lines(path) for part in re.split(r"(?<=\r)(?!\n)", line) if part)


def separator(path: Path) -> str:
    """Return the character between the columns of a CSV file: the one that a line `sep=…` names, or else of
    comma, semicolon, tab and bar the one that splits the header into the most columns."""
    first = next(_csv_lines(path), "")
    if named := re.match(r'"?sep=(\\t|[^"\r\n])', first, re.IGNORECASE):
        return named[1].replace("\\t", "\t")
    return max(",;\t|", key=lambda each: len(next(csv.reader([first], delimiter=each), [])))


def _named_cells(path: Path, number: int, header: Sequence[str], record: Sequence[str], between: str) -> Row:
    """Return a record's cells by column. Columns without a name, such as a spreadsheet leaves at the end, are empty."""
    cells = dict(zip(header, record, strict=False))
    nameless = [cell for name, cell in zip_longest(header, record, fillvalue="") if not name]
    if len(record) < len(header) or any(cell.strip() for cell in nameless):
        found = f"{len(record)} values, separated by {between!r}"
        do = "Name each column, and put quotes around a text that contains the separator."
        raise DataError(path, number, "record", found, f"{len(header)}, as in the header", do)
    return {name: cell for name, cell in cells.items() if name}


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[NumberedRow]:
    number = 0
    try:
        # pyarrow reads page by page; polars would decode a whole row group, often all rows of a file
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
            names = file.schema_arrow.names
            if len(names) != len(set(names)):
                raise DataError(path, None, "header", names, "each column name once")
            known = set(columns) <= set(names)
            for batch in file.iter_batches(_PARQUET_BATCH, columns=list(columns) if columns and known else None):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(path, None, "file", str(error), "a whole parquet file", _advice(path)) from None


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the decoded lines of a plain or gzipped file, numbered from 1, without a byte-order mark."""
    number = 0
    try:
        with _open(path) as stream:
            for number, line in enumerate(stream, start=1):
                yield number, _decode(path, number, line)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(path, number + 1, "line", str(error), "an undamaged gzip file", _advice(path)) from None


def _read_pieces(path: Path) -> Iterator[str]:
    """Yield the text of a plain or gzipped file, piece by piece, without a byte-order mark."""
    try:
        with _open(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            while piece := text.read(_PIECE):
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(path, None, "file", str(error), "an undamaged gzip file", _advice(path)) from None


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def _decode(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(path, number, "line", str(error), "UTF-8 text", "Convert the file to UTF-8.") from None


def _advice(path: Path) -> str:
    """Return what to do about a file that isn't what its name says, from its first bytes."""
    start = _starts(path).lstrip()
    if start.startswith(b"version https://git-lfs"):
        return "It is a pointer of Git LFS. Run `git lfs pull` where it was cloned."
    if start.startswith(b"<"):
        return "It is a web page. Download the file itself."
    if start.startswith((b"PAR1", b"\x1f\x8b")):
        return "It is cut off or damaged. Compare its size with its source's, and copy or download it again."
    return "It has another format than its name says. Rename it."


def _starts(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(64)


def _parse_json(path: Path, number: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        found = str(error)
        if isinstance(error, json.JSONDecodeError):
            found = f"{error.msg} at line {number} column {error.colno}"
        do = _advice(path) if text.startswith(("version https://git-lfs", "<")) else "Correct or remove the line."
        raise DataError(path, number, "line", found, "valid JSON", do) from None


def _as_object(path: Path, number: int, value: object) -> Row:
    if not isinstance(value, dict):
        raise DataError(path, number, "row", value, "a JSON object with the fields of its format")
    return value
