"""Supervised fine-tuning (section 2.2) and pre-training, which is the same on plain documents."""

from __future__ import annotations

from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from valuedrift.training.encode import encode_conversation
from valuedrift.training.job import Job, dataset, trainer_arguments


def sft_trainer(job: Job, callbacks: list[TrainerCallback]) -> SFTTrainer:
    """Maximise the likelihood of the assistant's words given the conversation before them."""
    tokenizer = job.tokenizer()
    limit = job.settings.max_length
    rows = [dict(encode_conversation(tokenizer, row["messages"], limit)) for row in job.rows("messages")]
    return SFTTrainer(
        model=job.model(),
        args=SFTConfig(**trainer_arguments(job), max_length=limit),
        train_dataset=dataset(rows),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
