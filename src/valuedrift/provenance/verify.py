"""Check whether artifacts are unchanged, and whether inputs have changed since artifacts were made from them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valuedrift.digests import all_files, file_digest, file_digests, path_digest
from valuedrift.errors import ArtifactError
from valuedrift.files import PRUNED
from valuedrift.provenance.artifact_records import BESIDE, RECORDS, RESULTS, artifact_path, read_record
from valuedrift.provenance.origin import MASK

ALTERED, MISSING, ADDED = "altered", "missing", "added"
OUTDATED, UNRECORDED, UNREADABLE = "outdated", "unrecorded", "unreadable"


@dataclass(frozen=True, order=True)
class Finding:
    """A problem with a file.

    Attributes:
        path: The file.
        kind: `altered` (its content differs from the content that its job wrote), `missing`, `added` (to an artifact's
            folder), `outdated` (an input has changed since), `unrecorded` (in no record) or `unreadable` (a damaged
            record).
        text: Details.
    """

    path: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind:<10} {self.path}: {self.text}"


@dataclass(frozen=True)
class Verified:
    """The number of hashed files, and the findings, sorted by path."""

    files: int
    findings: tuple[Finding, ...]


def verify(paths: Sequence[Path] = ()) -> Verified:
    """Hash the artifacts that have a record, at or below the paths (by default all of `results/`), and compare.

    Raises:
        ArtifactError: A path is neither `results/` nor an artifact below it, or there is nothing to verify.
    """
    chosen = chosen_artifacts(paths) or [RESULTS]
    records, findings = read_records(chosen)
    there = {path for artifact in records for path in all_files(Path(artifact))}
    loose = _unrecorded(chosen, there)
    if not records and not loose:
        raise ArtifactError(chosen[0], "nothing", "artifacts and their records", "Make the target first.")
    digests = {str(path): digest for path, digest in file_digests(sorted(there)).items()}
    for record in records.values():
        findings += _compared(record, digests, {name for name in digests if _within(name, record["artifact"])})
        findings += _outdated(record, digests)
    findings += [Finding(str(path), UNRECORDED, "it is in no record") for path in loose]
    return Verified(len(digests), tuple(sorted(findings)))


def chosen_artifacts(paths: Iterable[Path]) -> list[Path]:
    """Return paths relative to the working directory; raises ArtifactError if one isn't at or below `results/`."""
    found = []
    for path in paths:
        artifact = RESULTS if path.resolve() == RESULTS.resolve() else artifact_path(path)
        if artifact is None:
            raise ArtifactError(path, "a path elsewhere", f"artifacts below {RESULTS}/")
        found.append(artifact)
    return found


def read_records(chosen: Iterable[Path]) -> tuple[dict[str, dict[str, Any]], list[Finding]]:
    """Read artifact → record of all artifacts at, below or above the chosen paths, and findings about the records."""
    records, findings = {}, []
    paths = list(chosen)
    for file in sorted(RECORDS.rglob("*.json")):
        artifact = RESULTS / file.relative_to(RECORDS).with_suffix("")
        if not any(_within(artifact, path) or _within(path, artifact) for path in paths):
            continue
        try:
            record = read_record(file)
        except ArtifactError as error:
            findings.append(Finding(str(file), UNREADABLE, str(error)))
            continue
        if record["artifact"] != str(artifact):
            findings.append(Finding(str(file), UNREADABLE, f"it is the record of {record['artifact']!r}"))
        else:
            records[str(artifact)] = record
    return records, findings


def _compared(record: Mapping[str, Any], digests: Mapping[str, str], there: set[str]) -> list[Finding]:
    """Return differences between a record and the digests of the files that exist (`there`)."""
    recorded: Mapping[str, Any] = record["files"]
    if not there and record["command"].startswith("valuedrift fetch-checkpoint "):
        return []  # checkpoints on the hub are dropped after they have answered
    pruned = {str(Path(name).parent) for name in there if Path(name).name == PRUNED}
    found = []
    for name in sorted(recorded.keys() | there):
        if name not in there:
            if not (".safetensors" in name and str(Path(name).parent) in pruned):
                found.append(Finding(name, MISSING, "it is recorded, but does not exist"))
        elif name not in recorded:
            if Path(name).name != PRUNED:
                found.append(Finding(name, ADDED, f"it is not in the record of {record['artifact']}"))
        elif digests[name] != recorded[name]["sha256"]:
            expected = recorded[name]["sha256"][:12]
            found.append(Finding(name, ALTERED, f"found {digests[name][:12]}…, recorded {expected}…"))
    return found


def _unrecorded(chosen: Iterable[Path], recorded: set[Path]) -> list[Path]:
    """Return the files at or below the chosen paths that have no record."""
    found = {file for path in chosen for file in all_files(path)}
    return sorted(file for file in found - recorded if file.relative_to(RESULTS).parts[0] not in BESIDE)


def _outdated(record: Mapping[str, Any], digests: Mapping[str, str]) -> Iterator[Finding]:
    """Yield inputs that have changed since they were read; missing ones and masked paths are skipped."""
    for given, digest in sorted(record["inputs"].items()):
        path = Path(os.path.expandvars(given))
        if given.startswith(MASK) or not path.exists() or (path / PRUNED).exists():
            continue
        if path_digest(path, lambda file: digests.get(str(file)) or file_digest(file)) != digest:
            yield Finding(record["artifact"], OUTDATED, f"its input {given} has changed since it was made")


def _within(inner: Path | str, outer: Path | str) -> bool:
    return Path(inner).is_relative_to(outer)
