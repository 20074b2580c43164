"""Stages of a model that are found, not trained: where their checkpoints are, and what they follow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from valuedrift.config.section import Invalid, Items, Positive, Section, Text

BASE = "base"
"""The name of the base model in place of a stage or a run."""
STEP = "{step}"
MOST_CHECKPOINTS = 10_000
"""The most checkpoints of a run."""


def _has_one_step(pattern: str) -> str:
    if not re.fullmatch(r"[^{}]*\{step(:0\d+d)?\}[^{}]*", pattern):
        raise Invalid("", pattern, f"a name with {STEP} once, such as checkpoint-{STEP} or step_{{step:04d}}")
    return pattern


def _listed(steps: Any) -> Any:
    """Write {from, to, every} out as a list."""
    if not isinstance(steps, Mapping):
        return steps
    match steps:
        case {"from": int(first), "to": int(last), "every": int(every)} if every > 0 and len(steps) == 3:
            if 0 <= (last - first) // every < MOST_CHECKPOINTS:
                return list(range(first, last + 1, every))
    expected = f"a list of steps, or {{from: 1000, to: 43000, every: 1000}} with 1 to {MOST_CHECKPOINTS:,} steps"
    raise Invalid("", dict(steps), expected)


Pattern = Annotated[Text, AfterValidator(_has_one_step)]
Steps = Annotated[Items[Annotated[int, Field(ge=0)]], BeforeValidator(_listed)]


class HubCheckpoints(Section):
    """Checkpoints on the Hugging Face hub: one, or a revision or a subfolder per step."""

    name: Text
    """Owner and name."""
    revision: Text | None = None
    """The commit, branch or tag (default `main`)."""
    revisions: Pattern | None = None
    """The branch or tag of each step, such as `step{step}` or `5e-5-step{step}`."""
    subfolder: Text | None = None
    """The folder of the checkpoint in the repository."""
    subfolders: Pattern | None = None
    """The folder of each step, such as `step_{step:04d}`."""

    @model_validator(mode="after")
    def _has_one_place_per_step(self) -> Self:
        for one, each in (("revision", self.revisions), ("subfolder", self.subfolders)):
            if getattr(self, one) and each:
                raise Invalid(one, getattr(self, one), f"no such key beside {one}s")
        return self

    def source(self, step: int) -> dict[str, str]:
        """The place of one step: name, and revision and subfolder if they are given."""
        revision = self.revisions.format(step=step) if self.revisions else self.revision
        subfolder = self.subfolders.format(step=step) if self.subfolders else self.subfolder
        named = {"name": self.name, "revision": revision, "subfolder": subfolder}
        return {key: value for key, value in named.items() if value}


class Stage(Section):
    """A stage of post-training whose checkpoints exist already."""

    one_of: ClassVar = ("folder", "hub")

    folder: Text | None = None
    """A folder of checkpoints, or with no `pattern` one checkpoint. Checkpoints are read where they are."""
    pattern: Pattern | None = None
    """The path of each checkpoint below `folder`, such as `checkpoint-{step}` or `step_{step:04d}/model`; `*` stands
    for any characters but a slash."""
    hub: HubCheckpoints | None = None
    steps: Steps = ()
    """The steps to trace, as a list or as {from: 1000, to: 43000, every: 1000} (default all that a folder has; for a
    single checkpoint, 1). Required for `revisions` and `subfolders`."""
    after: Text | None = None
    """The stage or the training run that it follows: its last checkpoint is the start (default the base model; for a
    model without one, the stage starts at its own first checkpoint)."""
    tokens_per_step: Positive | None = None
    """Tokens that the stage trains on per step; with it, figures show tokens in place of steps."""

    @property
    def is_single(self) -> bool:
        return not (self.pattern or (self.hub and (self.hub.revisions or self.hub.subfolders)))

    @model_validator(mode="after")
    def _steps_fit_the_place(self) -> Self:
        if self.pattern and not self.folder:
            raise Invalid("pattern", self.pattern, "no such key beside hub; its keys are revisions and subfolders")
        if self.is_single and len(self.steps) > 1:
            raise Invalid("steps", list(self.steps), f"one step: nothing here has {STEP} in its name")
        if self.hub and not self.is_single and not self.steps:
            raise Invalid("steps", None, "the steps that are on the hub", "`valuedrift trace --list` shows them.")
        return self
