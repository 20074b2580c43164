"""Tiny models of several architectures, and folders with files that their authors might have published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerBase

State = dict[str, torch.Tensor]
_SHAPE = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "qwen3": {"model_type": "qwen3", **_SHAPE, "head_dim": 8, "tie_word_embeddings": True},
    "llama": {"model_type": "llama", **_SHAPE, "tie_word_embeddings": False},
    "gpt2": {"model_type": "gpt2", "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64},
    "gpt_neox": {"model_type": "gpt_neox", **_SHAPE, "tie_word_embeddings": False},
    "qwen3_moe": {
        "model_type": "qwen3_moe",
        **_SHAPE,
        "head_dim": 8,
        "moe_intermediate_size": 8,
        "num_experts": 2,
        "num_experts_per_tok": 1,
        "tie_word_embeddings": False,
    },
}


def save_family(name: str, tokenizer: PreTrainedTokenizerBase, folder: Path, seed: int = 0) -> Path:
    """Write a model with random weights, and the tokenizer, as `save_pretrained` does."""
    kind = {**FAMILIES[name]}
    config = AutoConfig.for_model(
        kind.pop("model_type"), **kind, vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id
    )
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def state_of(folder: Path) -> State:
    return load_file(folder / "model.safetensors")


def with_state(source: Path, state: Mapping[str, torch.Tensor], folder: Path) -> Path:
    """Copy a model's folder, with other tensors in it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    save_file(dict(state), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def configure(folder: Path, **changes: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder
