"""Why jobs have to run, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from valuedrift.workflow.parameter_changes import Change
from valuedrift.workflow.stale_jobs import StaleJob

FRESH = "Nothing has to run: all is made of what the configuration and the inputs say."
_SHOWN = 3  # names of a list
_LONGEST = 60  # characters of a value


def explain(jobs: Sequence[StaleJob]) -> str:
    """A sentence a job."""
    return "\n".join(map(sentence, jobs)) if jobs else FRESH


def sentence(job: StaleJob) -> str:
    return f"{job.name}: {'; '.join(_reasons(job)) or 'it was asked for'}."


def _reasons(job: StaleJob) -> Iterator[str]:
    if job.cut_off:
        yield f"a killed job left {_list(job.cut_off)}"
    yield from map(_changed, job.changed)
    if job.added:
        yield f"it reads {_list(job.added)} as well"
    if job.removed:
        yield f"it no longer reads {_list(job.removed)}"
    if job.edited:
        yield f"{_list(job.edited)} {'has' if len(job.edited) == 1 else 'have'} changed"
    if job.missing and not job.made_before:
        yield f"{_list(job.missing)} {'was' if len(job.missing) == 1 else 'were'} never made"
    elif job.missing:
        yield f"{_list(job.missing)} {'is' if len(job.missing) == 1 else 'are'} gone"
    if job.after:
        yield f"it needs {_list(job.after)}, which {'runs' if len(job.after) == 1 else 'run'} first"


def _changed(change: Change) -> str:
    if change.new is None and not change.name:
        return f"a parameter was {_shown(change.old)}"
    return f"{change.name} changed ({_shown(change.old)} → {_shown(change.new)})"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _list(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    shown = list(names[:_SHOWN]) + ([f"{more} more"] if more > 0 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
