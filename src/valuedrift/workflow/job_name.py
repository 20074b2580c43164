"""How a job of Snakemake is named to people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from valuedrift.config.grid import RESULTS

_TRAININGS = f"{RESULTS}/checkpoints"


def job_name(rule: str, wildcards: Iterable[str], outputs: Sequence[str]) -> str:
    """Return the rule and its wildcards, as `data of pocket/alpaca`; for a training, which has its own rule, the run.

    Args:
        rule: The rule's name.
        wildcards: The values of the job's wildcards.
        outputs: The job's outputs.
    """
    about = "/".join(wildcards)
    if not about and outputs and outputs[-1].startswith(f"{_TRAININGS}/"):
        return f"training of {PurePath(outputs[-1]).parent.relative_to(_TRAININGS)}"
    return f"{rule} of {about}" if about else rule
