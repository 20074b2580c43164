"""One finished run that all tests of this folder look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline import PLANTED, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the shortened pocket pipeline has run to its end, with a job server of its own."""
    folder = tmp_path_factory.mktemp("pocket")
    snakemake(folder, own_server=True, environment={"OPENAI_API_KEY": PLANTED})
    return folder
