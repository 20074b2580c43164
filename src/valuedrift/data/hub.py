"""Rows of a data set on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from valuedrift.config.data_sets import HubSource
from valuedrift.errors import ArtifactError
from valuedrift.input_tables.rows import NumberedRow


def read_hub_rows(source: HubSource, columns: Sequence[str] = ()) -> Iterator[NumberedRow]:
    """Yield (number, row) for each row of the split, downloaded once to the `datasets` library's cache.

    Args:
        columns: the columns to read; all columns are read if it is empty or the split lacks one of them.

    Raises:
        ArtifactError: the hub can't be reached, has no such data set, revision or split, or contains broken files.
    """
    import datasets  # takes seconds to import; only this source needs it

    try:
        rows = datasets.load_dataset(source.name, source.config, revision=source.revision, split=source.split)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise ArtifactError(
            f"hub:{source.name}",
            f"{type(error).__name__}: {error}",
            f"split '{source.split}' at revision '{source.revision}'"
            + (f" of configuration '{source.config}'" if source.config else ""),
            "Check these names and the connection, or download the files and name them in 'files'.",
        ) from error
    if columns and set(columns) <= set(rows.column_names):
        rows = rows.select_columns(list(columns))
    return enumerate(rows, start=1)
