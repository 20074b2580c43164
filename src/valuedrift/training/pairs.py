"""Preference pairs as every pair trainer reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import PreTrainedTokenizerBase, TrainerCallback

from valuedrift.config.hyperparameters import PairSettings
from valuedrift.training.devices import processes
from valuedrift.training.encode_rows import render_pair
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.lora import policy

Rows = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def text_pairs(job: Job, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, Any]]:
    """Rendered pairs that fit the run's `max_length` and `response_length`."""
    settings = job.settings
    assert isinstance(settings, PairSettings)
    return [
        dict(render_pair(tokenizer, row, settings.max_length, settings.response_length))
        for row in job.rows("prompt", "chosen", "rejected")
    ]


def unreferenced_trainer(job: Job, callbacks: list[TrainerCallback], kind: Any, config: Any, **own: Any) -> Any:
    """Build one of trl's trainers that compare the answers of a pair without a reference model.

    Args:
        kind: the trainer's class.
        config: the class of its arguments.
        **own: arguments of its objective.
    """
    args = config(**_arguments(job), **own, remove_unused_columns=False)
    return kind(args=args, **_parts(job), callbacks=callbacks)


def referenced_trainer(
    job: Job, callbacks: list[TrainerCallback], kind: Any, config: Any, rows: Rows | None = None, **own: Any
) -> Any:
    """Build one of trl's trainers that compare the policy with the model that the run starts from.

    On one device the reference's log-probabilities are computed once, before the first step, and its memory is freed.
    On several the reference stays, divided like the policy: trl can't precompute with a divided model.

    Args:
        kind: the trainer's class.
        config: the class of its arguments.
        rows: makes the trainer's rows from the rendered pairs; the pairs themselves by default.
        **own: arguments of its objective.
    """
    precomputed = processes() == 1
    trainer = kind(
        args=config(**_arguments(job), **own, precompute_ref_log_probs=precomputed),
        # In bf16 the policy can't be its own reference: only a separate model computes in the precision in which the
        # policy will be trained, and a difference in precision would be taken for a preference.
        ref_model=job.model() if job.settings.bf16 or not precomputed else None,
        **_parts(job, rows),
        callbacks=callbacks,
    )
    if precomputed:
        (trainer.ref_model,) = trainer.accelerator.free_memory(trainer.ref_model)
    return trainer


def _arguments(job: Job) -> dict[str, Any]:
    settings = job.settings
    return {**trainer_arguments(job), "max_length": settings.max_length, "disable_dropout": settings.lora is None}


def _parts(job: Job, rows: Rows | None = None) -> dict[str, Any]:
    tokenizer = job.tokenizer()
    pairs = text_pairs(job, tokenizer)
    data = dataset(job, rows(pairs) if rows else pairs)
    return {"model": policy(job), "train_dataset": data, "processing_class": tokenizer}
