"""Delete the weights of checkpoints that have answered, except at chosen steps. Imports no training library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from valuedrift.errors import ArtifactError
from valuedrift.files import PRUNED, read_json, write_json
from valuedrift.models.model_folder import require_model, step_of


def kept_steps(steps: Sequence[int], keep: str, nth: int = 1) -> frozenset[int]:
    """Return the steps whose weights stay after answering, always with the last one, since other runs start from it.

    Args:
        keep: `all`, `every_nth` (the nth, the 2nth, … checkpoint of the run) or `final`.
        nth: a number from 1 on.
    """
    chosen = {"all": steps, "every_nth": steps[nth - 1 :: nth], "final": ()}
    return frozenset((*chosen[keep], steps[-1]))


def prune_weights(folder: Path, identities: Mapping[str, str]) -> int:
    """Remove a checkpoint's weights; return the number of bytes freed.

    The folder stays, with its configuration, a marker, and its time stamp, so that no job runs again. If the weights
    are needed again, the error of `require_model` says why they are missing.

    Args:
        identities: engine → the weights' identity, under which the answers of that engine are saved and found.
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
    """Return the identity of a checkpoint's deleted weights for an engine; None if the weights are not deleted."""
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
