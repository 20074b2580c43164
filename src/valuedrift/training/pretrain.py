"""Train a base model from scratch: a tokenizer and a small Qwen3, on plain documents."""

from __future__ import annotations

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
    """Write `job.base`: tokenizer, chat template, configuration and weights of a new base model.

    The documents are the `text` column of `job.data`; every token counts in the loss.
    """
    texts = [row["text"] for row in job.rows("text")]
    tokenizer = set_chat(train_bpe(texts, shape.vocabulary), template, END, PAD)
    limit = job.settings.max_length
    train_from_noise(job, shape, tokenizer, [encode_text(tokenizer, text, limit) for text in texts])


def train_from_noise(job: Job, shape: Shape, tokenizer: PreTrainedTokenizerBase, rows: Iterable[Labelled]) -> None:
    """Train a new model of this shape on encoded rows; write it with its tokenizer as `job.base`, metrics beside it."""
    watched = SaveTrajectory(job.folder, steps=())
    callbacks: list[TrainerCallback] = [WatchGradients(job.folder), CountTokens(), watched, Progress()]
    trainer = SFTTrainer(
        model=new_model(shape, tokenizer, job.seed),
        # So few steps from noise need a second moment that forgets quickly (0.999 ends 5 % higher in loss).
        args=SFTConfig(**trainer_arguments(job), adam_beta2=0.95, max_length=job.settings.max_length),
        train_dataset=dataset(job, [dict(row) for row in rows]),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    trainer.train()
    with publish(job.base) as draft:
        trainer.model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
    write_metrics(job.folder / "metrics.parquet", watched.metrics)
