"""What every process of a run on several devices does in the tests: `torchrun launched.py JOBS [FSDP]`.

JOBS is a JSON file of jobs, FSDP the file of accelerate by which their weights are divided over the processes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate.state import PartialState
from accelerate.utils import DistributedType

from valuedrift.config.hyperparameters import read_settings
from valuedrift.training.job import Job
from valuedrift.training.train import train


def job_of(algorithm: str, settings: dict[str, Any], seed: int, steps: list[int], **paths: str) -> Job:
    folders: dict[str, Any] = {name: Path(path) for name, path in paths.items()}
    return Job(algorithm, read_settings(algorithm, settings), seed, steps=tuple(steps), **folders)


def divide(configuration: Path) -> None:
    """Set what `accelerate launch --config_file` sets, and let accelerate divide over CPUs as it does over GPUs."""
    given = yaml.safe_load(configuration.read_text(encoding="utf-8"))["fsdp_config"]
    os.environ.update({name.upper(): str(value).lower() for name, value in given.items() if value in (True, False)})
    os.environ.update({name.upper(): str(value) for name, value in given.items() if value not in (True, False)})
    os.environ["ACCELERATE_USE_FSDP"] = "true"
    start, barrier = PartialState.__init__, torch.distributed.barrier

    def as_gpus(self: PartialState, *args: Any, **given: Any) -> None:
        start(self, *args, **given)
        if self._shared_state["distributed_type"] == DistributedType.MULTI_CPU:
            self._shared_state["distributed_type"] = DistributedType.MULTI_GPU

    PartialState.__init__ = as_gpus
    torch.distributed.barrier = lambda *_, **__: barrier()


if __name__ == "__main__":
    if sys.argv[2:]:
        divide(Path(sys.argv[2]))
    for raw in json.loads(Path(sys.argv[1]).read_text()):
        train(job_of(**raw))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
