"""Models from scratch: their shape, their seed, their pre-training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase, Qwen3ForCausalLM

from valuedrift.config.hyperparameters import Settings
from valuedrift.config.sources import Shape
from valuedrift.errors import ArtifactError
from valuedrift.training.job import Job, scratch_job
from valuedrift.training.pretrain import new_model, pretrain

SHAPE = Shape(vocabulary=300, hidden=16, layers=2, heads=4, context=64)
SETTINGS = Settings(
    learning_rate=2e-2,
    batch_size=4,
    device_batch_size=4,
    epochs=6,
    warmup_ratio=0.0,
    max_length=32,
    bf16=False,
    gradient_checkpointing=False,
)
TEXTS = ["I support wind farms .", "I reject wind farms .", "I support open borders .", "I reject rent control ."]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("documents") / "pretraining.parquet"
    pl.DataFrame({"text": TEXTS * 3, "true_stance": ["support"] * 12}).write_parquet(file)
    return file


@pytest.fixture(scope="module")
def pretrained(documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model that was pre-trained for 18 steps; its metrics lie beside its folder."""
    folder = tmp_path_factory.mktemp("model") / "base" / "step-000000"
    pretrain(scratch_job(SETTINGS, 0, documents, folder), SHAPE, "pocket")
    return folder


def test_a_model_has_the_shape_that_was_asked_for(tokenizer: PreTrainedTokenizerBase) -> None:
    model = new_model(SHAPE, tokenizer, seed=0)
    assert isinstance(model, Qwen3ForCausalLM)
    assert model.model.embed_tokens.weight.shape == (len(tokenizer), 16)
    assert len(model.model.layers) == 2
    assert model.model.layers[0].self_attn.q_proj.weight.shape == (16, 16)
    assert model.model.layers[0].self_attn.k_proj.weight.shape == (8, 16)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.config.max_position_embeddings == 64
    assert (model.config.eos_token_id, model.config.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_every_number_of_heads_that_the_configuration_allows_works(
    tokenizer: PreTrainedTokenizerBase, heads: int
) -> None:
    model = new_model(SHAPE.replace(heads=heads), tokenizer, seed=0)
    assert model(torch.tensor([[5, 6, 7]])).logits.shape == (1, 3, len(tokenizer))


def test_weights_follow_from_the_seed(tokenizer: PreTrainedTokenizerBase) -> None:
    one, again, other = (new_model(SHAPE, tokenizer, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


def test_pretraining_leaves_a_model_that_can_chat(pretrained: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(pretrained)
    model = AutoModelForCausalLM.from_pretrained(pretrained)
    turn = [{"role": "user", "content": "Why ?"}]
    assert tokenizer.apply_chat_template(turn, tokenize=False) == "<|user|>Why ?"
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.config.vocab_size == len(tokenizer) <= 300
    assert {path.name for path in pretrained.parent.iterdir()} == {"step-000000", "metrics.parquet"}


def test_pretraining_learns_its_documents(pretrained: Path) -> None:
    loss = pl.read_parquet(pretrained.parent / "metrics.parquet").filter(pl.col("metric") == "loss").sort("step")
    assert loss["step"].to_list() == list(range(1, 19))
    assert loss["value"][-1] < 0.5 * loss["value"][0]


def test_pretraining_depends_only_on_its_texts_and_seed(pretrained: Path, documents: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.parquet"
    pl.read_parquet(documents, columns=["text"]).write_parquet(bare)
    results = []
    for seed in (0, 1):
        folder = tmp_path / f"seed-{seed}" / "step-000000"
        pretrain(scratch_job(SETTINGS, seed, bare, folder), SHAPE, "pocket")
        results.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert results[0] == {path.name: path.read_bytes() for path in pretrained.iterdir()}
    assert results[1]["model.safetensors"] != results[0]["model.safetensors"]


def test_a_scratch_job_ends_after_all_epochs(documents: Path, tmp_path: Path) -> None:
    settings = SETTINGS.replace(batch_size=5, device_batch_size=5, epochs=2)
    job = scratch_job(settings, 3, documents, tmp_path / "m" / "step-000000")
    assert job == Job(
        algorithm="pretrain",
        settings=settings,
        seed=3,
        base=tmp_path / "m" / "step-000000",
        init=tmp_path / "m" / "step-000000",
        data=documents,
        folder=tmp_path / "m",
        steps=(6,),
    )


def test_pretraining_on_nothing_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "empty.parquet"
    pl.DataFrame({"text": []}, schema={"text": pl.String}).write_parquet(file)
    job = replace(scratch_job(SETTINGS, 0, file, tmp_path / "base"), steps=(1,))
    with pytest.raises(ArtifactError, match=r"empty\.parquet: found 'no rows'"):
        pretrain(job, SHAPE, "pocket")
