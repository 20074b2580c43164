"""What the generation tests share: prompts, engines and checkpoints of the tiny model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from probe_table import QUESTIONS, write_probes

if TYPE_CHECKING:
    from valuedrift.generation.probe_prompts import PromptCodec
    from valuedrift.generation.transformers_engine import TransformersEngine
    from valuedrift.models.architecture import Architecture


@pytest.fixture(scope="session")
def architecture(base: Path) -> Architecture:
    from valuedrift.models.architecture import Architecture

    return Architecture.of(base)


@pytest.fixture
def codec(base: Path, architecture: Architecture) -> PromptCodec:
    """A tokenizer of the test's own, which it may change, and the tokens that end answers."""
    from transformers import AutoTokenizer

    from valuedrift.generation.probe_prompts import prompt_codec

    return prompt_codec(AutoTokenizer.from_pretrained(base), architecture.config)


@pytest.fixture
def start(architecture: Architecture, codec: PromptCodec) -> Callable[[Path], TransformersEngine]:
    """A transformers engine that holds a checkpoint."""
    import torch

    from valuedrift.generation.transformers_engine import TransformersEngine
    from valuedrift.models.weights import read_checkpoint

    def starts(folder: Path) -> TransformersEngine:
        checkpoint = read_checkpoint(folder, architecture, torch.float32)
        engine = TransformersEngine(codec, checkpoint, torch.float32)
        engine.load(checkpoint)
        return engine

    return starts


@pytest.fixture(scope="session")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_probes(tmp_path_factory.mktemp("probes") / "probes.parquet", QUESTIONS)


@pytest.fixture(scope="session")
def checkpoints(base: Path, other: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three checkpoints, of which the first and the last have the same weights."""
    folder = tmp_path_factory.mktemp("run")
    return [
        Path(shutil.copytree(source, folder / name))
        for source, name in ((base, "step-000002"), (other, "step-000004"), (base, "step-000006"))
    ]
