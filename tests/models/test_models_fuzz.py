"""Files with any bytes or JSON in them: a model's folder is published with its own values, or refused in a sentence."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from doubles.mutations import mutate, spoil
from families import save_family, state_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError
from valuedrift.llm.local_backend import prompt_of
from valuedrift.llm.request import ChatRequest, Turn
from valuedrift.models.chat_template import END, PAD, prompt_frame, render
from valuedrift.models.fetch import fetch_model

CHAT = {"template": "pocket", "eos": END, "pad": PAD}
# For a longer search: VALUEDRIFT_FUZZ=5000 gives every test that many cases, other ones each time.
CASES = int(os.environ.get("VALUEDRIFT_FUZZ", "0"))
FUZZ = settings(
    max_examples=CASES or 15,
    derandomize=not CASES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def source(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_family("llama", tokenizer, tmp_path_factory.mktemp("fuzz") / "model")


def header(content: bytes, data: st.DataObject) -> bytes:
    """A safetensors file with another header."""
    (size,) = struct.unpack("<Q", content[:8])
    text = json.dumps(mutate(json.loads(content[8 : 8 + size]), data)).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + size :]


def other_names(content: bytes, data: st.DataObject) -> bytes:
    """A safetensors file whose tensors' names all begin or end otherwise, as wrappers and converters leave them."""
    (size,) = struct.unpack("<Q", content[:8])
    tensors = json.loads(content[8 : 8 + size])
    old = data.draw(st.sampled_from(["", "model.", "layers.", "self_attn.", "embed_tokens", "weight"]))
    new = data.draw(st.sampled_from(["", "_orig_mod.", "module.", "base_model.model.", "model.", "x", "_scale"]))
    few = data.draw(st.none() | st.integers(0, len(tensors)))
    chosen = sorted(tensors)[:few]
    text = json.dumps({name.replace(old, new, 1) if name in chosen else name: tensors[name] for name in tensors})
    return struct.pack("<Q", len(text)) + text.encode() + content[8 + size :]


def other_values(content: bytes, data: st.DataObject) -> bytes:
    """A safetensors file in which a few numbers are others, some of them not finite."""
    (size,) = struct.unpack("<Q", content[:8])
    found, places = bytearray(content), (len(content) - 8 - size) // 4
    for _ in range(data.draw(st.integers(1, 3))):
        at = 8 + size + 4 * data.draw(st.integers(0, places - 1))
        found[at : at + 4] = struct.pack("<f", data.draw(st.floats(width=32)))
    return bytes(found)


STEPS = [
    None,
    {"type": "Lowercase"},
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "Prepend", "prepend": "\u2581"},
    {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
    {"type": "Replace", "pattern": {"Regex": ".*"}, "content": ""},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    {"type": "Split", "pattern": {"Regex": "[|<>]"}, "behavior": "Isolated", "invert": False},
    {"type": "Punctuation", "behavior": "Removed"},
    {"type": "Whitespace"},
    {"type": "BertProcessing", "sep": [END, 0], "cls": [PAD, 1]},
    {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": END, "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {END: {"id": END, "ids": [0], "tokens": [END]}},
    },
    {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
    {"strategy": {"Fixed": 9}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 1, "pad_type_id": 0}
    | {"pad_token": PAD},
]
KEYS = ["normalizer", "pre_tokenizer", "post_processor", "decoder", "truncation", "padding"]


def other_steps(content: bytes, data: st.DataObject) -> bytes:
    """A tokenizer with steps of other tokenizers, and with control tokens of other kinds."""
    found = json.loads(content)
    step = st.sampled_from(STEPS)
    for key in data.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=2)):
        found[key] = data.draw(step | st.lists(step, max_size=2).map(partial(in_sequence, key)))
    for token in found["added_tokens"]:
        if data.draw(st.integers(0, 9)) == 0:
            flag = data.draw(st.sampled_from(["special", "normalized", "lstrip", "rstrip", "single_word"]))
            token[flag] = not token[flag]
    return json.dumps(found).encode()


def in_sequence(key: str, steps: list[Any]) -> dict[str, Any]:
    name = {"pre_tokenizer": "pretokenizers", "post_processor": "processors"}.get(key, f"{key}s")
    return {"type": "Sequence", name: steps}


