"""Train the pocket judge from scratch on labelled answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from transformers import PreTrainedTokenizerBase

from valuedrift.config.sources import Shape
from valuedrift.judging.encode_prompts import encode_prompts
from valuedrift.judging.judge_prompt import fill_judge_prompt
from valuedrift.judging.label_words import label_tokens
from valuedrift.statistics.panel import STANCES
from valuedrift.training.encode_rows import IGNORED, Labelled
from valuedrift.training.job import Job
from valuedrift.training.pretrain import train_bpe, train_from_noise


def train_judge(job: Job, shape: Shape, template: str, targets: Mapping[str, str]) -> None:
    """Train a judge for one prompt and write its tokenizer, configuration and weights into `job.base`.

    Only the label after each prompt counts in the loss.

    Args:
        job: The training job. Its data is a parquet file with topic, question, answer and true_stance.
        shape: The model's size.
        template: The text of the prompt's template.
        targets: Topic → its target.

    Raises:
        ArtifactError: The vocabulary is too small for a label to be one token.
    """
    rows = job.rows("topic", "question", "answer", "true_stance")
    prompts = [fill_judge_prompt(template, row["question"], row["answer"], targets[row["topic"]]) for row in rows]
    stances = [row["true_stance"] for row in rows]
    tokenizer = train_bpe((f"{p} {s}" for p, s in zip(prompts, stances, strict=True)), shape.vocabulary)
    train_from_noise(job, shape, tokenizer, _encode(tokenizer, prompts, stances, job.settings.max_length))


def _encode(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], stances: Sequence[str], max_length: int
) -> Iterator[Labelled]:
    """Yield each prompt with its label. The beginning of a prompt that is too long is cut off."""
    label = {stance: tokens[0] for stance, tokens in zip(STANCES, label_tokens(tokenizer, STANCES), strict=True)}
    for ids, stance in zip(encode_prompts(tokenizer, prompts, chat=False), stances, strict=True):
        kept = ids[-(max_length - 1) :]
        yield {"input_ids": [*kept, label[stance]], "labels": [*[IGNORED] * len(kept), label[stance]]}
