"""A journal's path, and short pauses, so that tests of repeated requests don't wait."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("valuedrift.llm.pace._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("valuedrift.llm.batch_api._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("valuedrift.llm.batch_api._SETTLED", 0.02)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "replies.jsonl"
