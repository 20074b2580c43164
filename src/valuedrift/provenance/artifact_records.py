"""Records of artifacts: the digests of an artifact's files, and its origin.

    results/stances/pocket/base.parquet  →  results/provenance/stances/pocket/base.parquet.json

Records are in a separate tree, so that the folders of artifacts contain only artifacts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from valuedrift.digests import all_files, file_digest, file_digests
from valuedrift.errors import ArtifactError
from valuedrift.files import read_json, write_json

RESULTS = Path("results")
RECORDS = RESULTS / "provenance"
BESIDE = frozenset(
    {"provenance", "logs", "benchmarks", "journals", "resume", "embeddings", "predictions.json", "rates.yaml"}
)
"""Folders and files in `results/` that aren't artifacts and have no records."""


def artifact_path(path: Path) -> Path | None:
    """Return `path` relative to the working directory, or None if it isn't an artifact below `results/`."""
    try:
        inside = path.resolve().relative_to(RESULTS.resolve())
    except ValueError:
        return None
    return RESULTS / inside if inside.parts and inside.parts[0] not in BESIDE else None


def record_file(artifact: Path) -> Path:
    """Return the path of the record of an artifact (`results/…`)."""
    inside = artifact.relative_to(RESULTS)
    return RECORDS / inside.parent / f"{inside.name}.json"


def leave_records(published: Iterable[Path], origin: str) -> None:
    """Write records of the artifacts among the paths that a command published.

    Args:
        published: Paths; paths that no longer exist or aren't artifacts are skipped.
        origin: The origin as JSON, see `valuedrift.provenance.origin`.
    """
    artifacts = {artifact for path in published if path.exists() and (artifact := artifact_path(path))}
    for artifact in sorted(artifacts):
        digests = file_digests(all_files(artifact))
        files = {str(path): {"sha256": digest, "bytes": path.stat().st_size} for path, digest in digests.items()}
        write_json(record_file(artifact), {"artifact": str(artifact), "files": files, **json.loads(origin)})


def read_record(path: Path) -> dict[str, Any]:
    """Read a record; raises ArtifactError if the file isn't a record."""
    try:
        record: dict[str, Any] = read_json(path)
        digests = [*(file["sha256"] for file in record["files"].values()), *record["inputs"].values()]
        if not all(isinstance(text, str) for text in (record["artifact"], *digests)):
            raise TypeError("other types")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(path, str(error), "the record of an artifact", "Make the artifact again.") from error
    return record


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, from its record unless the file was written after the record.

    This way, a job that starts from a model doesn't read the weights once more.
    """
    artifact, written = artifact_path(path), path.stat()
    for file in (record_file(artifact), record_file(artifact.parent)) if artifact else ():
        if file.is_file() and file.stat().st_mtime_ns >= written.st_mtime_ns:
            entry = read_record(file)["files"].get(str(artifact))
            if entry and entry["bytes"] == written.st_size:
                return str(entry["sha256"])
    return file_digest(path)
