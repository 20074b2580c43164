"""Whatever is done to an artifact after it was made, verify names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from provenance_artifacts import CONFIGURATION, DOCUMENTS, MODEL, WORLD, make_world

from valuedrift.cli import main
from valuedrift.digests import file_digest
from valuedrift.errors import ArtifactError
from valuedrift.models.prune_weights import prune_weights
from valuedrift.provenance.artifact_records import record_file
from valuedrift.provenance.verify import verify

WEIGHTS = MODEL / "model.safetensors"


def found(*paths: Path) -> set[tuple[str, str]]:
    return {(finding.kind, finding.path) for finding in verify(paths).findings}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_what_was_just_made_is_sound(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0
    assert capsys.readouterr().out.endswith("files hashed\n")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda: flip(DOCUMENTS), {("altered", str(DOCUMENTS))}),
        (lambda: flip(CONFIGURATION), {("altered", str(CONFIGURATION))}),
        (lambda: flip(WORLD), {("altered", str(WORLD)), ("outdated", str(DOCUMENTS))}),
        (lambda: flip(WEIGHTS), {("altered", str(WEIGHTS))}),
        (lambda: DOCUMENTS.unlink(), {("missing", str(DOCUMENTS))}),
        (lambda: WEIGHTS.unlink(), {("missing", str(WEIGHTS))}),
        (lambda: (MODEL / "code.py").write_text("x"), {("added", str(MODEL / "code.py"))}),
        (lambda: Path("results/notes.txt").write_text("x"), {("unrecorded", "results/notes.txt")}),
        (lambda: make_world(seed=4), {("outdated", str(DOCUMENTS))}),
    ],
    ids=["table", "text", "input", "weights", "gone", "weights gone", "added", "unrecorded", "made again"],
)
def test_a_change_is_named(made: Path, change: Callable[[], object], expected: set[tuple[str, str]]) -> None:
    change()
    assert found() == expected


@pytest.mark.parametrize("text", ["{", "[]", '{"artifact": 1, "files": {}, "inputs": {}}', '{"files": {"x": 1}}'])
def test_a_damaged_record_is_named(made: Path, text: str) -> None:
    record = record_file(DOCUMENTS)
    record.write_text(text)
    assert ("unreadable", str(record)) in found()


def test_a_record_of_something_else_is_not_taken(made: Path) -> None:
    record_file(DOCUMENTS).write_bytes(record_file(WORLD).read_bytes())
    assert ("unreadable", str(record_file(DOCUMENTS))) in found()


def test_forging_an_artifact_and_its_record_shows_in_what_was_made_from_it(made: Path) -> None:
    record = json.loads(record_file(WORLD).read_text())
    flip(WORLD)
    record["files"][str(WORLD)]["sha256"] = file_digest(WORLD)
    record_file(WORLD).write_text(json.dumps(record))
    assert found() == {("outdated", str(DOCUMENTS))}


def test_logs_journals_and_stamps_are_no_artifacts(made: Path) -> None:
    for path in ("logs/x.log", "benchmarks/x.tsv", "journals/x.jsonl", "resume/x/run.json", "predictions.json"):
        (made / "results" / path).parent.mkdir(parents=True, exist_ok=True)
        (made / "results" / path).write_text("x")
    (MODEL / ".snakemake_timestamp").touch()
    assert found() == set()


def test_pruned_weights_are_not_missed(made: Path) -> None:
    prune_weights(MODEL, {})
    assert not WEIGHTS.exists()
    assert found() == set()


def test_a_path_limits_what_is_looked_at(made: Path) -> None:
    flip(WEIGHTS)
    assert found(DOCUMENTS) == found(Path("results/data")) == set()
    assert found(WEIGHTS) == found(MODEL.parent) == found(made / MODEL) == {("altered", str(WEIGHTS))}


def test_a_path_elsewhere_and_no_results_are_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ArtifactError, match="below results"):
        verify([Path("/etc/hostname")])
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(ArtifactError, match="Make the target first"):
        verify()


def test_alterations_end_with_status_1_and_come_as_json(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(DOCUMENTS)
    assert main(["verify", "--json"]) == 1
    said = capsys.readouterr()
    shown = json.loads(said.out)
    assert (shown["sound"], [each["path"] for each in shown["findings"]]) == (False, [str(DOCUMENTS)])
    assert said.err.startswith(f"error: {DOCUMENTS}: found '1 files or records that are not as they were made'")
    assert main(["verify"]) == 1
    assert capsys.readouterr().out.startswith(f"altered    {DOCUMENTS}: found ")
