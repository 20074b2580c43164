"""Folders with a model's weights: their names, and checks that they are whole. Imports no training library."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from valuedrift.errors import ArtifactError
from valuedrift.files import PRUNED
from valuedrift.other_formats import refuse_other_formats

_REMAKE = (
    "If it was copied or fetched, compare it with its source, and use another source if that is like this too; then"
    " remove the folder and run its target again."
)


def checkpoint_name(step: int) -> str:
    """Return the name of the folder of a step's weights, such as `step-000100`."""
    return f"step-{step:06d}"


def require_model(folder: Path) -> None:
    """Raise ArtifactError unless `folder` contains a model's configuration and whole safetensors files."""
    if (folder / PRUNED).is_file():
        raise ArtifactError(
            folder,
            f"a checkpoint without its weights ({PRUNED})",
            "weights, which went when its answers existed (`machine.keep` in the configuration)",
            "Set `keep: all`, remove the run's folder and train it again.",
        )
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        refuse_other_formats(folder)
        found = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else "nothing"
        raise ArtifactError(folder, found, "config.json and *.safetensors", _REMAKE)
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(folder / "config.json", str(error), "JSON", _REMAKE) from error
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            is_small = file.is_file() and file.stat().st_size < 1000
            is_pointer = is_small and file.read_bytes().startswith(b"version https://git-lfs")
            found, do = ("a pointer of Git LFS", "Run `git lfs pull` there.") if is_pointer else (str(error), _REMAKE)
            raise ArtifactError(file, found, "a whole safetensors file", do) from error


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a folder's tensors by name, from the headers of its safetensors files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="np") as tensors:
            shapes |= {name: tuple(tensors.get_slice(name).get_shape()) for name in list(tensors.keys())}
    return shapes


def step_of(folder: Path) -> int:
    """Return the step in the name of a checkpoint's folder; raise ArtifactError for any other name."""
    name, _, number = folder.name.partition("-")
    if name != "step" or not number.isdigit():
        raise ArtifactError(folder, folder.name, "a folder named like step-000100")
    return int(number)
