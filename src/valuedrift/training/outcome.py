"""A finished run's outcome, kept aside until its outputs are first used.

Workflow engines that die just as a run finishes know nothing of it: they remove its outputs and start it again. So
hard links of the checkpoints, which take no disk, stay beside the outputs, under a name that no engine has heard of.
The first job that reads a checkpoint shows that the outputs were taken for complete, and removes them.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from valuedrift.errors import ArtifactError
from valuedrift.files import read_json, write_json
from valuedrift.models import model_folder as models
from valuedrift.models.model_folder import ASIDE, RECORD, checkpoint_name, require_model

_SOURCES = (Path(__file__).parent, Path(models.__file__).parent)


def put_aside(saved: Path, run: Path, made_from: dict[str, Any]) -> None:
    """Move the checkpoints and metrics in `saved`, which are links of the run's outputs by now, aside.

    made_from: what decides the run's weights. On a file system without hard links nothing is kept: it would be a copy.
    """
    if any(file.stat().st_nlink < 2 for file in saved.glob("step-*/*.safetensors")):
        return
    write_json(saved / RECORD, _record(made_from))
    shutil.rmtree(run / ASIDE, ignore_errors=True)
    saved.rename(run / ASIDE)


def take_back(run: Path, saved: Path, made_from: dict[str, Any], steps: Sequence[int]) -> bool:
    """Whether what was put aside is this run's whole outcome, made by this program; it is moved to `saved` then.

    Anything else goes: the workflow knows nothing of an edit of the program, and who forces a run after one wants it
    anew.
    """
    aside = run / ASIDE
    if not aside.exists():
        return False
    try:
        found = read_json(aside / RECORD)
        for step in steps:
            require_model(aside / checkpoint_name(step))
    except (ArtifactError, OSError, ValueError):
        found = None
    if found != _record(made_from):
        shutil.rmtree(aside)
        return False
    shutil.rmtree(saved, ignore_errors=True)
    shutil.move(aside, saved)
    return True


def _record(made_from: dict[str, Any]) -> dict[str, Any]:
    """What a run follows from, with the program's own text."""
    whole = hashlib.sha256()
    for file in (file for folder in _SOURCES for file in sorted(folder.glob("*.py"))):
        whole.update(file.read_bytes())
    return {"made from": made_from, "program": whole.hexdigest()}
