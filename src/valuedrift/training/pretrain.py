"""Train a base model from scratch: a tokenizer and a small Qwen3, on plain documents."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from transformers import PreTrainedTokenizerBase, TrainerCallback
from trl import SFTConfig, SFTTrainer

from valuedrift.config.sources import Shape
from valuedrift.files import publish
from valuedrift.models.chat_template import END, PAD, set_chat
from valuedrift.training.checkpoints import SaveTrajectory
from valuedrift.training.encode_rows import Labelled, encode_text
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.metrics import CountTokens, WatchGradients, write_metrics
from valuedrift.training.progress_lines import Progress
from valuedrift.training.scratch_model import new_model
from valuedrift.training.tokenizer_training import train_bpe


def pretrain(job: Job, shape: Shape, template: str) -> None:
    """Train a new base model; write its tokenizer, chat template, configuration and weights to `job.base`.

    The documents are the `text` column of `job.data`; every token counts in the loss.
    """
    texts = [row["text"] for row in job.rows("text")]
    tokenizer = set_chat(train_bpe(texts, shape.vocabulary), template, END, PAD)
    limit = job.settings.max_length
    train_from_noise(job, shape, tokenizer, [encode_text(tokenizer, text, limit) for text in texts])


def train_from_noise(job: Job, shape: Shape, tokenizer: PreTrainedTokenizerBase, rows: Iterable[Labelled]) -> None:
    """Train a new model of this shape on encoded rows; write it and its tokenizer to `job.base`, metrics beside it."""
    watched = SaveTrajectory(job.folder, steps=())
    callbacks: list[TrainerCallback] = [WatchGradients(job.folder), CountTokens(), watched, Progress()]
    trainer = SFTTrainer(
        model=new_model(shape, tokenizer, job.seed),
        # In so few steps from random weights, a faster decay of the second moment is better: 0.999 gives 5 % more loss.
        args=SFTConfig(**trainer_arguments(job), adam_beta2=0.95, max_length=job.settings.max_length),
        train_dataset=dataset(job, [dict(row) for row in rows]),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    trainer.train()
    shutil.rmtree(job.scratch)
    with publish(job.base) as draft:
        trainer.model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
    write_metrics(job.folder / "metrics.parquet", watched.metrics)
