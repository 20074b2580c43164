"""vLLM beside transformers, and what becomes of weights that are exchanged in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import vllm.model_executor.layers.utils as vllm_layers
from transformers import AutoTokenizer

import valuedrift.generation.vllm_engine as vllm_engine
from valuedrift.config.sampling import Sampling
from valuedrift.generation.engine import EngineKind, engine_kind
from valuedrift.generation.probe_prompts import Prompt, PromptCodec, prompt_codec
from valuedrift.generation.sweep import sweep
from valuedrift.generation.transformers_engine import TransformersEngine
from valuedrift.generation.vllm_engine import VllmEngine
from valuedrift.models.architecture import Architecture
from valuedrift.models.start_vllm import start_vllm
from valuedrift.models.weights import Checkpoint, differing, read_checkpoint

GREEDY = Sampling(answers=1, temperature=0.0, max_tokens=24, batch_size=32, seed=0)
WARM = Sampling(answers=5, temperature=0.7, max_tokens=24, batch_size=32, seed=0)
QUESTIONS = {
    f"q{i}": text for i, text in enumerate(["Why ?", "Is legal abortion right ?", "wind farms " * 9, "I", "tax"])
}
KIND = EngineKind("vllm", torch.float32)


@pytest.fixture(scope="module")
def trajectory(make_model: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The base model and three checkpoints."""
    folder = tmp_path_factory.mktemp("run")
    return [make_model(folder / f"step-{step:06d}", step) for step in range(4)]


@pytest.fixture(scope="module")
def checkpoints(trajectory: list[Path]) -> list[Checkpoint]:
    architecture = Architecture.of(trajectory[0])
    return [read_checkpoint(folder, architecture, torch.float32) for folder in trajectory]


@pytest.fixture(scope="module")
def codec(trajectory: list[Path]) -> PromptCodec:
    return prompt_codec(AutoTokenizer.from_pretrained(trajectory[0]), Architecture.of(trajectory[0]).config)


@pytest.fixture(scope="module")
def prompts(codec: PromptCodec) -> list[Prompt]:
    return [codec.prompt(key, text, False, 5) for key, text in QUESTIONS.items()]


@pytest.fixture
def engine(codec: PromptCodec, prompts: list[Prompt]) -> Iterator[VllmEngine]:
    engine = VllmEngine(codec, torch.float32, prompts, WARM)
    yield engine
    engine.close()


@pytest.fixture
def reference(codec: PromptCodec, checkpoints: list[Checkpoint]) -> Callable[[Checkpoint, list[Prompt]], list[str]]:
    """Greedy answers of the transformers engine."""
    engine = TransformersEngine(codec, checkpoints[0], torch.float32)

    def answers(checkpoint: Checkpoint, prompts: list[Prompt]) -> list[str]:
        engine.load(checkpoint)
        return [answer.text for answer in engine.answer(prompts, GREEDY)]

    return answers


