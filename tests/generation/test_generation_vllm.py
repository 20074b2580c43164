"""The vLLM engine's proof and fallback against a stand-in for vLLM; tests/with_vllm runs the real one."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, local
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import valuedrift.generation.vllm_engine as vllm_engine
from valuedrift.config.sampling import Sampling
from valuedrift.errors import ArtifactError
from valuedrift.generation.probe_prompts import Prompt, PromptCodec
from valuedrift.generation.vllm_engine import VllmEngine
from valuedrift.generation.vllm_worker import HeldWeights
from valuedrift.models.weights import Checkpoint, digest

SAMPLING = Sampling(answers=1, temperature=0.7, max_tokens=8, batch_size=4, seed=0)
LAYER = "model.layers.0.self_attn"
SHAPES = {
    "model.embed_tokens.weight": (5, 4),
    **{f"{LAYER}.{part}_proj.weight": (rows, 4) for part, rows in (("q", 4), ("k", 2), ("v", 2))},
    f"{LAYER}.q_proj.bias": (4,),
    f"{LAYER}.k_proj.bias": (2,),
    f"{LAYER}.v_proj.bias": (2,),
    "model.norm.weight": (4,),
    "lm_head.weight": (5, 4),
}


def tensors(seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    found = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    return {**found, "lm_head.weight": found["model.embed_tokens.weight"]}


def checkpoint_of(seed: int) -> Checkpoint:
    digests = {name: digest(tensor) for name, tensor in tensors(seed).items()}
    return Checkpoint(Path(f"step-{seed:06d}"), digests, SHAPES)


class PackedModel(torch.nn.Module):
    """Parameters named and packed as vLLM does, the vocabulary filled up to eight rows."""

    packed_modules_mapping = {"qkv_proj": ["q_proj", "k_proj", "v_proj"]}  # noqa: RUF012

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        super().__init__()
        rows = torch.cat([weights["model.embed_tokens.weight"], torch.zeros(3, 4)])
        embedding = torch.nn.Parameter(rows)
        self.named = {"model.embed_tokens.weight": embedding, "lm_head.weight": embedding}
        for kind in ("weight", "bias"):
            parts = [weights[f"{LAYER}.{part}_proj.{kind}"] for part in "qkv"]
            self.named[f"{LAYER}.qkv_proj.{kind}"] = torch.nn.Parameter(torch.cat(parts))
        self.named["model.norm.weight"] = torch.nn.Parameter(weights["model.norm.weight"])

    def named_parameters(self, *args: Any, **kwargs: Any) -> Any:
        return iter(self.named.items())


class Worker(HeldWeights):
    def __init__(self, model: PackedModel, ranks: int = 1) -> None:
        self.model = model
        self.parallel_config = SimpleNamespace(tensor_parallel_size=ranks)

    def get_model(self) -> PackedModel:
        return self.model


def held(model: PackedModel) -> dict[str, str]:
    return Worker(model).held_digests({name: list(shape) for name, shape in SHAPES.items()})


def test_packed_and_filled_up_tensors_are_read_as_the_file_has_them() -> None:
    assert held(PackedModel(tensors(1))) == checkpoint_of(1).digests


@pytest.mark.parametrize("name", SHAPES)
def test_a_tensor_of_any_kind_that_is_another_shows(name: str) -> None:
    weights = tensors(1)
    weights[name].view(-1)[-1] += 1
    expected = checkpoint_of(1).digests
    shared = {"model.embed_tokens.weight", "lm_head.weight"}
    wrong = {other for other, value in held(PackedModel(weights)).items() if value != expected[other]}
    assert wrong == (shared if name in shared else {name})


def test_tensors_that_the_model_keeps_in_another_form_are_absent_and_strange_ones_named() -> None:
    model = PackedModel(tensors(1))
    model.named[f"{LAYER}.qkv_proj.weight"] = torch.nn.Parameter(torch.empty(0))
    model.named["model.extra"] = torch.nn.Parameter(torch.zeros(2))
    found = held(model)
    assert SHAPES.keys() - found.keys() == {f"{LAYER}.{part}_proj.weight" for part in "qkv"}
    assert found.keys() - SHAPES.keys() == {"model.extra"}


def part(weights: dict[str, torch.Tensor], rank: int, ranks: int) -> PackedModel:
    """What one process has of the tensors: rows of layers, one of two heads of keys and values, whole norms."""
    model = PackedModel(weights)
    own = {"q": rank, "k": rank * 2 // ranks, "v": rank * 2 // ranks}
    count = {"q": ranks, "k": 2, "v": 2}
    for kind in ("weight", "bias"):
        rows = [weights[f"{LAYER}.{one}_proj.{kind}"].chunk(count[one])[own[one]].clone() for one in "qkv"]
        model.named[f"{LAYER}.qkv_proj.{kind}"] = torch.nn.Parameter(torch.cat(rows))
    embedding = torch.nn.Parameter(model.named["lm_head.weight"].data.chunk(ranks)[rank].clone())
    model.named |= {"lm_head.weight": embedding, "model.embed_tokens.weight": embedding}
    model.named["model.norm.weight"] = torch.nn.Parameter(weights["model.norm.weight"].clone())
    return model


def held_by_all(models: list[PackedModel], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The digests that processes return which run at the same time, and gather from each other."""
    here, meet, parts = local(), Barrier(len(models), timeout=20), dict[int, torch.Tensor]()

    def gather(tensor: torch.Tensor, axis: int) -> torch.Tensor:
        meet.wait()
        parts[here.rank] = tensor
        meet.wait()
        return torch.cat([parts[rank] for rank in range(len(models))], axis)

    def run(rank: int) -> dict[str, str]:
        here.rank = rank
        return Worker(models[rank], len(models)).held_digests({name: list(shape) for name, shape in SHAPES.items()})

    names = {"get_tensor_model_parallel_rank": lambda: here.rank, "tensor_model_parallel_all_gather": gather}
    monkeypatch.setitem(sys.modules, "vllm.distributed", SimpleNamespace(**names))
    with ThreadPoolExecutor(len(models)) as threads:
        return list(threads.map(run, range(len(models))))


