"""Trace checkpoints while training writes them: run again whenever new ones are complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from valuedrift.errors import ConfigError
from valuedrift.files import read_json
from valuedrift.workflow.found_stages import FoundStage, find_stages


def watch_places(places: Sequence[str], run: Callable[[], None], minutes: float, quiet: float = 60) -> None:
    """Run, and run again whenever there are new checkpoints, until training has ended.

    Training has ended when the last checkpoint of each stage says so (`global_step` = `max_steps` in the state that
    Hugging Face's trainers write), or when none has come for a time. Nothing runs while files are being written.

    Args:
        places: The folders of the stages.
        run: Answers and judges all checkpoints that are there.
        minutes: How long to wait for a checkpoint.
        quiet: Seconds without a change after which files count as written.

    Raises:
        ConfigError: A stage is on the hub.
    """
    traced: set[Path] = set()
    since = time.time()
    while True:
        stages = find_stages(places)
        if on_hub := [stage.name for stage in stages if "hub" in stage.entry]:
            raise ConfigError("watch", f"{on_hub[0]}, on the hub", "folders in which training writes")
        there = [path for stage in stages for path in _checkpoints(stage)]
        changed = max(map(_changed, there))
        if set(there) - traced and time.time() - changed >= quiet:
            run()
            traced, since = set(there), time.time()
        elif traced >= set(there) and (time.time() - since > 60 * minutes or all(map(_has_ended, stages))):
            return
        else:
            time.sleep(quiet / 4)


def _checkpoints(stage: FoundStage) -> Iterator[Path]:
    root, pattern = Path(stage.entry["folder"]), stage.entry.get("pattern", "")
    yield from (root / pattern.format(step=step) for step in stage.steps or (0,))


def _changed(checkpoint: Path) -> float:
    try:
        return max(file.stat().st_mtime for file in (checkpoint, *checkpoint.iterdir()))
    except FileNotFoundError:  # training is removing it
        return time.time()


def _has_ended(stage: FoundStage) -> bool:
    """Whether the last checkpoint is the last that there will be; a single checkpoint is."""
    *_, last = _checkpoints(stage)
    file = last / "trainer_state.json"
    state = read_json(file) if file.is_file() else {}
    return not stage.steps or ("max_steps" in state and state.get("global_step") == state["max_steps"])
