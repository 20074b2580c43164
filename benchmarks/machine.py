"""How fast this machine trains, answers and judges, as Markdown, and the speeds with which `valuedrift plan` estimates.

    python benchmarks/machine.py                              # models of 1B and 4B on a GPU, about ten minutes
    python benchmarks/machine.py --vllm .venv-vllm/bin/python # vLLM answers, too
    python benchmarks/machine.py --sizes tiny                 # to its end on a CPU, in two minutes

Run it in the activated environment. The models have random weights. They are trained, answer and judge with the code
of the pipeline and with the paper's settings; only the batches are smaller, so that there are several steps. Each part
runs in its own process. A part that fails, such as PPO of a model that is too large for the GPU, is reported, and the
others go on; parts that are left after `--minutes` are skipped.

- training: tokens per second without padding (the median over the steps after the first), the share of the GPU's peak
  speed that the model's operations take (MFU), and the peak memory. A token takes 6 operations per parameter; passes of
  reference, reward and value models and rollouts, which DPO and PPO have besides, aren't counted.
- answering: tokens per second, and the seconds to exchange the weights of one checkpoint for those of the next.
- judging: answers per second.

`--out` (on a GPU, results/rates.yaml) has the speeds of the largest model; `valuedrift plan` in the same folder reads
it. On a CPU it is written only on request: a tiny model says little about the pocket model.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import torch
import yaml
from machine_once import text

from valuedrift.provenance.machine import machine
from valuedrift.workflow.job_costs import JobCosts
from valuedrift.workflow.job_sizes import MEASURED, Sizes
from valuedrift.workflow.project import Project

HERE = Path(__file__).parent
CONFIGURATION = yaml.safe_load((HERE.parent / "workflow_config.yaml").read_text())
Found = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """A model's shape, the tokens of a conversation and of an answer, and the numbers of rows, steps and questions."""

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    conversation: int = 1240
    answer: int = 180
    batch: int = 16
    steps: int = 4
    questions: int = 100

    @property
    def shape(self) -> dict[str, Any]:
        """The shape, as Qwen3's configuration has it."""
        return {
            "hidden_size": self.hidden,
            "intermediate_size": self.inner,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head,
            "vocab_size": self.vocabulary,
            "tie_word_embeddings": True,
        }


SIZES = {
    "tiny": Size(64, 192, 2, 4, 2, 32, 512, conversation=60, answer=30, batch=4, steps=3, questions=8),
    "1B": Size(2048, 8192, 16, 32, 8, 64, 128_256),
    "4B": Size(2560, 9728, 36, 32, 8, 128, 151_936),
}


@dataclass
class Machine:
    """Runs the parts of the benchmark until the time is over."""

    folder: Path
    end: float
    speeds: list[float] = field(default_factory=list)

    def part(self, spec: Found, script: str = "machine_once.py", python: str = sys.executable) -> Found | None:
        """What a part reports, with its seconds and the speeds that a training printed; None if it failed."""
        name = " ".join(str(spec[key]) for key in ("size", "way", "algorithm", "engine") if key in spec)
        left = self.end - time.monotonic()
        if left <= 0:
            print(f"skipped, since the time is over: {name}", file=sys.stderr, flush=True)
            return None
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            report = Path(place, "report.json")
            told = json.dumps({"folder": place, **spec, "report": str(report)})
            start = time.monotonic()
            run = subprocess.run([python, str(HERE / script), told], capture_output=True, text=True, check=False)
            seconds = time.monotonic() - start
            if run.returncode:
                said = next((line for line in reversed(run.stderr.splitlines()) if "Error" in line), run.stderr[-500:])
                print(f"failed: {name}: {said}", file=sys.stderr, flush=True)
                return None
            print(f"{name}: {seconds:.0f} s", file=sys.stderr, flush=True)
            speeds = [float(one.replace(",", "")) for one in re.findall(r"([\d,]+) tokens/s", run.stderr)]
            return {**json.loads(report.read_text()), "process": seconds, "speeds": speeds[1:] or speeds}


def training_spec(name: str, algorithm: str, model: Path, folder: Path) -> Found:
    """A training of the paper's suite, with fewer rows and smaller batches."""
    size, gpu = SIZES[name], torch.cuda.is_available()
    settings = {**CONFIGURATION["suites"]["paper"]["training"][algorithm], "epochs": 1, "batch_size": size.batch}
    settings |= {"bf16": gpu, "device_batch_size": min(size.batch, settings["device_batch_size"])}
    if "response_length" in settings:
        settings["response_length"] = size.answer
    data, steps = folder / f"{algorithm}.parquet", 1 if algorithm == "reward" else size.steps
    pl.DataFrame([row(algorithm, size, number) for number in range(steps * size.batch)]).write_parquet(data)
    model = model / "step-000000"
    spec = {"algorithm": algorithm, "settings": settings, "steps": steps, "seed": 0, "resumable": False, "reward": None}
    return {**spec, "size": name, "way": "ours", "model": str(model), "data": str(data)}


def row(algorithm: str, size: Size, number: int) -> Found:
    """A conversation or a pair, of words that are one token each."""
    prompt = [{"role": "user", "content": text(20, number)}]
    answers = [[{"role": "assistant", "content": text(size.answer, 2 * number + i)}] for i in range(2)]
    if algorithm == "sft":
        return {"messages": [*prompt, {"role": "assistant", "content": text(size.conversation, number)}]}
    return {"prompt": prompt, "chosen": answers[0], "rejected": answers[1]}


