"""Models on the Hugging Face hub: the revisions that exist, commits, and downloads of a model's own files alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from httpx2 import HTTPError
from huggingface_hub import HfApi, RepoFile, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from valuedrift.digests import file_digest
from valuedrift.errors import ArtifactError, did_you_mean, in_one_line
from valuedrift.files import publish, read_json, write_json
from valuedrift.other_formats import ADAPTER

_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
_OTHERS = ["original/*", "onnx/*", "openvino/*", "consolidated*"]  # the same weights, for other programs
_NEEDED = ("config.json", ADAPTER)
_COMMIT = 40  # hexadecimal digits


@dataclass(frozen=True)
class HubFolder:
    """A folder with a model in a repository.

    Attributes:
        name: Owner and name of the repository.
        revision: A branch, a tag or a commit; empty for the repository as a whole.
        subfolder: The folder; empty for the repository's root.
    """

    name: str
    revision: str = "main"
    subfolder: str = ""

    def __str__(self) -> str:
        at = f" at {self.revision}" if self.revision else ""
        return f"{self.name}{at}" + (f", folder {self.subfolder}" if self.subfolder else "")


@dataclass(frozen=True, kw_only=True)
class PinnedFolder(HubFolder):
    """A folder at a commit.

    Attributes:
        commit: The commit of the revision when it was pinned.
        files: The names of its files that belong to a model → SHA-256, for those that the hub has one of.
    """

    commit: str
    files: dict[str, str | None]


def from_hub(name: str, revision: str | None) -> Path:
    """Return the folder of a model in the hub's cache, where it is downloaded if it isn't there."""
    with _explained(HubFolder(name, revision or "main")):
        return Path(snapshot_download(name, revision=revision, allow_patterns=_FILES, ignore_patterns=_OTHERS))


def revisions(name: str) -> dict[str, str]:
    """Return the branches and tags of a repository → their commits."""
    with _explained(HubFolder(name, "")):
        refs = HfApi().list_repo_refs(name)
    return {ref.name: ref.target_commit for ref in (*refs.branches, *refs.tags)}


def model_folders(name: str, commit: str) -> list[str]:
    """Return the folders below a repository's root that contain safetensors files."""
    with _explained(HubFolder(name, commit)):
        files = [entry.path for entry in HfApi().list_repo_tree(name, recursive=True, revision=commit)]
    folders = [str(PurePosixPath(path).parent) for path in files if path.endswith(".safetensors") and "/" in path]
    return list(dict.fromkeys(folders))


def pin(folders: Sequence[HubFolder]) -> list[PinnedFolder]:
    """Resolve revisions to commits, and list the files of each folder. Nothing is downloaded.

    Raises:
        ArtifactError: A repository is missing or can't be read by this user, a revision or folder doesn't exist, or a
            folder contains no model; says what exists instead.
    """
    known = {name: revisions(name) for name in dict.fromkeys(folder.name for folder in folders)}
    for name in known:
        with _explained(HubFolder(name, "")):
            HfApi().auth_check(name)
    return [_pinned(folder, known[folder.name]) for folder in folders]


def write_pins(checkpoints: dict[int, HubFolder], out: Path) -> None:
    """Pin the checkpoints of a run, and write step → folder, commit and files as JSON."""
    pins = pin(list(checkpoints.values()))
    write_json(out, {str(step): asdict(pinned) for step, pinned in zip(checkpoints, pins, strict=True)})


def fetch_pinned(pins: Path, step: int, out: Path) -> None:
    """Download a checkpoint that `write_pins` has pinned to the folder `out`; see `downloaded`."""
    with downloaded(PinnedFolder(**read_json(pins)[str(step)]), out) as folder, publish(out) as draft:
        folder.rename(draft)


