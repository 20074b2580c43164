"""From the source of a data set to its training and validation tables, and their card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.data.canonical import SCHEMAS, CanonicalRow, Converter, Kind, MalformedRow, Reason, Skip
from valuedrift.data.card import Card, card_markdown, make_card
from valuedrift.data.formats import FORMATS
from valuedrift.data.hub import read_hub_rows
from valuedrift.data.rows import Row, expand_path, read_rows
from valuedrift.data.settings import DataSettings
from valuedrift.data.split import shuffle, split
from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.files import write_json, write_parquet, write_text

PlacedRow = tuple[str, int, Row]

_BATCH = 10_000


def prepare(settings: DataSettings, seed: int, out_dir: Path | str) -> Card:
    """Write train.parquet, validation.parquet, card.json and card.md of a data set into `out_dir`; return the card.

    Raises DataError for a malformed row, ArtifactError when no row is usable, and ConfigError when `sample` is more
    than there is or `rows` is not the number of training rows found. Nothing is written then.
    """
    kind, convert = FORMATS[settings.format]
    table, skipped = to_table(source_rows(settings), kind, convert)
    _require_rows(settings, table.height, skipped)
    kept = shuffle(table, seed)[: settings.sample]
    train, validation = split(kept, settings.validation)
    counts = {
        "read": table.height + skipped.total(),
        "skipped": {str(reason): rows for reason, rows in sorted(skipped.items())},
        "usable": table.height,
        "duplicates": table.height - table["id"].n_unique(),
        "sampled": kept.height,
        "train": train.height,
        "validation": validation.height,
    }
    _require_count(settings, counts)
    card = make_card(settings, kind, seed, counts, kept, train)
    _write(Path(out_dir), train, validation, card)
    return card


def source_rows(settings: DataSettings) -> Iterator[PlacedRow]:
    """Yield (source, row number, row) for every row of the files or of the hub's split."""
    if settings.hub:
        yield from ((settings.source, number, row) for number, row in read_hub_rows(settings.hub))
    for file in settings.files:
        path = expand_path(file)
        yield from ((str(path), number, row) for number, row in read_rows(path))


def to_table(rows: Iterable[PlacedRow], kind: Kind, convert: Converter) -> tuple[pl.DataFrame, Counter[Reason]]:
    """The canonical table of the usable rows, in their order, and how many rows were skipped for each reason.

    Columns that a format adds follow the canonical ones. Raises DataError for a malformed row.
    """
    skipped: Counter[Reason] = Counter()
    usable = _usable(rows, convert, skipped)
    # in batches: of a large set only the texts are held, once, and not its Python objects
    batches = [pl.DataFrame(schema=SCHEMAS[kind])]
    while batch := list(islice(usable, _BATCH)):
        batches.append(pl.DataFrame(batch, schema_overrides=SCHEMAS[kind], infer_schema_length=None))
    table = pl.concat(batches, how="diagonal_relaxed")
    return table.select(*SCHEMAS[kind], pl.exclude(*SCHEMAS[kind])), skipped


def _usable(rows: Iterable[PlacedRow], convert: Converter, skipped: Counter[Reason]) -> Iterator[CanonicalRow]:
    for source, number, row in rows:
        try:
            result = convert(row)
        except MalformedRow as error:
            raise error.at(source, number) from None
        if isinstance(result, Skip):
            skipped[result.reason] += 1
        else:
            yield result


def _require_rows(settings: DataSettings, usable: int, skipped: Counter[Reason]) -> None:
    if not usable:
        raise ArtifactError(
            settings.source,
            f"no usable row among {skipped.total()}",
            f"rows of the format '{settings.format}'",
            f"Skipped: {_reasons(skipped)}.",
        )
    if settings.sample is not None and settings.sample > usable:
        key = f"data.{settings.name}.sample"
        do = f"Set {key} to {usable} or less. Skipped: {_reasons(skipped)}."
        raise ConfigError(key, settings.sample, f"at most the {usable} usable rows", do)


def _require_count(settings: DataSettings, counts: Mapping[str, Any]) -> None:
    """Steps and checkpoints were planned from `rows` before anything ran, so another count must not pass."""
    if counts["train"] != settings.rows:
        key = f"data.{settings.name}.rows"
        steps = f"read {counts['read']}, usable {counts['usable']}, sampled {counts['sampled']}"
        skipped = _reasons(counts["skipped"])
        do = f"Set {key} to {counts['train']} if the source is the right one ({steps}; skipped: {skipped})."
        raise ConfigError(key, settings.rows, f"{counts['train']}, the training rows in {settings.source}", do)


def _reasons(skipped: Mapping[Reason, int] | Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {rows}" for reason, rows in sorted(skipped.items())) or "none"


def _write(out: Path, train: pl.DataFrame, validation: pl.DataFrame, card: Card) -> None:
    write_parquet(out / "train.parquet", train)
    write_parquet(out / "validation.parquet", validation)
    write_text(out / "card.md", card_markdown(card))
    write_json(out / "card.json", card)
