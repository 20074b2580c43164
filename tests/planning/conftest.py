"""The repository's configuration, with nothing measured and with what a test measures."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from valuedrift.workflow.plan_sizes import Basis, default_rates

from valuedrift.workflow.flow import Workflow

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def flow() -> Workflow:
    return Workflow.read(yaml.safe_load((REPOSITORY / "workflow_config.yaml").read_text()))


@pytest.fixture
def basis(flow: Workflow, tmp_path: Path) -> Basis:
    """Nothing has run yet in `tmp_path`."""
    return Basis(flow, default_rates(), tmp_path)
