"""Delete the weights of checkpoints that have answered; which steps keep theirs. Imports no training library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.files import PRUNED, read_json, write_json
from valuedrift.models.model_folder import require_model, step_of

POLICIES = ("all", "every_nth", "final")


def kept_steps(steps: Sequence[int], keep: str, nth: int = 1) -> frozenset[int]:
    """The checkpoints whose weights stay once their answers exist; the last always does, since other runs start there.

    keep: `all`, `every_nth` (the nth, the 2nth, … of the run) or `final`. Raises ConfigError for anything else.
    """
    if nth < 1:
        raise ConfigError("machine.nth", nth, "a number from 1 on")
    if keep not in POLICIES:
        raise ConfigError("machine.keep", keep, f"one of {', '.join(POLICIES)}")
    chosen = {"all": steps, "every_nth": steps[nth - 1 :: nth], "final": ()}
    return frozenset((*chosen[keep], steps[-1]))


def prune_weights(folder: Path, identities: Mapping[str, str]) -> int:
    """Remove a checkpoint's weights; gives the bytes that were freed.

    The folder stays, with its configuration, the time stamp that its users were made after, and a marker: nothing runs
    again. identities: what the weights' answers are kept under, by the engine that gave them; they can still be found.
    Where the weights themselves are asked for once more, `require_model` says why they are gone.
    """
    marker = folder / PRUNED
    if not marker.is_file():
        require_model(folder)
        write_json(marker, {"step": step_of(folder), "identities": dict(identities)})
    freed = 0
    for path in sorted(folder.glob("*.safetensors*")):
        freed += path.stat().st_size
        path.unlink()
    return freed


def pruned_identity(folder: Path, engine: str) -> str | None:
    """What a checkpoint without its weights was known under to an engine; None for one that has its weights."""
    marker = folder / PRUNED
    if not marker.is_file():
        return None
    identities = read_json(marker)["identities"]
    if engine not in identities:
        raise ArtifactError(
            folder,
            f"a checkpoint without its weights, that answered by {' and '.join(sorted(identities))}",
            f"weights, to answer by {engine}",
            "Answer by the same engine on the same kind of device, or remove the run's folder and train it again.",
        )
    return str(identities[engine])
