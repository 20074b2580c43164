"""Adapters that peft saved give the model that peft itself gives, or are refused in one sentence."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from families import save_family
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError
from valuedrift.files import write_json
from valuedrift.models.adapters import base_of, read_adapter, read_any
from valuedrift.models.architecture import Architecture
from valuedrift.models.weights import as_plain_folder, load_model, load_weights, read_model, start_model

IDS = torch.arange(12)[None]
FILE = "adapter_model.safetensors"
KINDS: dict[str, dict[str, Any]] = {
    "low rank": {"target_modules": "all-linear"},
    "rank-stabilised, with biases": {"target_modules": "all-linear", "use_rslora": True, "bias": "all"},
    "of other ranks": {"target_modules": "all-linear", "rank_pattern": {"q_proj": 4, "c_attn": 4}},
    "weight-decomposed": {"target_modules": "all-linear", "use_dora": True},
    "with whole modules": {
        "target_modules": ["q_proj", "c_attn", "query_key_value"],
        "modules_to_save": ["ln_f", "norm"],
    },
}


@pytest.fixture(scope="session")
def family(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def saved(name: str) -> Path:
        return save_family(name, tokenizer, tmp_path_factory.mktemp(name) / "model")

    return saved


def adapted(base: Path, folder: Path, seed: int = 0, rows: int = 0, **how: Any) -> torch.Tensor:
    """Save an adapter as trainers do, and return the logits that peft gives with it."""
    model = AutoModelForCausalLM.from_pretrained(base)
    if rows:
        model.resize_token_embeddings(rows)
    torch.manual_seed(seed)
    model = get_peft_model(model, LoraConfig(r=2, task_type="CAUSAL_LM", **how))
    for _, tensor in model.named_parameters():
        if tensor.requires_grad:
            tensor.data.normal_(0, 0.1)
    model.save_pretrained(folder)
    with torch.no_grad():
        logits: torch.Tensor = model.eval()(IDS).logits
    return logits


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    found: torch.Tensor = model.eval()(IDS).logits
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["qwen3", "llama", "gpt2", "qwen3_moe"])
def test_a_merged_adapter_answers_as_peft_does(
    family: Callable[[str], Path], tmp_path: Path, name: str, kind: str
) -> None:
    if (name, kind) == ("qwen3_moe", "weight-decomposed"):
        pytest.skip("peft has no such adapters of experts")
    expected = adapted(family(name), tmp_path / "adapter", **KINDS[kind])
    checkpoint = read_adapter(tmp_path / "adapter", family(name), torch.float32)
    found = logits(start_model(checkpoint, torch.float32))
    assert (found - expected).abs().max() < 1e-5
    assert (found - logits(load_model(family(name)))).abs().max() > 1e-2


@pytest.mark.parametrize("name", ["qwen3", "llama", "qwen3_moe"])
def test_adapters_are_exchanged_in_place_on_one_loaded_model(
    family: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    base = family(name)
    expected = [adapted(base, tmp_path / f"{seed}", seed, target_modules="all-linear") for seed in (1, 2)]
    checkpoints = [read_adapter(tmp_path / f"{seed}", base, torch.float32) for seed in (1, 2)]
    model = start_model(checkpoints[0], torch.float32)
    for number in (1, 0, 1):
        load_weights(model, checkpoints[number])
        assert (logits(model) - expected[number]).abs().max() < 1e-5
    load_weights(model, read_model(base, torch.float32))
    assert torch.equal(logits(model), logits(load_model(base)))


def test_an_adapter_is_the_checkpoint_that_it_makes(family: Callable[[str], Path], tmp_path: Path) -> None:
    """Its identity is that of the merged weights, in files of any program."""
    base = family("llama")
    adapted(base, tmp_path / "adapter", target_modules="all-linear")
    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "adapter")
    merged.merge_and_unload().save_pretrained(tmp_path / "merged")
    architecture = Architecture.of(base)
    found = read_any(tmp_path / "adapter", architecture, torch.bfloat16, base)
    assert found.identity == read_any(tmp_path / "merged", architecture, torch.bfloat16, base).identity
    assert as_plain_folder(found, tmp_path / "files") == tmp_path / "files"
    assert read_model(tmp_path / "files", torch.bfloat16).identity == found.identity
    whole = read_model(tmp_path / "merged", torch.bfloat16)
    assert as_plain_folder(whole, tmp_path / "none") == tmp_path / "merged"


@pytest.mark.parametrize("name", ["qwen3", "llama"])
def test_a_resized_vocabulary_is_the_adapters(family: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    expected = adapted(family(name), tmp_path / "adapter", rows=304, target_modules=["q_proj"])
    assert any(len(tensor) == 304 for tensor in load_file(tmp_path / "adapter" / FILE).values())
    checkpoint = read_adapter(tmp_path / "adapter", family(name), torch.float32)
    model = start_model(checkpoint, torch.float32)
    assert model.config.vocab_size == 304
    assert (logits(model) - expected).abs().max() < 1e-5
    with pytest.raises(
        ArtifactError, match=r"of shape \(304, 16\)\", expected shape \(300, 16\), as before it.*a stage"
    ):
        load_weights(load_model(family(name)), checkpoint)


def edit(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], Any]:
    def changes(folder: Path) -> None:
        saved = load_file(folder / FILE)
        change(saved)
        save_file(saved, folder / FILE)

    return changes


def first(saved: dict[str, torch.Tensor], part: str) -> str:
    return next(name for name in sorted(saved) if part in name)


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / FILE), folder / "adapter_model.bin")
    (folder / FILE).unlink()


Q = {"target_modules": ["q_proj"]}
FAULTS: dict[str, tuple[str, dict[str, Any], Callable[[Path], Any], str]] = {
    "a tensor is missing": (
        "llama",
        Q,
        edit(lambda saved: saved.pop(first(saved, "lora_A"))),
        r"other values in 'base_model\.model\.model\.layers\.0\.self_attn\.q_proj\.lora_A\.weight' than in the file",
    ),
    "a tensor of another layer": (
        "llama",
        Q,
        edit(lambda saved: saved.update({first(saved, "lora_A").replace(".0.", ".7."): torch.ones(2, 16)})),
        r"other values in '\S+layers\.7\S+' than in the file",
    ),
    "another base": (
        "llama",
        Q,
        edit(lambda saved: saved.update({first(saved, "lora_A"): torch.ones(2, 8)})),
        "size mismatch",
    ),
    "NaN": ("llama", Q, edit(lambda saved: saved[first(saved, "lora_B")].fill_(torch.nan)), "NaN|not finite|[Bb]roken"),
    "low-rank updates of tied embeddings": (
        "qwen3",
        {"target_modules": ["embed_tokens"]},
        lambda folder: None,
        r"embed_tokens\.lora_embedding_A', of tied weights.*modules_to_save",
    ),
    "an output layer that is no longer tied": (
        "qwen3",
        {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
        lambda folder: None,
        r"'lm_head\.weight' unlike 'model\.embed_tokens\.weight'",
    ),
    "no rows for the new tokens": (
        "llama",
        {"target_modules": ["q_proj"], "rows": 304},
        edit(lambda saved: saved.pop(first(saved, "lm_head"))),
        r"a vocabulary of 304 tokens, but no 'lm_head\.weight'",
    ),
    "pickles": ("llama", Q, pickled, r"a pickled adapter \(adapter_model\.bin\).*python -c"),
    "beside a whole model": (
        "llama",
        Q,
        lambda folder: AutoModelForCausalLM.from_pretrained(folder).base_model.save_pretrained(folder),
        "an adapter beside a whole model.*expected one of them.*move adapter_",
    ),
    "no file": ("llama", Q, lambda folder: (folder / FILE).unlink(), r"no adapter.*expected adapter_config\.json and"),
    "unknown settings": (
        "llama",
        Q,
        lambda folder: write_json(folder / "adapter_config.json", {"peft_type": "NEXT"}),
        "an adapter that can be merged into",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_adapter_with_a_fault_is_refused_in_one_sentence(
    family: Callable[[str], Path], tmp_path: Path, fault: str
) -> None:
    name, how, change, message = FAULTS[fault]
    adapted(family(name), tmp_path / "adapter", **how)
    change(tmp_path / "adapter")
    with pytest.raises(ArtifactError, match=message) as raised:
        read_adapter(tmp_path / "adapter", family(name), torch.float32)
    assert "\n" not in str(raised.value)


def test_adapters_that_have_no_weights_to_merge_are_refused(family: Callable[[str], Path], tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(family("llama"))
    prompted = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    get_peft_model(model, prompted).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ArtifactError, match="an adapter that can be merged into"):
        read_adapter(tmp_path / "adapter", family("llama"), torch.float32)


def test_an_adapter_on_an_adapter_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    one, two = (named(tmp_path / name, str(tmp_path / "one")) for name in ("one", "two"))
    with pytest.raises(ArtifactError, match=r"a base that is an adapter too, \S+one.*python -c .*merge_and_unload"):
        read_adapter(two, one, torch.float32)


def named(folder: Path, name: str | None) -> Path:
    folder.mkdir(exist_ok=True)
    write_json(folder / "adapter_config.json", {"base_model_name_or_path": name})
    return folder


def test_an_adapters_base_is_the_one_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, local = tmp_path / "base/step-000000", tmp_path / "local"
    given.mkdir(parents=True)
    local.mkdir()
    monkeypatch.setattr(
        "valuedrift.models.adapters.from_hub", lambda *asked: tmp_path / "hub" / "-".join(map(str, asked))
    )
    adapter = tmp_path / "adapter"
    assert base_of(named(adapter, str(local)), given) == local
    assert base_of(named(adapter, None), given) == given
    assert base_of(named(adapter, "some/model"), given) == tmp_path / "hub/some/model-None"
    for source in ({"hub": {"name": "some/model", "revision": "x"}}, {"folder": "…/model"}):
        write_json(tmp_path / "base/source.json", {"source": source})
        assert base_of(named(adapter, "other/model"), given) == given
        assert base_of(named(adapter, "some/other"), given) == tmp_path / "hub/some/other-None"


def test_a_base_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ArtifactError, match=r"the base model /gone/model.*base_model_name_or_path"):
        base_of(named(tmp_path / "adapter", "/gone/model"), tmp_path)


def test_the_printed_command_merges_an_adapter(
    family: Callable[[str], Path], tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    from valuedrift.models.fetch import fetch_model

    expected = adapted(family("llama"), tmp_path / "my adapter", target_modules="all-linear")
    tokenizer.save_pretrained(tmp_path / "my adapter")
    with pytest.raises(ArtifactError, match="an adapter") as raised:
        fetch_model({"folder": str(tmp_path / "my adapter")}, None, tmp_path / "out")
    command = str(raised.value).partition("merge it: ")[2].rstrip(".")
    subprocess.run(shlex.split(command), check=True, capture_output=True)
    fetch_model({"folder": str(tmp_path / "my adapter-merged")}, None, tmp_path / "out")
    assert (logits(load_model(tmp_path / "out")) - expected).abs().max() < 1e-5
