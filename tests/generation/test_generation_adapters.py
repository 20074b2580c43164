"""Adapters of a run are answered on one loaded model, like whole checkpoints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

import valuedrift.generation.vllm_engine as vllm_engine
from valuedrift.config.sampling import Sampling
from valuedrift.errors import ArtifactError
from valuedrift.files import read_json, write_json
from valuedrift.generation.probe_prompts import Prompt, PromptCodec
from valuedrift.generation.sweep import sweep
from valuedrift.generation.vllm_engine import VllmEngine
from valuedrift.models.adapters import read_adapter
from valuedrift.models.weights import Checkpoint, read_model

SAMPLING = Sampling(answers=2, temperature=0.9, max_tokens=6, batch_size=3, seed=0)


@pytest.fixture
def adapters(base: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> list[Path]:
    """A trainer's run: the adapter's checkpoints with the tokenizer in each."""
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    folders = [tmp_path / f"adapters/step-{step:06d}" for step in (2, 4)]
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        for name, tensor in model.named_parameters():
            if "lora_" in name:
                tensor.data.normal_(0, 1)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folders


def answers(base: Path, folders: list[Path], probes: Path, out: Path) -> pl.DataFrame:
    sweep("theirs", "sft", base, folders, probes, SAMPLING, out, engine="transformers")
    return pl.read_parquet(out)


def test_adapters_answer_as_the_merged_models_do(
    base: Path, adapters: list[Path], probes: Path, tmp_path: Path
) -> None:
    found = answers(base, adapters, probes, tmp_path / "adapters.parquet")
    merged = [tmp_path / "merged" / folder.name for folder in adapters]
    for adapter, folder in zip(adapters, merged, strict=True):
        whole = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).merge_and_unload()
        whole.save_pretrained(folder)
    assert found.equals(answers(base, merged, probes, tmp_path / "merged.parquet"))
    first, second = (found.filter(step=step)["answer"].to_list() for step in (2, 4))
    assert first != second
    loaded = pl.read_parquet_metadata(tmp_path / "adapters.parquet")["loaded"]
    assert json.loads(loaded) == {"2": "in place", "4": "in place"}


def test_adapters_end_answers_where_their_base_does(
    base: Path, adapters: list[Path], probes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(shutil.copytree(base, tmp_path / "own"))
    write_json(own / "generation_config.json", {"eos_token_id": [5]})
    write_json(adapters[0] / "adapter_config.json", adapter_config(adapters[0]) | {"base_model_name_or_path": str(own)})
    answers(base, adapters[:1], probes, tmp_path / "answers.parquet")
    assert "(generation_config.json)" in capsys.readouterr().err


def adapter_config(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(folder / "adapter_config.json")
    return found


def test_vllm_gets_an_adapter_as_a_whole_model(
    base: Path, adapters: list[Path], codec: PromptCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, read = read_adapter(adapters[0], base, torch.float32), []

    def engine(folder: Path, *_: object) -> None:
        read.append(read_model(folder, torch.float32).identity)
        raise InterruptedError

    monkeypatch.setattr(vllm_engine, "_engine", engine)
    vllm = VllmEngine(codec, torch.float32, [Prompt("q", "q", (1, 2), (0,))], SAMPLING)
    for each in (checkpoint, read_model(base, torch.float32)):
        with pytest.raises(InterruptedError):
            vllm.load(each)
    assert read == [checkpoint.identity, read_model(base, torch.float32).identity]
    assert isinstance(checkpoint, Checkpoint) and not checkpoint.is_plain


def test_an_adapter_that_fails_stops_the_sweep_with_its_name(
    base: Path, adapters: list[Path], probes: Path, tmp_path: Path
) -> None:
    (adapters[1] / "adapter_model.safetensors").write_bytes(b"cut")
    with pytest.raises(ArtifactError, match="step-000004"):
        answers(base, adapters, probes, tmp_path / "adapters.parquet")
