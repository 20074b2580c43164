"""What the loss sees of a conversation, and where sequences are cut."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from valuedrift.models.chat_template import END, PAD, set_chat
from valuedrift.training.encode_rows import (
    IGNORED,
    Labelled,
    encode_conversation,
    encode_prompts,
    encode_text,
    render_pair,
)
from valuedrift.training.pretrain import train_bpe

QUESTION = "What about wind farms ?"
ANSWER = "I support wind farms ."
FOX = "\N{FOX FACE}"  # four bytes, and so four tokens for a tokenizer that never met it


def turns(*contents: str) -> list[dict[str, str]]:
    """User and assistant in turn."""
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {
        "prompt": turns(prompt),
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def learned(tokenizer: PreTrainedTokenizerBase, encoded: Labelled) -> str:
    """The text of the tokens that count in the loss."""
    labels = encoded["labels"]
    assert all(label in (IGNORED, token) for label, token in zip(labels, encoded["input_ids"], strict=True))
    return tokenizer.decode([label for label in labels if label != IGNORED])


def length(tokenizer: PreTrainedTokenizerBase, text: str) -> int:
    return len(tokenizer(text)["input_ids"])


@pytest.fixture(scope="module")
def beginning() -> PreTrainedTokenizerBase:
    """A tokenizer that puts a token before every text by itself, as Llama's does."""
    tokenizer = set_chat(train_bpe([QUESTION, ANSWER], 300), "pocket", END, PAD)
    tokenizer.add_special_tokens({"bos_token": "<|begin|>"})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", tokenizer.bos_token_id)]
    )
    return tokenizer


SYSTEM = {"role": "system", "content": "Be brief ."}


@pytest.mark.parametrize(
    ("conversation", "words"),
    [
        (turns(QUESTION, ANSWER), ANSWER + END),
        (turns(QUESTION, ANSWER, "Why ?", "Clean air ."), f"{ANSWER}{END}Clean air .{END}"),
        ([SYSTEM, *turns("Why ?", "No .")], "No ." + END),
        (turns(QUESTION, ""), END),
    ],
    ids=["one turn", "two turns", "a system turn", "an empty answer"],
)
def test_loss_sees_the_assistants_words_and_end_tokens_only(
    tokenizer: PreTrainedTokenizerBase, conversation: list[dict[str, str]], words: str
) -> None:
    """Those of the other chat formats: test_training_families.py."""
    encoded = encode_conversation(tokenizer, conversation, 200)
    rendered = tokenizer.apply_chat_template(conversation, tokenize=False)
    assert encoded["input_ids"] == tokenizer(rendered)["input_ids"]
    assert learned(tokenizer, encoded) == words


def test_a_long_conversation_loses_its_end(tokenizer: PreTrainedTokenizerBase) -> None:
    whole = encode_conversation(tokenizer, turns(QUESTION, ANSWER, "Why ?", "Clean air ."), 200)
    limit = len(whole["input_ids"]) - 4
    cut = encode_conversation(tokenizer, turns(QUESTION, ANSWER, "Why ?", "Clean air ."), limit)
    assert cut == {"input_ids": whole["input_ids"][:limit], "labels": whole["labels"][:limit]}


def test_a_conversation_whose_answer_would_be_lost_loses_its_beginning(tokenizer: PreTrainedTokenizerBase) -> None:
    long_question = turns("wind farms " * 40, ANSWER)
    whole = encode_conversation(tokenizer, long_question, 10_000)
    cut = encode_conversation(tokenizer, long_question, 40)
    assert cut == {"input_ids": whole["input_ids"][-40:], "labels": whole["labels"][-40:]}
    assert learned(tokenizer, cut) == ANSWER + END


def test_one_word_of_the_answer_is_enough_to_keep_the_beginning(tokenizer: PreTrainedTokenizerBase) -> None:
    whole = encode_conversation(tokenizer, turns(QUESTION, ANSWER), 200)
    first = next(place for place, label in enumerate(whole["labels"]) if label != IGNORED)
    assert encode_conversation(tokenizer, turns(QUESTION, ANSWER), first + 1)["input_ids"][0] == whole["input_ids"][0]
    assert encode_conversation(tokenizer, turns(QUESTION, ANSWER), first)["input_ids"][-1] == whole["input_ids"][-1]


def test_documents_are_learned_whole_with_their_end(tokenizer: PreTrainedTokenizerBase) -> None:
    encoded = encode_text(tokenizer, ANSWER, 99)
    assert tokenizer.decode(encoded["input_ids"]) == ANSWER + END
    assert encoded["labels"] == encoded["input_ids"]
    assert encode_text(tokenizer, ANSWER, 5)["input_ids"] == encoded["input_ids"][:5]


