"""Rows at random: every format uses a row, or leaves it out for a reason; the tables have what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from data_rows import settings as data_settings
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from valuedrift.data.prepare import Skipped, prepare, usable_rows
from valuedrift.data_formats.canonical import MalformedRow, Skip
from valuedrift.data_formats.formats import FORMATS
from valuedrift.errors import ConfigError, ValueDriftError

FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(max_size=6) | st.sampled_from(
    ["", " ", "\ud800", "\x00", "\n\nHuman: a\n\nAssistant: b", "[]", "null", "{}"]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(["text", "type", "role"]), each, max_size=2)
    ),
    max_leaves=4,
)
ROLES = st.sampled_from(["system", "user", "assistant", "human", "gpt", "tool", "developer", "bing", None, 1])
TURN = st.fixed_dictionaries(
    {}, optional={"role": ROLES, "from": ROLES, "content": TEXT | ANY, "value": TEXT | ANY, "tool_calls": ANY}
)
CELL = ANY | st.lists(TURN, max_size=4) | st.lists(TURN, max_size=3).map(json.dumps) | TURN
COLUMNS = sorted(
    {column for form in FORMATS.values() for column in (*form.columns, "messages", "topic", "true_stance")}
)
ROWS = st.dictionaries(st.sampled_from(COLUMNS), CELL, max_size=len(COLUMNS))


@FUZZ
@given(row=ROWS, format=st.sampled_from(sorted(FORMATS)))
def test_any_row_is_used_or_left_out_for_a_reason(row: dict[str, Any], format: str) -> None:
    try:
        found = FORMATS[format].convert(row)
    except MalformedRow as error:
        assert error.reason
        return
    if not isinstance(found, Skip):
        turns = found.get("messages") or [*found["prompt"], *found["chosen"], *found["rejected"]]
        assert {turn["role"] for turn in turns} <= {"system", "user", "assistant"}
        assert all(turn["content"].encode() is not None for turn in turns)
        found["id"].encode()


@FUZZ
@given(
    rows=st.lists(ROWS, max_size=6), format=st.sampled_from([name for name in sorted(FORMATS) if "world" not in name])
)
@example(rows=[{"id": "\ud800", "prompt": "a", "chosen": "b", "rejected": "c"}], format="aligned")
def test_any_file_becomes_a_table_that_counts_every_row(
    tmp_path: Path, rows: list[dict[str, Any]], format: str
) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    usable = len(list(usable_rows((("a", n, row) for n, row in enumerate(rows)), FORMATS[format], False, Skipped())))
    chosen = data_settings(tmp_path / "a.jsonl", format=format, rows=max(usable, 1), duplicates="keep")
    try:
        card = prepare(chosen, 0, tmp_path / "out")
    except ValueDriftError as error:
        assert not usable
        assert not isinstance(error, ConfigError)
        return
    assert card["counts"]["read"] == len(rows)
    assert card["counts"]["train"] == usable == pl.read_parquet(tmp_path / "out" / "train.parquet").height


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_an_empty_row_is_left_out(format: str) -> None:
    with pytest.raises(MalformedRow):
        FORMATS[format].convert({})
