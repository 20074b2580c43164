"""What artifacts say of where they come from, and what they keep to themselves."""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from provenance_artifacts import DOCUMENTS, MODEL, WORLD, make_all, make_world

from valuedrift.cli import main
from valuedrift.files import write_parquet
from valuedrift.provenance import machine
from valuedrift.provenance.artifact_records import digest_of, record_file
from valuedrift.provenance.origin import masked, masked_argument, origin


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def embedded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pl.read_parquet_metadata(path)["provenance"])
    return found


def recorded(artifact: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(record_file(artifact).read_text())
    return found


def test_a_table_says_which_command_made_it_from_what(made: Path) -> None:
    found = embedded(DOCUMENTS)
    assert found["command"] == f"valuedrift documents --data {WORLD} --out {DOCUMENTS}"
    assert found["inputs"] == {str(WORLD): sha256(WORLD)}
    assert embedded(WORLD)["seeds"] == {"settings.seed": 3}
    assert {"polars", "torch", "transformers"} <= found["packages"].keys()
    assert found["packages"]["polars"] == pl.__version__
    assert found["machine"]["python"] == platform.python_version()
    assert found["program"].keys() == {"version", "commit", "dirty"}


def test_every_artifact_has_a_record_with_the_same_origin_and_its_digest(made: Path) -> None:
    for artifact in (WORLD, DOCUMENTS):
        record = recorded(artifact)
        assert record["files"][str(artifact)] == {"sha256": sha256(artifact), "bytes": artifact.stat().st_size}
        assert record == {"artifact": str(artifact), "files": record["files"], **embedded(artifact)}
    weights = MODEL / "model.safetensors"
    assert recorded(MODEL)["files"][str(weights)]["sha256"] == sha256(weights)


def test_other_settings_have_another_hash_and_other_places_the_same(made: Path) -> None:
    before = recorded(WORLD)["configuration"]
    make_world(seed=4)
    assert recorded(WORLD)["configuration"] != before
    options = {"seed": 1, "data": Path("a"), "out": Path("b")}
    assert origin([], options)["configuration"] == origin([], {**options, "out": Path("c")})["configuration"]


def test_two_folders_get_the_same_bytes(made: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (made / "second").mkdir()
    monkeypatch.chdir(made / "second")
    make_all(base)
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in (root / "results").rglob("*") if path.is_file()}
        for root in (made, made / "second")
    )
    assert len(first) > 10
    assert first == second


def test_nothing_tells_of_the_person_the_host_or_the_environment(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-4242")
    monkeypatch.chdir(tmp_path)
    make_all(base)
    texts = b"".join(path.read_bytes() for path in Path("results").rglob("*") if path.suffix in (".json", ".parquet"))
    for private in ("planted-4242", str(base.parent), str(tmp_path), platform.node(), f"/{getpass.getuser()}/"):
        assert private.encode() not in texts
    assert f"{base.name}" in recorded(MODEL)["command"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/home/someone/data/rows.jsonl", "…/rows.jsonl"),
        (Path("/srv/models/mine"), "…/mine"),
        ("results/x.parquet", "results/x.parquet"),
        ("{no json", "{no json"),
        ({"folder": "/srv/mine", "rows": [1, "/a/b"]}, {"folder": "…/mine", "rows": [1, "…/b"]}),
        ("https://me:secret@host/v1", "https://host/v1"),
    ],
)
def test_absolute_paths_and_users_are_masked(value: object, expected: object) -> None:
    assert masked(value) == expected
    if isinstance(value, dict):
        assert masked_argument(json.dumps(value)) == json.dumps(expected, ensure_ascii=False)
    elif isinstance(value, str):
        assert masked_argument(value) == expected
        assert masked_argument(f"--out={value}") == f"--out={expected}"


def test_files_that_settings_name_are_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLICES", str(tmp_path))
    (tmp_path / "rows.jsonl").write_text("{}")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    settings = {"files": ["$SLICES/rows.jsonl", "absent.csv"], "folder": str(tmp_path / "model"), "title": "x" * 5000}
    found = origin([], {"settings": settings, "out": tmp_path / "rows.jsonl"})["inputs"]
    listing = hashlib.sha256(f"{sha256(tmp_path / 'model/config.json')}  config.json\n".encode()).hexdigest()
    assert found == {"$SLICES/rows.jsonl": sha256(tmp_path / "rows.jsonl"), "…/model": listing}


def test_a_table_that_no_command_makes_says_nothing(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x.parquet", pl.DataFrame({"a": [1]}))
    assert "provenance" not in pl.read_parquet_metadata(tmp_path / "x.parquet")


def test_a_failed_command_leaves_no_record(made: Path) -> None:
    before = sorted(Path("results/provenance").rglob("*"))
    assert main(["fetch-model", "--source", '{"folder": "nowhere"}', "--out", "results/judges/x/model"]) == 1
    assert sorted(Path("results/provenance").rglob("*")) == before


def test_weights_are_not_hashed_again_unless_they_were_written(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = MODEL / "model.safetensors"
    digest = sha256(weights)
    monkeypatch.setattr("valuedrift.provenance.artifact_records.file_digest", lambda path: f"hashed {path.name}")
    assert digest_of(weights) == digest
    weights.write_bytes(weights.read_bytes())
    assert digest_of(weights) == "hashed model.safetensors"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_is_the_packages_own_and_edits_make_it_dirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "src/valuedrift"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(machine, "_PACKAGE", package)
    program = machine.program.__wrapped__
    assert program()["commit"] is None
    git(tmp_path, "init", "-q")
    assert program()["commit"] is None  # a checkout of something else, around an installed package
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "x")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert (program()["commit"], program()["dirty"]) == (commit, False)
    (tmp_path / "README.md").write_text("not the program")
    assert not program()["dirty"]
    (package / "new.py").write_text("")
    assert (program()["commit"], program()["dirty"]) == (commit, True)


def test_gpus_are_named_by_their_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}/information").write_text("Model: \t\t NVIDIA H100\nGPU UUID: \t GPU-1234\n")
    monkeypatch.setattr(machine, "_GPUS", tmp_path)
    found = machine.machine.__wrapped__()
    assert found["gpus"] == ["NVIDIA H100"]
    assert "1234" not in json.dumps(found)
