"""The templates of the three requests about prompts and clusters that are sent to a chat model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from valuedrift.templates import read_template

_PLACES: Mapping[str, Sequence[str]] = {
    "rephrase": ["prompt"],
    "name": ["terms", "examples"],
    "value_laden": ["question"],
}


def read_question_prompt(question: str) -> str:
    """Read the template of a request: rephrase, name or value_laden."""
    return read_template(f"template of '{question}'", question, "valuedrift.probes", _PLACES[question])
