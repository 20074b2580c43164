"""Write archives of results for publication, and check an archive without unpacking it.

An archive contains a checksum of each file, but no weights and no training data. The check doesn't trust the archive's
content, as the sender may have changed it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from valuedrift.digests import all_files, file_digests, text_digest
from valuedrift.errors import ArtifactError
from valuedrift.files import publish
from valuedrift.packaged import packaged_text
from valuedrift.provenance.artifact_records import RECORDS, RESULTS, record_file
from valuedrift.provenance.verify import (
    ADDED,
    ALTERED,
    MISSING,
    UNREADABLE,
    Finding,
    Verified,
    chosen_artifacts,
    read_records,
    verify,
)

PREFIX = "valuedrift-results"
SUMS = "SHA256SUMS"
README = "README.md"

# Texts of data sets have their own licences, so tables that contain such texts (nearest examples) are left out.
CONTENT = (
    *("tables", "figures", "drift", "statistics", "labels", "health", "stances", "calibration", "report", "probes"),
    *(f"expression/*/{name}.parquet" for name in ("shares", "gaps", "gap_summary")),
    *("expression/*/recovery", "prediction/*/predictions.parquet", "prediction/*/errors.parquet"),
    *("judges/*/quality.json", "data/*/*/card.json", "data/*/*/card.md"),
)
"""Patterns of the files in `results/` that are packed if no paths are given."""

_CONFIGURATION = RESULTS / "configuration.yaml"
_WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".gguf"})
_ABOUT = packaged_text("valuedrift.provenance", "archive_readme.txt")
_BLOCK = 1 << 20
_LONGEST = 64 << 20
"""Largest number of bytes of a record or list of checksums that are read into memory."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass
class _Content:
    """The content of an archive: digests by name, texts of records and checksums, and findings about its members."""

    digests: dict[str, str] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def pack(archive: Path, paths: Sequence[Path] = ()) -> list[str]:
    """Write a .tar.gz of artifacts and the configuration, with their records.

    Records of everything that they were made from, directly or indirectly, are included. The same files give the same
    bytes.

    Args:
        archive: File to write.
        paths: Artifacts, or folders with artifacts; by default CONTENT.

    Returns:
        The names of the packed files.

    Raises:
        ArtifactError: An artifact has changed, is a link to a file elsewhere or has a name that can't be published, or
            there are no artifacts.
    """
    chosen = chosen_artifacts(paths) if paths else sorted(path for pattern in CONTENT for path in RESULTS.glob(pattern))
    if chosen and (wrong := verify(chosen).findings):
        raise ArtifactError(wrong[0].path, wrong[0].kind, "artifacts as they were made", "See `valuedrift verify`.")
    artifacts = sorted({file for path in chosen for file in all_files(path) if file.suffix not in _WEIGHTS})
    if not artifacts:
        raise ArtifactError(RESULTS, "none of the files asked for", "results to pack", "Make the target first.")
    records, _ = read_records([RESULTS])
    configuration = [_CONFIGURATION] if _CONFIGURATION.is_file() else []
    packed = {*artifacts, *configuration, *map(record_file, _ancestry([*artifacts, *configuration], records))}
    _write(archive, sorted(packed))
    return sorted(map(str, packed))


def verify_archive(archive: Path) -> Verified:
    """Compare the files of an archive with its checksums and its records.

    Raises:
        ArtifactError: The file isn't an archive of `pack`, or is truncated.
    """
    try:
        content = _read(archive)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ArtifactError(archive, str(error), "a whole .tar.gz that `valuedrift pack` wrote") from error
    if SUMS not in content.texts:
        raise ArtifactError(archive, f"no {SUMS}", "a .tar.gz that `valuedrift pack` wrote")
    findings = [*content.findings, *_against_sums(content), *_against_records(content)]
    return Verified(len(content.digests), tuple(sorted(set(findings))))


