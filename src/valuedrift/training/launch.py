"""Start a training run as one process, or as one process per GPU. Imports no training library."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from valuedrift.errors import ConfigError


def accumulation(algorithm: str, batch_size: int, device_batch_size: int, devices: int) -> int:
    """Return the forward passes per device and optimiser step: batch_size / (device_batch_size × devices).

    So the paper's batch sizes (appendix B) hold on any number of devices. Raises ConfigError if there is a remainder.
    """
    found, rest = divmod(batch_size, device_batch_size * devices)
    if rest or not found:
        raise ConfigError(
            f"training.{algorithm}.device_batch_size",
            device_batch_size,
            f"{device_batch_size} × {devices} device(s) = {device_batch_size * devices} rows per forward pass to divide"
            f" batch_size ({batch_size})",
            f"With {devices} device(s) it can be {_choices(batch_size, devices)}.",
        )
    return found


def launcher(algorithm: str, settings: Mapping[str, Any], gpus: int, folder: Path) -> str:
    """Return the prefix of a run's command: empty, or accelerate, which starts the run once per GPU.

    Args:
        settings: the run's settings.
        folder: the folder of accelerate's configurations. Files such as `4-gpus.yaml` divide the weights over that many
            GPUs; `whole.yaml` gives each GPU all weights, since trl's PPO can't sample from divided ones.

    Raises:
        ConfigError: the number of GPUs has no configuration or doesn't divide the batch.
    """
    if gpus <= 1:
        return ""
    accumulation(algorithm, settings["batch_size"], settings["device_batch_size"], gpus)
    file = folder / ("whole.yaml" if algorithm == "ppo" else f"{gpus}-gpus.yaml")
    if not file.is_file():
        known = ", ".join(sorted(path.stem.removesuffix("-gpus") for path in folder.glob("*-gpus.yaml")))
        raise ConfigError("resources.gpu", gpus, f"1, {known}", f"Or write {file}, after one that is there.")
    precision = "bf16" if settings["bf16"] else "no"
    # A free port: several runs may share a node.
    options = f"--num_processes {gpus} --mixed_precision {precision} --main_process_port 0"
    return f"accelerate launch --config_file {shlex.quote(str(file))} {options} -m"


def _choices(batch_size: int, devices: int) -> str:
    share, rest = divmod(batch_size, devices)
    if rest:
        return f"nothing: {devices} does not divide {batch_size}"
    return ", ".join(str(n) for n in range(1, share + 1) if share % n == 0)
