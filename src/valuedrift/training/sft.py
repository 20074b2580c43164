"""Supervised fine-tuning (section 2.2)."""

from __future__ import annotations

from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from valuedrift.errors import DataError
from valuedrift.training.encode_rows import IGNORED, encode_conversation
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.lora import policy


def sft_trainer(job: Job, callbacks: list[TrainerCallback]) -> SFTTrainer:
    """Maximise the likelihood of the assistant's words given the conversation before them."""
    tokenizer = job.tokenizer()
    limit = job.settings.max_length
    rows = [encode_conversation(tokenizer, row["messages"], limit) for row in job.rows("messages")]
    for number, row in enumerate(rows):
        if all(label == IGNORED for label in row["labels"]):
            # A batch with only such rows would have no loss.
            raise DataError(
                job.data,
                number,
                "messages",
                f"no word of an assistant in the first {limit} tokens",
                "an assistant's turn to learn from",
                "Raise training.sft.max_length, or remove the conversation from the data set's source.",
            )
    return SFTTrainer(
        model=policy(job),
        args=SFTConfig(**trainer_arguments(job), max_length=limit),
        train_dataset=dataset(job, [dict(row) for row in rows]),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
