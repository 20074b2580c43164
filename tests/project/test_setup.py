"""scripts/setup: what it makes, what it leaves alone, and what it says where it can't work."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

# Stands in for Python: `-m venv` makes an environment whose pip notes its calls, and fails while `broken` exists.
PYTHON = r"""#!/usr/bin/env bash
case "$*" in
    *version_info*) exit "${TOO_OLD:-0}" ;;
    *ensurepip*) exit "${NO_VENV:-0}" ;;
    --version) echo "Python 3.9.2" ;;
    "-m venv .venv")
        mkdir -p .venv/bin
        cp "$0" .venv/bin/python
        echo '#!/usr/bin/env bash' >.venv/bin/pip
        echo '[[ $1 == --version ]] && exit; echo "$@" >>calls; [[ ! -e broken ]]' >>.venv/bin/pip
        chmod +x .venv/bin/pip
        ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the real set-up script and a Python that only pretends."""
    for name in ("scripts/setup", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return tmp_path


def setup(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    python = {"PYTHON": str(project / "python")}
    return subprocess.run(
        [project / "scripts/setup"],
        capture_output=True,
        text=True,
        check=False,
        cwd=project.parent,
        env={**os.environ, **python, **environment},
    )


def installs(project: Path) -> int:
    calls = project / "calls"
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def test_a_second_call_installs_nothing(project: Path) -> None:
    assert [setup(project).returncode, setup(project).returncode] == [0, 0]
    assert (
        project / "calls"
    ).read_text() == "install --quiet --disable-pip-version-check -c constraints.txt -e .[dev]\n"


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_pins_are_installed_into_the_same_environment(project: Path, name: str) -> None:
    setup(project)
    mark = project / ".venv/mark"
    mark.touch()
    with (project / name).open("a") as file:
        file.write("\n# changed\n")
    assert setup(project).returncode == 0
    assert installs(project) == 2
    assert mark.exists()


def test_a_set_up_left_half_way_begins_anew(project: Path) -> None:
    (project / "broken").touch()
    assert setup(project).returncode != 0
    leftover = project / ".venv/leftover"
    leftover.touch()
    (project / "broken").unlink()
    assert setup(project).returncode == 0
    assert installs(project) == 2
    assert not leftover.exists()


def test_an_environment_without_its_python_is_made_anew(project: Path) -> None:
    setup(project)
    (project / ".venv/bin/python").unlink()
    (project / ".venv/bin/pip").unlink()
    assert setup(project).returncode == 0
    assert (project / ".venv/bin/pip").exists()


def test_profiles_are_found_by_their_names(project: Path) -> None:
    setup(project)
    targets = [str((project / name).readlink()) for name in ("local", "gpus", "slurm")]
    assert targets == ["profiles/local", "profiles/gpus", "profiles/slurm"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TOO_OLD": "1"}, "found Python 3.9.2, expected Python 3.11 or newer"),
        ({"NO_VENV": "1"}, "apt install python3-venv"),
        ({"PYTHON": "no-such-python"}, "expected Python 3.11 or newer"),
    ],
)
def test_an_unfit_python_is_explained(project: Path, environment: dict[str, str], said: str) -> None:
    run = setup(project, **environment)
    assert run.returncode == 1
    assert said in run.stderr
    assert not (project / ".venv").exists()
