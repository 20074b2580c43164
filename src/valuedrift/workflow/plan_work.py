"""What one job does: arithmetic, tokens, answers, requests and bytes, and the seconds that follow at assumed speeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from valuedrift.config.check import Config
from valuedrift.config.grid import Run
from valuedrift.config.hyperparameters import SETTINGS
from valuedrift.models.kept_steps import kept_steps
from valuedrift.workflow.plan_jobs import Job
from valuedrift.workflow.plan_sizes import Basis

_FP32, _BF16 = 4, 2
_ANSWER_BYTES = 600  # a row of answers, its stance and its two journal lines, compressed and not


@dataclass(frozen=True)
class Asked:
    """Requests to one chat model over the network, and the tokens that they read and write."""

    llm: str
    requests: float
    input_tokens: float
    output_tokens: float


@dataclass(frozen=True)
class Work:
    """What a job takes.

    device: gpu, cpu (a model on one thread) or host (tables, files, the network)
    seconds: of one device, at the assumed speed, its start included
    tokens: trained on · answers: sampled · judge_tokens: read and written by judges and writers, wherever they are
    asked: what of these goes over the network
    kept: bytes that stay · passing: bytes that go when the job ends, or when its checkpoints have answered
    """

    device: str
    seconds: float
    tokens: float = 0
    answers: float = 0
    judge_tokens: float = 0
    asked: Asked | None = None
    kept: float = 0
    passing: float = 0


def work_of(job: Job, basis: Basis) -> Work:
    """What the job takes. Raises KeyError for a job that the configuration doesn't have."""
    if job.stage in _STAGES:
        return _STAGES[job.stage](job, basis)
    if job.stage in SETTINGS:
        model, _, lineage = job.name.partition("/")
        return _training(basis.flow.runs[model][lineage], basis)
    return _host(job, basis)


# Training


def training_operations(algorithm: str, settings: Config, size: float, tokens: float) -> dict[str, float]:
    """Floating-point operations of a run by their kind, for `tokens` trained on by a model of `size` parameters.

    A pass forward takes 2 a parameter and token, one backward 4, activations that are recomputed another 2 (Kaplan et
    al., 2020). Adapters need no gradients of the weights: 2 fewer. A reference model, a reward model, a value model add
    passes of theirs.
    """
    pass_ = 2 * size * tokens
    update = pass_ * (3 + settings["gradient_checkpointing"] - bool(settings.get("lora")))
    if algorithm in ("dpo", "ipo"):
        return {"training": update, "scoring": pass_}
    if algorithm == "kto":
        return {"training": update, "scoring": 3 * pass_}
    if algorithm in ("grpo", "rloo"):
        return {"training": update, "rollout": pass_, "scoring": 2 * pass_}
    if algorithm == "ppo":
        # Each rollout is written and scored once (policy, reference, reward, value), and learnt from in every epoch by
        # the policy and the value model.
        once = pass_ / settings["ppo_epochs"]
        return {"training": 2 * update, "rollout": once, "scoring": 4 * once}
    return {"training": update}


def _training(run: Run, basis: Basis) -> Work:
    settings = json.loads(run.settings)
    size, tokens = basis.model_size(run.model), basis.trained_tokens(run)
    device = "cpu" if basis.is_small(run.model) else "gpu"
    trained = 3 * _FP32 * size * (2 if run.algorithm == "ppo" else 1)  # weights and Adam's two moments
    point = 0.02 * trained if settings.get("lora") else 2 * trained
    machine = basis.flow.config.get("machine", {})
    stay = len(kept_steps(run.steps, machine.get("keep", "all"), machine.get("nth", 1)))
    return Work(
        device,
        _seconds(basis, device, run.algorithm, training_operations(run.algorithm, settings, size, tokens)),
        tokens=tokens,
        kept=_FP32 * size * stay,
        passing=_FP32 * size * (len(run.steps) - stay) + point,
    )


def _pretrain(job: Job, basis: Basis) -> Work:
    suite = basis.suite_of(job.name)
    settings, size = suite["training"]["pretrain"], basis.model_size(job.name)
    if "world" in suite:
        rows, length = suite["world"]["pretraining"]["rows"], basis.rates["pretraining"]
    else:
        sets = suite["grid"]["sft"]
        parts = [basis.part_tokens(basis.flow.suite_name(job.name), data)["conversation"] for data in sets]
        rows, length = sum(suite["data"][data]["rows"] for data in sets), sum(parts) / len(parts)
    tokens = rows * settings["epochs"] * min(length, settings["max_length"])
    seconds = _seconds(basis, "cpu", "pretrain", training_operations("pretrain", settings, size, tokens))
    return Work("cpu", seconds, tokens=tokens, kept=_FP32 * size)


