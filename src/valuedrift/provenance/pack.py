"""One archive of results for publication: no weights, no training data, a checksum for every file."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from valuedrift.digests import all_files, file_digests, text_digest
from valuedrift.errors import ArtifactError
from valuedrift.files import publish
from valuedrift.provenance.artifact_records import RECORDS, RESULTS, record_file
from valuedrift.provenance.verify import chosen_places, read_records, verify

PREFIX = "valuedrift-results"
SUMS = "SHA256SUMS"
README = "README.md"

# Texts of data sets have licences of their own, so that tables which quote them (nearest examples) stay behind.
CONTENT = (
    *("tables", "figures", "drift", "statistics", "labels", "stances", "calibration", "report", "probes"),
    *(f"expression/*/{name}.parquet" for name in ("shares", "gaps", "gap_summary")),
    *("expression/*/recovery", "prediction/*/predictions.parquet", "prediction/*/errors.parquet"),
    *("judges/*/quality.json", "data/*/*/card.json", "data/*/*/card.md"),
)
"""What is packed of `results/` unless paths are given."""

_CONFIGURATION = RESULTS / "configuration.yaml"
_WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".gguf"})
_ABOUT = f"""# Results of Value Drift

Tables, figures, statistics, judged answers and the configuration that they come from, as they lay below `{RESULTS}/`.
Weights and training data are not among them.

`{RECORDS}/` holds a record for each artifact here, and for everything that it was made from: the commit of the program,
the command, the hash of its settings, seeds, package versions, the kind of machine, and SHA-256 of inputs and outputs,
those of weights and data sets too.

To check that every file is what was packed, either of

    sha256sum -c {SUMS}
    valuedrift verify --archive ARCHIVE

The second reads the archive without unpacking it, and compares the files with their records as well.
"""


def pack(archive: Path, paths: Sequence[Path] = ()) -> list[str]:
    """Write a .tar.gz of the artifacts at or below the paths (CONTENT by default); gives the names of what is in it.

    The same files give the same bytes. The configuration comes along, and the records of all that the artifacts were
    made from. Raises ArtifactError where one of them is not as it was made, has a name that can't be published, or
    where there is none.
    """
    chosen = list(chosen_places(paths)) if paths else _content()
    verified = verify(chosen) if chosen else None
    if verified and (wrong := verified.findings):
        raise ArtifactError(wrong[0].path, wrong[0].kind, "artifacts as they were made", "See `valuedrift verify`.")
    artifacts = sorted({file for path in chosen for file in all_files(path) if file.suffix not in _WEIGHTS})
    if not artifacts:
        raise ArtifactError(RESULTS, "none of the files asked for", "results to pack", "Make the target first.")
    records, _ = read_records([RESULTS])
    configuration = [_CONFIGURATION] if _CONFIGURATION.is_file() else []
    files = {*artifacts, *configuration, *map(record_file, _ancestry([*artifacts, *configuration], records))}
    _write(archive, sorted(files))
    return sorted(map(str, files))


def _content() -> list[Path]:
    return sorted(path for pattern in CONTENT for path in RESULTS.glob(pattern))


def _ancestry(files: Iterable[Path], records: Mapping[str, Mapping[str, Any]]) -> set[Path]:
    """The artifacts with records that the files belong to, and those that they were made from, down to the first."""
    found: set[str] = set()
    left = [str(path) for path in files]
    while left:
        for owner in _owners(left.pop(), records):
            if owner not in found:
                found.add(owner)
                left += records[owner]["inputs"]
    return {Path(artifact) for artifact in found}


def _owners(name: str, records: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The artifact that a path lies in, or those that lie in the folder of that name."""
    around = [str(path) for path in (Path(name), *Path(name).parents) if str(path) in records]
    yield from around or (artifact for artifact in records if artifact.startswith(f"{name}/"))


def _write(archive: Path, files: Sequence[Path]) -> None:
    for file in files:
        _require_name(file)
    digests = {README: text_digest(_ABOUT), **{str(path): digest for path, digest in file_digests(files).items()}}
    sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    with (
        publish(archive) as draft,
        draft.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, text in ((README, _ABOUT), (SUMS, sums)):
            tar.addfile(_member(name, len(text.encode())), io.BytesIO(text.encode()))
        for file in files:
            with file.open("rb") as handle:
                tar.addfile(_member(str(file), file.stat().st_size), handle)


def _member(name: str, size: int) -> tarfile.TarInfo:
    """Nothing of the person or the time that packed it: owner 0, time 0, mode 0644."""
    member = tarfile.TarInfo(f"{PREFIX}/{name}")
    member.size, member.mode, member.mtime = size, 0o644, 0
    return member


def _require_name(file: Path) -> None:
    if not file.resolve().is_relative_to(RESULTS.resolve()):
        raise ArtifactError(file, f"a link to {file.resolve()}", f"files below {RESULTS}/")
    if not str(file).isprintable() or "\\" in str(file):
        raise ArtifactError(file, str(file), "a name of printable characters without backslashes", "Rename the file.")
