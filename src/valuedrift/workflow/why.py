"""Explain why jobs have to run for a target, from Snakemake's graph and records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from valuedrift.workflow.job_graph import job_graph, stale
from valuedrift.workflow.job_name import job_name
from valuedrift.workflow.parameter_changes import Change, changes

FRESH = "Nothing has to run: all results are up to date."
_SHOWN = 3  # names of a list
_LONGEST = 60  # characters of a value


@dataclass(frozen=True)
class StaleJob:
    """A job that has to run, and the reasons.

    Attributes:
        name: The rule and its wildcards, such as `stances of pocket/sft-chats`.
        rule: The rule's name.
        outputs: Its output files.
        made_before: Whether any of its outputs was made before.
        missing: Outputs that are needed and don't exist.
        cut_off: Incomplete outputs of a killed job.
        changed: Parameters that differ from the recorded ones.
        added: Inputs that the last run didn't have.
        removed: Inputs that only the last run had.
        edited: Inputs that are newer and whose content has changed.
        after: Names of the jobs that have to run before it.
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
    """List the jobs that `snakemake OPTIONS TARGETS` would run in this folder, each job after its dependencies.

    Args:
        targets: Files or rules; none for the default target.
        options: Options of Snakemake.

    Raises:
        ValueDriftError: No rule makes a target.
        ConfigError: The configuration is wrong.
    """
    with job_graph(targets, options) as workflow:
        return [_stale(job, workflow) for job in stale(workflow)]


def explain(jobs: Sequence[StaleJob]) -> str:
    """Return one sentence per job."""
    return "\n".join(map(sentence, jobs)) if jobs else FRESH


def sentence(job: StaleJob) -> str:
    """Return a sentence with the job's name and all reasons why it has to run."""
    return f"{job.name}: {'; '.join(_reasons(job)) or 'its run was requested'}."


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
    """Return the parameters that Snakemake compares: those that aren't derived from inputs and outputs."""
    compared = {repr(value) for value in job.non_derived_params}
    return {name: value for name, value in job.params.items() if repr(value) in compared}


def _name(job: Any) -> str:
    return job_name(str(job.rule.name), map(str, job.wildcards), [*map(str, job.output)])


def _reasons(job: StaleJob) -> Iterator[str]:
    if job.cut_off:
        yield f"a killed job left {_list(job.cut_off)}"
    yield from map(_changed, job.changed)
    if job.added:
        yield f"it reads {_list(job.added)} as well"
    if job.removed:
        yield f"it no longer reads {_list(job.removed)}"
    if job.edited:
        yield f"{_list(job.edited)} {_verb(job.edited, 'has', 'have')} changed"
    if job.missing and job.made_before:
        yield f"{_list(job.missing)} {_verb(job.missing, 'is', 'are')} gone"
    elif job.missing:
        yield f"{_list(job.missing)} {_verb(job.missing, 'was', 'were')} never made"
    if job.after:
        yield f"it needs {_list(job.after)}, which {_verb(job.after, 'runs', 'run')} first"


def _changed(change: Change) -> str:
    if change.new is None and not change.name:
        return f"a parameter was {_shown(change.old)}"
    return f"{change.name} changed ({_shown(change.old)} → {_shown(change.new)})"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _verb(names: Sequence[str], one: str, several: str) -> str:
    return one if len(names) == 1 else several


def _list(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    shown = list(names[:_SHOWN]) + ([f"{more} more"] if more > 0 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
