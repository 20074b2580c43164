"""What every judge can do, whichever model it is and wherever it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from valuedrift.config.judges import JudgeSettings
from valuedrift.errors import ConfigError
from valuedrift.judging.judge_prompt import check_labels, read_judge_prompt
from valuedrift.judging.judgement import Judgement
from valuedrift.llm.cost import Estimate


class Judge(Protocol):
    """A model that judges prompts; what it said is kept in a journal, and nothing in there is judged again."""

    @property
    def name(self) -> str:
        """Which model, for the column `judge`."""

    @property
    def settings(self) -> JudgeSettings: ...

    @property
    def template(self) -> str:
        """The text of the prompt's template."""

    def keys(self, prompt: str) -> tuple[str, ...]:
        """Where in a journal the judge's records on this prompt stand: one, or one a sample.

        A key is a hash of everything that the record depends on: the judge and the prompt, with its labels.
        """

    def estimate(self, prompts: Iterable[str], journal: Path) -> Estimate:
        """What `judge` with these arguments would send and cost; nothing is loaded, asked or written."""

    def judge(self, prompts: Iterable[str], journal: Path) -> None:
        """See to it that the journal has the records of every prompt; prompts may repeat, and may be very many."""

    def judgement(self, records: Sequence[Mapping[str, Any]]) -> Judgement:
        """What the records of one prompt, in the order of `keys`, amount to."""


def open_judge(settings: JudgeSettings, folder: Path | None = None) -> Judge:
    """The judge in `folder`, or the one that `settings.llm` names. No model is loaded or asked yet.

    Raises ConfigError for a prompt that doesn't fit, ArtifactError for a folder without a model.
    """
    template = read_judge_prompt(settings.prompt)
    check_labels(template, settings.labels)
    if settings.llm is not None:
        from valuedrift.judging.chat_judge import ChatJudge

        return ChatJudge(settings, template, settings.llm)
    if folder is None:
        raise ConfigError("judge", "no model", "a judge's folder, or a section `llm` that says whom to ask")
    from valuedrift.judging.folder_judge import open_folder

    return open_folder(folder, settings, template)
