"""scripts/setup: what it makes, what it leaves alone, and what it says where it can't work."""

from __future__ import annotations

import os
import re
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


def setup(project: Path, *extras: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {"PYTHON": str(project / "python"), "INSTALLER": "pip", "PACKAGES": ""}
    return subprocess.run(
        [project / "scripts/setup", *extras],
        capture_output=True,
        text=True,
        check=False,
        cwd=project.parent,
        env={**os.environ, **variables, **environment},
    )


def calls(project: Path) -> list[str]:
    """What pip or uv was asked to install."""
    file = project / "calls"
    return file.read_text().splitlines() if file.exists() else []


def installs(project: Path) -> int:
    return len(calls(project))


def test_a_second_call_installs_nothing(project: Path) -> None:
    assert [setup(project).returncode, setup(project).returncode] == [0, 0]
    assert calls(project) == ["install --quiet --disable-pip-version-check -c constraints.txt -e ."]


def test_extras_are_added_and_stay(project: Path) -> None:
    for extras in ([], ["dev"], [], ["probes"], ["dev", "probes"]):
        assert setup(project, *extras).returncode == 0
    assert [call.rpartition(" ")[2] for call in calls(project)] == [".", ".[dev]", ".[dev,probes]"]
    with (project / "constraints.txt").open("a") as file:
        file.write("\n# changed\n")
    assert setup(project).returncode == 0
    assert calls(project)[-1].endswith(" .[dev,probes]")


def test_packages_come_from_a_folder_or_an_index_as_well(project: Path) -> None:
    wheels = project / "some wheels"
    wheels.mkdir()
    assert setup(project, PACKAGES=str(wheels)).returncode == 0
    assert setup(project, "dev", PACKAGES="https://example.org/cpu").returncode == 0
    assert [
        f"--find-links {wheels} " in calls(project)[0],
        "--extra-index-url https://example.org/cpu " in calls(project)[1],
    ] == [True, True]


def test_uv_installs_into_the_same_environment(project: Path) -> None:
    uv = project / "uv"
    uv.write_text('#!/usr/bin/env bash\necho "uv $@" >>calls\n')
    uv.chmod(0o755)
    path = {"PATH": f"{project}:{os.environ['PATH']}", "INSTALLER": ""}
    assert setup(project, PACKAGES=str(project), **path).returncode == 0
    assert calls(project) == [
        "uv pip install --quiet --python .venv/bin/python --index-strategy unsafe-best-match"
        f" --find-links {project} -c constraints.txt -e ."
    ]


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


def test_the_quick_tests_are_in_folders_that_there_are() -> None:
    (folders,) = re.findall(r"folders=\((.*)\)", (REPOSITORY / "scripts/test").read_text())
    assert all((REPOSITORY / "tests" / folder).is_dir() for folder in folders.split())
