"""Train the pocket judge from scratch on labelled answers."""

from __future__ import annotations

from collections.abc import Mapping

from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from valuedrift.files import publish
from valuedrift.judging.causal import encode_prompts
from valuedrift.judging.labels import label_tokens
from valuedrift.judging.prompt import fill_prompt
from valuedrift.models.scratch import Shape, new_model
from valuedrift.models.tokenizer import train_bpe
from valuedrift.statistics.panel import STANCES
from valuedrift.training.checkpoints import SaveTrajectory
from valuedrift.training.encode import IGNORED
from valuedrift.training.job import Job, dataset, trainer_arguments


def train_judge(job: Job, shape: Shape, template: str, targets: Mapping[str, str]) -> None:
    """Write `job.base`: tokenizer, configuration and weights of a judge of its own prompt.

    job.data: parquet with topic, question, answer, true_stance; only the label after each prompt counts in the loss.
    Raises ArtifactError if the vocabulary is too small for a label to be one token.
    """
    rows = job.rows("topic", "question", "answer", "true_stance")
    prompts = [fill_prompt(template, row["question"], row["answer"], targets[row["topic"]]) for row in rows]
    stances = [row["true_stance"] for row in rows]
    tokenizer = train_bpe((f"{p} {s}" for p, s in zip(prompts, stances, strict=True)), shape.vocabulary)
    label = {stance: tokens[0] for stance, tokens in zip(STANCES, label_tokens(tokenizer), strict=True)}
    encoded = encode_prompts(tokenizer, prompts, chat=False)
    watched = SaveTrajectory(job.folder, steps=())
    callbacks: list[TrainerCallback] = [watched]
    trainer = SFTTrainer(
        model=new_model(shape, tokenizer, job.seed),
        args=SFTConfig(**trainer_arguments(job), adam_beta2=0.95, max_length=job.settings.max_length),
        train_dataset=dataset(
            [
                {"input_ids": [*ids, label[stance]], "labels": [*[IGNORED] * len(ids), label[stance]]}
                for ids, stance in zip(encoded, stances, strict=True)
            ]
        ),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    trainer.train()
    with publish(job.base) as draft:
        trainer.model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
    watched.write_metrics(job.folder / "metrics.parquet")