@pytest.mark.parametrize("ranks", [2, 4])
def test_tensors_over_several_processes_are_read_as_the_file_has_them(
    ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [part(tensors(1), rank, ranks) for rank in range(ranks)]
    assert held_by_all(models, monkeypatch) == [checkpoint_of(1).digests] * ranks
    for name, whole in (("model.norm.weight", "model.norm.weight"), (f"{LAYER}.v_proj.bias", f"{LAYER}.qkv_proj.bias")):
        models = [part(tensors(1), rank, ranks) for rank in range(ranks)]
        models[-1].named[whole].data[-1] += 1
        found = held_by_all(models, monkeypatch)
        wrong = {other for held in found for other in held if held[other] != checkpoint_of(1).digests[other]}
        assert wrong == {name}


class StandIn:
    """What the engine uses of vLLM's `LLM`.

    `keeps`: names of tensors that a reload leaves as they are; `apart`: one that a second process reloads wrongly.
    """

    def __init__(
        self, folder: Path, keeps: tuple[str, ...] = (), stale: bool = False, hidden: str = "", apart: str = ""
    ) -> None:
        self.apart, self.second = apart, dict[str, str]()
        self.weights = tensors(int(folder.name[-1]))
        self.keeps, self.stale, self.hidden = keeps, stale, hidden
        self.answering = folder.name
        self.llm_engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=lambda: None))

    def collective_rpc(self, method: str, kwargs: dict[str, Any]) -> list[Any]:
        if method == "held_digests":
            found = Worker(PackedModel(self.weights)).held_digests(**kwargs)
            first = {name: value for name, value in found.items() if name != self.hidden}
            return [first, first | self.second]
        assert method == "reload_weights"
        if "fails" in self.keeps:
            raise RuntimeError("no such layer")
        new = tensors(int(kwargs["weights_path"][-1]))
        self.weights = {name: self.weights[name] if name in self.keeps else new[name] for name in new}
        self.answering = self.answering if self.stale else kwargs["weights_path"]
        self.second = {self.apart: "other"} if self.apart else {}
        return [None]

    def reset_prefix_cache(self) -> bool:
        return True


@pytest.fixture
def engine(codec: PromptCodec, monkeypatch: pytest.MonkeyPatch) -> VllmEngine:
    monkeypatch.setattr(VllmEngine, "greedy", lambda self: self.llm.answering)
    return VllmEngine(codec, torch.float32, [Prompt("q", "q", (1, 2), (0,))], SAMPLING)


def load_four(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch, **flaws: Any) -> tuple[list[str], list[str]]:
    """How each of four checkpoints was loaded, and the checkpoints that engines were started on."""
    started: list[str] = []

    def start(folder: Path, *_: object) -> StandIn:
        started.append(folder.name[-1])
        return StandIn(folder, **flaws)

    monkeypatch.setattr(vllm_engine, "_engine", start)
    return [engine.load(checkpoint_of(seed)) for seed in (1, 2, 3, 4)], started


def test_exchanges_that_are_proven_go_on(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, started = load_four(engine, monkeypatch)
    assert loaded == ["fresh engine", "fresh engine", "in place", "in place"]
    # The second is started anew to compare its answers with.
    assert started == ["1", "2"]
    assert engine.llm.answering == "step-000004"


@pytest.mark.parametrize(
    ("flaws", "reason"),
    [
        ({"keeps": (f"{LAYER}.k_proj.weight",)}, f"1 of 9 tensors are not the file's, such as {LAYER}.k_proj.weight"),
        ({"hidden": "model.norm.weight"}, "1 of 9 tensors are not the file's, such as model.norm.weight"),
        ({"apart": "model.norm.weight"}, "1 of 9 tensors are not the file's, such as model.norm.weight"),
        ({"stale": True}, "greedy answers differ from a fresh engine's"),
        ({"keeps": ("fails",)}, "reload_weights failed: no such layer; greedy answers differ"),
    ],
)
def test_a_failed_proof_means_fresh_engines_and_is_said_once(
    engine: VllmEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flaws: dict[str, Any],
    reason: str,
) -> None:
    loaded, started = load_four(engine, monkeypatch, **flaws)
    assert loaded == ["fresh engine"] * 4
    assert started == ["1", "2", "3", "4"]
    said = capsys.readouterr().err
    assert said.count("vLLM: weights can't be exchanged in place") == 1
    assert reason in said


def test_an_exchange_that_fails_later_ends_them(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load_four(engine, monkeypatch)
    engine.llm.keeps = ("model.norm.weight",)
    assert [engine.load(checkpoint_of(seed)) for seed in (1, 2)] == ["fresh engine"] * 2
    assert engine.llm.answering == "step-000002"
    assert "such as model.norm.weight" in capsys.readouterr().err


def test_a_fresh_engine_with_other_weights_than_were_read_never_answers(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_engine, "_engine", lambda *_: StandIn(Path("step-000003")))
    with pytest.raises(ArtifactError, match=r"step-000001: found .*, expected files that nothing writes to"):
        engine.load(checkpoint_of(1))
    assert engine.llm is None
