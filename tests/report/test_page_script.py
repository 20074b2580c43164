"""The page's modules: formatted and linted by Biome, and joined into one script."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import valuedrift.report
from valuedrift.report.page_script import page_script

SCRIPTS = Path(valuedrift.report.__file__).parent / "scripts"
TOOLS = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def biome() -> Path:
    """The pinned Biome, installed if npm can reach a registry or its cache."""
    if shutil.which("npm") is None:
        pytest.skip("no `npm` on PATH (Debian: apt install npm)")
    tool = TOOLS / "node_modules" / ".bin" / "biome"
    if not tool.exists():
        install = ["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund"]
        installed = subprocess.run(install, cwd=TOOLS, capture_output=True, text=True)
        if installed.returncode:
            pytest.skip(f"npm could not install Biome: {installed.stderr.strip()[-200:]}")
    return tool


def test_modules_are_formatted_and_free_of_lint(biome: Path) -> None:
    command = [biome, "ci", "--colors=off", "--error-on-warnings", f"--config-path={TOOLS}", SCRIPTS]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_module_is_in_the_script_after_those_that_it_imports() -> None:
    script = page_script()
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    headings = {path.stem: path.read_text().partition("\n")[0] for path in SCRIPTS.iterdir()}
    places = {name: script.index(heading) for name, heading in headings.items()}
    assert places["dom"] < places["line_chart"] < places["trajectories"]
    assert places["answers"] < places["trajectories"]