def _ancestry(made: Iterable[Path], records: Mapping[str, Mapping[str, Any]]) -> set[Path]:
    """Return the recorded artifacts that the paths belong to, and all recorded artifacts that these were made from."""
    found: set[str] = set()
    left = [str(path) for path in made]
    while left:
        for owner in _owners(left.pop(), records):
            if owner not in found:
                found.add(owner)
                left += records[owner]["inputs"]
    return {Path(artifact) for artifact in found}


def _owners(name: str, records: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the artifact that a path belongs to or, if there is none, the artifacts in the folder with this name."""
    around = [str(path) for path in (Path(name), *Path(name).parents) if str(path) in records]
    yield from around or (artifact for artifact in records if artifact.startswith(f"{name}/"))


def _write(archive: Path, packed: Sequence[Path]) -> None:
    for file in packed:
        if not file.resolve().is_relative_to(RESULTS.resolve()):
            raise ArtifactError(file, f"a link to {file.resolve()}", f"files below {RESULTS}/")
        if not str(file).isprintable() or "\\" in str(file):
            expected = "a name of printable characters without backslashes"
            raise ArtifactError(file, str(file), expected, "Rename the file.")
    digests = {README: text_digest(_ABOUT), **{str(path): digest for path, digest in file_digests(packed).items()}}
    sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    with (
        publish(archive) as draft,
        draft.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, text in ((README, _ABOUT), (SUMS, sums)):
            tar.addfile(_member(name, len(text.encode())), io.BytesIO(text.encode()))
        for file in packed:
            with file.open("rb") as handle:
                tar.addfile(_member(str(file), file.stat().st_size), handle)


def _member(name: str, size: int) -> tarfile.TarInfo:
    """Return a member that doesn't show who packed it and when: owner 0, time 0, mode 0644."""
    member = tarfile.TarInfo(f"{PREFIX}/{name}")
    member.size, member.mode, member.mtime = size, 0o644, 0
    return member


def _read(archive: Path) -> _Content:
    content = _Content()
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            name = str(PurePosixPath(member.name).relative_to(PREFIX)) if _is_proper(member) else repr(member.name)
            if not _is_proper(member) or name in content.digests:
                content.findings.append(Finding(name, ADDED, "repeated, or no plain file in the archive's folder"))
                continue
            keep = name == SUMS or (PurePosixPath(name).is_relative_to(RECORDS) and name.endswith(".json"))
            whole, text = hashlib.sha256(), bytearray()
            stream = tar.extractfile(member)
            while stream and (block := stream.read(_BLOCK)):
                whole.update(block)
                if keep and len(text) + len(block) <= _LONGEST:
                    text += block
            content.digests[name] = whole.hexdigest()
            if keep:
                content.texts[name] = bytes(text)
    return content


def _is_proper(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name)
    return member.isreg() and path.is_relative_to(PREFIX) and len(path.parts) > 1 and ".." not in path.parts


def _against_sums(content: _Content) -> Iterator[Finding]:
    lines = content.texts[SUMS].decode("utf-8", "replace").splitlines()
    sums = {found[2]: found[1] for line in lines if (found := _LINE.fullmatch(line))}
    for name in sorted(sums.keys() | content.digests.keys() - {SUMS}):
        if name not in content.digests:
            yield Finding(name, MISSING, f"{SUMS} lists it")
        elif name not in sums:
            yield Finding(name, ADDED, f"{SUMS} does not list it")
        elif content.digests[name] != sums[name]:
            yield Finding(name, ALTERED, f"found {content.digests[name][:12]}…, {SUMS} says {sums[name][:12]}…")


def _against_records(content: _Content) -> Iterator[Finding]:
    for name, text in sorted(content.texts.items()):
        if name == SUMS:
            continue
        try:
            recorded = {file: str(entry["sha256"]) for file, entry in json.loads(text)["files"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            yield Finding(name, UNREADABLE, "it is not the record of an artifact")
            continue
        for file, digest in sorted(recorded.items()):
            found = content.digests.get(file, digest)
            if found != digest:
                yield Finding(file, ALTERED, f"found {found[:12]}…, recorded {digest[:12]}…")
