"""Checkpoints that appear while training runs are traced as they come. Time passes only when the watch sleeps."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from valuedrift.errors import ConfigError
from valuedrift.workflow import watch
from valuedrift.workflow.found_stages import FoundStage, find_stages

QUIET = 60.0


class Training:
    """A trainer that writes one file each 30 seconds, the state of each checkpoint last; it is the clock as well."""

    def __init__(self, folder: Path, steps: list[int], most: int | None) -> None:
        self.folder, self.most, self.now = folder, most, 1e9
        names = ["config.json", "model.safetensors", "trainer_state.json"]
        self.left = [(step, name) for step in steps for name in names]
        self.traced: list[tuple[int, ...]] = []
        for _ in names:
            self.write()

    def write(self) -> None:
        if self.left:
            step, name = self.left.pop(0)
            file = self.folder / f"checkpoint-{step}" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps({"global_step": step} | ({"max_steps": self.most} if self.most else {})))
            for path in (file, file.parent):
                os.utime(path, (self.now, self.now))

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        before, self.now = self.now, self.now + seconds
        pause = 400 if self.left and self.left[0][1] == "config.json" else 30
        if self.now // pause > before // pause:
            self.write()

    def run(self) -> None:
        """What the watch runs: it sees the steps, and that all of them are whole."""
        (stage,) = find_stages([str(self.folder)])
        assert all((self.folder / f"checkpoint-{step}/trainer_state.json").is_file() for step in stage.steps)
        self.traced.append(stage.steps)


def watched(training: Training, patch: pytest.MonkeyPatch, minutes: float) -> list[tuple[int, ...]]:
    patch.setattr(watch, "time", training)
    watch.watch_places([str(training.folder)], training.run, minutes, QUIET)
    return training.traced


def test_each_checkpoint_is_traced_when_it_is_whole_until_the_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(tmp_path, [10, 20, 30], 30)
    assert watched(training, monkeypatch, minutes=60) == [(10,), (10, 20), (10, 20, 30)]
    assert training.now < 1e9 + 2000


@pytest.mark.parametrize("most", [None, 40])
def test_it_ends_when_no_checkpoint_has_come_for_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int | None
) -> None:
    training = Training(tmp_path, [10], most)
    assert watched(training, monkeypatch, minutes=60) == [(10,)]
    assert training.now > 1e9 + 3600


def test_the_hub_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "find_stages", lambda places: [FoundStage("sft", {"hub": {"name": "lab/tiny"}})])
    with pytest.raises(ConfigError, match="found 'sft, on the hub', expected folders in which training writes"):
        watch.watch_places(["lab/tiny"], lambda: None, 1)