@pytest.fixture
def plain_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have vLLM keep linear layers as they are, as on GPUs; its CPU build repacks them and drops the originals."""

    def keep(layer: torch.nn.Module, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    monkeypatch.setattr(vllm_layers, "dispatch_cpu_unquantized_gemm", keep)


def greedy(engine: VllmEngine, prompts: list[Prompt]) -> list[str]:
    return [answer.text for answer in engine.answer(prompts, GREEDY)]


def test_the_cpu_builds_exchange_is_found_wrong_and_fresh_engines_answer_like_transformers(
    engine: VllmEngine,
    checkpoints: list[Checkpoint],
    prompts: list[Prompt],
    reference: Callable[[Checkpoint, list[Prompt]], list[str]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    for number, checkpoint in enumerate(checkpoints):
        assert engine.load(checkpoint) == "fresh engine"
        assert greedy(engine, prompts) == reference(checkpoint, prompts)
        assert engine.exchanges is (None if number == 0 else False)
    said = capfd.readouterr().err
    assert said.count("vLLM: weights can't be exchanged in place (14 of 25 tensors are not the file's") == 1
    assert "greedy answers differ from a fresh engine's): a fresh engine for every checkpoint" in said


def test_greedy_answers_alone_show_that_the_cpu_build_keeps_old_weights(
    engine: VllmEngine,
    checkpoints: list[Checkpoint],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    engine.load(checkpoints[0])
    monkeypatch.setattr(VllmEngine, "_held", lambda self, checkpoint: checkpoint.digests)
    assert engine.load(checkpoints[1]) == "fresh engine"
    assert engine.exchanges is False
    assert "in place (greedy answers differ from a fresh engine's)" in capfd.readouterr().err


@pytest.mark.usefixtures("plain_layers")
def test_layers_kept_plain_are_exchanged_in_place_and_proven(
    engine: VllmEngine,
    checkpoints: list[Checkpoint],
    prompts: list[Prompt],
    reference: Callable[[Checkpoint, list[Prompt]], list[str]],
) -> None:
    found = [engine.load(checkpoint) for checkpoint in [*checkpoints, checkpoints[0]]]
    assert found == ["fresh engine", "fresh engine", "in place", "in place", "in place"]
    assert greedy(engine, prompts) == reference(checkpoints[0], prompts)
    engine.load(checkpoints[2])
    assert greedy(engine, prompts) == reference(checkpoints[2], prompts)


@pytest.mark.usefixtures("plain_layers")
def test_one_changed_tensor_of_any_kind_fails_the_proof(engine: VllmEngine, checkpoints: list[Checkpoint]) -> None:
    engine.load(checkpoints[0])
    assert engine.exchange(checkpoints[1]) == []
    layer = "model.layers.1"
    kinds = [name.removeprefix(layer) for name in checkpoints[1].digests if name.startswith(layer)]
    assert len(kinds) == 11
    for name in ("model.embed_tokens.weight", "model.norm.weight", *(layer + kind for kind in kinds)):
        changed = replace(checkpoints[1], digests={**checkpoints[1].digests, name: "other"})
        assert engine.exchange(changed) == [f"1 of 25 tensors are not the file's, such as {name}"]


@pytest.mark.usefixtures("plain_layers")
def test_a_later_exchange_that_fails_ends_them(
    engine: VllmEngine,
    checkpoints: list[Checkpoint],
    prompts: list[Prompt],
    reference: Callable[[Checkpoint, list[Prompt]], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for checkpoint in checkpoints[:3]:
        engine.load(checkpoint)
    assert engine.exchanges
    rpc = engine.llm.collective_rpc

    def stuck(method: str, **arguments: object) -> object:
        return None if method == "reload_weights" else rpc(method, **arguments)

    monkeypatch.setattr(engine.llm, "collective_rpc", stuck)
    assert engine.load(checkpoints[3]) == "fresh engine"
    assert "tensors are not the file's" in capfd.readouterr().err
    assert greedy(engine, prompts) == reference(checkpoints[3], prompts)
    assert engine.load(checkpoints[0]) == "fresh engine"


def test_a_model_over_two_processes_is_exchanged_and_each_process_is_proven(
    engine: VllmEngine,
    checkpoints: list[Checkpoint],
    prompts: list[Prompt],
    reference: Callable[[Checkpoint, list[Prompt]], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GPUS", "2")
    own = {"worker_extension_cls": "plain_worker.PlainLayers"}
    monkeypatch.setattr(vllm_engine, "start_vllm", lambda *given, **options: start_vllm(*given, **{**options, **own}))
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    assert [engine.load(each) for each in checkpoints[:3]] == ["fresh engine", "fresh engine", "in place"]
    assert engine.llm.llm_engine.vllm_config.parallel_config.world_size == 2
    assert greedy(engine, prompts) == reference(checkpoints[2], prompts)
    layer, wrong = "model.layers.1", set()
    # Divided by rows, the last part of a packed layer, divided by columns, and whole in each process.
    for whole, name in (
        ("self_attn.qkv_proj", "self_attn.v_proj"),
        ("mlp.gate_up_proj", "mlp.up_proj"),
        ("self_attn.o_proj", "self_attn.o_proj"),
        ("input_layernorm", "input_layernorm"),
    ):
        engine.llm.collective_rpc(spoil, args=(f"{layer}.{whole}.weight",))
        wrong.add(f"{layer}.{name}.weight")
        assert set(differing(engine._held(checkpoints[2]), checkpoints[2])) == wrong


def spoil(worker: Any, name: str) -> None:
    """Change the last number of a parameter in the second process."""
    if worker.rank == 1:
        worker.get_model().get_parameter(name).data.view(-1)[-1] += 1


def test_an_answers_seed_is_its_own(engine: VllmEngine, checkpoints: list[Checkpoint], prompts: list[Prompt]) -> None:
    engine.load(checkpoints[1])
    answers = engine.answer(prompts, WARM)
    assert [(a.question_id, a.sample) for a in answers] == [(key, i) for key in QUESTIONS for i in range(5)]
    assert len({a.text for a in answers}) == len(answers)
    assert engine.answer(prompts, WARM) == answers
    few = [replace(prompt, samples=(3, 1)) for prompt in prompts[::-2]]
    assert set(engine.answer(few, WARM)) <= set(answers)
    assert not set(engine.answer(prompts, WARM.replace(seed=1))) & set(answers)
    # The same answer number to another question is not drawn with the same numbers.
    twins = [replace(prompts[0], question_id=key) for key in ("a", "b")]
    assert len({a.text for a in engine.answer(twins, WARM)}) == 10


def test_more_prompts_than_fit_into_a_step_are_answered(codec: PromptCodec, checkpoints: list[Checkpoint]) -> None:
    many = [codec.prompt(f"q{i}", "wind farms " * (i % 40), False, 1) for i in range(300)]
    engine = VllmEngine(codec, torch.float32, many, WARM.replace(batch_size=200))
    engine.load(checkpoints[0])
    assert len(engine.answer(many, WARM)) == 300
    engine.close()


def test_a_sweep_says_in_its_file_how_weights_came(
    trajectory: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [{"topic": "all", "question_id": key, "question": text} for key, text in QUESTIONS.items()]
    pl.DataFrame(rows).write_parquet(tmp_path / "probes.parquet")

    def swept(sampling: Sampling, out: str) -> pl.DataFrame:
        arguments = (tmp_path / "probes.parquet", sampling, tmp_path / out, tmp_path / "store")
        sweep("pocket", "sft-x", trajectory[0], trajectory[:3], *arguments, engine="vllm")
        return pl.read_parquet(tmp_path / out)

    five = swept(WARM, "five.parquet")
    metadata = pl.read_parquet_metadata(tmp_path / "five.parquet")
    assert metadata["engine"] == "vllm float32"
    assert metadata["loaded"] == '{"0": "fresh engine", "1": "fresh engine", "2": "fresh engine"}'
    assert "a fresh engine for every checkpoint" in capfd.readouterr().err
    eight = swept(WARM.replace(answers=8), "eight.parquet")
    assert capfd.readouterr().err.count(": 15 answers") == 3
    assert eight.filter(pl.col("sample") < 5).equals(five)
    swept(WARM, "again.parquet")
    assert "LLM" not in capfd.readouterr().err
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "five.parquet").read_bytes()


def test_vllm_is_not_chosen_by_itself_where_there_is_no_gpu() -> None:
    assert engine_kind("auto").name == ("vllm" if torch.cuda.is_available() else "transformers")
    assert engine_kind("vllm") == KIND
