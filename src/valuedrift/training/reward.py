"""The reward model: a Bradley-Terry model of the preference pairs (section 2.3)."""

from __future__ import annotations

import torch
from transformers import AutoModelForSequenceClassification, TrainerCallback
from trl import RewardConfig, RewardTrainer

from valuedrift.training.inputs import require_same_model
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.lora import with_adapters
from valuedrift.training.pairs import text_pairs


def reward_trainer(job: Job, callbacks: list[TrainerCallback]) -> RewardTrainer:
    """Minimise −log σ(r(chosen) − r(rejected)), from the SFT model's weights and a scalar head with random weights."""
    require_same_model(job.init, job.base)
    tokenizer = job.tokenizer()
    torch.manual_seed(job.seed)
    rows = [
        {f"{key}_ids": tokenizer(pair["prompt"] + pair[key])["input_ids"] for key in ("chosen", "rejected")}
        for pair in text_pairs(job, tokenizer)
    ]
    model = job.load(job.init, torch.float32, AutoModelForSequenceClassification, new_head=True, num_labels=1)
    return RewardTrainer(
        model=with_adapters(job, model, whole=("score",)),
        args=RewardConfig(
            **trainer_arguments(job), max_length=job.settings.max_length, disable_dropout=job.settings.lora is None
        ),
        train_dataset=dataset(job, rows),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