def _train_judge(job: Job, basis: Basis) -> Work:
    training = basis.flow.config["judges"][job.name]["train"]
    rows = basis.flow.config["suites"][training["world"]]["world"]["judge"]["train_rows"]
    settings, size = training["settings"], basis.judge_size(job.name)
    tokens = rows * settings["epochs"] * basis.rates["judge_training"]
    seconds = _seconds(basis, "cpu", "train_judge", training_operations("sft", settings, size, tokens))
    return Work("cpu", seconds, tokens=tokens, kept=_FP32 * size)


# Answers and stances


def _generate(job: Job, basis: Basis) -> Work:
    model, run, part = _model_run_part(job.name)
    suite = basis.flow.suite_name(model)
    if part == "calibration":
        checkpoints, each = 1, basis.suite_of(model)["calibration"]
    else:
        checkpoints = len(basis.flow.shards(model, run)[int(part.removeprefix("shard-"))])
        each = basis.suite_of(model)["generation"]["answers"]
    answers = basis.questions(suite) * each * checkpoints
    size, device = basis.model_size(model), "cpu" if basis.is_small(model) else "gpu"
    tokens = answers * (basis.of_world("question", suite) + basis.answer_tokens(model))
    seconds = _seconds(basis, device, "generate", {"answering": 2 * size * tokens})
    seconds += checkpoints * basis.rates[device]["swap"] * size / 1e9
    return Work(device, seconds, answers=answers, kept=answers * _ANSWER_BYTES)


def _stances(job: Job, basis: Basis) -> Work:
    name, _, last = job.name.rpartition("/")
    model, _, run = (name if last == "calibration" else job.name).partition("/")
    settings = basis.suite_of(model)
    if last == "calibration":
        rows = settings["calibration"]
    else:
        rows = settings["generation"]["answers"] * len(basis.flow.steps(model, run))
    suite = basis.flow.suite_name(model)
    return _judging(basis, suite, "stances", rows * basis.questions(suite), basis.answer_tokens(model))


def _judge_quality(job: Job, basis: Basis) -> Work:
    suite = basis.flow.config["judges"][job.name]["train"]["world"]
    rows = basis.flow.config["suites"][suite]["world"]["judge"]["heldout_rows"]
    return _judging(basis, suite, "judge_quality", rows, basis.of_world("answer", suite))


def _judge_data(job: Job, basis: Basis) -> Work:
    share = 1.0 if "world" in basis.flow.config["suites"][job.name] else basis.rates["retrieved"]
    rows = sum(share * _texts(basis, job.name, data) for data in basis.flow.config["suites"][job.name]["data"])
    return _judging(basis, job.name, "judge_data", rows, basis.of_world("answer", job.name))


def _judging(basis: Basis, suite: str, stage: str, rows: float, answer: float) -> Work:
    judge = basis.flow.suite_judge(suite)
    entry, size = basis.flow.config["judges"][judge], basis.judge_size(judge)
    samples = max(1, entry.get("samples", 0))
    read, written = rows * basis.judged_tokens(suite, answer), rows * samples
    if "llm" in entry:
        return _asking(basis, entry["llm"], stage, Asked(entry["llm"], rows * samples, read * samples, written))
    device = "cpu" if "train" in entry else "gpu"
    seconds = _seconds(basis, device, stage, {"scoring": 2 * size * read})
    return Work(device, seconds, judge_tokens=read + written, kept=rows * _ANSWER_BYTES)


# Chat models that write and name


def _asking(basis: Basis, llm: str, stage: str, asked: Asked) -> Work:
    """Over the network, what the requests cost in time at the settings' concurrency; else the job's own GPUs."""
    entry, tokens = basis.flow.config["llms"][llm], asked.input_tokens + asked.output_tokens
    if "model" in entry:
        waiting = asked.requests * basis.rates["latency"] / entry.get("concurrency", 32)
        return Work("host", waiting, judge_tokens=tokens, asked=asked)
    size = basis.llm_size(llm)
    operations = {"scoring": 2 * size * asked.input_tokens, "answering": 2 * size * asked.output_tokens}
    return Work("gpu", _seconds(basis, "gpu", stage, operations), judge_tokens=tokens)


def _vprism(job: Job, basis: Basis) -> Work:
    llm = basis.flow.config["suites"][job.name]["probes"].get("llm")
    if not llm:
        return Work("host", basis.rates["host"]["probes"]["start"])
    guess = basis.rates["asked"][job.stage]
    asked = Asked(llm, guess["rows"], guess["rows"] * guess["input"], guess["rows"] * guess["output"])
    return _asking(basis, llm, job.stage, asked)


