"""How long engines take to swap the weights of a large model, and how fast they answer: `generation.py --gpu`."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from valuedrift.config.sampling import Sampling
from valuedrift.generation.engine import Engine, EngineKind, engine_kind
from valuedrift.generation.probe_prompts import prompt_codec
from valuedrift.models.architecture import Architecture
from valuedrift.models.chat_template import END, PAD, set_chat
from valuedrift.models.weights import read_checkpoint
from valuedrift.training.pretrain import train_bpe

QWEN3_4B: dict[str, Any] = {
    "vocab_size": 151_936,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": True,
}


def print_swaps(folder: Path, shape: dict[str, Any], sampling: Sampling) -> None:
    """Print the seconds to read, check and load a checkpoint, and tokens/s, for every available engine.

    The weights are random, so answers hardly ever end before the token limit.
    """
    checkpoints = [random_checkpoint(folder / f"step-{step:06d}", shape, step) for step in range(4)]
    architecture = Architecture.of(checkpoints[0])
    kinds = [engine_kind("transformers")] + ([engine_kind("vllm")] if engine_kind("auto").name == "vllm" else [])
    print("| engine | checkpoint | check, s | load, s | how | tokens/s |\n| --- | --- | ---: | ---: | --- | ---: |")
    for kind in kinds:
        swap(kind, architecture, checkpoints, sampling)


def swap(kind: EngineKind, architecture: Architecture, folders: Sequence[Path], sampling: Sampling) -> None:
    """Print one row per checkpoint; the first includes starting the engine."""
    codec = prompt_codec(AutoTokenizer.from_pretrained(folders[0]), architecture.config)
    prompts = [codec.prompt(f"q{i}", f"Is it right ? {i}", False, sampling.answers) for i in range(100)]
    engine: Engine | None = None
    for folder in folders:
        times = [time.monotonic()]
        checkpoint = read_checkpoint(folder, architecture, kind.dtype)
        times.append(time.monotonic())
        engine = engine or kind.start(codec, checkpoint, prompts, sampling)
        how = engine.load(checkpoint)
        times.append(time.monotonic())
        tokens = sum(answer.tokens for answer in engine.answer(prompts, sampling))
        times.append(time.monotonic())
        check, load, answering = (end - start for start, end in itertools.pairwise(times))
        print(f"| {kind} | {folder.name} | {check:.2f} | {load:.2f} | {how} | {tokens / answering:.0f} |", flush=True)


def random_checkpoint(folder: Path, shape: dict[str, Any], seed: int) -> Path:
    """Save random bf16 weights of this shape, with a tokenizer of a few words."""
    tokenizer = set_chat(train_bpe(["Is it right ? 0123456789"], 300), "pocket", END, PAD)
    torch.manual_seed(seed)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        config = Qwen3Config(**shape, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
        Qwen3ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