def test_a_beginning_token_stands_before_every_kind_of_sequence(beginning: PreTrainedTokenizerBase) -> None:
    """Base models learned to read it there; a stage that leaves it out would train on what no other stage sees."""
    prompt = beginning.apply_chat_template(turns(QUESTION), tokenize=False, add_generation_prompt=True)
    as_answered = beginning(prompt)["input_ids"]
    assert as_answered[0] == beginning.bos_token_id
    encoded = encode_conversation(beginning, turns(QUESTION, ANSWER), 99)
    assert encoded["input_ids"][: len(as_answered)] == as_answered
    assert encoded["input_ids"].count(beginning.bos_token_id) == 1
    assert learned(beginning, encoded) == ANSWER + END
    assert encode_prompts(beginning, [turns(QUESTION)], 99) == [as_answered]


def test_pairs_are_rendered_as_a_prompt_and_two_answers_that_end(tokenizer: PreTrainedTokenizerBase) -> None:
    assert render_pair(tokenizer, pair(QUESTION, ANSWER, "No ."), 99, 50) == {
        "prompt": f"<|user|>{QUESTION}<|assistant|>",
        "chosen": ANSWER + END,
        "rejected": "No ." + END,
    }


def test_long_answers_lose_their_end_but_not_their_end_token(tokenizer: PreTrainedTokenizerBase) -> None:
    rendered = render_pair(tokenizer, pair(QUESTION, "wind farms " * 20, "No ."), 200, 9)
    assert length(tokenizer, rendered["chosen"]) == 9
    assert rendered["chosen"].endswith(END)
    assert ("wind farms " * 20).startswith(rendered["chosen"].removesuffix(END))
    assert rendered["rejected"] == "No ." + END


def test_long_prompts_lose_their_beginning_and_answers_stay(tokenizer: PreTrainedTokenizerBase) -> None:
    rendered = render_pair(tokenizer, pair("wind farms " * 40, ANSWER, "No ."), 40, 30)
    assert length(tokenizer, rendered["prompt"] + rendered["chosen"]) == 40
    assert rendered["prompt"].endswith("wind farms <|assistant|>")
    assert rendered["chosen"] == ANSWER + END
    assert rendered["rejected"] == "No ." + END


@pytest.mark.parametrize("response_length", [1, 2, 29, 30, 31, 32])
@pytest.mark.parametrize("text", [FOX, FOX + "é", "wind farms "], ids=["foxes", "foxes and accents", "words"])
@pytest.mark.parametrize("kind", ["plain", "with a beginning token"])
def test_pairs_never_pass_the_limits_that_would_make_a_trainer_drop_them(
    tokenizer: PreTrainedTokenizerBase,
    beginning: PreTrainedTokenizerBase,
    kind: str,
    text: str,
    response_length: int,
) -> None:
    used = tokenizer if kind == "plain" else beginning
    rendered = render_pair(used, pair(text * 40, text * 41, text * 3), 64, response_length)
    for key in ("chosen", "rejected"):
        answer = used(rendered[key], add_special_tokens=False)["input_ids"]
        assert len(answer) <= response_length
        assert answer[-1] == used.eos_token_id
        assert length(used, rendered["prompt"] + rendered[key]) <= 64
    # Whole characters only, and no more of the prompt lost than has to be.
    assert "\N{REPLACEMENT CHARACTER}" not in rendered["prompt"] + rendered["chosen"]
    assert max(length(used, rendered["prompt"] + rendered[key]) for key in ("chosen", "rejected")) > 64 - 8


def test_prompts_end_where_the_answer_begins_and_lose_their_beginning(tokenizer: PreTrainedTokenizerBase) -> None:
    short, cut = encode_prompts(tokenizer, [turns("Why ?"), turns("wind farms " * 40)], 20)
    assert tokenizer.decode(short) == "<|user|>Why ?<|assistant|>"
    assert len(cut) == 20
    assert tokenizer.decode(cut).endswith("wind farms <|assistant|>")


def test_prompts_keep_every_turn(tokenizer: PreTrainedTokenizerBase) -> None:
    (prompt,) = encode_prompts(tokenizer, [turns(QUESTION, "No .", "Why ?")], 99)
    assert tokenizer.decode(prompt) == f"<|user|>{QUESTION}<|assistant|>No .<|end|><|user|>Why ?<|assistant|>"
