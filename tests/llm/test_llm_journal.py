"""The journal: what was written stays, whatever happens to the writer."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from valuedrift.errors import ArtifactError
from valuedrift.llm.journal import Journal

VALUE = {"text": "Grüße \ud800\n", "top_logprobs": [["A", -0.5]]}


def key(number: int) -> str:
    return f"{number:032x}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "replies.jsonl"


def test_what_is_appended_is_there_again(path: Path) -> None:
    with Journal(path) as journal:
        for number in range(5):
            journal.append(key(number), VALUE | {"number": number})
        assert journal[key(3)] == VALUE | {"number": 3}
    with Journal(path) as journal:
        assert len(journal) == 5
        assert key(4) in journal
        assert key(5) not in journal
        assert journal[key(4)]["number"] == 4
        journal.append(key(5), VALUE)
        assert journal[key(0)]["number"] == 0
        assert [name for name, _ in journal.items()] == [key(number) for number in range(6)]
        with pytest.raises(KeyError):
            journal[key(6)]


@pytest.mark.parametrize(("name", "message"), [(key(1), "once"), ("abc", "32 hex"), ("A" * 32, "32 hex")])
def test_a_key_is_32_hex_characters_and_written_once(path: Path, name: str, message: str) -> None:
    with Journal(path) as journal:
        journal.append(key(1), VALUE)
        with pytest.raises(ValueError, match=message):
            journal.append(name, VALUE)


def test_an_incomplete_last_line_is_cut_off(path: Path) -> None:
    with Journal(path) as journal:
        journal.append(key(1), VALUE)
        whole = path.stat().st_size
        journal.append(key(2), VALUE)
    content = path.read_bytes()
    for end in range(whole, len(content)):
        path.write_bytes(content[:end])
        with Journal(path) as journal:
            assert len(journal) == 1
            journal.append(key(2), VALUE)
        assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [b"", b"null", b"{}", b'{"key": "x", "value": {}}', b'{"key": 3, "value": {}}'])
def test_a_damaged_line_is_named(path: Path, damage: bytes) -> None:
    with Journal(path) as journal:
        for number in range(3):
            journal.append(key(number), VALUE)
    lines = path.read_bytes().splitlines()
    lines[1] = damage
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(ArtifactError, match=r"replies.jsonl, line 2"):
        Journal(path)
    assert path.read_bytes().splitlines() == lines  # nothing repaired by guess


def test_one_writer_at_a_time_and_readers_beside(path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        Journal.read(path)
    with Journal(path) as journal:
        journal.append(key(1), VALUE)
        with pytest.raises(ArtifactError, match="a lock that this process holds already"):
            Journal(path)
        with path.open("ab") as file:
            file.write(b'{"key": "torn')
        with Journal.read(path) as reader:
            assert reader[key(1)] == VALUE
            assert len(reader) == 1
    assert path.read_bytes().endswith(b"torn")  # a reader changes nothing
    with Journal(path) as journal:
        assert len(journal) == 1


def test_an_incomplete_line_on_a_full_disk_is_removed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, room = os.write, [20]

    def fills_up(descriptor: int, data: bytes) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "disk full")
        return write(descriptor, data[: room.pop()])

    with Journal(path) as journal:
        journal.append(key(1), VALUE)
        monkeypatch.setattr(os, "write", fills_up)
        with pytest.raises(OSError, match="disk full"):
            journal.append(key(2), VALUE)
        monkeypatch.setattr(os, "write", write)
        assert key(2) not in journal
        journal.append(key(3), VALUE)
    with Journal(path) as journal:
        assert [name for name, _ in journal.items()] == [key(1), key(3)]


WRITER = """
import sys
from valuedrift.llm.journal import Journal
with Journal(sys.argv[1]) as journal:
    for number in range(int(sys.argv[2]), 10**9):
        journal.append(f"{number:032x}", {"text": "x" * (number % 5000)})
        print(number, flush=True)
"""


def test_what_append_returned_from_survives_kill_9(path: Path) -> None:
    done = -1
    for delay in (0.05, 0.11, 0.02):
        command = [sys.executable, "-c", WRITER, str(path), str(done + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
            told = writer.stdout.read().splitlines()
        with Journal(path) as journal:
            keys = [int(name, 16) for name, _ in journal.items()]
        assert keys == list(range(len(keys)))
        assert len(keys) > int(told[-1])
        done = keys[-1]
    assert all(json.loads(line)["value"] is not None for line in path.read_text().splitlines())


def test_the_index_is_small(path: Path) -> None:
    path.parent.mkdir()
    with path.open("w") as file:
        file.writelines(f'{{"key": "{number:032x}", "value": {{"text": "{"x" * 300}"}}}}\n' for number in range(50_000))
    tracemalloc.start()
    with Journal(path) as journal:
        size, _ = tracemalloc.get_traced_memory()
        assert len(journal) == 50_000
    tracemalloc.stop()
    assert size / 50_000 < 250  # bytes per entry: 1,000,000 entries stay below 250 MB


def test_several_values_are_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: (written.append(descriptor), write(descriptor, data))[1])
    with Journal(path) as journal:
        journal.append_all({key(number): VALUE for number in range(100)})
        assert len(written) == 1
        with pytest.raises(ValueError, match="once"):
            journal.append_all({key(100): VALUE, key(99): VALUE})
        assert len(journal) == 100
    with Journal(path) as journal:
        assert [name for name, _ in journal.items()] == [key(number) for number in range(100)]