def _synthetic_pairs(job: Job, basis: Basis) -> Work:
    settings, guess = basis.flow.config["suites"][job.name]["synthetic"], basis.rates["asked"]["synthetic_pairs"]
    requests = settings["retrieval"]["total"] * guess["requests"]
    written = min(guess["output"], settings["writing"]["max_tokens"])
    asked = Asked(settings["writer"], requests, requests * guess["input"], requests * written)
    return _asking(basis, settings["writer"], job.stage, asked)


# Embeddings, downloads, tables


def _retrieve(job: Job, basis: Basis) -> Work:
    suite, _, data = job.name.partition("/")
    size = basis.named_size(basis.flow.expression(suite, "model"))
    return _embedding(basis, suite, job.stage, size, sum(_part_tokens(basis, suite, data)) * _rows(basis, suite, data))


def _synthetic_retrieve(job: Job, basis: Basis) -> Work:
    settings = basis.flow.config["suites"][job.name]["synthetic"]
    rows = sum(_rows(basis, job.name, data) for data in settings["from"])
    return _embedding(basis, job.name, job.stage, basis.named_size(settings["embedding"]), rows * 100)


def _vprism_embed(job: Job, basis: Basis) -> Work:
    tokens = basis.rates["asked"]["vprism_questions"]["rows"] * basis.of_world("question", job.name)
    return _embedding(basis, job.name, job.stage, basis.named_size(basis.flow.vprism(job.name, "embedding")), tokens)


def _embedding(basis: Basis, suite: str, stage: str, size: float, tokens: float) -> Work:
    # Sentence encoders take what the suite's models take: a pocket world is all on the CPU.
    models = [model for model in basis.flow.config["models"] if basis.flow.suite_name(model) == suite]
    device = "cpu" if all(basis.is_small(model) for model in models) else "gpu"
    return Work(device, _seconds(basis, device, stage, {"embedding": 2 * size * tokens}))


def _downstream(job: Job, basis: Basis) -> Work:
    model = job.name.partition("/")[0]
    size, device = basis.model_size(model), "cpu" if basis.is_small(model) else "gpu"
    return Work(device, _seconds(basis, device, job.stage, {"scoring": 2 * size * basis.rates["downstream"]}))


def _fetch(section: str) -> Callable[[Job, Basis], Work]:
    def fetch(job: Job, basis: Basis) -> Work:
        weights = _BF16 * basis.entry_size(basis.flow.config[section][job.name])
        return Work("host", weights / basis.rates["download"], kept=weights)

    return fetch


def _host(job: Job, basis: Basis) -> Work:
    rate = basis.rates["host"].get(job.stage, basis.rates["host"]["other"])
    suite, _, data = job.name.partition("/")
    rows = 0.0
    if rate.get("row"):
        sets = [data] if data else basis.flow.config["suites"][suite]["grid"]["sft"]
        rows = sum(_rows(basis, suite, name) for name in sets)
    return Work("host", rate["start"] + rate.get("row", 0) * rows)


_STAGES: dict[str, Callable[[Job, Basis], Work]] = {
    "pretrain": _pretrain,
    "train_judge": _train_judge,
    "generate": _generate,
    "stances": _stances,
    "judge_quality": _judge_quality,
    "judge_data": _judge_data,
    "vprism_questions": _vprism,
    "vprism_name": _vprism,
    "vprism_filter": _vprism,
    "vprism_embed": _vprism_embed,
    "synthetic_pairs": _synthetic_pairs,
    "synthetic_retrieve": _synthetic_retrieve,
    "retrieve": _retrieve,
    "downstream": _downstream,
    "fetch": _fetch("models"),
    "fetch_judge": _fetch("judges"),
    "fetch_llm": _fetch("llms"),
}


def _seconds(basis: Basis, device: str, stage: str, operations: dict[str, float]) -> float:
    rates = {**basis.rates[device], **basis.rates[device]["of"].get(stage, {})}
    return float(rates["start"] + sum(count / rates[kind] for kind, count in operations.items()))


def _model_run_part(name: str) -> tuple[str, str, str]:
    """The parts of a name such as `pocket/sft-wildchat/dpo-ultrafeedback/shard-0`."""
    model, _, rest = name.partition("/")
    run, _, part = rest.rpartition("/")
    return model, run, part


def _rows(basis: Basis, suite: str, data: str) -> float:
    """Rows of a data set, those held out included."""
    settings = basis.flow.config["suites"][suite]["data"][data]
    return float(settings["rows"] / (1 - settings.get("validation", 0)))


def _part_tokens(basis: Basis, suite: str, data: str) -> list[float]:
    return list(basis.part_tokens(suite, data).values())


def _texts(basis: Basis, suite: str, data: str) -> float:
    """Answers that a data set's rows hold: one a conversation, two a pair."""
    return _rows(basis, suite, data) * (2 if "chosen" in basis.part_tokens(suite, data) else 1)
