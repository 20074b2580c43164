"""Make a data set's training and validation tables and its card from its source."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.config.data_sets import DataSettings, train_count
from valuedrift.data.card import Card, card_markdown, make_card
from valuedrift.data.hub import read_hub_rows
from valuedrift.data.ordering import OrderedRows, order_rows
from valuedrift.data_formats.canonical import CanonicalRow, MalformedRow, Reason, Skip, has_blank_answer
from valuedrift.data_formats.formats import FORMATS, Format
from valuedrift.errors import ArtifactError, ConfigError, DataError
from valuedrift.files import draft_folder, parquet_metadata, publish, write_json, write_text
from valuedrift.input_tables.rows import Row, expand_path, read_rows

PlacedRow = tuple[str, int, Row]


@dataclass
class Skipped:
    """The number of unusable rows by reason, and the first malformed one in words."""

    rows: Counter[Reason] = field(default_factory=Counter)
    malformed: DataError | None = None


_PROGRESS = 50_000  # rows
_GROUP = 5_000  # rows


def prepare(settings: DataSettings, seed: int, out_dir: Path | str) -> Card:
    """Write train.parquet, validation.parquet, card.json and card.md of a data set into `out_dir`; return the card.

    Rows are streamed through a draft on disk beside `out_dir`, so memory use doesn't grow with their number. If there
    is an error, nothing is written.

    Raises:
        DataError: no row is usable, and one is malformed; or the file is damaged.
        ArtifactError: no row is usable.
        ConfigError: `sample` is more than the number of usable rows, or `rows` is not the number of training rows.
    """
    out = Path(out_dir).resolve()
    form = FORMATS[settings.format]
    skipped = Skipped()
    with draft_folder(out) as folder:
        rows = usable_rows(source_rows(settings), form, settings.empty_answers == "keep", skipped)
        ordered = order_rows(rows, form.kind, seed, folder, settings.duplicates == "keep")
        counts = _counts(settings, ordered, skipped)
        kept = ordered.table.head(counts["sampled"])
        train, validation = kept.head(counts["train"]), kept.slice(counts["train"])
        card = make_card(settings, form.kind, seed, counts, kept, train)
        _write(out, train, validation, card)
    return card


def source_rows(settings: DataSettings) -> Iterator[PlacedRow]:
    """Yield (source, row number, row) for every row of the files or of the hub's split."""
    columns = FORMATS[settings.format].columns
    if settings.hub:
        yield from ((settings.source, number, row) for number, row in read_hub_rows(settings.hub, columns))
    for file in settings.files:
        path = expand_path(file)
        yield from ((str(path), number, row) for number, row in read_rows(path, columns))


def usable_rows(
    rows: Iterable[PlacedRow], form: Format, empty_answers: bool, skipped: Skipped
) -> Iterator[CanonicalRow]:
    """Yield the canonical form of every usable row; count the other rows by reason in `skipped`.

    The first malformed row of each reason is printed.

    Args:
        empty_answers: whether a row with a blank answer is usable.
    """
    for total, (source, number, row) in enumerate(rows, start=1):
        try:
            result = form.convert(row)
        except MalformedRow as error:
            if not skipped.rows[error.reason]:
                print(f"Left out, as are other rows with a {error.reason}: {error.at(source, number)}", file=sys.stderr)
            skipped.malformed = skipped.malformed or error.at(source, number)
            result = Skip(error.reason)
        if isinstance(result, Skip):
            skipped.rows[result.reason] += 1
        elif not empty_answers and has_blank_answer(result, form.kind):
            skipped.rows[Reason.EMPTY_ANSWER] += 1
        else:
            yield result
        if total % _PROGRESS == 0:
            print(f"{source}: {total:,} rows read", file=sys.stderr, flush=True)


def _counts(settings: DataSettings, ordered: OrderedRows, unusable: Skipped) -> dict[str, Any]:
    """Return the number of rows after every step, checked against the settings."""
    if unusable.malformed and not ordered.rows:
        raise unusable.malformed
    skipped = unusable.rows
    if settings.duplicates == "drop" and ordered.duplicates:
        skipped = skipped + Counter({Reason.DUPLICATE: ordered.duplicates})
    _require_rows(settings, ordered.rows, skipped)
    sampled = settings.sample or ordered.rows
    train = train_count(sampled, settings.validation)
    counts = {
        "read": ordered.rows + skipped.total(),
        "skipped": {str(reason): rows for reason, rows in sorted(skipped.items())},
        "usable": ordered.rows,
        "duplicates": ordered.duplicates,
        "sampled": sampled,
        "train": train,
        "validation": sampled - train,
    }
    _require_count(settings, counts)
    return counts


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
    """Raise ConfigError unless there are `rows` training rows: steps and checkpoints were planned from that number."""
    if counts["train"] != settings.rows:
        key = f"data.{settings.name}.rows"
        steps = f"read {counts['read']}, usable {counts['usable']}, sampled {counts['sampled']}"
        skipped = _reasons(counts["skipped"])
        do = f"Set {key} to {counts['train']} if the source is the right one ({steps}; skipped: {skipped})."
        raise ConfigError(key, settings.rows, f"{counts['train']}, the training rows in {settings.source}", do)


def _reasons(skipped: Mapping[Reason, int] | Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {rows}" for reason, rows in sorted(skipped.items())) or "none"


def _write(out: Path, train: pl.LazyFrame, validation: pl.LazyFrame, card: Card) -> None:
    for name, table in (("train", train), ("validation", validation)):
        with publish(out / f"{name}.parquet") as draft:
            table.sink_parquet(
                draft, compression="zstd", row_group_size=_GROUP, engine="streaming", metadata=parquet_metadata()
            )
    write_text(out / "card.md", card_markdown(card))
    write_json(out / "card.json", card)
