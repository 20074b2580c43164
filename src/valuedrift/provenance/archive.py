"""Check an archive that `valuedrift pack` wrote, without unpacking it: whoever sent it may have made it otherwise."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from valuedrift.errors import ArtifactError
from valuedrift.provenance.artifact_records import RECORDS
from valuedrift.provenance.pack import PREFIX, SUMS
from valuedrift.provenance.verify import ADDED, ALTERED, MISSING, UNREADABLE, Finding, Verified

_BLOCK = 1 << 20
_LONGEST = 64 << 20
"""Bytes of a record or list of checksums; more is not read into memory."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass
class _Content:
    """Digests by name, the texts that are read, and what is wrong with members."""

    digests: dict[str, str] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def verify_archive(archive: Path) -> Verified:
    """Compare an archive's files with its checksums and its records.

    Raises ArtifactError for what is no such archive, or is cut short.
    """
    try:
        content = _read(archive)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ArtifactError(archive, str(error), "a whole .tar.gz that `valuedrift pack` wrote") from error
    if SUMS not in content.texts:
        raise ArtifactError(archive, f"no {SUMS}", "a .tar.gz that `valuedrift pack` wrote")
    findings = [*content.findings, *_against_sums(content), *_against_records(content)]
    return Verified(len(content.digests), tuple(sorted(set(findings))))


def _read(archive: Path) -> _Content:
    content = _Content()
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            name = str(PurePosixPath(member.name).relative_to(PREFIX)) if _is_proper(member) else repr(member.name)
            if not _is_proper(member) or name in content.digests:
                content.findings.append(Finding(name, ADDED, "no plain file below the archive's folder, or a second"))
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
            files = {file: str(entry["sha256"]) for file, entry in json.loads(text)["files"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            yield Finding(name, UNREADABLE, "it is no record of an artifact")
            continue
        for file, recorded in sorted(files.items()):
            found = content.digests.get(file, recorded)
            if found != recorded:
                yield Finding(file, ALTERED, f"found {found[:12]}…, recorded {recorded[:12]}…")
