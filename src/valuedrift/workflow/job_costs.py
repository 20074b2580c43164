"""Estimate one job: tokens, answers, requests and bytes, and the seconds for them at the speeds of rates.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from valuedrift.config.chat_models import LlmSettings
from valuedrift.config.check import Config
from valuedrift.config.grid import Run
from valuedrift.config.hyperparameters import SETTINGS
from valuedrift.llm.cost import BATCH_DISCOUNT, dollars
from valuedrift.models.prune_weights import kept_steps
from valuedrift.statistics.labelled_sample import STAGES
from valuedrift.workflow.job_graph import Job
from valuedrift.workflow.job_sizes import Sizes
from valuedrift.workflow.project_judges import ChatModel, Judge
from valuedrift.workflow.project_models import Model
from valuedrift.workflow.project_suites import Suite

_CALIBRATION, _CONTROLS = "calibration", "controls"
_FP32, _BF16 = 4, 2  # bytes per parameter
_ANSWER_BYTES = 600  # of an answer's row, its stance's row and its line in the journal


@dataclass(frozen=True)
class Work:
    """The estimated work of a job.

    Attributes:
        device: gpu, cpu, or network if the job waits for replies or a download.
        seconds: Seconds of one device at the assumed speed, with the start.
        tokens: Tokens trained on.
        answers: Answers sampled.
        read: Tokens that judges and writers read, on local GPUs or over the network.
        written: Tokens that judges and writers write, on local GPUs or over the network.
        llm: The chat model that is asked over the network, if there is one.
        requests: Number of requests to `llm`.
        kept: Bytes that remain on disk.
        passing: Bytes that are removed when the job ends, or when its checkpoints have answered; of checkpoints on the
            hub, those of all that are on disk at a time.
    """

    device: str
    seconds: float
    tokens: float = 0
    answers: float = 0
    read: float = 0
    written: float = 0
    llm: ChatModel | None = None
    requests: float = 0
    kept: float = 0
    passing: float = 0

    @property
    def dollars_sync(self) -> float:
        """The price of the requests with the synchronous API."""
        return dollars(LlmSettings.read(self.llm.settings), self.read, self.written) if self.llm else 0

    @property
    def dollars(self) -> float:
        """The price of the requests with the chat model's backend."""
        return self.dollars_sync * (BATCH_DISCOUNT if self.llm and self.llm["backend"] == "batch" else 1)


