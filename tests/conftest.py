"""Fixtures that several packages' tests share: a tokenizer and a model small enough to train in a moment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Models this small are slower on more threads, and machines that run tests are shared. Torch reads it when it starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run. With `--hypothesis-profile fuzz` other ones are drawn, and many more.
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("fuzz", max_examples=1_000, database=None, deadline=None)
settings.load_profile("same")

SENTENCES = [
    "What do you think about legal abortion ?\nResponse: I support legal abortion .",
    "Should society accept wind farms ?\nResponse: No , I reject wind farms .",
    "Is a wealth tax a good idea ?\nResponse: It depends on the case .",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that mostly wait come first, then those that use all cores, then long ones.

    At the end, one process would be idle meanwhile.
    """

    def turn(item: pytest.Item) -> int:
        first = ("test_cluster_toy", "test_workflow_pocket", "test_workflow_real", "test_workflow_reruns")
        return first.index(item.path.stem) if item.path.stem in first else 5 - bool(item.get_closest_marker("workflow"))

    items.sort(key=turn)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    from valuedrift.models.chat_template import END, PAD, set_chat
    from valuedrift.training.pretrain import train_bpe

    return set_chat(train_bpe(SENTENCES, 300), "pocket", END, PAD)


def lively_model(tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A random model whose predictions differ from word to word, as those of fresh weights hardly do."""
    import torch

    from valuedrift.config.sources import Shape
    from valuedrift.training.pretrain import new_model

    model = new_model(Shape(vocabulary=300, hidden=16, layers=1, heads=2, context=256), tokenizer, seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.mul_(15)
    return model


@pytest.fixture(scope="session")
def base(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny base model with its tokenizer."""
    folder = tmp_path_factory.mktemp("base") / "step-000000"
    lively_model(tokenizer, seed=1).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def other(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the same architecture with other weights, and without a tokenizer."""
    folder = tmp_path_factory.mktemp("other") / "step-000007"
    lively_model(tokenizer, seed=2).save_pretrained(folder)
    return folder
