"""Every weight of a model that is loaded comes from its files, or the model is refused in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from families import FAMILIES, State, configure, save_family, state_of, with_state
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from valuedrift.errors import ArtifactError
from valuedrift.models.fetch import fetch_model
from valuedrift.models.weights import load_model

Folder = Callable[[str], Path]
EMBEDDINGS = "model.embed_tokens.weight"
MANY = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="session")
def family(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    @cache
    def saved(name: str) -> Path:
        return save_family(name, tokenizer, tmp_path_factory.mktemp(name) / "model")

    return saved


def fetched(source: Path, out: Path) -> State:
    shutil.rmtree(out, ignore_errors=True)
    fetch_model({"folder": str(source)}, None, out)
    return state_of(out)


def same(found: State, expected: State) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_is_published_with_its_files_values(family: Folder, tmp_path: Path, name: str) -> None:
    state = state_of(family(name))
    assert same(fetched(family(name), tmp_path / "out"), state)
    prefixed = {f"_orig_mod.{name}": tensor for name, tensor in state.items()}
    assert same(fetched(with_state(family(name), prefixed, tmp_path / "in"), tmp_path / "out"), state)


WRAPPED = {
    "compiled": lambda name: f"_orig_mod.{name}",
    "distributed": lambda name: f"module.{name}",
    "both": lambda name: f"module._orig_mod.{name}",
    "layer by layer": lambda name: name.replace("layers.0.", "layers.0._orig_mod.").replace(".mlp", "._orig_mod.mlp"),
    "fsdp": lambda name: f"_fsdp_wrapped_module.{name}".replace("s.1.", "s.1._fsdp_wrapped_module."),
    "checkpointing": lambda name: name.replace("layers.1.", "layers.1._checkpoint_wrapped_module."),
    "merged adapter": lambda name: f"base_model.model.{name}",
    "another trainer": lambda name: f"actor.policy.{name}",
    "the body alone": lambda name: name.removeprefix("model."),
}


@pytest.mark.parametrize("wrapper", WRAPPED)
@pytest.mark.parametrize("name", ["qwen3", "llama", "gpt_neox"])
def test_wrappers_prefixes_are_taken_off(family: Folder, tmp_path: Path, wrapper: str, name: str) -> None:
    state = state_of(family(name))
    source = with_state(family(name), {WRAPPED[wrapper](key): each for key, each in state.items()}, tmp_path / "in")
    if wrapper == "the body alone" and name == "gpt_neox":
        pytest.skip("its body has another name")
    assert same(fetched(source, tmp_path / "out"), state)


def test_constants_that_older_versions_saved_are_left_out(family: Folder, tmp_path: Path) -> None:
    llama, gpt2 = state_of(family("llama")), state_of(family("gpt2"))
    old = {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.ones(4) for i in range(2)}
    assert same(fetched(with_state(family("llama"), {**llama, **old}, tmp_path / "in"), tmp_path / "out"), llama)
    old = {f"h.{i}.attn.bias": torch.ones(1, 1, 64, 64) for i in range(2)}
    short = {name.removeprefix("transformer."): tensor for name, tensor in gpt2.items()}
    assert same(fetched(with_state(family("gpt2"), {**short, **old}, tmp_path / "in"), tmp_path / "out"), gpt2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_no_number_is_rounded(family: Folder, tmp_path: Path, dtype: torch.dtype, capsys: Any) -> None:
    state = {name: tensor.to(dtype) for name, tensor in state_of(family("llama")).items()}
    assert same(fetched(with_state(family("llama"), state, tmp_path / "in"), tmp_path / "out"), state)
    assert f"in {str(dtype).removeprefix('torch.')}, as in the source" in capsys.readouterr().err


def test_mixed_precisions_become_the_widest(family: Folder, tmp_path: Path) -> None:
    state = state_of(family("llama"))
    mixed = {name: each if "norm" in name else each.bfloat16() for name, each in state.items()}
    found = fetched(with_state(family("llama"), mixed, tmp_path / "in"), tmp_path / "out")
    assert same(found, {name: each.float() for name, each in mixed.items()})


def edit(change: Callable[[State], Any]) -> Callable[[Path], Any]:
    """A change of a folder's tensors."""

    def changes(folder: Path) -> None:
        state = state_of(folder)
        change(state)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})

    return changes


def without_layer(state: State) -> None:
    for name in [name for name in state if ".layers.1." in name]:
        del state[name]