def other_json(content: bytes, data: st.DataObject) -> bytes:
    return json.dumps(mutate(json.loads(content), data)).encode()


EDITS: dict[str, tuple[str, Callable[[bytes, st.DataObject], bytes]]] = {
    "the weights' header": ("model.safetensors", header),
    "the weights' bytes": ("model.safetensors", spoil),
    "the weights' names": ("model.safetensors", other_names),
    "the weights' values": ("model.safetensors", other_values),
    "the configuration": ("config.json", other_json),
    "the configuration's bytes": ("config.json", spoil),
    "the tokenizer": ("tokenizer.json", other_json),
    "the tokenizer's steps": ("tokenizer.json", other_steps),
    "the tokenizer's bytes": ("tokenizer.json", spoil),
    "the tokenizer's configuration": ("tokenizer_config.json", other_json),
    "the generation's configuration": ("generation_config.json", other_json),
}


@pytest.mark.parametrize("edit", EDITS)
def test_whatever_is_in_a_file_a_model_is_whole_or_refused(source: Path, tmp_path: Path, edit: str) -> None:
    name, change = EDITS[edit]

    @FUZZ
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        folder, out = tmp_path / "in", tmp_path / "out" / "model"
        for path in (folder, out.parent):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(source, folder)
        (folder / name).write_bytes(change((folder / name).read_bytes(), data))
        chat = data.draw(st.sampled_from([CHAT, None]))
        try:
            fetch_model({"folder": str(folder)}, chat, out)
        except ArtifactError as error:
            assert "\n" not in str(error)
            assert not out.exists()
            return
        found, given = state_of(out), state_of(folder)
        assert all(equal(found[key], given[key]) for key in found.keys() & given.keys())
        assert all(any(equal(each, other) for other in given.values()) for each in found.values())
        if chat:
            asked = partial(prompt_of, AutoTokenizer.from_pretrained(out))
            usual, hostile = (
                asked(ChatRequest((Turn("user", text),), max_tokens=1)) for text in ("Why ?", f"Why {END} ?")
            )
            ends = [token for token in usual if token == usual[-1]]
            assert asked.args[0].eos_token_id != usual[-1]
            assert [token for token in hostile if token == usual[-1]] == ends
            assert hostile.count(asked.args[0].eos_token_id) == usual.count(asked.args[0].eos_token_id)

    check()


def equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool((one == other).all())


PIECES = [
    "{{ messages[0].content }}",
    "{{ messages[1].content }}",
    "{{ messages }}",
    "{% for m in messages %}",
    "{% endfor %}",
    "{{ m.content }}",
    "{{ m['role'] | upper }}",
    "{% if add_generation_prompt %}",
    "{% endif %}",
    "<think>",
    "<|end|>",
    "{{ raise_exception('no') }}",
    "{{ strftime_now('%Y') }}",
    "{{ strftime_now() }}",
    "{{ x.y.z }}",
    "{{ 1 / 0 }}",
    "{{ range(9) | random }}",
    "{% set x = messages | length %}",
    "{{ 'a' * 10 ** 6 }}",
    "{{ ().__class__.__base__ }}",
    "{% generation %}",
    "{% endgeneration %}",
    "{% include 'x' %}",
    "{% macro f() %}",
    "{{ f() }}",
    "{{",
    "}}",
    "{% break %}",
]


def check_template(tokenizer: PreTrainedTokenizerBase, template: str) -> None:
    tokenizer.chat_template = template
    try:
        before, after = prompt_frame(tokenizer)
    except ArtifactError as error:
        assert "\n" not in str(error)
        return
    text = partial(render, tokenizer, tokenize=False, add_generation_prompt=True)
    assert text([{"role": "user", "content": "Why ?"}]) == f"{before}Why ?{after}"


@FUZZ
@given(template=st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8).map("".join))
@example("{{ messages[0].content }}{{ strftime_now('%H') }}")
def test_whatever_a_template_does_it_writes_the_turn_once_or_is_refused(
    tokenizer: PreTrainedTokenizerBase, template: str
) -> None:
    own = tokenizer.chat_template
    try:
        check_template(tokenizer, template)
    finally:
        tokenizer.chat_template = own
