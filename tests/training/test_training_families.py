"""Token by token, what every trainer reads of a row, for tokenizers and chat templates of both model families."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from training_rows import ROLLOUTS, MakeJob, conversations, preferences
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from valuedrift.config.sources import Shape
from valuedrift.models.chat_template import set_chat
from valuedrift.training.algorithms import ALGORITHMS
from valuedrift.training.pretrain import new_model, train_bpe

Batch = Callable[..., dict[str, Any]]
PAIRS = ["reward", "dpo", "simpo", "ipo", "kto", "orpo"]
QUESTIONS = ["Why ?", "What about wind farms ?"]
CHOSEN, REJECTED = ["I support it .", "I support wind farms , no doubt ."], ["No .", "No , never ."]
LLAMA3 = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|finetune_right_pad_id|>"]
CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@dataclass(frozen=True)
class Family:
    """A tokenizer with its family's special tokens, and a tiny model for it, in `base`; its format by hand."""

    tokenizer: PreTrainedTokenizerBase
    base: Path
    begin: list[str]
    turn: list[str]
    end: str

    def tokens(self, *parts: str) -> list[int]:
        return [token for part in parts for token in self.tokenizer(part, add_special_tokens=False)["input_ids"]]

    def prompt(self, question: str) -> list[int]:
        head, role_end = self.turn
        after = "" if self.end == "<|eot_id|>" else "\n"
        question_turn = (head, "user", role_end, question, self.end, after)
        return self.tokens(*self.begin, *question_turn, head, "assistant", role_end)

    def answer(self, text: str) -> list[int]:
        return self.tokens(text, self.end)