def measure(name: str, runner: Machine, vllm: str | None) -> dict[str, Found]:
    """All parts for one size, by name; those that failed are missing."""
    size, folder = SIZES[name], runner.folder / name
    folder.mkdir()
    common = {"size": name, "model": str(folder), "answer": size.answer, "questions": size.questions}
    found: dict[str, Found | None] = {"model": runner.part({**common, "way": "model", "shape": size.shape})}
    if not found["model"]:
        return {}
    for algorithm in ("sft", "dpo"):
        found[algorithm] = runner.part(training_spec(name, algorithm, folder, folder), "training_once.py")
    reward = {**training_spec(name, "reward", folder, folder), "folder": str(folder / "reward")}
    if runner.part(reward, "training_once.py"):
        trained = {"reward": str(folder / "reward/run/step-000001")}
        found["ppo"] = runner.part({**training_spec(name, "ppo", folder, folder), **trained}, "training_once.py")
    found["transformers"] = runner.part({**common, "way": "sweep", "engine": "transformers"})
    if vllm:
        found["vllm"] = runner.part({**common, "way": "sweep", "engine": "vllm"}, python=vllm)
    found["judge"] = runner.part({**common, "way": "judge"})
    return {part: each for part, each in found.items() if each}


def rates(found: Mapping[str, Found], settings: Mapping[str, Found], costs: JobCosts) -> dict[str, float]:
    """Speeds as in src/valuedrift/workflow/rates.yaml, of what was measured: operations per second by their kind.

    Args:
        found: The parts of one size.
        settings: Algorithm → its settings.
        costs: Gives the operations of a training.
    """
    parameters, speeds = found["model"]["parameters"], dict[str, float]()
    if judged := found.get("judge"):
        speeds["scoring"] = 2 * parameters * judged["read"] / judged["seconds"]
    if swept := found.get("vllm", found.get("transformers")):
        speeds["answering"] = 2 * parameters * (swept["read"] + swept["tokens"]) / swept["seconds"]
        speeds["swap"] = swept["exchange"] / (parameters / 1e9)
    if sft := found.get("sft"):
        operations = costs.training_operations("sft", settings["sft"], parameters)
        speeds["training"] = operations["training"] * statistics.median(sft["speeds"])
        speeds["start"] = sft["process"] - sft["train"]
    if (ppo := found.get("ppo")) and {"training", "scoring"} <= speeds.keys():
        operations = costs.training_operations("ppo", settings["ppo"], parameters)
        seconds = 1 / statistics.median(ppo["speeds"])
        known = sum(operations[kind] / speeds[kind] for kind in ("training", "scoring"))
        # Rollouts take the rest of a step, and at least a tenth of it, however uncertain the other speeds are.
        speeds["rollout"] = operations["rollout"] / max(seconds - known, seconds / 10)
    return speeds


def table(measured: Mapping[str, Mapping[str, Found]], peak: float | None) -> list[str]:
    """The measurements as Markdown; `peak` is the GPU's, in operations per second."""
    lines = [
        "| model | part | tokens/s | MFU | s per exchange | answers/s | peak GiB |",
        "| --- | --- |" + " ---: |" * 5,
    ]
    for size, parts in measured.items():
        for part, found in parts.items():
            if part == "model":
                continue
            cells = dict.fromkeys(("speed", "share", "exchange", "answers"), "")
            if part == "judge":
                cells["answers"] = f"{found['answers'] / found['seconds']:,.1f}"
            elif "exchange" in found:
                cells["speed"], cells["exchange"] = (
                    f"{found['tokens'] / found['seconds']:,.0f}",
                    f"{found['exchange']:.2f}",
                )
            else:
                speed = statistics.median(found["speeds"])
                cells["speed"] = f"{speed:,.0f}"
                cells["share"] = f"{6 * parts['model']['parameters'] * speed / peak:.1%}" if peak else ""
            lines.append(f"| {size} | {part} | {' | '.join(cells.values())} | {found['peak_mib'] / 1024:.1f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    gpu = torch.cuda.is_available()
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["1B", "4B"] if gpu else ["tiny"])
    parser.add_argument("--vllm", help="the Python of an environment with vLLM and this package")
    parser.add_argument("--minutes", type=float, default=12, help="parts that would start later are skipped")
    parser.add_argument("--peak-tflops", type=float, default=989, help="the GPU's dense bf16 peak")
    parser.add_argument("--out", type=Path, default=MEASURED if gpu else None, help="without it on a CPU: nowhere")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="valuedrift-") as name:
        runner = Machine(Path(name), time.monotonic() + 60 * given.minutes)
        measured = {size: measure(size, runner, given.vllm) for size in given.sizes}
    processor = ", ".join(machine()["gpus"]) or machine()["cpu"]
    print(f"{processor}, {date.today()}\n")
    print("\n".join(table(measured, given.peak_tflops * 1e12 if gpu else None)))
    training = CONFIGURATION["suites"]["paper"]["training"]
    costs = JobCosts(Sizes(Project.read(CONFIGURATION)))
    found = next((rates(parts, training, costs) for parts in reversed(measured.values()) if parts), {})
    head = f"# Measured by benchmarks/machine.py on {processor}, {date.today()}; `valuedrift plan` reads this file.\n"
    rounded = {kind: float(f"{speed:.3g}") for kind, speed in found.items()}
    written = head + yaml.safe_dump({"gpu" if gpu else "cpu": rounded})
    print(f"\n{written}")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(written)


if __name__ == "__main__":
    main()
