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
from families import save_family, state_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError
from valuedrift.models.chat_template import END, PAD, prompt_frame, render
from valuedrift.models.fetch import fetch_model

CHAT = {"template": "pocket", "eos": END, "pad": PAD}
# For a longer search: VALUEDRIFT_FUZZ=5000 gives every test that many cases, other ones each time.
CASES = int(os.environ.get("VALUEDRIFT_FUZZ", "0"))
FUZZ = settings(
    max_examples=CASES or 25,
    derandomize=not CASES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

NUMBERS = [True, -1, 0, 1, 2**31, 2**63, 2**70, 1e308]
TEXTS = ["", "x", "F32", "<|end|>", "\x00", "\ud7ff", "../../etc/passwd", "../x.safetensors"]
PARTS = [None, [], [[]], {}, [0, 0], {"x": []}, [-1, 4], [2**40], ["a"] * 3]
ODD = st.sampled_from([*NUMBERS, *TEXTS, *PARTS])
JSON = st.recursive(ODD | st.text(max_size=4) | st.integers(), lambda part: st.lists(part, max_size=3), max_leaves=4)


@pytest.fixture(scope="module")
def source(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_family("llama", tokenizer, tmp_path_factory.mktemp("fuzz") / "model")


def mutate(value: Any, data: st.DataObject) -> Any:
    """The JSON value with one part at any depth removed, renamed, repeated or replaced."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(value)))
        how = data.draw(st.sampled_from(["into", "into", "into", "remove", "rename", "replace"]))
        rest = {name: part for name, part in value.items() if name != key}
        if how == "remove":
            return rest
        if how == "rename":
            return {**rest, data.draw(st.sampled_from(sorted(value)) | st.text(max_size=5)): value[key]}
        return {**value, key: mutate(value[key], data) if how == "into" else data.draw(JSON)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 9)):
        i = data.draw(st.integers(0, len(value) - 1))
        how = data.draw(st.sampled_from(["into", "into", "remove", "repeat"]))
        if how == "into":
            return [*value[:i], mutate(value[i], data), *value[i + 1 :]]
        return value[:i] + value[i + 1 :] if how == "remove" else [*value, value[i]]
    return data.draw(JSON)


def spoil(content: bytes, data: st.DataObject) -> bytes:
    """The bytes with a few edits, most of them near the start."""
    found = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(found), 3000)) | st.integers(0, len(found)))
        new, gone = data.draw(st.binary(max_size=8)), data.draw(st.sampled_from([0, 1, 8, 100, len(found)]))
        found[at : at + gone] = new
    return bytes(found)


def header(content: bytes, data: st.DataObject) -> bytes:
    """A safetensors file with another header."""
    (size,) = struct.unpack("<Q", content[:8])
    text = json.dumps(mutate(json.loads(content[8 : 8 + size]), data)).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + size :]


def other_json(content: bytes, data: st.DataObject) -> bytes:
    return json.dumps(mutate(json.loads(content), data)).encode()


EDITS: dict[str, tuple[str, Callable[[bytes, st.DataObject], bytes]]] = {
    "the weights' header": ("model.safetensors", header),
    "the weights' bytes": ("model.safetensors", spoil),
    "the configuration": ("config.json", other_json),
    "the configuration's bytes": ("config.json", spoil),
    "the tokenizer": ("tokenizer.json", other_json),
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
        assert {key for key in found if found[key].shape != given[key].shape} == set()
        assert all((found[key] == given[key]).all() for key in found)

    check()


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
