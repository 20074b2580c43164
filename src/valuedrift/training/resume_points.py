"""Resume points: the state from which a killed run continues, and the checkpoints that it has already saved.

A run's resume folder holds, until the run is complete:

    run.json          the run's fingerprint; if it is another run's, the folder is emptied
    saved/step-…      checkpoints; at the end they are hard-linked into the run's own folder
    point-000120/     the newest full state: weights, optimiser, schedule, generators, data position, metrics

Workflow engines remove the outputs of a failed job, so these files are not in the run's own folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
import torch

from valuedrift.errors import ArtifactError
from valuedrift.files import UNREADABLE, publish, read_json, write_json, write_parquet
from valuedrift.models.model_folder import checkpoint_name, require_model
from valuedrift.training.devices import is_main, processes, wait_for_all
from valuedrift.training.job import Job
from valuedrift.training.metrics import Entry

MANIFEST = "resume.json"
METRICS = "metrics.parquet"
RUN = "run"
"""The key of the run's fingerprint, as JSON, in the metadata of the metrics."""
_PACKAGES = ("torch", "transformers", "trl", "accelerate", "datasets", "tokenizers", "peft", "numpy", "valuedrift")
_OWN = ("saved", "point-*", "run.json", ".trainer", ".*.tmp")


@dataclass(frozen=True)
class Point:
    """A saved state that was read and is whole: its step, its folder, and the metrics up to its step."""

    step: int
    folder: Path
    metrics: tuple[Entry, ...]


def log(text: str) -> None:
    """Print a line to the run's log, once per run."""
    if is_main():
        print(f"resume: {text}", file=sys.stderr, flush=True)


def saved_folder(resume: Path) -> Path:
    """Return the folder of a run's checkpoints until the run is complete."""
    return resume / "saved"


