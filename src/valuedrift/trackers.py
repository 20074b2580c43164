"""TensorBoard and Weights & Biases, to which training and values are logged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from valuedrift.errors import ArtifactError, ConfigError, in_one_line
from valuedrift.files import write_parquet

_RECORD = "logged.parquet"


def set_up(trackers: Sequence[str], folder: Path) -> None:
    """Have the trackers write to a folder; W&B stays offline unless WANDB_MODE is set.

    Raises:
        ConfigError: A tracker's package is not installed.
    """
    for name in trackers:
        if not find_spec(name):
            raise ConfigError("machine.report_to", name, "an installed package", f"Install it: pip install {name}")
        os.environ["TENSORBOARD_LOGGING_DIR"] = os.environ["WANDB_DIR"] = str(folder)
        os.environ.setdefault("WANDB_MODE", "offline")


def log_values(tables: Sequence[Path], trackers: Sequence[str], out: Path) -> None:
    """Log values (equation 1) as scalars `topic/stance` over each run's own steps.

    Each run has a folder `out/TRACKER/MODEL/RUN/values`. Only new steps are logged. If values of earlier steps have
    changed or were added, the run is logged anew, to W&B as a new run.

    Args:
        tables: Tables of values (`values.parquet`).
        trackers: Where to log.
        out: Folder of the logs.
    """
    set_up(trackers, out)
    for table in tables:
        name = pl.concat_str("topic", "stance", separator="/").alias("name")
        values = pl.read_parquet(table).select("model", "run", "step", name, "value").drop_nulls().sort("step", "name")
        for (model, run), points in values.group_by("model", "run", maintain_order=True):
            for tracker in trackers:
                place = f"{model}/{run}"
                _log(tracker, place, points.drop("model", "run"), out / tracker / place / "values")


def _log(tracker: str, run: str, points: pl.DataFrame, folder: Path) -> None:
    record = folder / _RECORD
    known = pl.read_parquet(record) if record.is_file() else points.clear()
    if not points.head(len(known)).equals(known) or known.is_empty():
        shutil.rmtree(folder, ignore_errors=True)
        known = points.clear()
    new = points.slice(len(known))
    if not new.is_empty():
        (_to_tensorboard if tracker == "tensorboard" else _to_wandb)(run, new, folder)
        write_parquet(record, points)


def _to_tensorboard(run: str, points: pl.DataFrame, folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step, name, value in points.iter_rows():
            writer.add_scalar(name, value, step)


def _to_wandb(run: str, points: pl.DataFrame, folder: Path) -> None:
    """Log points to the run of W&B that the folder has, or to a new one."""
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    earlier = [path.name.rpartition("-")[2] for path in sorted(folder.glob("wandb/*run-*-*"))]
    try:
        with wandb.init(
            project="valuedrift",
            name=run,
            id=earlier[-1] if earlier else None,
            resume="allow",
            dir=folder,
            settings=wandb.Settings(silent=True, console="off"),
        ) as tracked:
            for (step,), part in points.group_by("step", maintain_order=True):
                tracked.log(dict(part.select("name", "value").iter_rows()), step=step)
    except wandb.Error as error:
        do = "Check WANDB_MODE and your account, or leave W&B offline, and sync the folder later."
        raise ArtifactError(folder, in_one_line(error), "a run of W&B", do) from error
