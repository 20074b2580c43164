"""Rows of a data set on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator

from valuedrift.data.rows import NumberedRow
from valuedrift.data.settings import HubSource
from valuedrift.errors import ArtifactError


def read_hub_rows(source: HubSource) -> Iterator[NumberedRow]:
    """Yield (number, row) for each row of the split, downloaded once to the `datasets` library's cache.

    Raises ArtifactError when the hub can't be reached or has no such data set, revision or split.
    """
    import datasets  # seconds to import, and needed for this source alone

    try:
        rows = datasets.load_dataset(source.name, revision=source.revision, split=source.split)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"hub:{source.name}",
            f"{type(error).__name__}: {error}",
            f"split '{source.split}' at revision '{source.revision}'",
            "Check the three names and the connection, or download the files and name them in 'files'.",
        ) from error
    return enumerate(rows, start=1)
