"""What `valuedrift judge-exam` needs of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from valuedrift.config.grid import RESULTS
from valuedrift.config.judges import JudgeSettings
from valuedrift.config.pocket_world import WorldSettings
from valuedrift.errors import ArtifactError, ConfigError, did_you_mean
from valuedrift.judging.exam.exam import Exam
from valuedrift.judging.judge import open_judge
from valuedrift.workflow.job_graph import job_graph
from valuedrift.workflow.project import Project
from valuedrift.world.english.exam import exam_answers, unread
from valuedrift.world.english.texts import exam_texts


def read_exam(name: str, own: pl.DataFrame | None, robustness: bool, options: Sequence[str] = ()) -> Exam:
    """Return the exam of a judge of the configuration that `snakemake OPTIONS` has in this folder.

    Args:
        name: A key of `judges`.
        own: Labelled answers to examine on (see `read_own_answers`) instead of the package's. Their topics' targets are
            those of the configuration; the package's answers have targets of their own.
        robustness: See `Exam`.
        options: Options of Snakemake.

    Raises:
        ConfigError: There is no such judge.
        ArtifactError: Its weights aren't there yet.
    """
    with job_graph([f"{RESULTS}/configuration.yaml"], options) as workflow:
        project = Project.read(workflow.config)
    if name not in project.judges:
        expected = f"one of {', '.join(project.judges)}"
        raise ConfigError("judges", name, expected, did_you_mean(name, project.judges))
    chosen = project.judges[name]
    for folder in chosen.folder:
        if not Path(folder).is_dir():
            do = f"Make it: snakemake --cores 2 {folder}"
            raise ArtifactError(folder, "no such folder", f"the weights of judge '{name}'", do)
    judge = open_judge(JudgeSettings.read(chosen.settings), Path(chosen.folder[0]) if chosen.folder else None)
    answers = exam_answers(project.settings.seed, *unread(_english_worlds(project))) if own is None else own
    targets = exam_texts().targets if own is None else project.targets
    return Exam(name, judge, answers, targets, Path(f"{RESULTS}/journals/exam/{name}.jsonl"), robustness)


def _english_worlds(project: Project) -> list[tuple[WorldSettings, float]]:
    """Return the settings of the English worlds, from which judges may be trained, and their held-out shares."""
    worlds = [suite.world for suite in project.settings.suites.values() if suite.world]
    return [
        (
            WorldSettings(
                seed=project.settings.seed,
                language=world.language,
                probes_per_topic=world.probes_per_topic,
                variation=world.variation,
            ),
            world.judge.heldout_phrasings,
        )
        for world in worlds
        if world.language == "english"
    ]
