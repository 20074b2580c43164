"""Tokens per second, memory and final loss of training compared with stock trl, on one device, as Markdown.

    python benchmarks/training.py --results results                 # pocket size, on one core
    python benchmarks/training.py --results results --steps 20 --repeats 1 --algorithms sft dpo
    python benchmarks/training.py --results results --model smollm2 --steps 6 --repeats 1   # 135 million parameters

Run it in the activated environment. `--results` is the workflow's results folder, from which the pocket base model and
two data sets are read; a run shortened by `tests/workflow/short.yaml` makes them in a minute.

Three ways to train are compared, with the same model, rows, number of steps, batches and learning rate schedule: `ours`
is `valuedrift.training.train.train` as the workflow calls it; `stock` is what trl's scripts do (`SFTTrainer`,
`DPOTrainer`, `CPOTrainer` with `loss_type="simpo"`, `PPOTrainer`) with trl's defaults otherwise, which include bf16 and
gradient checkpointing; `matched` is stock with our precision and checkpointing. PPO's printed samples are off in all.
The three alternate, each run in its own process, and medians are compared.

Tokens are training tokens without padding. There are three clocks: `train` is the trainer's loop alone; `job` includes
loading, encoding, a reference's log-probabilities and saving, but no imports; `process` includes imports. `CPU` is the
job's processor time, which depends less on other work on the machine. Losses are means over the last steps (PPO: the
reward minus the KL penalty, which is sampled).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WAYS = ("ours", "stock", "matched")
ALGORITHMS = ("sft", "dpo", "simpo", "ppo")
DATA = {"sft": "wildchat"}
PAIRS = "synthetic-support"
_CLOCKS = ("train", "job", "process", "cpu")
_CHILD = Path(__file__).with_name("training_once.py")


def rows_for(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The first `count` rows, repeated from the beginning if there are fewer."""
    return [rows[number % len(rows)] for number in range(count)]


def medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Medians over runs: tokens per second by each clock, MiB of memory, loss and the share of padding."""
    found = {clock: statistics.median(run["tokens"] / run[clock] for run in runs) for clock in _CLOCKS}
    plain = {key: statistics.median(run[key] for run in runs) for key in ("peak_mib", "loss", "padding")}
    return found | plain


def table(algorithm: str, runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """One line per way, with the ratio of `ours` to it in brackets."""
    found = {way: medians(own) for way, own in runs.items()}
    lines = []
    for way, own in found.items():
        cells = [f"{own[clock]:,.0f} ({found['ours'][clock] / own[clock]:.2f})" for clock in _CLOCKS]
        losses = [run["loss"] for run in runs[way]]
        spread = f"{own['loss']:.4f} ({min(losses):.4f} to {max(losses):.4f})"
        cells += [f"{own['peak_mib']:,.0f}", f"{own['padding']:.0%}", spread]
        lines.append(f"| {algorithm} | {way} | {' | '.join(cells)} |")
    return lines


def start(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a process and return its report, with its seconds; exits if it fails."""
    folder.mkdir(parents=True)
    report = folder / "report.json"
    told = json.dumps({**spec, "folder": str(folder), "report": str(report)})
    began = time.perf_counter()
    run = subprocess.run([sys.executable, str(_CHILD), told], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if run.returncode:
        sys.exit(f"{told}\nfailed with status {run.returncode}:\n{run.stderr[-4000:]}")
    return {**json.loads(report.read_text()), "process": seconds}


def write_rows(given: argparse.Namespace, algorithm: str, count: int, path: Path) -> Path:
    """Write `count` rows of the suite's data."""
    import polars as pl

    name = DATA.get(algorithm, PAIRS)
    columns = ["messages"] if algorithm == "sft" else ["prompt", "chosen", "rejected"]
    source = pl.read_parquet(given.results / f"data/{given.model}/{name}/train.parquet", columns=columns)
    pl.DataFrame(rows_for(source.to_dicts(), count), schema=source.schema).write_parquet(path)
    return path


def spec_for(given: argparse.Namespace, algorithm: str, model: Path, folder: Path) -> dict[str, Any]:
    """What all ways of an algorithm get: the suite's settings, and as many rows as the steps need."""
    import yaml

    suites = yaml.safe_load((Path(__file__).parents[1] / "workflow_config.yaml").read_text())["suites"]
    settings = dict(suites[given.model]["training"][algorithm])
    # A PPO step samples 176 answers and learns from them, at pocket size.
    per_epoch = max(1, (given.steps // 10 if algorithm == "ppo" else given.steps) // settings["epochs"])
    data = write_rows(given, algorithm, per_epoch * settings["batch_size"], folder / f"{algorithm}.parquet")
    plain = {
        "algorithm": algorithm,
        "settings": settings,
        "steps": per_epoch * settings["epochs"],
        "seed": 0,
        "resumable": True,
    }
    return plain | {"model": str(model.resolve()), "data": str(data), "reward": None}


def compare(given: argparse.Namespace, folder: Path) -> None:
    model = given.results / f"checkpoints/{given.model}/base/step-000000"
    for algorithm in given.algorithms:
        spec = spec_for(given, algorithm, model, folder)
        if algorithm == "ppo":
            reward = spec_for(given, "reward", model, folder)
            start(reward | {"way": "ours"}, folder / "reward")
            spec["reward"] = str(folder / f"reward/run/step-{reward['steps']:06d}")
        runs: dict[str, list[dict[str, Any]]] = {way: [] for way in given.ways}
        for repeat in range(given.repeats):
            for way in given.ways:
                with tempfile.TemporaryDirectory(dir=folder) as place:
                    run = start(spec | {"way": way}, Path(place) / "work")
                runs[way].append(run)
                print(f"{algorithm} {repeat + 1}/{given.repeats} {way}: {run}", file=sys.stderr, flush=True)
        print("\n".join(table(algorithm, runs)), flush=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--model", choices=("pocket", "smollm2"), default="pocket", help="with the suite of its name")
    parser.add_argument(
        "--steps", type=int, default=90, help="steps of SFT, DPO and SimPO, in whole epochs; PPO takes a tenth"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS, default=ALGORITHMS)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    given = parser.parse_args()
    if "ours" not in given.ways:
        parser.error("--ways must include `ours`, with which the others are compared")
    return given


def main() -> None:
    given = options()
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{os.cpu_count()} cores, load over 1, 5 and 15 minutes {load} at the start\n")
    clocks = " | ".join(f"tokens/s, {name} (ours is × as fast)" for name in ("train", "job", "process", "CPU"))
    print(f"| algorithm | way | {clocks} | peak MiB | padding | loss (range) |")
    print(f"| --- | --- {'| ---: ' * 7}|", flush=True)
    with tempfile.TemporaryDirectory(prefix="valuedrift-") as name:
        compare(given, Path(name))
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\nload at the end {load}")


if __name__ == "__main__":
    main()
