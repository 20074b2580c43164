"""The program and the kind of machine that make an artifact, without names of people, hosts or folders."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import valuedrift

_PACKAGE = Path(valuedrift.__file__).parent
_GPUS = Path("/proc/driver/nvidia/gpus")


@cache
def program() -> dict[str, Any]:
    """Return version and commit of this package; `dirty` says whether its files differ from the commit's files.

    `commit` is None if the package was not installed from a checkout.
    """
    tracked = _git("ls-files", "--error-unmatch", "__init__.py")
    status = _git("status", "--porcelain=v2", "--branch", "--untracked-files=all", "--", ".") if tracked else ""
    commit = re.search(r"^# branch\.oid ([0-9a-f]{40,64})$", status, flags=re.MULTILINE)
    changed = any(not line.startswith("#") for line in status.splitlines())
    return {"version": valuedrift.__version__, "commit": commit[1] if commit else None, "dirty": changed}


@cache
def machine() -> dict[str, Any]:
    """Return operating system, Python version, processor model and GPU models."""
    models = {_field(file, "Model") for file in sorted(_GPUS.glob("*/information"))}
    return {
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or "unknown",
        "gpus": sorted(models - {""}),
    }


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def gpus() -> int:
    """Return the number of GPUs that this process may use."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return len(list(_GPUS.glob("*"))) if chosen is None else len([*filter(None, chosen.split(","))])


def free_bytes(folder: Path = Path("results")) -> int:
    """Return the free bytes where a folder is, or will be."""
    return shutil.disk_usage(folder if folder.is_dir() else Path()).free


@cache
def packages() -> dict[str, str]:
    """Return versions of this package's installed dependencies (the environments of stages may differ).

    They are read from the names of the dist-info folders, a hundred times as fast as a query per package.
    """
    found: dict[str, str] = {}
    for path in sys.path:
        for folder in Path(path or ".").glob("*.dist-info"):
            name, _, version = folder.name.removesuffix(".dist-info").partition("-")
            found.setdefault(_normal(name), version)
    try:
        required = [line for line in requires("valuedrift") or [] if "extra ==" not in line]
    except PackageNotFoundError:  # the package runs from its source and isn't installed
        return dict(sorted(found.items()))
    names = sorted(_normal(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in required)
    return {name: found[name] for name in names if name in found}


def _git(*arguments: str) -> str:
    """Return the output of git, or "" if it fails or is missing; it takes no lock, since jobs run in parallel."""
    command = ["git", "-C", str(_PACKAGE), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _field(file: Path, name: str) -> str:
    """Return the value of the first line `name : value`, or "" if there is none."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{re.escape(name)}\s*:\s*(.*)$", text, flags=re.MULTILINE)
    return found[1].strip() if found else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
