"""What exists is whole: results appear at once, or not at all."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from valuedrift.errors import ArtifactError
from valuedrift.files import DRAFT, publish, read_json, readable, write_json, write_parquet, write_text

KINDS = pytest.mark.parametrize("kind", ["file", "folder"])


def put(path: Path, kind: str, text: str) -> None:
    """A file with that text, or a folder with it in a file `part`."""
    if kind == "folder":
        path.mkdir(exist_ok=True)
        path = path / "part"
    path.write_text(text)


def content(path: Path) -> str:
    return (path / "part" if path.is_dir() else path).read_text()


@KINDS
def test_a_result_appears_when_it_is_complete(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "deep" / "down" / "result"
    with publish(target) as draft:
        put(draft, kind, "half")
        assert draft.parent == target.parent
        assert not target.exists()
        put(draft, kind, "whole")
    assert content(target) == "whole"
    assert list(target.parent.iterdir()) == [target]


@KINDS
@pytest.mark.parametrize("older", [None, "older"])
def test_a_failure_raises_itself_and_leaves_what_was_there(tmp_path: Path, kind: str, older: str | None) -> None:
    result = tmp_path / "result"
    if older:
        put(result, kind, older)
    with pytest.raises(KeyboardInterrupt), publish(result) as draft:
        put(draft, kind, "half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == ([result] if older else [])
    assert older is None or content(result) == older


@pytest.mark.parametrize(("before", "kind"), [("file", "file"), ("file", "folder"), ("folder", "folder")])
def test_a_result_replaces_an_older_one(tmp_path: Path, before: str, kind: str) -> None:
    target = tmp_path / "result"
    put(target, before, "old")
    if before == "folder":
        (target / "more").touch()
    with publish(target) as draft:
        put(draft, kind, "new")
    assert [path.name for path in tmp_path.rglob("*")] == ["result", *(["part"] if kind == "folder" else [])]
    assert content(target) == "new"


def test_a_file_does_not_replace_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "result"
    put(target, "folder", "old")
    refused = pytest.raises(ArtifactError, match="found 'a folder', expected a path for a file")
    with refused, publish(target) as draft:
        put(draft, "file", "new")
    assert content(target) == "old"


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
    assert text.endswith("}\n") and "é" in text
    assert read_json(tmp_path / "two.json") == {"a": "é", "b": [1, 2.5, None]}


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


@pytest.mark.parametrize(("place", "byte"), [(102, 34), (294, 16), (758, 215)])
def test_a_table_over_which_polars_panics_is_refused(tmp_path: Path, place: int, byte: int) -> None:
    file = tmp_path / "table.parquet"
    table = {"step": [1, 2, 3], "p_support": [0.5, None, 0.2], "p": [0.1, 0.2, 0.3]}
    pl.DataFrame(table).write_parquet(file, compression="zstd")
    damaged = bytearray(file.read_bytes())
    damaged[place] = byte
    file.write_bytes(damaged)
    with pytest.raises(ArtifactError, match="expected a table"), readable(file, "a table"):
        pl.scan_parquet(file).collect(engine="streaming")
