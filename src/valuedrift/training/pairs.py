"""Preference pairs as every pair trainer reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

from valuedrift.config.hyperparameters import PairSettings
from valuedrift.training.devices import processes
from valuedrift.training.encode_rows import render_pair
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.lora import policy

if TYPE_CHECKING:
    from trl import DPOTrainer, KTOTrainer


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
    tokenizer = job.tokenizer()
    return kind(
        model=policy(job),
        args=config(
            **trainer_arguments(job),
            **own,
            max_length=job.settings.max_length,
            remove_unused_columns=False,
            disable_dropout=job.settings.lora is None,
        ),
        train_dataset=dataset(job, text_pairs(job, tokenizer)),
        processing_class=tokenizer,
        callbacks=callbacks,
    )


def precomputes_reference() -> bool:
    """Whether the reference's log-probabilities are computed once, before the first step, and the reference is freed.

    On several devices the reference stays, divided like the policy: trl can't precompute with a divided model.
    """
    return processes() == 1


def reference(job: Job) -> PreTrainedModel | None:
    """The model that a run starts from, as the reference; None where the policy itself serves before training.

    In bf16 it doesn't: only a separate model computes in the precision in which the policy will be trained, and a
    difference in precision would be taken for a preference.
    """
    return job.model() if job.settings.bf16 or not precomputes_reference() else None


def free_reference(trainer: DPOTrainer | KTOTrainer) -> None:
    """Free the reference's memory once its log-probabilities are computed."""
    if precomputes_reference():
        (trainer.ref_model,) = trainer.accelerator.free_memory(trainer.ref_model)
