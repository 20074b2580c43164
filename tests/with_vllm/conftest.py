"""These tests need vLLM: scripts/test-vllm runs them in an environment that has it. Elsewhere they are left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from valuedrift.config.sources import Shape
from valuedrift.training.pretrain import new_model

# vLLM reads these when it is imported: one process, so that tests can reach into it, and errors only.
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

# Where there is no vLLM, `import vllm` finds this folder instead, which has no origin.
_found = find_spec("vllm")
if _found is None or _found.origin is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def make_model(tokenizer: PreTrainedTokenizerBase) -> Callable[[Path, int], Path]:
    """Write a random model and its tokenizer; vLLM's attention wants heads of 32 dimensions or more."""

    def make(folder: Path, seed: int) -> Path:
        model = new_model(Shape(vocabulary=300, hidden=128, layers=2, heads=4, context=512), tokenizer, seed)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                # Fresh weights predict hardly anything, and fresh norms are the same in every model.
                weight.copy_(weight * 5 if "norm" not in name else weight + 0.1 * torch.randn_like(weight))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make
