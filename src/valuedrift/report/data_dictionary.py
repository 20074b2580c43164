"""The data dictionary, which describes every exported table, and the README.md in the tables' folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from valuedrift.errors import ArtifactError
from valuedrift.packaged import packaged_yaml

DICTIONARY = "dictionary.yaml"


def describe(table: str, columns: Sequence[str]) -> dict[str, str]:
    """Return column → its description, with its unit. Raises ArtifactError for a table or column without one."""
    found = packaged_yaml("valuedrift.report", DICTIONARY)
    if table not in found["tables"]:
        raise ArtifactError(DICTIONARY, list(found["tables"]), f"a description of the table {table}")
    known = {**found["shared"], **found["tables"][table]["columns"]}
    if missing := [column for column in columns if column not in known]:
        raise ArtifactError(DICTIONARY, list(known), f"what {', '.join(missing)} of the table {table} hold")
    return {column: known[column] for column in columns}


def readme(tables: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> str:
    """Return README.md: one line per table and, indented, one per column; `tables` is table → (files, columns)."""
    lines = [
        "# Exported tables",
        "",
        "The same rows in each of a table's files. Parquet holds everything as it is. In CSV, texts are safe for",
        "spreadsheets: hidden characters are spelled out, and one that would be a formula starts with an apostrophe.",
    ]
    for name, (paths, columns) in tables.items():
        about = packaged_yaml("valuedrift.report", DICTIONARY)["tables"][name]["about"]
        lines += ["", f"- {', '.join(f'`{path}`' for path in paths)}: a row is a {about}."]
        lines += [f"  - `{column}`: {said}" for column, said in describe(name, columns).items()]
    return "\n".join(lines) + "\n"