@pytest.fixture(scope="module", params=["llama3", "chatml"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    """Llama-3 writes a beginning token before every text and no line break after a turn; Qwen the other way round."""
    llama = request.param == "llama3"
    tokenizer = train_bpe([*QUESTIONS, *CHOSEN, *REJECTED, "user assistant"] * 2, 300)
    tokenizer.add_special_tokens({"additional_special_tokens": LLAMA3 if llama else CHATML})
    if llama:
        tokenizer.bos_token = LLAMA3[0]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{LLAMA3[0]} $A", special_tokens=[(LLAMA3[0], tokenizer.bos_token_id)]
        )
    end, pad = (LLAMA3[3], LLAMA3[4]) if llama else (CHATML[2], CHATML[0])
    set_chat(tokenizer, request.param, end, pad)
    base = tmp_path_factory.mktemp(request.param) / "step-000000"
    new_model(Shape(vocabulary=400, hidden=16, layers=1, heads=2, context=4096), tokenizer, 0).save_pretrained(base)
    tokenizer.save_pretrained(base)
    turn = ["<|start_header_id|>", "<|end_header_id|>\n\n"] if llama else ["<|im_start|>", "\n"]
    return Family(tokenizer, base, LLAMA3[:1] if llama else [], turn, end)


@pytest.fixture
def batch_of(make_job: MakeJob, family: Family, tmp_path: Path) -> Batch:
    """The one batch that an algorithm's trainer makes of some rows."""

    def batch(algorithm: str, rows: pl.DataFrame) -> dict[str, Any]:
        rows.write_parquet(tmp_path / "rows.parquet")
        where = {"base": family.base, "init": family.base, "data": tmp_path / "rows.parquet"}
        size = 4 if algorithm == "kto" else 2
        sizes = {"batch_size": size, "device_batch_size": size}
        if algorithm != "sft":
            sizes["response_length"] = 1024
        trainer = ALGORITHMS[algorithm](make_job(algorithm, job=where, max_length=2048, **sizes), [])
        (found,) = list(trainer.get_train_dataloader())
        return dict(found)

    return batch


def sequences(batch: dict[str, Any], padding: int) -> Iterator[tuple[list[int], list[int]]]:
    """Each sequence of a batch, less its padding, and those of its tokens that the loss looks at."""
    if "chosen_labels" in batch:
        names = ("input_ids", "attention_mask", "labels")
        found = ([batch[f"{key}_{name}"] for name in names] for key in ("chosen", "rejected"))
        parts = [(ids, mask, labels != -100) for ids, mask, labels in found]
    elif "labels" in batch:
        parts = [(batch["input_ids"], batch.get("attention_mask"), batch["labels"] != -100)]
    else:
        parts = [(batch["input_ids"], batch["attention_mask"], batch.get("completion_mask", batch["attention_mask"]))]
    for ids, mask, counted in parts:
        real = mask.bool() if mask is not None else ids != padding
        assert (ids[~real] == padding).all()
        assert not (counted.bool() & ~real).any()
        for row in range(len(ids)):
            yield ids[row][real[row]].tolist(), ids[row][counted[row].bool()].tolist()


def test_sft_reads_prompt_and_answer_and_learns_the_answer_and_its_end(family: Family, batch_of: Batch) -> None:
    batch = batch_of("sft", conversations(QUESTIONS, CHOSEN))
    after = [] if family.end == "<|eot_id|>" else family.tokens("\n")
    expected = [
        (family.prompt(question) + family.answer(answer) + after, family.answer(answer))
        for question, answer in zip(QUESTIONS, CHOSEN, strict=True)
    ]
    assert sorted(sequences(batch, family.tokenizer.pad_token_id)) == sorted(expected)


@pytest.mark.parametrize("algorithm", PAIRS)
def test_pair_trainers_read_prompt_and_answers_and_learn_the_answers_and_their_ends(
    family: Family, batch_of: Batch, algorithm: str
) -> None:
    batch = batch_of(algorithm, preferences(QUESTIONS, CHOSEN, REJECTED))
    expected = [
        (family.prompt(question) + family.answer(answer), family.answer(answer))
        for answers in (CHOSEN, REJECTED)
        for question, answer in zip(QUESTIONS, answers, strict=True)
    ]
    found = list(sequences(batch, family.tokenizer.pad_token_id))
    if algorithm == "reward":  # It reads all tokens, and is scored at the last.
        expected = [(tokens, tokens) for tokens, _ in expected]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("algorithm", ROLLOUTS)
def test_answers_are_sampled_after_the_prompt_and_nothing_else(
    family: Family, make_job: MakeJob, tmp_path: Path, algorithm: str
) -> None:
    file, reward = tmp_path / "rows.parquet", tmp_path / "step-000001"
    preferences(QUESTIONS, CHOSEN, REJECTED).write_parquet(file)
    AutoModelForSequenceClassification.from_pretrained(family.base, num_labels=1).save_pretrained(reward)
    where = {"base": family.base, "init": family.base, "data": file, "reward_model": reward}
    sizes = {"batch_size": 2, "device_batch_size": 2, "max_length": 60, "response_length": 5, "epochs": 1}
    trainer = ALGORITHMS[algorithm](make_job(algorithm, job=where, **sizes), [])
    policy = trainer.model.policy if algorithm == "ppo" else trainer.model
    shown: list[list[int]] = []
    generate = policy.generate

    def remember(*args: Any, **given: Any) -> Any:
        pairs = zip(given["input_ids"], given["attention_mask"].bool(), strict=True)
        shown.extend(ids[mask].tolist() for ids, mask in pairs)
        return generate(*args, **given)

    policy.generate = remember
    trainer.train()
    assert {tuple(ids) for ids in shown} == {tuple(family.prompt(question)) for question in QUESTIONS}


@pytest.mark.parametrize("algorithm", PAIRS)
def test_the_papers_lengths_hold_to_the_token(family: Family, batch_of: Batch, algorithm: str) -> None:
    """At most 2,048 tokens, 1,024 of them the answer's (appendix B.3); whatever is cut, an answer still ends."""
    long = "wind farms " * 2000
    pairs = preferences([long] * 2, ["I " + long, "I support it ."], ["No .", "No " + long])
    batch = batch_of(algorithm, pairs)
    for tokens, counted in sequences(batch, family.tokenizer.pad_token_id):
        answer = counted if algorithm != "reward" else tokens[len(tokens) - 1024 :]
        assert len(tokens) <= 2048
        assert len(answer) <= 1024
        assert tokens[-1] == answer[-1] == family.tokenizer.eos_token_id
        assert tokens[: len(family.begin)] == family.tokens(*family.begin)
    lengths = [len(tokens) for tokens, _ in sequences(batch, family.tokenizer.pad_token_id)]
    assert max(lengths) == 2048


def test_long_conversations_are_cut_at_2048_tokens(family: Family, batch_of: Batch) -> None:
    batch = batch_of("sft", conversations(["Why ?"] * 2, ["wind farms " * 2000, "I support it ."]))
    cut, whole = sorted(sequences(batch, family.tokenizer.pad_token_id), key=lambda s: -len(s[0]))
    assert len(cut[0]) == 2048
    assert cut[0][: len(family.prompt("Why ?"))] == family.prompt("Why ?")
    assert family.tokenizer.eos_token_id not in cut[1]
    assert whole[1] == family.answer("I support it .")


def test_models_of_a_family_end_their_answers_at_its_end_token(family: Family, make_job: MakeJob) -> None:
    tokenizer = make_job("sft", job={"base": family.base}).tokenizer()
    assert tokenizer.convert_ids_to_tokens(tokenizer.eos_token_id) == family.end
    assert tokenizer.pad_token_id not in (tokenizer.eos_token_id, tokenizer.bos_token_id)
    assert torch.tensor(family.prompt("Why ?")).max() < len(tokenizer)