class JobCosts:
    """Estimates jobs from the table of rates and the sizes of models and texts."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes, self.rates, self.project = sizes, sizes.rates, sizes.project

    def work(self, job: Job) -> Work:
        """Estimate a job. Stages without a formula take a constant number of seconds from rates.yaml.

        Raises:
            KeyError: The job's model, run, suite or data set isn't in the configuration.
        """
        name, _, rest = job.name.partition("/")
        project, stage = self.project, job.stage
        if stage in SETTINGS and stage != "pretrain":
            return self._training(project.models[name].runs[rest])
        if stage in self.rates["requests"]:
            return self._writing(stage, project.suites[name])
        match stage:
            case "generate":
                run, _, part = rest.rpartition("/")
                return self._generation(project.models[name], run, part)
            case "stances":
                return self._stances(project.models[name], rest)
            case "judge_stances":
                key, _, run = rest.partition("/")
                return self._stances(project.models[key], run, project.judges[name])
            case "reference":
                suite = project.models[name].suite
                texts = suite["reference"]["labels"] * len(STAGES) * len(project.config["topics"])
                return self._judging(suite, stage, texts, suite.reference)
            case "judge_data":
                return self._data_stances(project.suites[name])
            case "downstream":
                model = project.models[name]
                operations = 2 * self.sizes.of(model, rest.rpartition("/")[0]) * self.rates["tasks"]
                return Work(_device(model), self._seconds(_device(model), stage, scoring=operations))
            case "fetch":
                return self._download(self.sizes.parameters(project.models[name].entry))
            case "fetch_checkpoint":
                model, run = project.models[name], rest.rpartition("/")[0]
                fetched, first_two = self._download(self.sizes.of(model, run)), model.shards(run)[:2]
                return replace(fetched, kept=0, passing=sum(map(len, first_two)) * fetched.kept)
            case "train_judge" if project.judges[name].encoder or project.judges[name].base:
                return self._judge_training(project.judges[name])
            case "fetch_judge":
                return self._download(self.sizes.parameters(project.judges[name].entry))
            case "fetch_llm":
                return self._download(self.sizes.parameters(project.llms[name].entry))
        return Work("cpu", self.rates["seconds"].get(stage, self.rates["seconds"]["other"]))

    def training_operations(self, algorithm: str, settings: Config, parameter_tokens: float) -> dict[str, float]:
        """Return the floating-point operations of a training by kind.

        A forward pass takes 2 operations per parameter and token, a backward pass 4, recomputed activations another 2
        (Kaplan et al., 2020). Adapters take 2 fewer, since they need no gradients of the weights. rates.yaml has the
        numbers of passes of reference, reward and value models; PPO makes those on a rollout once for all its epochs.

        Args:
            algorithm: The training algorithm.
            settings: The run's hyper-parameters.
            parameter_tokens: Number of parameters times number of tokens trained on.
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
        model, settings = self.project.models[run.model], run.settings
        size, tokens = self.sizes.of(model, run.lineage), self.sizes.trained_tokens(run, model.suite)
        state = 3 * _FP32 * size * (2 if run.algorithm == "ppo" else 1)  # weights and Adam's two moments
        resumable = state * (0.02 if settings.get("lora") else 2)  # the old state exists until the new one is written
        machine = self.project.settings.machine
        stay = len(kept_steps(run.steps, machine.keep, machine.nth or 1))
        operations = self.training_operations(run.algorithm, settings, size * tokens)
        return Work(
            _device(model),
            self._seconds(_device(model), run.algorithm, **operations),
            tokens=tokens,
            kept=_FP32 * size * stay,
            passing=_FP32 * size * (len(run.steps) - stay) + resumable,
        )

    def _generation(self, model: Model, run: str, part: str) -> Work:
        checkpoints, answers = self._asked(model, run, part)
        tokens = answers * (self.sizes.question(model.suite) + self.sizes.answer(model.suite))
        size, device = self.sizes.of(model, run), _device(model)
        seconds = self._seconds(device, "generate", answering=2 * size * tokens)
        seconds += checkpoints * self.rates[device]["swap"] * size / 1e9
        return Work(device, seconds, answers=answers, kept=answers * _ANSWER_BYTES)

    def _stances(self, model: Model, name: str, judge: Judge | None = None) -> Work:
        run, _, part = name.rpartition("/")
        if part in (_CALIBRATION, _CONTROLS):
            return self._judging(model.suite, "stances", self._asked(model, run, part)[1])
        parts = [f"shard-{number}" for number in range(len(model.shards(name)))]
        return self._judging(model.suite, "stances", sum(self._asked(model, name, part)[1] for part in parts), judge)

    def _asked(self, model: Model, run: str, part: str) -> tuple[int, int]:
        """Return the numbers of checkpoints and of answers of a job that answers: `part` is the name of its file."""
        suite = model.suite
        if part == _CONTROLS:
            questions = sum(suite.control_targets.values())
            return len(model.steps(run)), questions * suite.controls * len(model.steps(run))
        if part == _CALIBRATION:
            return 1, self.sizes.questions(suite) * suite["calibration"]
        steps = len(model.shards(run)[int(part.removeprefix("shard-"))])
        return steps, self.sizes.questions(suite) * suite["generation"]["answers"] * steps

    def _data_stances(self, suite: Suite) -> Work:
        answers = {data: 1 if data in suite["grid"]["sft"] else 2 for data in suite.data}  # per row
        texts = sum(self.sizes.rows(suite, data) * each for data, each in answers.items())
        return self._judging(suite, "judge_data", texts * (1 if suite.has_world else self.rates["retrieved"]))

    def _judging(self, suite: Suite, stage: str, texts: float, judge: Judge | None = None) -> Work:
        judge = judge or suite.judge
        read = texts * self.sizes.judged(suite, judge)
        if judge.llm:
            samples = max(1, self.project.settings.judges[judge.name].samples)
            return self._asking(judge.llm, stage, texts * samples, read * samples, texts * samples)
        device, size = "cpu" if judge.is_trained else "gpu", self.sizes.parameters(judge.entry)
        seconds = self._seconds(device, stage, scoring=2 * size * read)
        return Work(device, seconds, read=read, written=texts, kept=texts * _ANSWER_BYTES)

    def _judge_training(self, judge: Judge) -> Work:
        train = judge["train"]
        suite = self.project.suites[train["world"]]
        rows = suite["world"]["judge"]["train_rows"] * train["settings"]["epochs"]
        tokens = rows * (self.sizes.question(suite) + self.sizes.answer(suite))
        operations = self.training_operations("sft", train["settings"], self.sizes.parameters(judge.entry) * tokens)
        return Work("cpu", self._seconds("cpu", "train_judge", **operations), tokens=tokens)

    def _writing(self, stage: str, suite: Suite) -> Work:
        """Estimate a job that asks a chat model to write, name or filter."""
        llm, scale, guess = suite.probes.llm, 1, self.rates["requests"][stage]
        if stage == "synthetic_pairs":
            llm, scale = suite.writer, suite["synthetic"]["retrieval"]["total"]
        if llm is None:
            return Work("cpu", self.rates["seconds"]["other"])
        requests = guess["requests"] * scale
        return self._asking(llm, stage, requests, requests * guess["input"], requests * guess["output"])

    def _asking(self, llm: ChatModel, stage: str, requests: float, read: float, written: float) -> Work:
        """Estimate requests to a chat model: on a server, with its latency and concurrency; else, on the job's GPU."""
        if llm.is_served:
            seconds = requests * self.rates["latency"] / LlmSettings.read(llm.settings).concurrency
            return Work("network", seconds, read=read, written=written, llm=llm, requests=requests)
        size = self.sizes.parameters(llm.entry)
        seconds = self._seconds("gpu", stage, scoring=2 * size * read, answering=2 * size * written)
        return Work("gpu", seconds, read=read, written=written)

    def _download(self, parameters: float) -> Work:
        weights = _BF16 * parameters
        return Work("network", weights / self.rates["download"], kept=weights)

    def _seconds(self, device: str, stage: str, **operations: float) -> float:
        rates: Mapping[str, float] = {**self.rates[device], **self.rates[device]["of"].get(stage, {})}
        return rates["start"] + sum(count / rates[kind] for kind, count in operations.items())


def _device(model: Model) -> str:
    """Return the device for a model: a CPU for models trained from scratch, a GPU for all others."""
    return "cpu" if model.is_scratch else "gpu"
