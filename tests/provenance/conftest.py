"""Artifacts in a working directory of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from provenance_artifacts import make_all


@pytest.fixture
def made(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_all(base)
    return tmp_path
