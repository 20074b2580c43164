"""An archive for publication: the same bytes for the same results, checkable, and never believed."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from provenance_artifacts import CONFIGURATION, DOCUMENTS, MODEL, WORLD

from valuedrift.cli import main
from valuedrift.errors import ArtifactError
from valuedrift.provenance.archive import pack, verify_archive
from valuedrift.provenance.artifact_records import record_file

PREFIX = "valuedrift-results"


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {name.name: tar.extractfile(name).read() for name in tar}  # type: ignore[union-attr]


def write(archive: Path, content: Iterable[tuple[str, bytes]], link: str = "") -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for name, data in content:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)


def kinds(archive: Path) -> set[tuple[str, str]]:
    return {(finding.kind, finding.path) for finding in verify_archive(archive).findings}


def test_an_archive_holds_what_was_asked_for_its_ancestry_and_no_weights(made: Path) -> None:
    packed = pack(Path("out.tar.gz"), [DOCUMENTS, MODEL])
    records = [str(record_file(artifact)) for artifact in (WORLD, DOCUMENTS, MODEL, CONFIGURATION)]
    model = [str(path) for path in MODEL.iterdir() if path.suffix != ".safetensors"]
    assert packed == sorted([str(DOCUMENTS), str(CONFIGURATION), *model, *records])
    assert {f"{PREFIX}/{name}" for name in (*packed, "README.md", "SHA256SUMS")} == members(Path("out.tar.gz")).keys()


def test_the_same_results_give_the_same_bytes_that_tell_nothing_of_who_packed_them(made: Path) -> None:
    pack(Path("one.tar.gz"), [DOCUMENTS])
    DOCUMENTS.touch()
    pack(Path("two.tar.gz"), [DOCUMENTS])
    assert Path("one.tar.gz").read_bytes() == Path("two.tar.gz").read_bytes()
    with tarfile.open("one.tar.gz") as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in tar} == {(0, 0, 0, "", "", 0o644)}
        assert all(not m.name.startswith("/") and ".." not in m.name for m in tar.getmembers())


def test_the_default_is_what_is_published(made: Path) -> None:
    for name in ("tables/table_1.csv", "statistics/pocket/values.parquet", "generations/pocket/base/shard-0.parquet"):
        path = Path("results") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert main(["configuration", "--settings", "{}", "--out", str(path)]) == 0
    packed = pack(Path("out.tar.gz"))
    artifacts = {name.removeprefix("results/") for name in packed if not name.startswith("results/provenance")}
    assert artifacts == {"configuration.yaml", "statistics/pocket/values.parquet", "tables/table_1.csv"}


def test_an_archive_is_checked_by_the_command_and_by_sha256sum(made: Path) -> None:
    assert main(["pack", "out.tar.gz", str(DOCUMENTS)]) == 0
    assert main(["verify", "--archive", "out.tar.gz"]) == 0
    subprocess.run(["tar", "xzf", "out.tar.gz"], check=True)
    subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], check=True, cwd=PREFIX)


@pytest.mark.parametrize("broken", [lambda: DOCUMENTS.write_bytes(b"x"), lambda: record_file(DOCUMENTS).unlink()])
def test_what_is_not_as_it_was_made_is_not_packed(made: Path, broken: object) -> None:
    broken()  # type: ignore[operator]
    with pytest.raises(ArtifactError, match="valuedrift verify"):
        pack(Path("out.tar.gz"), [DOCUMENTS])
    assert not Path("out.tar.gz").exists()


def test_nothing_to_pack_is_said(made: Path) -> None:
    with pytest.raises(ArtifactError, match="Make the target first"):
        pack(Path("out.tar.gz"))
    with pytest.raises(ArtifactError, match="below results"):
        pack(Path("out.tar.gz"), [Path("/etc/hostname")])


def test_changes_inside_an_archive_are_named(made: Path) -> None:
    archive = Path("out.tar.gz")
    pack(archive, [DOCUMENTS])
    whole = members(archive)
    table, sums, record = (f"{PREFIX}/{name}" for name in (DOCUMENTS, "SHA256SUMS", record_file(DOCUMENTS)))
    old, new = (hashlib.sha256(data).hexdigest().encode() for data in (whole[table], b"other"))
    without = {name: data for name, data in whole.items() if name != table}
    for content, expected in (
        ({**whole, table: b"other"}, ("altered", str(DOCUMENTS))),
        (without, ("missing", str(DOCUMENTS))),
        ({**whole, f"{PREFIX}/results/new.txt": b"x"}, ("added", "results/new.txt")),
        # Forged together with its checksum, a table still differs from its record.
        ({**whole, table: b"other", sums: whole[sums].replace(old, new)}, ("altered", str(DOCUMENTS))),
        ({**whole, record: b"{}"}, ("unreadable", str(record_file(DOCUMENTS)))),
    ):
        write(archive, content.items())
        assert expected in kinds(archive)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", f"{PREFIX}/../../up", f"{PREFIX}/SHA256SUMS"])
def test_hostile_names_and_doubles_are_named_and_nothing_is_written(made: Path, name: str) -> None:
    archive = Path("out.tar.gz")
    pack(archive, [DOCUMENTS])
    write(archive, [*members(archive).items(), (name, b"x")], link=f"{PREFIX}/link")
    before = sorted(made.rglob("*"))
    assert [kind for kind, _ in kinds(archive)] == ["added", "added"]
    assert sorted(made.rglob("*")) == before


def test_what_is_no_whole_archive_is_said(made: Path) -> None:
    archive = Path("out.tar.gz")
    pack(archive, [DOCUMENTS])
    half = archive.read_bytes()[: archive.stat().st_size // 2]
    for data in (b"", b"no archive", gzip.compress(b"x" * 100, mtime=0), half):
        archive.write_bytes(data)
        with pytest.raises(ArtifactError, match=r"\.tar\.gz that `valuedrift pack` wrote"):
            verify_archive(archive)


def test_a_name_that_cannot_be_listed_is_refused(made: Path) -> None:
    odd = Path("results/tables/a\nb.csv")
    assert main(["configuration", "--settings", "{}", "--out", str(odd)]) == 0
    with pytest.raises(ArtifactError, match="printable"):
        pack(Path("out.tar.gz"))