def scored(folder: Path) -> None:
    """A reward model: a head with one score, and no output layer."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder)


def adapter(folder: Path) -> None:
    config = LoraConfig(target_modules=["q_proj"], r=2)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)
    shutil.rmtree(folder)
    model.save_pretrained(folder)


def adapter_beside(folder: Path) -> None:
    other = folder.with_name("adapter")
    shutil.copytree(folder, other)
    adapter(other)
    for file in other.glob("adapter_*"):
        shutil.copy(file, folder)


def pickled(folder: Path) -> None:
    torch.save(state_of(folder), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def shard_lost(folder: Path) -> None:
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, max_shard_size="8KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    sorted(folder.glob("*.safetensors"))[-1].unlink()


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a layer is missing": (
        edit(without_layer),
        r"no tensor 'model\.layers\.1\.\S+' \(9 such\)\", expected the 21 tensors of Llama",
    ),
    "a reward model": (scored, r"no tensor 'lm_head\.weight' and an unknown tensor 'score\.weight'"),
    "a head with a value": (
        edit(lambda state: state.update({"v_head.summary.weight": torch.ones(1, 16)})),
        r"unknown tensor 'v_head\.summary\.weight'.*LlamaForCausalLM, no others",
    ),
    "half of the names are wrapped": (
        edit(lambda state: state.update({f"module.{EMBEDDINGS}": state.pop(EMBEDDINGS)})),
        rf"no tensor '{EMBEDDINGS}' and an unknown tensor 'module\.{EMBEDDINGS}'",
    ),
    "an adapter": (
        adapter,
        r"found 'an adapter \(adapter_config\.json\)'.*If not, merge it: python -c .*merge_and_unload",
    ),
    "an adapter is left over": (adapter_beside, r"an adapter beside a whole model.*move adapter_\* away"),
    "NaN": (
        edit(lambda state: state[EMBEDDINGS][3].fill_(float("nan"))),
        rf"NaN or infinity in '{EMBEDDINGS}'.*use another model or revision",
    ),
    "rows for a larger vocabulary": (
        edit(lambda state: state.update({EMBEDDINGS: torch.ones(308, 16)})),
        rf"'{EMBEDDINGS}' of shape \(308, 16\)\", expected shape \(300, 16\), which follows from config\.json",
    ),
    "integers": (
        edit(lambda state: state.update({EMBEDDINGS: torch.ones(300, 16, dtype=torch.int8)})),
        rf"'{EMBEDDINGS}' of int8.*quantised",
    ),
    "eight-bit numbers": (
        edit(lambda state: state.update({EMBEDDINGS: state[EMBEDDINGS].to(torch.float8_e4m3fn)})),
        rf"'{EMBEDDINGS}' of float8_e4m3fn.*quantised",
    ),
    "another program's weights beside": (
        lambda folder: save_file({"tok_embeddings.weight": torch.ones(1)}, folder / "consolidated.safetensors"),
        r"consolidated\.safetensors: found .*'tok_embeddings.weight'.*If other files hold .* move this one away",
    ),
    "settings that make no number": (
        lambda folder: configure(folder, rope_parameters={"rope_type": "linear", "factor": 0, "rope_theta": 1e4}),
        r"NaN or infinity in its predictions.*Compare its config\.json",
    ),
    "settings that do not fit": (
        lambda folder: configure(folder, num_key_value_heads=0),
        r"found .*integer .*by zero|found .*zero",
    ),
    "a pointer": (
        lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid x\n"),
        r"a pointer of Git LFS.*git lfs pull",
    ),
    "a dangling link": (
        lambda folder: [(folder / "model.safetensors").unlink(), (folder / "model.safetensors").symlink_to("nowhere")],
        r"model\.safetensors: found 'No such file",
    ),
    "a folder of weights": (
        lambda folder: [(folder / "model.safetensors").unlink(), (folder / "model.safetensors").mkdir()],
        r"model\.safetensors: found .*expected a whole safetensors file",
    ),
    "merges without a start": (
        lambda folder: merged(folder, ["", "a"]),
        "expected a tokenizer that can be loaded",
    ),
    "gptq": (
        lambda folder: configure(folder, quantization_config={"quant_method": "gptq", "bits": 4}),
        r"config\.json: found 'weights quantised by gptq'.*Name the model that it was made from",
    ),
    "bitsandbytes": (
        lambda folder: configure(folder, quantization_config={"load_in_4bit": True, "quant_method": "bitsandbytes"}),
        "weights quantised by bitsandbytes",
    ),
    "pickles": (pickled, r"pickled weights \(pytorch_model\.bin\).*Convert them: python -c"),
    "cut short": (cut, r"model\.safetensors: found .*expected a whole safetensors file"),
    "a shard is lost": (shard_lost, r"no tensor 'model\.\S+' .*expected the 21 tensors"),
    "the same tensors twice": (
        lambda folder: shutil.copy(folder / "model.safetensors", folder / "model-00001-of-00001.safetensors"),
        r"tensor 'lm_head\.weight', as in model-00001.*Remove the file that is left over",
    ),
    "unknown architecture": (lambda folder: configure(folder, model_type="grok"), r"config\.json: found .*grok"),
    "no layers": (lambda folder: configure(folder, num_hidden_layers=None), r"config\.json: found "),
    "endless layers": (lambda folder: configure(folder, num_hidden_layers=10**12), r"num_hidden_layers = 1000000"),
    "no configuration": (lambda folder: (folder / "config.json").unlink(), r"config\.json: found .*No such file"),
    "a configuration that is a list": (lambda folder: (folder / "config.json").write_text("[1]"), r"config\.json: "),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "expected a tokenizer that can be loaded"),
    "a tokenizer cut short": (
        lambda folder: (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text()[:300]),
        "expected a tokenizer that can be loaded",
    ),
    "another model's tokenizer": (
        lambda folder: with_tokens(folder, 20),
        "320 tokens, 300 embeddings.*Use the tokenizer of this very model",
    ),
    "nothing": (lambda folder: [file.unlink() for file in folder.iterdir()], r"expected config\.json and \*\.safe"),
}


def merged(folder: Path, merge: list[str]) -> None:
    """A tokenizer with another first merge, which may be one at which the tokenizers library panics."""
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["merges"][0] = merge
    file.write_text(json.dumps(content))


def with_tokens(folder: Path, more: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<extra_{i}>" for i in range(more)])
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_with_a_fault_is_refused_in_one_sentence(family: Folder, tmp_path: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    source = Path(shutil.copytree(family("llama"), tmp_path / "in"))
    change(source)
    with pytest.raises(ArtifactError, match=message) as raised:
        fetch_model({"folder": str(source)}, None, tmp_path / "out")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_tied_model_with_an_output_layer_of_its_own_is_refused(family: Folder, tmp_path: Path) -> None:
    state = state_of(family("qwen3"))
    tied = with_state(family("qwen3"), {**state, "lm_head.weight": state[EMBEDDINGS].clone()}, tmp_path / "tied")
    assert same(fetched(tied, tmp_path / "out"), state)
    own = with_state(family("qwen3"), {**state, "lm_head.weight": state[EMBEDDINGS] + 1}, tmp_path / "own")
    with pytest.raises(ArtifactError, match=r"'lm_head\.weight' unlike .*set `tie_word_embeddings` to false"):
        fetched(own, tmp_path / "out")
    configure(own, tie_word_embeddings=False)
    assert same(fetched(own, tmp_path / "out"), state_of(own))


@MANY
@given(data=st.data())
def test_files_that_lack_anything_are_refused_and_files_that_have_all_are_loaded(
    family: Folder, tmp_path: Path, data: st.DataObject
) -> None:
    """Any model, in any number of files, under any prefix, with any faults in any tensors."""
    source = family(data.draw(st.sampled_from(sorted(FAMILIES))))
    state = state_of(source)
    named = st.sampled_from(sorted(state))
    faults = data.draw(
        st.dictionaries(named, st.sampled_from(["lost", "renamed", "nan", "infinite", "rows", "flat"]), max_size=2)
    )
    changed = {name: tensor.clone() for name, tensor in state.items()}
    for name, fault in faults.items():
        tensor = changed.pop(name)
        if fault in ("nan", "infinite"):
            tensor.view(-1)[data.draw(st.integers(0, tensor.numel() - 1))] = float(fault[:3])
        if fault != "lost":
            shaped = {"rows": torch.cat([tensor, tensor[:1]]), "flat": tensor.reshape(-1, 1)}.get(fault, tensor)
            changed[f"{name}.x" if fault == "renamed" else name] = shaped
    front = data.draw(st.sampled_from(["", "module.", "_orig_mod.", "x.y."]))
    files = {name: data.draw(st.integers(1, 3)) for name in changed}
    folder = tmp_path / "in"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=lambda *_: ["model.safetensors"])
    parts = {number: {f"{front}{n}": t for n, t in changed.items() if files[n] == number} for number in (1, 2, 3)}
    for number, tensors in parts.items():
        save_file(tensors, folder / f"model-{number:05d}-of-00003.safetensors", metadata={"format": "pt"})
    weight_map = {n: f"model-{number:05d}-of-00003.safetensors" for number, tensors in parts.items() for n in tensors}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    if faults:
        with pytest.raises(ArtifactError):
            load_model(folder)
    else:
        model = load_model(folder)
        model.save_pretrained(tmp_path / "again")
        assert same(state_of(tmp_path / "again"), state)
