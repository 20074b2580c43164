"""Train the pocket judge from scratch on labelled answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from transformers import PreTrainedTokenizerBase, TrainerCallback
from trl import SFTConfig, SFTTrainer

from valuedrift.files import publish
from valuedrift.judging.causal import encode_prompts
from valuedrift.judging.labels import label_tokens
from valuedrift.judging.prompt import fill_prompt
from valuedrift.models.scratch import Shape, new_model
from valuedrift.models.tokenizer import train_bpe
from valuedrift.statistics.panel import STANCES
from valuedrift.training.checkpoints import SaveTrajectory
from valuedrift.training.encode import IGNORED, Labelled
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
    watched = SaveTrajectory(job.folder, steps=())
    callbacks: list[TrainerCallback] = [watched]
    trainer = SFTTrainer(
        model=new_model(shape, tokenizer, job.seed),
        # As in pre-training: so few steps from noise need a second moment that forgets quickly.
        args=SFTConfig(**trainer_arguments(job), adam_beta2=0.95, max_length=job.settings.max_length),
        train_dataset=dataset([dict(row) for row in _encode(tokenizer, prompts, stances, job.settings.max_length)]),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    trainer.train()
    with publish(job.base) as draft:
        trainer.model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
    watched.write_metrics(job.folder / "metrics.parquet")


def _encode(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], stances: Sequence[str], max_length: int
) -> Iterator[Labelled]:
    """Each prompt and its label; a prompt that is too long loses its beginning, as the label stands at its end."""
    label = {stance: tokens[0] for stance, tokens in zip(STANCES, label_tokens(tokenizer), strict=True)}
    for ids, stance in zip(encode_prompts(tokenizer, prompts, chat=False), stances, strict=True):
        kept = ids[-(max_length - 1) :]
        yield {"input_ids": [*kept, label[stance]], "labels": [*[IGNORED] * len(kept), label[stance]]}
