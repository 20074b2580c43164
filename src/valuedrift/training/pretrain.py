"""Train a base model from scratch: a tokenizer and a small Qwen3, on plain documents."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    Trainer,
    TrainerCallback,
)
from trl import SFTConfig, SFTTrainer

from valuedrift.config.sources import Shape
from valuedrift.files import publish
from valuedrift.models.chat_template import END, PAD, ROLES, set_chat
from valuedrift.training.checkpoints import SaveTrajectory
from valuedrift.training.encode_rows import Labelled, encode_text
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.metrics import CountTokens, WatchGradients, write_metrics
from valuedrift.training.progress_lines import Progress


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
    train_whole(
        job,
        tokenizer,
        SFTTrainer,
        model=new_model(shape, tokenizer, job.seed),
        # In so few steps from random weights, a faster decay of the second moment is better: 0.999 gives 5 % more loss.
        args=SFTConfig(**trainer_arguments(job), adam_beta2=0.95, max_length=job.settings.max_length),
        train_dataset=dataset(job, [dict(row) for row in rows]),
    )


def train_whole(job: Job, tokenizer: PreTrainedTokenizerBase, kind: type[Trainer], **arguments: Any) -> None:
    """Train with a trainer of this kind; write the model and its tokenizer to `job.base`, and metrics beside it."""
    watched = SaveTrajectory(job.folder, steps=())
    callbacks: list[TrainerCallback] = [WatchGradients(job.folder), CountTokens(), watched, Progress()]
    trainer = kind(**arguments, processing_class=tokenizer, callbacks=callbacks)
    trainer.train()
    shutil.rmtree(job.scratch)
    with publish(job.base) as draft:
        trainer.model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
    write_metrics(job.folder / "metrics.parquet", watched.metrics)


def new_model(shape: Shape, tokenizer: PreTrainedTokenizerBase, seed: int) -> Qwen3ForCausalLM:
    """Return a randomly initialised model for this tokenizer; the same seed gives the same weights."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=3 * shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=max(1, shape.heads // 2),
        head_dim=shape.hidden // shape.heads,
        max_position_embeddings=shape.context,
        # Qwen3's own value. With transformers' default of 1e4, almost every dimension of
        # heads this narrow rotates with position, and small models don't learn to use distant words.
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    return Qwen3ForCausalLM(config)


def train_bpe(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerBase:
    """Train a byte-level BPE of at most `vocabulary` tokens; every text can be encoded and decoded without loss."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, PAD, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END, pad_token=PAD)
