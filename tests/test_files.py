"""What exists is whole: results appear at once, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from valuedrift.files import DRAFT, publish, read_json, write_json, write_parquet, write_text


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "down" / "result.txt"
    with publish(target) as draft:
        draft.write_text("half")
        assert draft.parent == target.parent
        assert not target.exists()
        draft.write_text("whole")
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with publish(tmp_path / "model") as draft:
        draft.mkdir()
        (draft / "config.json").write_text("{}")
        assert not (tmp_path / "model").exists()
        (draft / "weights").write_text("w")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"config.json", "weights"}
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_failure_leaves_nothing_and_raises_itself(tmp_path: Path, kind: str) -> None:
    with pytest.raises(KeyboardInterrupt), publish(tmp_path / "result") as draft:
        if kind == "folder":
            draft.mkdir()
            draft = draft / "part"
        draft.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_failure_leaves_an_older_result_as_it_was(tmp_path: Path, kind: str) -> None:
    older = tmp_path / "result"
    if kind == "folder":
        older.mkdir()
    (older / "part" if kind == "folder" else older).write_text("older")
    with pytest.raises(ValueError, match="half way"), publish(older) as draft:
        draft.write_text("newer")
        raise ValueError("half way")
    assert (older / "part" if kind == "folder" else older).read_text() == "older"
    assert list(tmp_path.iterdir()) == [older]


@pytest.mark.parametrize("before", ["file", "folder"])
@pytest.mark.parametrize("after", ["file", "folder"])
def test_a_result_replaces_an_older_one_of_either_kind(tmp_path: Path, before: str, after: str) -> None:
    target = tmp_path / "result"
    if before == "folder":
        target.mkdir()
    (target / "old" if before == "folder" else target).write_text("old")
    with publish(target) as draft:
        if after == "folder":
            draft.mkdir()
        (draft / "new" if after == "folder" else draft).write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["result", *(["new"] if after == "folder" else [])]
    assert (target / "new" if after == "folder" else target).read_text() == "new"


def test_a_body_that_makes_nothing_is_an_error_and_the_older_result_stays(tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    with pytest.raises(FileNotFoundError), publish(tmp_path / "result"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_readers_see_the_older_file_until_the_newer_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_json(target, {"version": 1})
    with publish(target) as draft:
        draft.write_text('{"version": ')
        assert read_json(target) == {"version": 1}
        draft.write_text('{"version": 2}')
    assert read_json(target) == {"version": 2}


def test_what_a_killed_process_left_does_not_get_into_the_result(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), publish(tmp_path / "model") as left_over:
        raise ZeroDivisionError
    left_over.mkdir()
    (left_over / "stale").write_text("stale")
    with publish(tmp_path / "model") as draft:
        draft.mkdir()
        (draft / "fresh").write_text("fresh")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["fresh"]


def test_json_is_the_same_text_for_the_same_value(tmp_path: Path) -> None:
    write_json(tmp_path / "one.json", {"b": [1, 2.5, None], "a": "é"})
    write_json(tmp_path / "two.json", {"a": "é", "b": [1, 2.5, None]})
    text = (tmp_path / "one.json").read_text(encoding="utf-8")
    assert text == (tmp_path / "two.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "é" in text
    assert json.loads(text) == read_json(tmp_path / "two.json") == {"a": "é", "b": [1, 2.5, None]}


def test_json_that_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "nan.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_text_is_utf8_on_every_machine(tmp_path: Path) -> None:
    write_text(tmp_path / "text.md", "naïve — 支持")
    assert (tmp_path / "text.md").read_bytes() == "naïve — 支持".encode()


def test_parquet_is_the_same_bytes_for_the_same_table(tmp_path: Path) -> None:
    table = pl.DataFrame({"step": [1, 2], "answer": ["yes", None]})
    write_parquet(tmp_path / "one.parquet", table, {"judge": "pocket"})
    write_parquet(tmp_path / "two.parquet", table, {"judge": "pocket"})
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert pl.read_parquet(tmp_path / "one.parquet").equals(table)
    assert pl.read_parquet_metadata(tmp_path / "one.parquet")["judge"] == "pocket"


def test_a_draft_is_known_by_its_name(tmp_path: Path) -> None:
    with publish(tmp_path / "drift.parquet") as draft:
        assert DRAFT.fullmatch(draft.name)
        draft.touch()
    assert not DRAFT.fullmatch("drift.parquet")
