"""Models from a local folder; the hub is the same call with another name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from valuedrift.errors import ArtifactError
from valuedrift.files import read_json
from valuedrift.models.chat_template import END, PAD
from valuedrift.models.fetch import fetch_model

CHAT = {"template": "pocket", "eos": END, "pad": "<|system|>"}


def test_a_folder_is_copied_with_its_chat_format(base: Path, tmp_path: Path) -> None:
    fetch_model({"folder": str(base)}, CHAT, tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert (tokenizer.eos_token, tokenizer.pad_token) == (END, "<|system|>")
    assert tokenizer.apply_chat_template([{"role": "user", "content": "Why ?"}], tokenize=False) == "<|user|>Why ?"
    fetched, source = (load_file(folder / "model.safetensors") for folder in (tmp_path / "out", base))
    assert fetched.keys() == source.keys()
    assert all(torch.equal(fetched[name], source[name]) for name in source)
    config = AutoModelForCausalLM.from_pretrained(tmp_path / "out").generation_config
    assert config.eos_token_id == tokenizer.eos_token_id


def test_the_source_is_written_beside_the_weights(base: Path, tmp_path: Path) -> None:
    fetch_model({"folder": str(base)}, CHAT, tmp_path / "one/model")
    other = Path(shutil.copytree(base, tmp_path / "other" / base.name))
    fetch_model({"folder": str(other)}, CHAT, tmp_path / "two/model")
    one, two = (read_json(tmp_path / name / "source.json") for name in ("one", "two"))
    assert (one["source"], one["chat"]) == ({"folder": f"…/{base.name}"}, CHAT)
    assert one["source"] == two["source"] and one["key"] != two["key"]


def test_without_a_chat_format_the_models_own_stays(base: Path, tmp_path: Path) -> None:
    fetch_model({"folder": str(base)}, None, tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert (tokenizer.eos_token, tokenizer.pad_token) == (END, PAD)
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(base).chat_template


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match=r"empty: .*expected config\.json and \*\.safetensors.*save_pretrained"):
        fetch_model({"folder": str(tmp_path / "empty")}, CHAT, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_token_leaves_nothing_behind(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no token '<\|im_end\|>'"):
        fetch_model({"folder": str(base)}, {**CHAT, "eos": "<|im_end|>"}, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
