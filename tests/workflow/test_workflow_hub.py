"""Checkpoints on a hub are fetched, answer and are dropped: a tiny model, a local hub, the repository's rules."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from doubles.hub import local_hub
from pipeline import counts, snakemake

from valuedrift.cli import main
from valuedrift.files import read_json

pytestmark = pytest.mark.workflow

STEPS = [10, 20, 30, 40, 50]
RUN = "results/checkpoints/theirs/sft"


def configuration(folder: Path, answers: int = 1) -> dict[str, Any]:
    (folder / "questions.csv").write_text("topic,question\nabortion,Is it legal ?\nclimate,Do you like wind farms ?\n")
    return {
        "models": {
            "theirs": {
                "suite": "tracing",
                "stages": {"sft": {"hub": {"name": "lab/tiny", "revisions": "step{step}"}, "steps": STEPS}},
            }
        },
        "suites": {
            "tracing": {
                "probes": {"source": "questions", "file": "questions.csv"},
                "generation": {"answers": answers, "temperature": 0.7, "max_tokens": 4, "batch_size": 8},
                "judge": "pocket",
            }
        },
    }


@contextmanager
def watched(folder: Path) -> Iterator[list[set[str]]]:
    """Yield the sets of checkpoints, whole or in part, that were on disk at the same time; the list grows."""
    seen: list[set[str]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            names = {path.name.strip(".").removesuffix(".part").split(".")[0] for path in folder.glob("*step-*")}
            if not seen or seen[-1] != names:
                seen.append(names)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def test_the_disk_holds_two_shards_of_two_checkpoints(
    base: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with local_hub(monkeypatch, tmp_path / "cache") as hub:
        for step in STEPS:
            hub.push("lab/tiny", f"step{step}", base if step % 20 else other)
        with watched(tmp_path / RUN) as seen:
            # With this many cores, all checkpoints would be fetched at once.
            snakemake(tmp_path, "results/generations/theirs", options=("--cores", "8"), config=configuration(tmp_path))
        assert set().union(*seen) == {f"step-{step:06d}" for step in STEPS}
        assert max(map(len, seen)) <= 4
        assert [path.name for path in (tmp_path / RUN).iterdir()] == ["source.json"]
        pins = read_json(tmp_path / RUN / "source.json")
        assert {step: pinned["commit"] for step, pinned in pins.items()} == {
            f"{step}": hub.branches["lab/tiny"][f"step{step}"] for step in STEPS
        }
        assert (
            counts(snakemake(tmp_path, "results/generations/theirs", options=("-n",), config=configuration(tmp_path)))
            == {}
        )

        monkeypatch.chdir(tmp_path)
        assert main(["verify"]) == 0

        hub.push("lab/tiny", "step10", other)
        more = configuration(tmp_path, answers=2)
        said = snakemake(tmp_path, "results/generations/theirs/sft/shard-0.parquet", config=more)
        assert "pin_checkpoints" not in said
        table = pl.read_parquet(tmp_path / "results/generations/theirs/sft/shard-0.parquet")
        assert table.group_by("step").len().sort("step").rows() == [(10, 4), (20, 4)]
        assert pins == read_json(tmp_path / RUN / "source.json")


def test_a_revision_that_does_not_exist_is_told_before_anything_is_fetched(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with local_hub(monkeypatch, tmp_path / "cache") as hub:
        for step in STEPS[:-1]:
            hub.push("lab/tiny", f"step{step}", base)
        said = snakemake(tmp_path, "results/generations/theirs", config=configuration(tmp_path), fails=True)
        assert "lab/tiny at step50: found 'no such revision', expected a branch, tag or commit." in said
        assert "There are 4: step10, step20, step30, step40." in said
        assert hub.downloads() == []