def fingerprint(job: Job) -> dict[str, Any]:
    """Return everything that decides a run's weights; runs with equal fingerprints are the same run."""
    tokenizer = [job.base / name for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")]
    found = {
        "algorithm": job.algorithm,
        "settings": job.settings.model_dump(),
        "seed": job.seed,
        "steps": list(job.steps),
        "data": _digest([job.data]),
        "starting checkpoint": _digest(_model_files(job.init)),
        "tokenizer": _digest([path for path in tokenizer if path.is_file()]),
        "reward model": _digest(_model_files(job.reward_model)) if job.reward_model else None,
        "versions": {package: version(package) for package in _PACKAGES},
        "processes": processes(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
    as_read: dict[str, Any] = json.loads(_as_text(found))  # to be compared with what was written
    return as_read


def _as_text(made_from: dict[str, Any]) -> str:
    return json.dumps(made_from, sort_keys=True)


def is_done(job: Job) -> bool:
    """Whether all outputs of this run exist and are whole.

    Workflow engines remove outputs before they start a run. Existing ones are therefore from another process of the
    same run, which lost its workflow, and for which this process has waited.
    """
    try:
        made_from = pl.read_parquet_metadata(job.folder / METRICS).get(RUN)
        for step in job.steps:
            require_model(job.folder / checkpoint_name(step))
    except (ArtifactError, *UNREADABLE):
        return False
    return made_from == _as_text(fingerprint(job))


def find_point(job: Job, folder: Path) -> Point | None:
    """Find the newest whole point of this run; None if there is none.

    Another run's state and unfinished files are removed; so is an incomplete run's state if no point can be used. A
    point that was cut short, was changed or belongs to another run is never used. The log says what was found, and why
    a point can't be used.
    """
    if is_main():
        _discard(folder, ".trainer", ".*.tmp")
        _discard_foreign(folder, fingerprint(job))
    wait_for_all()
    for path in sorted(folder.glob("point-*"), reverse=True):
        try:
            point = _read_point(path)
            for step in (step for step in job.steps if step <= point.step):
                require_model(saved_folder(folder) / checkpoint_name(step))
        except (ArtifactError, OSError) as error:
            log(f"can't continue from {path}: {error}")
            continue
        log(f"continues from step {point.step} of {job.steps[-1]} ({path})")
        return point
    if not is_complete(folder):
        wait_for_all()
        if is_main():
            _discard(folder, "saved", "point-*")
        log(f"starts at step 0; its state is saved in {folder}")
    return None


def write_point(draft: Path, folder: Path, step: int, metrics: Sequence[Entry]) -> None:
    """Turn the full state in `draft` into the newest point of a run, then remove the older ones."""
    # Trainers also write their arguments as a pickle, and a model card; neither is needed.
    for name in ("training_args.bin", "README.md"):
        (draft / name).unlink(missing_ok=True)
    write_json(draft / "metrics.json", list(metrics))
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    write_json(draft / MANIFEST, {"step": step, "files": _manifest(draft, files)})
    point = folder / f"point-{step:06d}"
    if point.exists():
        shutil.rmtree(point)
    draft.replace(point)
    for old in folder.glob("point-*"):
        if old != point:
            shutil.rmtree(old)


def is_complete(folder: Path) -> bool:
    """Whether the run has taken its last step, so that only its outputs have to be moved."""
    return (saved_folder(folder) / METRICS).is_file()


def finish(job: Job, folder: Path) -> None:
    """Move a complete run's checkpoints and metrics to its outputs, and empty its resume folder."""
    saved = saved_folder(folder)
    for step in job.steps:
        with publish(job.folder / checkpoint_name(step)) as draft:
            shutil.copytree(saved / checkpoint_name(step), draft, copy_function=_link)
    made_from = read_json(folder / "run.json")
    write_parquet(job.folder / METRICS, pl.read_parquet(saved / METRICS), {RUN: _as_text(made_from)})
    saved.rename(folder / ".saved.tmp")  # in one step: half of it must not look like a complete run
    _discard(folder, *_OWN)
    with suppress(OSError):  # it may contain resume folders of runs that start from this one
        folder.rmdir()


def _read_point(folder: Path) -> Point:
    """Read and check a point; raise ArtifactError that names the first file that is missing or was changed."""
    try:
        manifest = read_json(folder / MANIFEST)
        metrics = read_json(folder / "metrics.json")
    except (OSError, ValueError) as error:
        raise ArtifactError(folder, str(error), f"a whole {MANIFEST} and metrics.json") from error
    for name, expected in manifest["files"].items():
        if not (folder / name).is_file():
            raise ArtifactError(folder / name, "nothing", "a file that was kept here")
        size = (folder / name).stat().st_size
        if size != expected["bytes"]:
            raise ArtifactError(folder / name, f"{size} bytes", f"{expected['bytes']} bytes")
    paths = [folder / name for name in manifest["files"]]
    for name, found in _manifest(folder, paths).items():
        if found != manifest["files"][name]:
            raise ArtifactError(folder / name, "other content", "what was written; the disk or someone changed it")
    return Point(manifest["step"], folder, tuple(metrics))


def _discard_foreign(folder: Path, mine: dict[str, Any]) -> None:
    try:
        found = read_json(folder / "run.json")
    except FileNotFoundError:
        found = None
    except ValueError:
        found = {"run.json": "unreadable"}
    if found != mine:
        if found is not None:
            log(f"discarding the state of another run in {folder}: {'; '.join(_differences(found, mine))}")
        _discard(folder, *_OWN)
        write_json(folder / "run.json", mine)


def _differences(found: dict[str, Any], mine: dict[str, Any]) -> list[str]:
    lines = []
    for key in sorted(found.keys() | mine.keys()):
        old, new = found.get(key), mine.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += [f"{key}: {line}" for line in _differences(old, new)]
        elif old != new:
            lines.append(f"{key} was {str(old)[:40]}, is {str(new)[:40]}")
    return lines


def _manifest(folder: Path, files: Sequence[Path]) -> dict[str, Any]:
    with ThreadPoolExecutor() as pool:  # threads help: hashing large files releases Python's lock
        digests = list(pool.map(lambda path: _digest([path]), files))
    return {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": digest}
        for path, digest in zip(files, digests, strict=True)
    }


def _digest(files: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as handle:
            whole.update(hashlib.file_digest(handle, "sha256").digest())
    return whole.hexdigest()


def _model_files(folder: Path) -> list[Path]:
    require_model(folder)
    return [folder / "config.json", *sorted(folder.glob("*.safetensors"))]


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
    return target


def _discard(folder: Path, *patterns: str) -> None:
    """Remove these entries of a resume folder; other runs' folders inside it stay."""
    for path in (path for pattern in patterns for path in folder.glob(pattern)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
