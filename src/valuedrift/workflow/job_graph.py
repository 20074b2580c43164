"""Find the jobs that Snakemake would run for a target, from Snakemake's graph."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import takewhile
from pathlib import Path
from typing import Any

from valuedrift.config.hyperparameters import SETTINGS
from valuedrift.config.yaml_files import read_yaml
from valuedrift.errors import ValueDriftError
from valuedrift.provenance.benchmark_files import BENCHMARKS
from valuedrift.workflow.project import Project
from valuedrift.workflow.snakemake_internals import is_cut_off, workflow_of
from valuedrift.workflow.targets import require_makeable, resolve_targets

TRAINING = frozenset((*SETTINGS, "train_judge"))


@dataclass(frozen=True)
class Job:
    """One job that is to run.

    Attributes:
        stage: The first folder of the job's benchmark file below results/benchmarks, or the rule's name if there is no
            such file.
        name: The rest of that path without the ending, such as `pocket/sft-chats/dpo-pairs`.
        gpus: Number of GPUs that the rule and the profile give the job; at least 1.
        retrained: Whether the job is a training that was finished before.
        after: Keys of the jobs that have to run before it.
    """

    stage: str
    name: str
    gpus: int = 1
    retrained: bool = False
    after: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The path of the job's benchmark file below results/benchmarks, without the ending."""
        return f"{self.stage}/{self.name}"


def stale(workflow: Any) -> list[Any]:
    """Return Snakemake's jobs that have to run, each after its dependencies, in the same order for the same graph."""
    levels = workflow.dag.toposorted()
    return [
        job for level in levels for job in sorted(level, key=_output) if workflow.dag.needrun(job) and not job.is_norun
    ]


def jobs_to_run(workflow: Any) -> list[Job]:
    """Return the jobs that Snakemake's workflow would run, in the graph's order. Its graph must have been built."""
    return [_job(workflow, job) for job in stale(workflow)]


