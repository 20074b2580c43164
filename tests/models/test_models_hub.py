"""The real client of the hub against a local one: what exists, commits, and downloads that break and go on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.hub import Hub, local_hub
from huggingface_hub import constants

from valuedrift.errors import ArtifactError
from valuedrift.files import read_json
from valuedrift.models.fetch import fetch_model
from valuedrift.models.hub import HubFolder, fetch_pinned, from_hub, model_folders, pin, revisions, write_pins

NAME = "lab/tiny"


@pytest.fixture
def hub(base: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one repository: two steps as branches, and `main` with two steps as folders and files of training."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "optimizer.pt").write_bytes(bytes(50_000))
    (extra / "README.md").write_text("A model.")
    with local_hub(monkeypatch, tmp_path / "cache") as hub:
        hub.push(NAME, "main", extra, step_1=base, step_2=other)
        hub.push(NAME, "step10", base, extra)
        hub.push(NAME, "step20", other, extra)
        yield hub


def fetched(folder: HubFolder, out: Path, step: int = 10) -> dict[str, bytes]:
    """Pin and fetch a folder; return the files that are there then."""
    pins = out.with_name("source.json")
    write_pins({step: folder}, pins)
    fetch_pinned(pins, step, out)
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_branches_and_folders_with_weights_are_listed(hub: Hub) -> None:
    found = revisions(NAME)
    assert list(found) == ["main", "step10", "step20"]
    assert model_folders(NAME, found["main"]) == ["step_1", "step_2"]
    assert model_folders(NAME, found["step10"]) == []


def test_the_files_of_a_revision_are_fetched_and_no_others(hub: Hub, base: Path, other: Path, tmp_path: Path) -> None:
    assert fetched(HubFolder(NAME, "step10"), tmp_path / "step-000010") == content(base)
    assert fetched(HubFolder(NAME, "main", "step_2"), tmp_path / "step-000020") == content(other)
    assert not [each for each in hub.downloads() if "optimizer" in each or "README" in each]
    assert not list(tmp_path.glob(".step*"))


def test_the_store_gets_no_token(hub: Hub, tmp_path: Path) -> None:
    fetched(HubFolder(NAME, "step10"), tmp_path / "out")
    assert hub.keys and set(hub.keys) == {None}


def test_a_commit_stays_pinned_when_its_branch_moves(hub: Hub, base: Path, other: Path, tmp_path: Path) -> None:
    assert fetched(HubFolder(NAME, "step10"), tmp_path / "out") == content(base)
    commit = hub.branches[NAME]["step10"]
    assert hub.push(NAME, "step10", other) != commit
    shutil.rmtree(tmp_path / "out")
    fetch_pinned(tmp_path / "source.json", 10, tmp_path / "out")
    assert content(tmp_path / "out") == content(base)
    record = read_json(tmp_path / "source.json")["10"]
    assert (record["revision"], record["commit"]) == ("step10", commit)
    assert record["files"].keys() == content(base).keys()


def test_a_commit_can_be_named(hub: Hub, other: Path, tmp_path: Path) -> None:
    assert fetched(HubFolder(NAME, hub.branches[NAME]["step20"]), tmp_path / "out") == content(other)


def test_a_broken_connection_goes_on_where_it_broke(
    hub: Hub, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 16)
    hub.cuts = 1
    assert fetched(HubFolder(NAME, "step10"), tmp_path / "out") == content(base)
    size = (base / "model.safetensors").stat().st_size
    assert f"blob model.safetensors from {size // 2 // 16 * 16}" in hub.downloads()


def test_whole_files_are_kept_for_the_next_attempt(
    hub: Hub, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.wrong = True
    with pytest.raises(ArtifactError, match=r"model\.safetensors: found '\w+', expected SHA-256 \w+, as on the hub"):
        fetched(HubFolder(NAME, "step10"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / ".out.part/.cache/huggingface/download/model.safetensors.1.incomplete").write_bytes(bytes(9))
    hub.wrong, hub.asked = False, []
    fetch_pinned(tmp_path / "source.json", 10, tmp_path / "out")
    assert hub.downloads() == ["blob model.safetensors"]
    assert content(tmp_path / "out") == content(base)


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        (HubFolder("lab/none"), r"lab/none: found 'no such model, or a private one'.*Check owner and name"),
        (
            HubFolder(NAME, "step11"),
            r"tiny at step11: found 'no such revision'.*Did you mean .* There are 3: main, step10",
        ),
        (HubFolder(NAME, "0" * 40), r"found 'no such revision', expected a branch, tag or commit\. There are 3"),
        (
            HubFolder(NAME, "main", "step_9"),
            r"main, folder step_9: found 'no such folder'.*There are 2: step_1, step_2",
        ),
        (HubFolder(NAME), r"found \['README\.md', 'optimizer\.pt'\], expected config\.json and.*There are 3: main"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(hub: Hub, folder: HubFolder, says: str) -> None:
    with pytest.raises(ArtifactError, match=says):
        pin([folder])
    assert hub.downloads() == []


def test_a_gated_model_is_told_before_anything_is_downloaded(hub: Hub) -> None:
    hub.gated.add(NAME)
    with pytest.raises(
        ArtifactError, match=r"found 'a gated model'.*Ask for access on the model's page, and set HF_TOK"
    ):
        pin([HubFolder(NAME, "step10")])
    with pytest.raises(ArtifactError, match=r"found 'a gated model'"):
        from_hub(NAME, "step10")


def test_a_renamed_repository_is_found(hub: Hub, base: Path, tmp_path: Path) -> None:
    hub.renamed["old/name"] = NAME
    assert fetched(HubFolder("old/name", "step10"), tmp_path / "out") == content(base)


def test_a_hub_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ArtifactError, match=r"lab/tiny: found .*the network, or use `folder:`"):
        pin([HubFolder(NAME, "step10")])


def test_a_fetched_base_model_is_on_the_disk_once(hub: Hub, base: Path, tmp_path: Path) -> None:
    fetch_model({"hub": {"name": NAME, "revision": "step10"}}, None, tmp_path / "out")
    assert (tmp_path / "out/model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    assert [*tmp_path.rglob("*.safetensors")] == [tmp_path / "out/model.safetensors"]


def test_without_network_the_hubs_cache_is_used(
    hub: Hub, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert content(from_hub(NAME, "step10")) == content(base)
    with pytest.raises(ArtifactError, match="There are 3: main, step10, step20"):
        from_hub(NAME, "step1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.asked = []
    fetch_model({"hub": {"name": NAME, "revision": "step10"}}, None, tmp_path / "out")
    assert (tmp_path / "out/model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    with pytest.raises(ArtifactError, match=r"tiny at step20: found .*or use `folder:`"):
        fetch_model({"hub": {"name": NAME, "revision": "step20"}}, None, tmp_path / "other")
    assert hub.asked == []
