"""A judge of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def judge_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge whose predictions differ from prompt to prompt, as those of fresh weights hardly do."""
    import torch

    from valuedrift.config.sources import Shape
    from valuedrift.training.pretrain import new_model, train_bpe

    texts = [f"Wind farms ?\nI support them .\nStance: {label}" for label in ("support", "neutral", "oppose")]
    tokenizer = train_bpe(texts * 5, 400)
    model = new_model(Shape(vocabulary=400, hidden=16, layers=2, heads=2, context=256), tokenizer, seed=3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.mul_(15)
    path = tmp_path_factory.mktemp("judge") / "model"
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
