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
    """One of trl's trainers that compare the answers of a pair by the policy alone.

    kind, config: its class and that of its arguments · own: arguments that are its objective's
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


def asked_beforehand() -> bool:
    """Whether the reference's log-probabilities are taken once, before the first step, and the reference then goes.

    Several devices keep it, divided like the policy: what trl takes beforehand, it can't take of a divided model.
    """
    return processes() == 1


def reference(job: Job) -> PreTrainedModel | None:
    """The model that a run starts from, to compare the policy with; None where the policy itself can be asked before.

    In bf16 it can't: only a model of its own is asked in the precision in which the policy will be trained, and a
    difference in precision would be taken for a preference.
    """
    return job.model() if job.settings.bf16 or not asked_beforehand() else None


def free_reference(trainer: DPOTrainer | KTOTrainer) -> None:
    """Let go of the reference once it has been asked beforehand: it would lie in memory beside the policy."""
    if asked_beforehand():
        (trainer.ref_model,) = trainer.accelerator.free_memory(trainer.ref_model)
