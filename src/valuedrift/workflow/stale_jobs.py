"""The jobs that have to run again for a target, and what Snakemake knows of why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valuedrift.config.grid import RESULTS
from valuedrift.workflow.parameter_changes import Change, changes
from valuedrift.workflow.plan_jobs import laid_out


@dataclass(frozen=True)
class StaleJob:
    """A job that has to run, and what speaks for it.

    name: what it makes of what, such as `stances of pocket/sft-wildchat`
    missing: outputs that are wanted and not there; `made_before` says whether any was made once
    cut_off: outputs that a killed job left
    changed: parameters · added, removed: inputs · edited: inputs that are newer and no longer the same
    after: names of the jobs that have to run before it
    """

    name: str
    rule: str
    outputs: tuple[str, ...]
    made_before: bool
    missing: tuple[str, ...] = ()
    cut_off: tuple[str, ...] = ()
    changed: tuple[Change, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def stale_jobs(targets: Sequence[str], options: Sequence[str] = ()) -> list[StaleJob]:
    """What `snakemake OPTIONS TARGETS` would run in this folder, each job after those that it waits for.

    targets: files or rules; none for the default target.
    Raises ValueDriftError for a target that nothing makes, ConfigError for a configuration that is wrong.
    """
    with laid_out(targets, options) as workflow:
        needed = [job for level in workflow.dag.toposorted() for job in level if workflow.dag.needrun(job)]
        return [_stale(job, workflow) for job in needed if not job.rule.norun]


def _stale(job: Any, workflow: Any) -> StaleJob:
    reason, records = workflow.dag.reason(job), workflow.persistence
    last = next((record for path in job.output if (record := records.metadata(path))), None)
    inputs = set(map(str, job.input))
    before = inputs if last is None or last.input is None else set(last.input)
    return StaleJob(
        name=_name(job),
        rule=job.rule.name,
        outputs=tuple(map(str, job.output)),
        made_before=last is not None,
        missing=tuple(sorted(map(str, reason.missing_output))),
        cut_off=tuple(sorted(map(str, workflow.async_run(records.incomplete(job))))),
        changed=tuple(changes(last.params, _parameters(job)) if last and last.params is not None else ()),
        added=tuple(sorted(inputs - before)),
        removed=tuple(sorted(before - inputs)),
        edited=tuple(sorted(map(str, reason.updated_input - reason.updated_input_run))),
        after=tuple(sorted(_name(other) for other in workflow.dag.dependencies[job] if workflow.dag.needrun(other))),
    )


def _parameters(job: Any) -> dict[str, Any]:
    """The parameters that Snakemake compares: those that don't follow from inputs and outputs."""
    compared = {repr(value) for value in job.non_derived_params}
    return {name: value for name, value in job.params.items() if repr(value) in compared}


def _name(job: Any) -> str:
    """Training has a rule per run, whose wildcards are in its name; all others say what they are for."""
    if not job.wildcards and (made := str(job.output[-1])).startswith(f"{RESULTS}/checkpoints/"):
        return f"training of {Path(made).parent.relative_to(f'{RESULTS}/checkpoints')}"
    about = "/".join(map(str, job.wildcards))
    return f"{job.rule.name} of {about}" if about else str(job.rule.name)