@contextmanager
def job_graph(targets: Sequence[str], options: Sequence[str] = ()) -> Iterator[Any]:
    """Yield Snakemake's workflow with the graph of what `snakemake OPTIONS TARGETS` would run here. Runs nothing.

    Raises:
        ValueDriftError: Snakemake can't build the graph; the message is one sentence instead of a traceback.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import OutputSettings, Quietness

    printed = StringIO()
    # With both kinds of output quiet, a dry run ends when the graph is built, before it lists the jobs.
    quiet = OutputSettings(dryrun=True, quiet={Quietness.RULES, Quietness.PROGRESS}, enable_file_logging=False)
    with redirect_stdout(printed), redirect_stderr(printed), SnakemakeApi(quiet) as snakemake:
        try:
            workflow = _build(snakemake, targets, options)
        except ValueDriftError:
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error.__cause__, ValueDriftError):
                raise error.__cause__ from error
            said = len(printed.getvalue())
            snakemake.print_exception(error)
            raise ValueDriftError(_in_words(error, printed.getvalue()[:said], printed.getvalue()[said:])) from error
        yield workflow


def _in_words(error: BaseException, before: str, formatted: str) -> str:
    """Return one sentence for an error of Snakemake, without its banner, traceback and hints.

    Args:
        error: The exception that Snakemake raised while it built the graph.
        before: The text that Snakemake printed before that; it has the errors in the options.
        formatted: The error as Snakemake prints it.
    """
    from snakemake import exceptions as known

    text = str(error)
    if isinstance(error, FileNotFoundError):
        return f"There is no file {error.filename}."
    if isinstance(error, ValueError):  # a malformed option, such as `--config a`
        return text
    if isinstance(error, known.MissingInputException):
        files = sorted(line.strip() for line in text.partition("affected files:\n")[2].splitlines())
        needs = f"Rule {error.rule.name} needs files that don't exist and that no rule makes: {', '.join(files)}."
        return f"{needs} Put them there, or correct the paths in the configuration."
    if isinstance(error, known.InputFunctionException):
        cause = text.partition("Error:\n  ")[2].partition("\nWildcards:\n")
        wildcards = ", ".join(line.strip() for line in cause[2].partition("\nTraceback")[0].splitlines())
        reason = re.sub(r"^KeyError: ('.*')$", r"the configuration has no \1", cause[0])
        return f"Rule {error.rule.name} has no inputs for {wildcards}: {reason}."
    if "No Snakefile found" in text:
        return "There is no Snakefile in this folder. Run the command in the folder of the workflow."
    if isinstance(error, SystemExit):
        lines = [line for line in before.splitlines() if "error: " in line.lower()]
        return lines[-1].partition("rror: ")[2] if lines else before.strip()
    if formatted.strip().startswith("Traceback"):  # an error that Snakemake has no words for
        return f"{type(error).__name__}: {text}."
    return " ".join(takewhile(lambda line: not line.startswith("  File "), formatted.strip().splitlines()))


def _build(snakemake: Any, targets: Sequence[str], options: Sequence[str]) -> Any:
    """Build the graph with the settings that Snakemake's command line makes from the options."""
    from snakemake.cli import parse_args, parse_config
    from snakemake.settings.types import ConfigSettings, DAGSettings, ExecutionSettings, ResourceSettings

    _, given = parse_args(["--cores", "1", *options, "--", *targets])
    for file in given.configfile or ():
        read_yaml(Path(file))
    api = snakemake.workflow(
        resource_settings=ResourceSettings(
            cores=1, overwrite_resources=given.set_resources, default_resources=given.default_resources
        ),
        config_settings=ConfigSettings(config=parse_config(given.config), configfiles=given.configfile or ()),
        snakefile=given.snakefile,
        workdir=given.directory,
    )
    settings = DAGSettings(
        targets=set(given.targets),
        forceall=given.forceall,
        forcerun=given.forcerun,
        force_incomplete=given.rerun_incomplete,
        rerun_triggers=given.rerun_triggers,
        max_checksum_file_size=given.max_checksum_file_size,
    )
    dag, workflow = api.dag(settings), workflow_of(api)
    # A workflow that includes this one has another configuration.
    project = Project.read(workflow.config) if "models" in workflow.config else None
    if project:
        settings.targets = set(resolve_targets(given.targets, workflow.config))
    require_makeable(settings.targets, workflow.rules, project)
    dag.execute_workflow(executor="dryrun", execution_settings=ExecutionSettings(lock=False))
    return workflow


def _job(workflow: Any, job: Any) -> Job:
    stage, name = _key(job)
    gpus, before = max(1, int(job.resources.get("gpu", 1))), workflow.dag.dependencies[job]
    after = tuple("/".join(_key(other)) for other in before if workflow.dag.needrun(other))
    return Job(stage, name, gpus, stage in TRAINING and _was_finished(workflow, job), after)


def _key(job: Any) -> tuple[str, str]:
    """Return a job's stage and name."""
    # Rules of a workflow that includes this one have their benchmark files in other folders.
    if not str(job.benchmark or "").startswith(f"{BENCHMARKS}/"):
        return str(job.rule.name), str(job.rule.name)
    path = Path(str(job.benchmark)).relative_to(BENCHMARKS).with_suffix("")
    return path.parts[0], "/".join(path.parts[1:])


def _was_finished(workflow: Any, job: Any) -> bool:
    """Whether the job was finished before, which means that an output or its benchmark file exists.

    A job that was killed is marked as incomplete, and continues instead of starting again. A job that failed has left
    neither file, although Snakemake has a record of it, as of finished jobs.
    """
    left = (*map(str, job.output), str(job.benchmark))
    return not is_cut_off(workflow, job) and any(Path(path).exists() for path in left)


def _output(job: Any) -> str:
    return str(job.output[0]) if job.output else str(job.rule.name)
