"""What one job takes: tokens, answers, requests and bytes, and the seconds that follow at the speeds of rates.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from valuedrift.config.check import Config
from valuedrift.config.grid import Run
from valuedrift.config.hyperparameters import SETTINGS
from valuedrift.models.kept_steps import kept_steps
from valuedrift.workflow.job_graph import Job
from valuedrift.workflow.job_sizes import Sizes

_FP32, _BF16 = 4, 2  # bytes per parameter
_ANSWER_BYTES = 600  # an answer's row, its stance's row and its line in the journal
_FETCHED = {"fetch": "models", "fetch_judge": "judges", "fetch_llm": "llms"}


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

    Attributes:
        device: gpu, cpu, or network where a job waits for replies or a download.
        seconds: Of one device at the assumed speed, start included.
        tokens: Trained on.
        answers: Sampled.
        judge_tokens: Read and written by judges and writers, on GPUs of ours or over the network.
        asked: What of these goes over the network.
        kept: Bytes that stay.
        passing: Bytes that are removed when the job ends, or when its checkpoints have answered.
    """

    device: str
    seconds: float
    tokens: float = 0
    answers: float = 0
    judge_tokens: float = 0
    asked: Asked | None = None
    kept: float = 0
    passing: float = 0


class JobCosts:
    """Estimates jobs from the table of rates and the sizes of what they work on."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes, self.rates, self.project = sizes, sizes.rates, sizes.project

    def work(self, job: Job) -> Work:
        """Estimate a job; a stage that is named neither here nor in rates.yaml takes that table's constant.

        Raises:
            KeyError: The configuration doesn't have the job's model, run, suite or data set.
        """
        owner, _, rest = job.name.partition("/")
        match job.stage:
            case "pretrain":
                return self._pretraining(owner)
            case "generate":
                run, _, part = rest.rpartition("/")
                return self._generation(owner, run, part)
            case "stances":
                return self._stances(owner, rest)
            case "judge_data":
                return self._data_stances(owner)
            case "retrieve":
                return self._retrieval(owner, rest)
            case "downstream":
                operations = 2 * self.sizes.model(owner) * self.rates["tasks"]
                device = self.sizes.device(owner)
                return Work(device, self._seconds(device, job.stage, scoring=operations))
            case "fetch" | "fetch_judge" | "fetch_llm":
                return self._download(self.project.config[_FETCHED[job.stage]][owner])
        if job.stage in SETTINGS:
            return self._training(self.project.models[owner].runs[rest])
        if job.stage in self.rates["requests"]:
            return self._writing(job.stage, owner)
        return self._constant(job.stage)

    def training_operations(self, algorithm: str, settings: Config, parameter_tokens: float) -> dict[str, float]:
        """Floating-point operations of a training by kind.

        A forward pass takes 2 per parameter and token, a backward pass 4, recomputed activations another 2 (Kaplan et
        al., 2020). Adapters need no gradients of the weights: 2 fewer. The passes of reference, reward and value models
        are counted in rates.yaml; PPO makes those of a rollout once for all its epochs over it.

        Args:
            parameter_tokens: Parameters times tokens trained on.
        """
        forward = 2 * parameter_tokens
        once = forward / settings.get("ppo_epochs", 1)
        passes = {"models": 1, "scoring": 0, "rollout": 0, **self.rates["passes"].get(algorithm, {})}
        update = forward * (3 + settings["gradient_checkpointing"] - bool(settings.get("lora")))
        return {
            "training": update * passes["models"],
            "scoring": once * passes["scoring"],
            "rollout": once * passes["rollout"],
        }

    def _training(self, run: Run) -> Work:
        settings = run.settings
        size, device = self.sizes.model(run.model), self.sizes.device(run.model)
        tokens = self.sizes.trained_tokens(run, settings)
        state = 3 * _FP32 * size * (2 if run.algorithm == "ppo" else 1)  # weights and Adam's two moments
        resumable = state * (0.02 if settings.get("lora") else 2)  # the new state is written beside the old one
        machine = self.project.config.get("machine", {})
        stay = len(kept_steps(run.steps, machine.get("keep", "all"), machine.get("nth", 1)))
        operations = self.training_operations(run.algorithm, settings, size * tokens)
        return Work(
            device,
            self._seconds(device, run.algorithm, **operations),
            tokens=tokens,
            kept=_FP32 * size * stay,
            passing=_FP32 * size * (len(run.steps) - stay) + resumable,
        )

    def _pretraining(self, model: str) -> Work:
        size, settings = self.sizes.model(model), self.project.models[model].suite["training"]["pretrain"]
        tokens = self.sizes.pretraining_tokens(model) * settings["epochs"]
        seconds = self._seconds("cpu", "pretrain", **self.training_operations("sft", settings, size * tokens))
        return Work("cpu", seconds, tokens=tokens, kept=_FP32 * size)

    def _generation(self, model: str, run: str, part: str) -> Work:
        suite, name = self.project.models[model].suite, self.project.models[model].suite.name
        size, device = self.sizes.model(model), self.sizes.device(model)
        checkpoints, each = 1, suite["calibration"]
        if part != "calibration":
            shard = int(part.removeprefix("shard-"))
            checkpoints, each = len(self.project.models[model].shards(run)[shard]), suite["generation"]["answers"]
        answers = self.sizes.questions(name) * each * checkpoints
        tokens = answers * (self.sizes.question(name) + self.sizes.answer(name))
        seconds = self._seconds(device, "generate", answering=2 * size * tokens)
        seconds += checkpoints * self.rates[device]["swap"] * size / 1e9
        return Work(device, seconds, answers=answers, kept=answers * _ANSWER_BYTES)

    def _stances(self, model: str, name: str) -> Work:
        suite, run = self.project.models[model].suite, name.removesuffix("/calibration")
        each = suite["generation"]["answers"] * len(self.project.models[model].steps(run))
        if run != name:
            each = suite["calibration"]
        return self._judging(suite.name, "stances", each * self.sizes.questions(suite.name))

    def _data_stances(self, suite: str) -> Work:
        settings = self.project.config["suites"][suite]
        share = 1.0 if "world" in settings else self.rates["retrieved"]
        answers = {data: 1 if data in settings["grid"]["sft"] else 2 for data in settings["data"]}  # per row
        texts = share * sum(self.sizes.rows(suite, data) * each for data, each in answers.items())
        return self._judging(suite, "judge_data", texts)

    def _judging(self, suite: str, stage: str, texts: float) -> Work:
        judge, read = self.project.suites[suite].judge.entry, texts * self.sizes.judged(suite)
        if "llm" in judge:
            samples = max(1, judge.get("samples", 0))
            return self._asking(judge["llm"], stage, texts * samples, read * samples, texts * samples)
        device, size = "cpu" if "train" in judge else "gpu", self.sizes.parameters(judge.get("train", judge))
        seconds = self._seconds(device, stage, scoring=2 * size * read)
        return Work(device, seconds, judge_tokens=read + texts, kept=texts * _ANSWER_BYTES)

    def _writing(self, stage: str, suite: str) -> Work:
        """Estimate a job that asks a chat model to write, name or filter."""
        settings, guess, scale = self.project.config["suites"][suite], self.rates["requests"][stage], 1
        if stage == "synthetic_pairs":
            llm, scale = settings["synthetic"]["writer"], settings["synthetic"]["retrieval"]["total"]
        else:
            llm = settings["probes"].get("llm")
        requests = guess["requests"] * scale
        read, written = requests * guess["input"], requests * guess["output"]
        return self._asking(llm, stage, requests, read, written) if llm else self._constant(stage)

    def _asking(self, llm: str, stage: str, requests: float, read: float, written: float) -> Work:
        """Over the network, the time of replies at the settings' concurrency; else that of the job's own GPUs."""
        settings = self.project.config["llms"][llm]
        if "model" in settings:
            seconds = requests * self.rates["latency"] / settings.get("concurrency", 32)
            return Work("network", seconds, judge_tokens=read + written, asked=Asked(llm, requests, read, written))
        size = self.sizes.parameters(settings)
        seconds = self._seconds("gpu", stage, scoring=2 * size * read, answering=2 * size * written)
        return Work("gpu", seconds, judge_tokens=read + written)

    def _retrieval(self, suite: str, data: str) -> Work:
        """Estimate the embedding of all rows of a data set, on the devices of the suite's models."""
        size = self.sizes.named(self.project.suites[suite]["expression"]["model"])
        tokens = self.sizes.all_tokens(suite, data)
        device = self.sizes.suite_device(suite)
        return Work(device, self._seconds(device, "retrieve", embedding=2 * size * tokens))

    def _download(self, entry: Config) -> Work:
        weights = _BF16 * self.sizes.parameters(entry)
        return Work("network", weights / self.rates["download"], kept=weights)

    def _constant(self, stage: str) -> Work:
        if stage in self.rates["gpu_seconds"]:
            return Work("gpu", self.rates["gpu_seconds"][stage])
        return Work("cpu", self.rates["seconds"].get(stage, self.rates["seconds"]["other"]))

    def _seconds(self, device: str, stage: str, **operations: float) -> float:
        rates: Mapping[str, float] = {**self.rates[device], **self.rates[device]["of"].get(stage, {})}
        return rates["start"] + sum(count / rates[kind] for kind, count in operations.items())
