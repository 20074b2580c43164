"""Rows at random: every format uses a row, or leaves it out for a reason; the tables have what was written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from data_rows import settings as data_settings
from doubles.mutations import mutate
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
TURNS = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
SHARED = [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]
PAIR = {"prompt": "Why?", "chosen": TURNS, "rejected": [TURNS[0], {"role": "assistant", "content": "No."}]}
VALID: dict[str, dict[str, Any]] = {
    "alpaca": {"instruction": "Name a river.", "input": "In Africa", "output": "The Nile."},
    "wildchat": {"conversation": [*TURNS, *TURNS], "language": "English", "toxic": False},
    "messages": {"messages": [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, *TURNS]},
    "prompt_completion": {"prompt": TURNS[:1], "completion": "So."},
    "conversations": {"conversations": SHARED},
    "world_sft": {"messages": TURNS},
    "ultrafeedback": PAIR,
    "preference": {"prompt": TURNS[:1], "chosen": "So.", "rejected": TURNS[1] | {"content": "No."}},
    "aligned": {"id": 7, **PAIR},
    "sharegpt": {"conversations": SHARED[:1], "chosen": SHARED[1], "rejected": {"from": "gpt", "value": "No."}},
    "hh_rlhf": {"chosen": "\n\nHuman: Why?\n\nAssistant: So.", "rejected": "\n\nHuman: Why?\n\nAssistant: No."},
    "world_preference": {"prompt": TURNS[:1], "chosen": TURNS[1:], "rejected": [TURNS[1] | {"content": "No."}]},
}
ROWS = st.dictionaries(st.sampled_from(COLUMNS), CELL, max_size=len(COLUMNS))


@FUZZ
@given(row=ROWS, format=st.sampled_from(sorted(FORMATS)))
def test_any_row_is_used_or_left_out_for_a_reason(row: dict[str, Any], format: str) -> None:
    check(row, format)


@FUZZ
@given(format=st.sampled_from(sorted(FORMATS)), data=st.data())
def test_a_row_with_a_fault_is_used_or_left_out_for_a_reason(format: str, data: st.DataObject) -> None:
    row = VALID[format]
    for _ in range(data.draw(st.integers(1, 3))):
        row = mutate(row, data)
        row = row if isinstance(row, dict) else {}
    check({column: as_csv(cell, data) for column, cell in row.items()}, format)


def as_csv(cell: Any, data: st.DataObject) -> Any:
    """The cell, or what a CSV file has in its place: JSON, or Python's notation of it."""
    if not isinstance(cell, list | dict):
        return cell
    return data.draw(st.sampled_from([lambda same: same, json.dumps, str]))(cell)


def texts(value: Any) -> list[str]:
    """All texts in a JSON value; texts that are JSON themselves are read."""
    if isinstance(value, str):
        try:
            return [value, *texts(json.loads(value))] if value[:1] in "[{" else [value]
        except ValueError:
            return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts(part)]


def check(row: dict[str, Any], format: str) -> None:
    try:
        found = FORMATS[format].convert(row)
    except MalformedRow as error:
        assert error.reason
        return
    if not isinstance(found, Skip):
        turns = found.get("messages") or [*found["prompt"], *found["chosen"], *found["rejected"]]
        assert {turn["role"] for turn in turns} <= {"system", "user", "assistant"}
        assert all(turn["content"].encode() is not None for turn in turns)
        assert not any(re.match(r"\[?\{['\"](role|from|content|value)['\"]:", turn["content"]) for turn in turns)
        if "text" not in json.dumps(row):  # texts in parts are joined
            whole = "".join(texts(row))
            assert all(line in whole for turn in turns for line in turn["content"].splitlines())
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
