"""Short pauses, so that tests of what is tried again don't wait."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("valuedrift.llm.pace._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("valuedrift.llm.batch_api._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("valuedrift.llm.batch_api._SETTLED", 0.02)
