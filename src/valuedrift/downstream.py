"""Score one checkpoint on tasks of lm-evaluation-harness (appendix I)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from valuedrift.config.sampling import DownstreamSettings
from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.files import write_json
from valuedrift.models.model_folder import step_of

HARNESS = "lm_eval"


@dataclass(frozen=True)
class Score:
    """A task's metric (such as acc or acc_norm) over `questions` questions; `stderr` is None if there is none."""

    task: str
    metric: str
    value: float
    stderr: float | None
    questions: int | None


def write_scores(model: str, run: str, checkpoint: Path, base: Path, settings: DownstreamSettings, out: Path) -> None:
    """Score a checkpoint of `run` and write `{model, run, step, settings, harness, scores}` as JSON.

    Args:
        model: The model's key.
        run: The run's lineage, or `base`.
        checkpoint: The folder of the checkpoint.
        base: The folder of the base model, whose tokenizer the checkpoint shares.
        settings: Tasks and settings of the harness.
        out: The file to write.

    Raises:
        ArtifactError: The harness isn't installed, or the name of the checkpoint's folder isn't `step-…`.
        ConfigError: The harness lacks one of the tasks.
    """
    step = step_of(checkpoint)
    scores = evaluate(checkpoint, base, settings)
    write_json(
        out,
        {
            "model": model,
            "run": run,
            "step": step,
            "settings": settings.model_dump(),
            "harness": f"{HARNESS} {version(HARNESS)}",
            "scores": [asdict(score) for score in scores],
        },
    )


def evaluate(checkpoint: Path, base: Path, settings: DownstreamSettings) -> list[Score]:
    """Return every metric that the tasks report, in the order of the settings' tasks; see `write_scores`."""
    if find_spec(HARNESS) is None:
        do = "Install envs/downstream.yaml's packages, or use --sdm conda; see docs/tables.md."
        raise ArtifactError(HARNESS, "no such package", "lm-evaluation-harness", do)
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    from valuedrift.models.precision import asking_device

    manager = TaskManager(include_path=settings.include_path)
    unknown = [task for task in settings.tasks if task not in manager.all_tasks]
    if unknown:
        raise ConfigError("downstream.tasks", unknown, "tasks that the harness or include_path has")
    found = simple_evaluate(
        model="hf",
        model_args={"pretrained": str(checkpoint), "tokenizer": str(base), "dtype": settings.dtype},
        tasks=settings.tasks,
        num_fewshot=settings.shots,
        batch_size=settings.batch_size,
        device=asking_device(),
        limit=settings.limit,
        log_samples=False,
        task_manager=manager,
    )
    return [score for task in settings.tasks for score in _scores(task, found)]


def _scores(task: str, found: Mapping[str, Any]) -> list[Score]:
    """Return one task's scores.

    The harness names a metric `acc,none` and its standard error `acc_stderr,none` ("N/A" if there is none).
    """
    results = found["results"][task]
    samples = found["n-samples"].get(task, {}).get("effective")
    scores = []
    for name, value in results.items():
        metric, comma, filtered = name.partition(",")
        if comma and not metric.endswith("_stderr") and isinstance(value, int | float):
            stderr = results.get(f"{metric}_stderr,{filtered}")
            error = float(stderr) if isinstance(stderr, int | float) else None
            scores.append(Score(task, metric, float(value), error, samples))
    return scores
