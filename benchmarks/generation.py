"""Answering the probe questions, compared with other ways to do it: same model, questions and machine.

    python benchmarks/generation.py                       # trains the pocket model first, 2 minutes
    python benchmarks/generation.py --results FOLDER      # the results of a run of this benchmark with --keep FOLDER
    python benchmarks/generation.py --model smollm2 --results results --questions 6
                                                          # `engine` alone, of the model that a package carries

Run it in the activated environment; everything uses one thread. Prints Markdown tables with wall and CPU seconds and
their ratios to the first row; CPU seconds depend little on other work on the machine:

- sweep: one process for 12 checkpoints, compared with one process per checkpoint, measured on the last one and
  multiplied by 12; for checkpoints as the pipeline writes them, and for found ones with their own tokenizers;
- engine: answering alone, compared with `generate` of transformers on left-padded batches of 32 in the order of the
  questions; the two alternate, and the best of five counts;
- inspect_ai (its hf provider, 32 at a time) with one process per checkpoint, as its command line runs: measured on the
  last checkpoint and multiplied by 12; its tokens include padding. It is installed into a virtual environment of its
  own whose `shared.pth` names the site-packages of this one, so that only missing packages are installed.

Answers are those of the pipeline, with the settings of the model's suite, in the chat format.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Before torch starts its threads.
os.environ["OMP_NUM_THREADS"] = "1"

import polars as pl
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from valuedrift.config.sampling import Sampling
from valuedrift.generation.engine import Engine, engine_kind
from valuedrift.generation.probe_prompts import Prompt, PromptCodec, prompt_codec
from valuedrift.models.architecture import Architecture
from valuedrift.models.weights import read_checkpoint

REPOSITORY = Path(__file__).parents[1]
CHECKPOINTS = 12
INSPECT = "inspect_ai==0.3.285"
SUITES = yaml.safe_load((REPOSITORY / "workflow_config.yaml").read_text())["suites"]


def sampling_of(suite: str) -> Sampling:
    """How a suite's checkpoints answer."""
    asked = {key: value for key, value in SUITES[suite]["generation"].items() if key != "shard"}
    return Sampling(**asked, seed=0)


SAMPLING = sampling_of("pocket")
# The last twelve count: an SFT run of the pocket world has 880 steps.
OVERLAY = {"suites": {"pocket": {"checkpoints": {"sft": {"wildchat": 55}}}}}
TARGETS = ("results/checkpoints/pocket/sft-wildchat/metrics.parquet", "results/probes/pocket.parquet")

SWEEP = """
import json, sys
from pathlib import Path
from valuedrift.config.sampling import Sampling
from valuedrift.generation.sweep import sweep
given = json.loads(sys.argv[1])
sweep("pocket", "sft-wildchat", Path(given["base"]), [Path(path) for path in given["checkpoints"]],
      Path(given["probes"]), Sampling(**given["sampling"]), Path(given["out"]), Path(given["store"]),
      engine="transformers", steps=range(1, len(given["checkpoints"]) + 1))
"""

ASK_INSPECT = """
import json, sys, time
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.solver import generate
given = json.loads(sys.argv[1])
samples = [Sample(input=question, id=str(i)) for i, question in enumerate(given["questions"])]
start, cpu = time.monotonic(), time.process_time()
(log,) = eval(
    Task(dataset=samples, solver=generate()), model="hf/pocket", display="none", log_dir=given["logs"],
    model_args={"model_path": given["checkpoint"], "tokenizer_path": given["base"], "device": "cpu"},
    epochs=given["answers"], temperature=given["temperature"], max_tokens=given["max_tokens"], top_k=0,
    max_connections=32, log_realtime=False, score=False)
assert log.status == "success", log.error
print(json.dumps({"wall": time.monotonic() - start, "cpu": time.process_time() - cpu, "answers": len(log.samples),
                  "tokens": sum(usage.output_tokens for usage in log.stats.model_usage.values())}))
"""


@dataclass(frozen=True)
class Row:
    """A measurement: wall and CPU seconds, and the tokens written."""

    title: str
    wall: float
    cpu: float
    tokens: int


