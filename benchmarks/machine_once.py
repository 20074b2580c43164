"""One part of `benchmarks/machine.py`, in its own process: make random checkpoints, answer with them, or judge."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from training_once import peak_mib
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from valuedrift.config.judges import JudgeSettings
from valuedrift.config.sampling import Sampling
from valuedrift.generation.engine import Engine, engine_kind
from valuedrift.generation.probe_prompts import prompt_codec
from valuedrift.judging.folder_judge import FolderJudge
from valuedrift.judging.judge import open_judge
from valuedrift.judging.judge_prompt import LABELS, fill_judge_prompt
from valuedrift.models.architecture import Architecture
from valuedrift.models.chat_template import END, PAD, set_chat
from valuedrift.models.weights import read_checkpoint
from valuedrift.training.pretrain import train_bpe

WORDS = ["it", "is", "right", "to", "do", "this", "and", "not", "that", "because", "many", "people", "say", "so"]


def text(words: int, seed: int) -> str:
    """A text of so many words, each of which is one token of `random_checkpoint`."""
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def random_checkpoint(folder: Path, shape: dict[str, Any], seed: int) -> int:
    """Save random bf16 weights of this shape, with a tokenizer of a few words; returns the number of parameters."""
    tokenizer = set_chat(train_bpe([text(1000, 0), *([" ".join(["", *LABELS])] * 100)], 500), "pocket", END, PAD)
    torch.manual_seed(seed)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        config = Qwen3Config(**shape, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
        model = Qwen3ForCausalLM(config)
        model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return int(model.num_parameters())


def make(spec: dict[str, Any]) -> dict[str, Any]:
    """Save checkpoints that differ only in their weights."""
    return {
        "parameters": max(random_checkpoint(Path(spec["model"], f"step-{n:06d}"), spec["shape"], n) for n in range(3))
    }


def sweep(spec: dict[str, Any]) -> dict[str, Any]:
    """Load one checkpoint after another, and answer with the last; the weights are random, so few answers end early."""
    kind, folders = engine_kind(spec["engine"]), sorted(Path(spec["model"]).glob("step-*"))
    sampling = Sampling(answers=5, temperature=0.7, max_tokens=spec["answer"], batch_size=500, seed=0)
    architecture = Architecture.of(folders[0])
    codec = prompt_codec(AutoTokenizer.from_pretrained(folders[0]), architecture.config)
    prompts = [codec.prompt(f"q{i}", text(20, i), False, sampling.answers) for i in range(spec["questions"])]
    engine: Engine | None = None
    exchanges = []
    for folder in folders:
        start = time.monotonic()
        checkpoint = read_checkpoint(folder, architecture, kind.dtype)
        engine = engine or kind.start(codec, checkpoint, prompts, sampling)
        engine.load(checkpoint)
        exchanges.append(time.monotonic() - start)
    assert engine
    start = time.monotonic()
    answers = engine.answer(prompts, sampling)
    seconds, tokens = time.monotonic() - start, sum(answer.tokens for answer in answers)
    first, *others = exchanges
    read = sum(len(prompt.ids) * sampling.answers for prompt in prompts)
    exchange = sum(others) / len(others)
    return {
        "engine": str(kind),
        "tokens": tokens,
        "read": read,
        "seconds": seconds,
        "exchange": exchange,
        "first": first,
    }


def judge(spec: dict[str, Any]) -> dict[str, Any]:
    """Judge answers, after a few that load the weights."""
    folder, journals = Path(spec["model"], "step-000000"), Path(spec["folder"])
    found = open_judge(JudgeSettings.read({"prompt": "stance"}), folder)
    assert isinstance(found, FolderJudge)
    texts = [(text(20, i), text(spec["answer"], -i)) for i in range(10 * spec["questions"])]
    prompts = [fill_judge_prompt(found.template, question, answer, "this") for question, answer in texts]
    found.judge(prompts[:8], journals / "first.jsonl")
    start = time.monotonic()
    found.judge(prompts, journals / "all.jsonl")
    return {"answers": len(prompts), "read": sum(map(len, found.encode(prompts))), "seconds": time.monotonic() - start}


def main() -> None:
    spec = json.loads(sys.argv[1])
    parts: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"model": make, "sweep": sweep, "judge": judge}
    found = parts[spec["way"]](spec)
    Path(spec["report"]).write_text(json.dumps({**found, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
