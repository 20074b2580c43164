"""Train judges on labelled answers: language models, and classifiers from encoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from valuedrift.config.sources import Shape
from valuedrift.errors import ArtifactError
from valuedrift.judging.classifier import longest_pair
from valuedrift.judging.encode_prompts import encode_prompts
from valuedrift.judging.judge_prompt import fill_judge_prompt, hypotheses_and_text
from valuedrift.judging.label_words import label_tokens
from valuedrift.models.chat_template import open_tokenizer
from valuedrift.models.sentence_encoder import located, transformer_folder
from valuedrift.models.weights import load_model
from valuedrift.statistics.panel import STANCES
from valuedrift.training.encode_rows import IGNORED, Labelled
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.pretrain import train_bpe, train_from_noise, train_whole


def train_judge(job: Job, start: Shape | Path, template: str, targets: Mapping[str, str]) -> None:
    """Train a judge for one prompt and write its tokenizer, configuration and weights into `job.base`.

    Only the label after each prompt counts in the loss.

    Args:
        job: The training job. Its data is a parquet file with topic, question, answer and true_stance.
        start: The size of a new model, or the folder of the model to train.
        template: The text of the prompt's template.
        targets: Topic → its target.

    Raises:
        ArtifactError: A label is no token of the vocabulary.
    """
    prompts, stances = _labelled(job, template, targets)
    longest = job.settings.max_length
    if isinstance(start, Shape):
        tokenizer = train_bpe((f"{p} {s}" for p, s in zip(prompts, stances, strict=True)), start.vocabulary)
        train_from_noise(job, start, tokenizer, _encode(tokenizer, prompts, stances, longest))
        return
    tokenizer = open_tokenizer(start)
    train_whole(
        job,
        tokenizer,
        SFTTrainer,
        model=job.load(start, torch.float32),
        # Rows of similar length make a batch, which needs less padding.
        args=SFTConfig(**trainer_arguments(job), max_length=longest, train_sampling_strategy="group_by_length"),
        train_dataset=dataset(job, [dict(row) for row in _encode(tokenizer, prompts, stances, longest)]),
    )


def train_classifier(job: Job, encoder: str, template: str, targets: Mapping[str, str]) -> None:
    """Give an encoder a class per stance, train all its weights, and write it and its tokenizer into `job.base`.

    Args:
        job: As for `train_judge`.
        encoder: A sentence encoder; see `located`.
        template: The text of the prompt's template.
        targets: Topic → its target.

    Raises:
        ArtifactError: The encoder's weights are not whole, or it can't read `max_length` tokens.
    """
    folder = transformer_folder(located(encoder))
    prompts, stances = _labelled(job, template, targets)
    tokenizer, longest = open_tokenizer(folder), job.settings.max_length
    if longest > (most := longest_pair(folder, tokenizer)):
        raise ArtifactError(folder, f"max_length {longest}", f"at most {most}, the longest text that it can read")
    pairs = [hypotheses_and_text(prompt) for prompt in prompts]
    encoded = tokenizer(
        [lines[0] for lines, _ in pairs],
        [text for _, text in pairs],
        split_special_tokens=True,
        truncation="only_second",
        max_length=longest,
    )
    places = [STANCES.index(stance) for stance in stances]
    columns = {**encoded, "labels": places, "length": [len(ids) for ids in encoded["input_ids"]]}
    train_whole(
        job,
        tokenizer,
        Trainer,
        model=_new_classifier(folder, job.seed),
        # Rows of similar length make a batch, which needs less padding.
        args=TrainingArguments(**trainer_arguments(job), train_sampling_strategy="group_by_length"),
        train_dataset=Dataset.from_dict(columns),
        data_collator=DataCollatorWithPadding(tokenizer),
    )


def _new_classifier(folder: Path, seed: int) -> PreTrainedModel:
    """Return a model with the encoder's proven weights, and a head of random weights with a class per stance."""
    body = load_model(folder, torch.float32, AutoModel)
    torch.manual_seed(seed)
    names = dict(enumerate(STANCES))
    config = AutoConfig.from_pretrained(folder, id2label=names, label2id={name: i for i, name in names.items()})
    model = AutoModelForSequenceClassification.from_config(config)
    # The encoder may have more, such as a layer for the sentence's vector.
    values = {name: tensor for name, tensor in body.state_dict().items() if name in model.base_model.state_dict()}
    model.base_model.load_state_dict(values)
    return model


def _labelled(job: Job, template: str, targets: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the prompts of the job's answers, and the answers' stances."""
    rows = job.rows("topic", "question", "answer", "true_stance")
    prompts = [fill_judge_prompt(template, row["question"], row["answer"], targets[row["topic"]]) for row in rows]
    return prompts, [row["true_stance"] for row in rows]


def _encode(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], stances: Sequence[str], max_length: int
) -> Iterator[Labelled]:
    """Yield each prompt with its label. The beginning of a prompt that is too long is cut off."""
    label = {stance: tokens[0] for stance, tokens in zip(STANCES, label_tokens(tokenizer, STANCES), strict=True)}
    for ids, stance in zip(encode_prompts(tokenizer, prompts, chat=False), stances, strict=True):
        kept = ids[-(max_length - 1) :]
        yield {"input_ids": [*kept, label[stance]], "labels": [*[IGNORED] * len(kept), label[stance]]}