class Clock:
    """Wall and CPU seconds of this process and its finished children since the clock was created."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.monotonic(), self._cpu()

    def row(self, title: str, tokens: int, times: int = 1) -> Row:
        wall, cpu = time.monotonic() - self.wall, self._cpu() - self.cpu
        return Row(title, times * wall, times * cpu, times * tokens)

    @staticmethod
    def _cpu() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="results/ of an earlier run, with checkpoints and questions")
    parser.add_argument("--keep", type=Path, help="train in this folder and keep it")
    parser.add_argument(
        "--questions", type=int, default=12, help="questions per topic (12: 660 answers per checkpoint)"
    )
    parser.add_argument("--model", choices=("pocket", "smollm2"), default="pocket")
    parser.add_argument("--without-inspect", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="valuedrift-") as name:
        folder = Path(name)
        results = given.results or train(given.keep or folder)
        if given.model != "pocket":
            base = results / f"checkpoints/{given.model}/base/step-000000"
            questions = questions_in(results / f"probes/{given.model}.parquet", given.questions)
            print_table(given.model, engine_rows(base, base, questions, sampling_of(given.model)))
            return
        compare(folder, results, given.questions, inspect=not given.without_inspect)


def train(folder: Path) -> Path:
    """Train the pocket model's SFT run with twelve checkpoints; returns its results folder."""
    overlay = folder / "overlay.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    overlay.write_text(yaml.safe_dump(OVERLAY))
    command = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--directory", folder]
    files = [REPOSITORY / "workflow_config.yaml", overlay]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    call([*command, "--cores", "1", "--configfile", *files, "--", *TARGETS], {"PATH": path})
    return folder / "results"


def compare(folder: Path, results: Path, per_topic: int, inspect: bool) -> None:
    """Print the tables of everything that runs on a CPU."""
    base = results / "checkpoints/pocket/base/step-000000"
    checkpoints = sorted((results / "checkpoints/pocket/sft-wildchat").glob("step-*"))[-CHECKPOINTS:]
    questions = questions_in(results / "probes/pocket.parquet", per_topic)
    probes = folder / "probes.parquet"
    questions.write_parquet(probes)
    answers = len(questions) * SAMPLING.answers
    print(f"{len(checkpoints)} checkpoints of the pocket model, {len(questions)} questions, {answers} answers each\n")

    found = [as_found(checkpoint, base, folder / f"checkpoint-{i}") for i, checkpoint in enumerate(checkpoints)]
    rows = []
    for kind, each in {"checkpoints of the pipeline": checkpoints, "found checkpoints": found}.items():
        clock = Clock()
        rows.append(clock.row(f"{kind}: sweep, one process", run_sweep(folder, base, each, probes)))
        clock = Clock()
        tokens = run_sweep(folder, base, each[-1:], probes)
        rows.append(clock.row(f"{kind}: fresh processes, {len(each)} × one measured", tokens, len(each)))
    if inspect:
        rows += inspect_rows(folder, base, checkpoints, questions["question"].to_list())
    print_table(f"{len(checkpoints)} checkpoints, processes and all", rows)
    print_table("one checkpoint, answering alone", engine_rows(base, checkpoints[-1], questions, SAMPLING))


def questions_in(probes: Path, per_topic: int) -> pl.DataFrame:
    return pl.read_parquet(probes).group_by("topic", maintain_order=True).head(per_topic)


