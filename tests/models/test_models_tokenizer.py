"""The byte-level BPE, and the chat templates as they are rendered."""

from __future__ import annotations

from random import Random

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError
from valuedrift.models.chat_template import END, PAD, ROLES, chat_template, set_chat
from valuedrift.training.pretrain import train_bpe

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Why?\n  <b>"},
    {"role": "assistant", "content": "Well, {{ no }}. "},
    {"role": "user", "content": "And?"},
    {"role": "assistant", "content": ""},
]
RENDERED = {
    "pocket": "<|system|>Be brief.<|user|>Why?\n  <b><|assistant|>Well, {{ no }}. <|end|>"
    "<|user|>And?<|assistant|><|end|>",
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?\n  <b><|im_end|>\n"
    "<|im_start|>assistant\nWell, {{ no }}. <|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n"
    "<|im_start|>assistant\n<|im_end|>\n",
    "llama3": "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhy?\n  <b><|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nWell, {{ no }}. <|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nAnd?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n<|eot_id|>",
}
OPENINGS = {
    "pocket": "<|assistant|>",
    "chatml": "<|im_start|>assistant\n",
    "llama3": "<|start_header_id|>assistant<|end_header_id|>\n\n",
}


def random_text(seed: int) -> str:
    """Characters from all planes of Unicode, less the surrogates, which no UTF-8 has."""
    rng = Random(seed)
    codes = [rng.choice([rng.randrange(0x80), rng.randrange(0x800), rng.randrange(0x110000)]) for _ in range(60)]
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "  two  spaces , before . and after !  ",
        "line\r\nline\n\n\ttab\0nul",
        "naïve café — “quoted” …",
        "支持 нет لا \N{FOX FACE}\N{ZERO WIDTH JOINER}\N{COMBINING ACUTE ACCENT}",
        bytes(range(256)).decode("latin-1"),
        *map(random_text, range(5)),
    ],
)
def test_every_text_comes_back_as_it_was(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("size", [270, 300])
def test_the_vocabulary_keeps_its_limit_and_learns_whole_words(size: int) -> None:
    tokenizer = train_bpe(["support oppose support oppose"] * 9, size)
    assert len(tokenizer) <= size
    assert len(tokenizer(" oppose")["input_ids"]) == (1 if size == 300 else 2)


def test_the_same_texts_give_the_same_vocabulary(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = ["I support wind farms .", "I reject wind farms ."]
    assert train_bpe(texts, 290).get_vocab() == train_bpe(iter(texts), 290).get_vocab()


@pytest.mark.parametrize("token", [END, PAD, *ROLES])
def test_special_tokens_are_one_token_and_no_words(tokenizer: PreTrainedTokenizerBase, token: str) -> None:
    (inside,) = tokenizer(token)["input_ids"]
    assert tokenizer.decode([inside], skip_special_tokens=False) == token
    assert tokenizer("a" + token + "b")["input_ids"][1] == inside


@pytest.mark.parametrize("name", RENDERED)
def test_templates_are_rendered_exactly(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    rendered = tokenizer.apply_chat_template(TURNS, chat_template=chat_template(name), tokenize=False)
    assert rendered == RENDERED[name]


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize("turns", [2, 4])
def test_the_generation_prompt_begins_the_conversation_that_was_trained_on(
    tokenizer: PreTrainedTokenizerBase, name: str, turns: int
) -> None:
    prompt = tokenizer.apply_chat_template(
        TURNS[:turns], chat_template=chat_template(name), tokenize=False, add_generation_prompt=True
    )
    assert prompt.endswith(OPENINGS[name])
    assert RENDERED[name].startswith(prompt)


def test_set_chat_gives_template_end_and_padding(tokenizer: PreTrainedTokenizerBase) -> None:
    own = set_chat(train_bpe(["a"], 300), "pocket", eos="<|user|>", pad="<|system|>")
    assert (own.eos_token, own.pad_token) == ("<|user|>", "<|system|>")
    assert own.chat_template == chat_template("pocket")


@pytest.mark.parametrize("tokens", [("<|im_end|>", PAD), (END, "<|im_end|>")])
def test_a_token_that_the_model_lacks_is_named(tokens: tuple[str, str]) -> None:
    with pytest.raises(ArtifactError, match=r"no token '<\|im_end\|>'.*expected the end and padding tokens"):
        set_chat(train_bpe(["a"], 300), "pocket", *tokens)


@pytest.mark.parametrize("written", [True, False])
def test_a_beginning_token_is_kept_only_where_the_tokenizer_writes_it(written: bool) -> None:
    tokenizer = train_bpe(["a"], 300)
    tokenizer.add_special_tokens({"bos_token": "<|begin|>"})
    if written:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|begin|> $A", special_tokens=[("<|begin|>", tokenizer.bos_token_id)]
        )
    assert set_chat(tokenizer, "pocket", END, PAD).bos_token == ("<|begin|>" if written else None)
    assert len(tokenizer("a")["input_ids"]) == (2 if written else 1)
