"""Values that were logged to TensorBoard and W&B, read back from their files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

from valuedrift.cli import main
from valuedrift.trackers import log_values, set_up

Points = list[tuple[str, int, float]]
STANCES = {"support": 0.5, "neutral": 0.25, "oppose": 0.25}


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TENSORBOARD_LOGGING_DIR", "WANDB_DIR", "WANDB_MODE"):
        monkeypatch.setenv(name, "before")  # so that what the calls set is undone
    monkeypatch.delenv("WANDB_MODE")


def values(file: Path, *steps: int, first: float = 0.5) -> Path:
    """Write a table of values of two runs; `first` is the support at the first step."""
    rows = [
        {"model": "mine", "run": run, "step": step, "topic": topic, "stance": stance, "value": value}
        for run in ("sft", "sft/dpo")
        for step in steps
        for topic in ("all", "abortion")
        for stance, value in STANCES.items()
    ]
    first_support = (pl.col("step") == steps[0]) & (pl.col("stance") == "support")
    table = pl.DataFrame(rows).with_columns(value=pl.when(first_support).then(first).otherwise("value"))
    table.write_parquet(file)
    return file


def in_tensorboard(folder: Path) -> Points:
    """All scalars of a run, by TensorBoard's own reader."""
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    return [(name, event.step, event.value) for name in reader.Tags()["scalars"] for event in reader.Scalars(name)]


def in_wandb(folder: Path) -> Points:
    """All scalars of the offline files of a run, in W&B's own records."""
    found = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for record in records(file.read_bytes()):
            if items := {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}:
                found += [(name, record.history.step.num, float(items[name])) for name in items if name[0] != "_"]
    return found


def records(content: bytes) -> Iterator[Record]:
    """The records of an offline file of W&B, which has the format of LevelDB's logs after seven bytes."""
    place, whole, block = 7, b"", 32768
    while place + 7 <= len(content):
        if block - place % block < 7:
            place += block - place % block
        size, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        whole += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(whole)
            whole = b""


READERS = {"tensorboard": in_tensorboard, "wandb": in_wandb}


def expected(*steps: int, first: float = 0.5) -> Points:
    support = {step: first if step == steps[0] else 0.5 for step in steps}
    return sorted(
        (f"{topic}/{stance}", step, support[step] if stance == "support" else value)
        for step in steps
        for topic in ("all", "abortion")
        for stance, value in STANCES.items()
    )


@pytest.mark.parametrize("tracker", READERS)
def test_values_are_logged_once_over_the_runs_steps_and_anew_if_they_change(tracker: str, tmp_path: Path) -> None:
    def logged(run: str) -> Points:
        return sorted(READERS[tracker](tmp_path / f"logs/{tracker}/mine/{run}/values"))

    command = ["log-values", "--values", f"{tmp_path}/values.parquet", "--to", tracker, "--out", f"{tmp_path}/logs"]
    for steps in ((0, 10), (0, 10), (0, 10, 20), (0, 10, 20), (0, 5, 10, 20)):
        values(tmp_path / "values.parquet", *steps)
        assert main(command) == 0
        assert logged("sft") == logged("sft/dpo") == expected(*steps)
    values(tmp_path / "values.parquet", 0, 5, 10, 20, first=0.75)
    assert main(command) == 0
    assert logged("sft") == expected(0, 5, 10, 20, first=0.75)


def test_a_continued_run_of_wandb_is_one_run(tmp_path: Path) -> None:
    for steps in ((0, 10), (0, 10, 20)):
        log_values([values(tmp_path / "values.parquet", *steps)], ["wandb"], tmp_path)
    names = [file.name for file in tmp_path.glob("wandb/mine/sft/values/wandb/offline-run-*/*.wandb")]
    assert len(names) == 2
    assert len(set(names)) == 1


def test_trackers_write_to_the_folder_and_stay_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up([], tmp_path)
    assert (os.environ["WANDB_DIR"], os.environ.get("WANDB_MODE")) == ("before", None)
    set_up(["tensorboard", "wandb"], tmp_path)
    assert os.environ["WANDB_MODE"] == "offline"
    assert os.environ["WANDB_DIR"] == os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "online")
    set_up(["wandb"], tmp_path)
    assert os.environ["WANDB_MODE"] == "online"
