"""Find the stages of checkpoints that exist already: in folders, and on the Hugging Face hub."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from valuedrift.config.check import Config
from valuedrift.errors import ArtifactError, did_you_mean
from valuedrift.models.hub import HubFolder, model_folders, pin, revisions
from valuedrift.other_formats import is_adapter, named_base

_STEP = re.compile(r"(?:^|[^A-Za-z])(?:step|checkpoint|ckpt|iter)[-_]?(\d+)", re.IGNORECASE)
_METHOD = re.compile(r"pretrain|mid|sft|dpo|ppo|simpo|ipo|kto|orpo|grpo|rloo|apo|rl[a-z]*\d*|instruct")
_HUB = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(/(?P<below>[^@]+))?(@(?P<revision>.+))?")


@dataclass(frozen=True)
class FoundStage:
    """A stage that was found.

    Attributes:
        name: Its key in the configuration.
        entry: Its place, as the configuration has it.
        steps: The steps of its checkpoints; empty for a single checkpoint.
        start: The model that its adapters were trained on; empty for whole weights.
    """

    name: str
    entry: Config
    steps: tuple[int, ...] = ()
    start: str = ""

    def __str__(self) -> str:
        steps = self.steps
        count = f"{len(steps)} checkpoints, steps {steps[0]} to {steps[-1]}" if len(steps) > 1 else "one checkpoint"
        where = ", ".join(f"{value}" for key, value in (self.entry | self.entry.get("hub", {})).items() if key != "hub")
        return f"{self.name}: {count} ({where})"


def find_stages(places: Sequence[str]) -> list[FoundStage]:
    """Return the stages in folders and repositories (OWNER/NAME, OWNER/NAME/FOLDER, OWNER/NAME@REVISION), in order.

    Raises:
        ArtifactError: A place doesn't exist, or has no model.
    """
    stages: list[FoundStage] = []
    for place in places:
        hub = None if Path(place).is_dir() else _HUB.fullmatch(place)
        if not hub or Path(place).parent.is_dir():
            found = _in_folder(Path(place))
        else:
            found = _on_hub(hub["name"], hub["below"] or "", hub["revision"])
        for stage in found:
            count = sum(re.fullmatch(rf"{stage.name}(_\d+)?", other.name) is not None for other in stages)
            stages.append(replace(stage, name=f"{stage.name}_{count + 1}") if count else stage)
    return stages


def series(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return pattern → steps, for the names that look like steps, such as `checkpoint-{step}` or `step_{step:04d}`."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        if "{" not in name and (matches := list(_STEP.finditer(name))):
            start, end = matches[-1].span(1)
            groups[name[:start], name[end:]].append(name[start:end])
    found: dict[str, tuple[int, ...]] = {}
    for (head, tail), numbers in groups.items():
        width = max((len(number) for number in numbers if number.startswith("0") and number != "0"), default=0)
        form = f"{{step:0{width}d}}" if width else "{step}"
        fits = [number for number in numbers if form.format(step=int(number)) == number]
        found[f"{head}{form}{tail}"] = tuple(sorted(map(int, fits)))
        found |= series(f"{head}{number}{tail}" for number in numbers if number not in fits)
    return found


def listing(name: str) -> str:
    """Return the text of what in a repository looks like steps, and its other branches."""
    known = revisions(name)
    stages = [*map(str, _series_on_hub(name, "", None))] or ["no branch, tag or folder looks like a step"]
    in_series = {pattern.format(step=step) for pattern, steps in series(known).items() for step in steps}
    others = [branch for branch in known if branch not in in_series]
    return "\n".join([*stages, f"other branches and tags: {', '.join(others) or 'none'}"])


def _in_folder(folder: Path) -> list[FoundStage]:
    if not folder.is_dir():
        there = [path.name for path in folder.parent.iterdir() if path.is_dir()] if folder.parent.is_dir() else []
        do = did_you_mean(folder.name, there) or "Models on the hub are named OWNER/NAME."
        raise ArtifactError(folder, "no such folder", "a folder with checkpoints", do)
    models = {str(file.parent.relative_to(folder)) for file in folder.rglob("*.safetensors")}
    found = []
    for pattern, steps in sorted(series(models).items()):
        parts = Path(pattern).parts
        first = next(number for number, part in enumerate(parts) if "{step" in part)
        parent = folder.joinpath(*parts[:first])
        entry = {"folder": str(parent), "pattern": str(Path(*parts[first:]))}
        start = _start(folder / pattern.format(step=steps[0]))
        found.append(FoundStage(_name(parent.absolute().name), entry, steps, start))
    if not found and "." not in models:
        names = sorted(path.name for path in folder.iterdir()) or None
        expected = "folders such as checkpoint-500 with *.safetensors, or a model"
        raise ArtifactError(folder, names, expected, "docs/tracing.md says how other weights are converted.")
    by_method = sorted(found, key=lambda stage: not stage.name.startswith("sft"))
    return by_method or [FoundStage(_name(folder.absolute().name), {"folder": str(folder)}, start=_start(folder))]


def _start(checkpoint: Path) -> str:
    """Return the model that an adapter (PEFT) was trained on; empty for whole weights."""
    return named_base(checkpoint) if is_adapter(checkpoint) else ""


def _on_hub(name: str, below: str, revision: str | None) -> list[FoundStage]:
    if found := _series_on_hub(name, below, revision):
        return found
    (pinned,) = pin([HubFolder(name, revision or "main", below)])
    single = {"name": name, "revision": pinned.commit} | ({"subfolder": below} if below else {})
    return [FoundStage(_name(name.partition("/")[2], below or revision or ""), {"hub": single})]


def _series_on_hub(name: str, below: str, revision: str | None) -> list[FoundStage]:
    """Return the stages with steps: those of branches and tags if no revision or folder is named, else of folders."""
    known = revisions(name)
    steps = {} if revision or below else series(known)
    place, key = {"name": name}, "revisions"
    if not steps:
        folders = model_folders(name, known.get(revision or "main", revision or "main"))
        steps = series(each for each in folders if each == below or each.startswith(f"{below}/" if below else ""))
        place, key = place | ({"revision": revision} if revision else {}), "subfolders"
    short = name.partition("/")[2]
    return [FoundStage(_name(short, each), {"hub": place | {key: each}}, numbers) for each, numbers in steps.items()]


def _name(place: str, pattern: str = "") -> str:
    """Return a stage's key: the method of training in the pattern or the place, else the place's own name."""
    for text in (pattern, place):
        words = re.findall(r"[a-z0-9]+", text.lower())
        if methods := [word for word in words if _METHOD.fullmatch(word)]:
            return str(methods[-1])
    if first := re.match(r"(?!step|checkpoint|ckpt|iter|global)([A-Za-z]\w*?)[-_/]", pattern):
        return first[1].lower()
    return re.sub(r"[^a-z0-9]+", "_", place.lower()).strip("_") or "stage"
