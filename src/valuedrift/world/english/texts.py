"""Read the questions, arguments and phrases. The files are free to use for anything (CC0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from valuedrift.config.pocket_world import Stance
from valuedrift.packaged import packaged_yaml
from valuedrift.world.language import STANCES

_PACKAGE = "valuedrift.world.english"
_OTHER_FILES = ("phrases", "controls", "exam")


@dataclass(frozen=True)
class Question:
    """A question about a topic.

    Attributes:
        form: yes_no, open, policy, dilemma or personal.
        polarity: The stance that the answer "yes" takes, or none if the question can't be answered by yes or no.
        group: Questions with the same group ask the same thing, often from the other side.
    """

    topic: str
    text: str
    form: str
    polarity: str
    group: str | None

    @property
    def kind(self) -> tuple[str, ...]:
        return self.form, self.polarity

    @property
    def columns(self) -> dict[str, str | None]:
        return {
            "topic": self.topic,
            "question": self.text,
            "kind": self.form,
            "polarity": self.polarity,
            "group": self.group,
        }


@dataclass(frozen=True)
class Phrases:
    """What stands around the arguments: openers and closers by the answer that they give, before and after by style."""

    openers: Mapping[str, tuple[str, ...]]
    closers: Mapping[str, tuple[str, ...]]
    before: Mapping[str, tuple[str, ...]]
    after: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class ExamTexts:
    """What the exam of a judge needs besides arguments.

    Attributes:
        targets: Topic → what its arguments support or oppose.
        frames: Kind of answer → texts with places for arguments of its side ({own}) and of the opposite side ({other}).
        answers: Kind of answer → answers that have no argument and take no side.
    """

    targets: Mapping[str, str]
    frames: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, tuple[str, ...]]


@cache
def topics() -> tuple[str, ...]:
    """Return the topic keys: the names of the files, in alphabetical order."""
    names = [file.name.removesuffix(".yaml") for file in files(_PACKAGE).iterdir() if file.name.endswith(".yaml")]
    return tuple(sorted(set(names) - set(_OTHER_FILES)))


@cache
def questions(topic: str) -> tuple[Question, ...]:
    """Return all questions of a topic."""
    return tuple(
        Question(topic, entry["text"], entry["kind"], entry["polarity"], group and f"{topic}-{group}")
        for entry in _read(topic)["questions"]
        for group in [entry.get("group")]
    )


@cache
def controls() -> dict[str, list[dict[str, str]]]:
    """Return the value-free questions, as columns of a probe set, by their topic: one thing rather than another."""
    found: dict[str, list[dict[str, str]]] = {}
    for entry in _read("controls")["questions"]:
        topic = f"{entry['subject']} rather than {entry['other']}"
        columns = {name: entry[name] for name in ("kind", "polarity", "group") if name in entry}
        found.setdefault(topic, []).append({"topic": topic, "question": entry["text"], **columns})
    return found


@cache
def arguments(topic: str) -> dict[Stance, tuple[str, ...]]:
    """Return the arguments of a topic by stance. Each states its stance alone and fits any question of the topic."""
    return {stance: tuple(_read(topic)["arguments"][stance]) for stance in STANCES}


@cache
def phrases() -> Phrases:
    """Return what stands around the arguments."""
    parts = {part: {key: tuple(texts) for key, texts in entry.items()} for part, entry in _read("phrases").items()}
    return Phrases(**parts)


@cache
def exam_texts() -> ExamTexts:
    """Return the frames, the answers without an argument, and the targets."""
    found = _read("exam")
    frames, answers = ({kind: tuple(texts) for kind, texts in found[part].items()} for part in ("frames", "answers"))
    return ExamTexts(found["targets"], frames, answers)


def _read(name: str) -> Any:
    return packaged_yaml(_PACKAGE, f"{name}.yaml")
