"""How a judge is asked, and which model it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from valuedrift.errors import ConfigError
from valuedrift.llm.llm_settings import LlmSettings
from valuedrift.statistics.panel import STANCES

ENGINES = ("transformers", "vllm")


@dataclass(frozen=True)
class JudgeSettings:
    """How a judge is asked.

    prompt: the name of one of the package's templates, or a path
    labels: the words that stand for support, neutral and oppose; each has to be one token for the judge
    max_unassigned: above this probability outside the labels an answer is flagged, and its stance left open

    A judge in a folder is read exactly, by `engine` (transformers or vllm), `batch_size` prompts at a time;
    `chat` gives it the prompt as a user's turn (instruct models).

    Any other judge is asked over `llm`, always as a chat. `samples` above 0 is for judges that give no
    log-probabilities: so many replies are drawn, at `temperature`, of at most `max_tokens` tokens each.
    """

    prompt: str
    labels: tuple[str, ...] = STANCES
    max_unassigned: float = 0.5
    engine: str = "transformers"
    chat: bool = True
    batch_size: int = 32
    llm: LlmSettings | None = None
    samples: int = 0
    temperature: float = 1.0
    max_tokens: int = 2048


def read_settings(values: Mapping[str, Any]) -> JudgeSettings:
    """The settings in a judge's section of the configuration. Raises ConfigError, naming the key."""
    _known(JudgeSettings, values, "judge")
    llm = values.get("llm")
    if llm is not None:
        _known(LlmSettings, llm, "judge.llm")
        llm = LlmSettings(**llm)
    settings = JudgeSettings(**{**values, "llm": llm, "labels": tuple(values.get("labels", STANCES))})
    _check(settings)
    return settings


def _known(kind: type[JudgeSettings] | type[LlmSettings], values: Mapping[str, Any], key: str) -> None:
    names = [field.name for field in fields(kind)]
    for name in values:
        if name not in names:
            raise ConfigError(f"{key}.{name}", values[name], f"one of {', '.join(names)}")


def _check(settings: JudgeSettings) -> None:
    labels, llm = settings.labels, settings.llm
    words = {str(label).lower() for label in labels}
    if len(labels) != len(STANCES) or len(words) != len(labels) or any(len(str(word).split()) != 1 for word in labels):
        raise ConfigError("judge.labels", list(labels), "three different words, for support, neutral and oppose")
    if not 0 <= settings.max_unassigned <= 1:
        raise ConfigError("judge.max_unassigned", settings.max_unassigned, "a probability")
    if settings.engine not in ENGINES:
        raise ConfigError("judge.engine", settings.engine, " or ".join(ENGINES))
    if settings.samples and llm is None:
        raise ConfigError("judge.samples", settings.samples, "0, or a section `llm` that says whom to ask")
    if llm is not None and not settings.samples and llm.backend in ENGINES:
        raise ConfigError(
            "judge.llm.backend", llm.backend, "http or batch", "A judge in a folder is named by `folder` and `engine`."
        )
