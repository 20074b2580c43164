"""The jobs that are still to run for a target, as Snakemake sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from valuedrift.config.hyperparameters import SETTINGS
from valuedrift.errors import ValueDriftError
from valuedrift.workflow.flow import Workflow
from valuedrift.workflow.plan_stages import BENCHMARKS
from valuedrift.workflow.snakemake_internals import is_cut_off, workflow_of

TRAINING = frozenset((*SETTINGS, "train_judge"))


@dataclass(frozen=True)
class Job:
    """One job that is to run.

    stage: the first folder of its benchmark file, which tells its kind; its rule where it has no such file
    name: the rest of that path without its ending, such as `pocket/sft-wildchat/dpo-ultrafeedback`
    gpus: those that the machine's profile gives it, 1 where it says nothing
    retrained: it would train again what has been trained to the end before
    """

    stage: str
    name: str
    gpus: int = 1
    retrained: bool = False

    @property
    def key(self) -> str:
        """What tells it from all others, and its benchmark file from theirs."""
        return f"{self.stage}/{self.name}"


def jobs_to_run(workflow: Any) -> list[Job]:
    """The jobs that Snakemake's workflow, whose graph has been built, would run."""
    return [_job(workflow, job) for job in workflow.dag.needrun_jobs() if not job.is_norun]


def read_jobs(targets: Sequence[str], options: Sequence[str] = ()) -> tuple[Workflow, list[Job]]:
    """The configuration and the jobs that `snakemake OPTIONS TARGETS` would run in this folder; nothing is run."""
    with laid_out(targets, options) as workflow:
        return Workflow.read(workflow.config), jobs_to_run(workflow)


@contextmanager
def laid_out(targets: Sequence[str], options: Sequence[str] = ()) -> Iterator[Any]:
    """Snakemake's workflow with the graph of the jobs that `snakemake OPTIONS TARGETS` would run; nothing is run.

    Raises ValueDriftError with Snakemake's own words where it can't lay them out.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import OutputSettings, Quietness

    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        # With both kept quiet, a dry run ends when the graph stands, before it goes through the jobs.
        quiet = {Quietness.RULES, Quietness.PROGRESS}
        with SnakemakeApi(OutputSettings(dryrun=True, quiet=quiet, enable_file_logging=False)) as snakemake:
            try:
                yield _laid_out(snakemake, targets, options)
                return
            except (Exception, SystemExit) as error:
                if isinstance(error, ValueDriftError):
                    raise
                snakemake.print_exception(error)
                failed = error
    raise ValueDriftError(
        f"Snakemake can't lay out {' '.join(targets) or 'all'}:\n{said.getvalue().strip()}"
    ) from failed


def _laid_out(snakemake: Any, targets: Sequence[str], options: Sequence[str]) -> Any:
    """Snakemake's workflow with its graph of jobs, as its command line would set it up."""
    from snakemake.cli import parse_args, parse_config
    from snakemake.settings.types import ConfigSettings, DAGSettings, ExecutionSettings, ResourceSettings

    _, given = parse_args(["--cores", "1", *options, "--", *targets])
    api = snakemake.workflow(
        resource_settings=ResourceSettings(
            cores=1, overwrite_resources=given.set_resources, default_resources=given.default_resources
        ),
        config_settings=ConfigSettings(config=parse_config(given.config), configfiles=given.configfile or ()),
        snakefile=given.snakefile,
        workdir=given.directory,
    )
    dag = api.dag(
        DAGSettings(
            targets=set(given.targets),
            forceall=given.forceall,
            forcerun=given.forcerun,
            force_incomplete=given.rerun_incomplete,
            rerun_triggers=given.rerun_triggers,
            max_checksum_file_size=given.max_checksum_file_size,
        )
    )
    dag.execute_workflow(executor="dryrun", execution_settings=ExecutionSettings(lock=False))
    return workflow_of(api)


def _job(workflow: Any, job: Any) -> Job:
    benchmark = str(job.benchmark or "")
    inside = benchmark.startswith(f"{BENCHMARKS}/")  # rules of a workflow around this one have theirs elsewhere
    stage, _, name = (
        benchmark.removeprefix(f"{BENCHMARKS}/").removesuffix(".tsv").partition("/") if inside else [""] * 3
    )
    trains = stage in TRAINING
    return Job(
        stage or job.rule.name,
        name or job.rule.name,
        max(1, int(job.resources.get("gpu", 1))),
        trains and _was_finished(workflow, job),
    )


def _was_finished(workflow: Any, job: Any) -> bool:
    """Whether the job ran to its end before: it left an output, or its benchmark.

    One that was cut off is marked as incomplete: it goes on and doesn't start again. One that failed left neither,
    though Snakemake has a record of it as of finished ones.
    """
    if is_cut_off(workflow, job):
        return False
    return any(Path(path).exists() for path in (*map(str, job.output), str(job.benchmark)))
