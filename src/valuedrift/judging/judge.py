"""The interface of all judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from valuedrift.config.judges import JudgeSettings
from valuedrift.errors import ConfigError
from valuedrift.judging.judge_prompt import check_hypotheses, check_labels, read_judge_prompt
from valuedrift.judging.judgement import Judgement
from valuedrift.llm.cost import Estimate
from valuedrift.llm.journal import Journal


class Judge(Protocol):
    """A model that judges prompts. A journal keeps its records, and a prompt with records is not judged again."""

    @property
    def name(self) -> str:
        """Identifies the model, in the column `judge`."""

    @property
    def settings(self) -> JudgeSettings: ...

    @property
    def template(self) -> str:
        """The text of the prompt's template."""

    def keys(self, prompt: str) -> tuple[str, ...]:
        """Return the journal's keys of the judge's records on this prompt: one, or one per sample.

        A key is a hash of everything that the record depends on: the judge, and the prompt with its labels.
        """

    def estimate(self, prompts: Iterable[str], journal: Path) -> Estimate:
        """Estimate the requests and cost of `judge` with these arguments. Nothing is loaded, asked or written."""

    def judge(self, prompts: Iterable[str], journal: Path) -> None:
        """Write the records of every prompt into the journal. Prompts may repeat, and there may be very many."""

    def records(self, prompt: str, store: Journal) -> Sequence[Mapping[str, Any]]:
        """Return the records of one prompt, in the order of `keys`."""

    def judgement(self, records: Sequence[Mapping[str, Any]]) -> Judgement:
        """Return the judgement from the records of one prompt."""


def open_judge(settings: JudgeSettings, folder: Path | None = None) -> Judge:
    """Return the chat model in `settings.llm`, or else the model in `folder`, as judge. Doesn't load or ask a model.

    Raises ConfigError if the prompt doesn't fit or no model is given, ArtifactError for a folder without a model.
    """
    template = read_judge_prompt(settings.prompt)
    if settings.classifier:
        check_hypotheses(template, settings.classifier)
    else:
        check_labels(template, settings.labels)
    if settings.llm is not None:
        from valuedrift.judging.chat_judge import ChatJudge

        return ChatJudge(settings, template, settings.llm)
    if folder is None:
        raise ConfigError("judge", "no model", "a judge's folder, or a section `llm` that says whom to ask")
    from valuedrift.judging.folder_judge import open_folder

    return open_folder(folder, settings, template)