@contextmanager
def downloaded(pinned: PinnedFolder, beside: Path) -> Iterator[Path]:
    """Yield a folder with a model's own files, downloaded beside a path; after use without an error it is removed.

    If the process is killed, whole files are kept for the next attempt, and a broken connection goes on where it broke.

    Raises:
        ArtifactError: The hub doesn't give a file, or gives another one than it listed.
    """
    part = beside.with_name(f".{beside.name}.part")
    for cut in part.rglob("*.incomplete"):
        cut.unlink()
    wanted = [str(PurePosixPath(pinned.subfolder, file)) for file in pinned.files]
    with _explained(pinned):
        snapshot_download(pinned.name, revision=pinned.commit, allow_patterns=wanted, local_dir=part)
    folder = part / pinned.subfolder
    for file, digest in pinned.files.items():
        if digest and (found := file_digest(folder / file)) != digest:
            (folder / file).unlink()
            raise ArtifactError(folder / file, found, f"SHA-256 {digest}, as on the hub", "Run the job again.")
    shutil.rmtree(part / ".cache")
    for other in {*folder.iterdir()} - {folder / file for file in pinned.files}:  # of a revision tried before
        shutil.rmtree(other) if other.is_dir() else other.unlink()
    yield folder
    shutil.rmtree(part, ignore_errors=True)


def _pinned(folder: HubFolder, known: dict[str, str]) -> PinnedFolder:
    is_commit = len(folder.revision) == _COMMIT and set(folder.revision) <= set("0123456789abcdef")
    commit = known.get(folder.revision) or (folder.revision if is_commit else None)
    if commit is None:
        raise ArtifactError(
            str(folder), "no such revision", "a branch, tag or commit", _instead(folder.revision, known)
        )
    try:
        with _explained(folder):
            tree = list(HfApi().list_repo_tree(folder.name, folder.subfolder or None, revision=commit))
    except RemoteEntryNotFoundError:
        do = _instead(folder.subfolder, model_folders(folder.name, commit))
        raise ArtifactError(str(folder), "no such folder", "a folder with a model", do) from None
    listed = {PurePosixPath(entry.path).name: entry for entry in tree if isinstance(entry, RepoFile)}
    files = {name: listed[name] for name in sorted(listed) if _belongs(name)}
    if not any(name in files for name in _NEEDED) or not any(name.endswith(".safetensors") for name in files):
        do = _instead("", known) if not folder.subfolder else _instead("", model_folders(folder.name, commit))
        raise ArtifactError(str(folder), sorted(listed) or "no files", "config.json and *.safetensors", do)
    digests = {name: file.lfs.sha256 if file.lfs else None for name, file in files.items()}
    return PinnedFolder(**asdict(folder), commit=commit, files=digests)


def _belongs(name: str) -> bool:
    """Whether a file of this name belongs to a model, as far as this program reads it."""
    return any(fnmatch(name, pattern) for pattern in _FILES) and not any(fnmatch(name, other) for other in _OTHERS)


def _instead(name: str, known: Iterable[str]) -> str:
    """Return what exists, with what may have been meant."""
    names = sorted(known, key=lambda each: (len(each), each))
    listed = ", ".join(names if len(names) <= 8 else [*names[:4], "…", *names[-3:]])
    return " ".join(filter(None, [did_you_mean(name, names), f"There are {len(names)}: {listed}." if names else ""]))


@contextmanager
def _explained(folder: HubFolder) -> Iterator[None]:
    """Turn an error of the hub's client into an ArtifactError with one sentence that says what to do."""
    try:
        yield
    except RemoteEntryNotFoundError:
        raise
    except GatedRepoError as error:
        do = "Ask for access on the model's page, and set HF_TOKEN to a token of your account."
        raise ArtifactError(str(folder), "a gated model", "one that you have access to", do) from error
    except RepositoryNotFoundError as error:
        do = "Check owner and name; for a private model, set HF_TOKEN."
        raise ArtifactError(str(folder), "no such model, or a private one", "a model on the hub", do) from error
    except RevisionNotFoundError as error:
        do = _instead(folder.revision, revisions(folder.name))
        raise ArtifactError(str(folder), "no such revision", "a branch, tag or commit", do) from error
    except (OSError, ValueError, HTTPError) as error:
        do = "Check the name, your access to it (HF_TOKEN for gated models) and the network, or use `folder:`."
        raise ArtifactError(str(folder), in_one_line(error), "a model on the hub", do) from error