def as_found(checkpoint: Path, base: Path, out: Path) -> Path:
    """Copy a checkpoint with its tokenizer, as other trainers write it."""
    shutil.copytree(base, out, ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copytree(checkpoint, out, dirs_exist_ok=True)
    return out


def run_sweep(folder: Path, base: Path, checkpoints: Sequence[Path], probes: Path) -> int:
    """Answer from these checkpoints in one process, with no earlier answers stored; gives the tokens of the answers."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        given = {
            "base": str(base),
            "checkpoints": [str(checkpoint) for checkpoint in checkpoints],
            "probes": str(probes),
            "sampling": SAMPLING.model_dump(),
            "out": f"{own}/answers.parquet",
            "store": f"{own}/store",
        }
        call([sys.executable, "-c", SWEEP, json.dumps(given)])
        return int(pl.read_parquet(given["out"])["tokens"].sum())


def inspect_rows(folder: Path, base: Path, checkpoints: Sequence[Path], questions: list[str]) -> list[Row]:
    """The seconds of inspect_ai for all checkpoints, with and without starting its processes."""
    python = inspect_environment(folder / "inspect")
    given = {
        "questions": questions,
        "checkpoint": str(checkpoints[-1]),
        "base": str(base),
        "logs": str(folder / "logs"),
        **{key: getattr(SAMPLING, key) for key in ("answers", "temperature", "max_tokens")},
    }
    clock = Clock()
    found = json.loads(call([python, "-c", ASK_INSPECT, json.dumps(given)], {"HF_HUB_OFFLINE": "1"}).splitlines()[-1])
    times = len(checkpoints)
    if found["answers"] != len(questions) * SAMPLING.answers:
        sys.exit(f"inspect_ai gave {found['answers']} answers, expected {len(questions) * SAMPLING.answers}")
    whole = clock.row(f"{INSPECT}, {times} × one measured", found["tokens"], times)
    alone = Row("the same without starting its processes", times * found["wall"], times * found["cpu"], whole.tokens)
    return [whole, alone]


def inspect_environment(folder: Path) -> Path:
    """Create a virtual environment with inspect_ai that sees this one's packages; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    site = call([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    Path(site, "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    call([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", INSPECT])
    return python


def engine_rows(base: Path, folder: Path, questions: pl.DataFrame, sampling: Sampling) -> list[Row]:
    """Answering alone: the ways alternate, and the best of five counts."""
    architecture = Architecture.of(base)
    codec = prompt_codec(AutoTokenizer.from_pretrained(base), architecture.config)
    rows = questions.select("question_id", "question").rows()
    prompts = [codec.prompt(key, question, is_base=False, answers=sampling.answers) for key, question in rows]
    kind = engine_kind("transformers", sampling.precision)
    checkpoint = read_checkpoint(folder, architecture, kind.dtype)
    engine = kind.start(codec, checkpoint, prompts, sampling)
    engine.load(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=kind.dtype).eval()
    few, size = sampling.replace(batch_size=32), sampling.batch_size
    ways: dict[str, Callable[[], int]] = {
        f"the engine, batches of {size}": lambda: answer(engine, prompts, sampling),
        "the engine, batches of 32": lambda: answer(engine, prompts, few),
        "padded `generate`, batches of 32": lambda: generate(model, codec, prompts, few),
        f"padded `generate`, batches of {size}": lambda: generate(model, codec, prompts, sampling),
    }
    best: dict[str, Row] = {}
    for _ in range(5):
        for title, way in ways.items():
            clock = Clock()
            tokens = way()
            row = clock.row(title, tokens)
            best[title] = min(best.get(title, row), row, key=lambda row: row.cpu / row.tokens)
    return list(best.values())


def answer(engine: Engine, prompts: list[Prompt], sampling: Sampling) -> int:
    return sum(answer.tokens for answer in engine.answer(prompts, sampling))


@torch.inference_mode()
def generate(model: PreTrainedModel, codec: PromptCodec, prompts: list[Prompt], sampling: Sampling) -> int:
    """Answer as the documentation of transformers does; returns the number of tokens up to the end of each answer."""
    tokenizer = codec.tokenizer
    tokenizer.padding_side = "left"
    texts = [prompt.text for prompt in prompts for _ in prompt.samples]
    tokens = 0
    for start in range(0, len(texts), sampling.batch_size):
        batch = tokenizer(texts[start : start + sampling.batch_size], return_tensors="pt", padding=True)
        out = model.generate(
            **{key: batch[key] for key in ("input_ids", "attention_mask")},
            do_sample=True,
            temperature=sampling.temperature,
            top_k=0,
            max_new_tokens=sampling.max_tokens,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        written = out[:, batch["input_ids"].shape[1] :]
        tokens += int((written != tokenizer.pad_token_id).sum())
    return tokens


def print_table(title: str, rows: Sequence[Row]) -> None:
    columns = ("tokens", "wall s", "ratio", "CPU s", "ratio", "tokens per CPU s")
    print(f"| {title} | {' | '.join(columns)} |\n| --- {'| ---: ' * len(columns)}|")
    first = rows[0]
    for row in rows:
        wall, cpu = f"{row.wall:.2f} | {row.wall / first.wall:.1f}", f"{row.cpu:.2f} | {row.cpu / first.cpu:.1f}"
        print(f"| {row.title} | {row.tokens} | {wall} | {cpu} | {row.tokens / row.cpu:,.0f} |")
    print(flush=True)


def call(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> str:
    """Run a command and return its output; if it fails, exit with its errors."""
    run = subprocess.run(
        [str(part) for part in command], env={**os.environ, **(environment or {})}, capture_output=True, text=True
    )
    if run.returncode:
        sys.exit(f"{command[0]} ended with status {run.returncode}:\n{(run.stdout + run.stderr)[-4000:]}")
    return run.stdout


if __name__ == "__main__":
    main()
