"""The templates of the three questions about prompts and clusters that a chat model answers."""

from __future__ import annotations

from collections.abc import Mapping

from valuedrift.templates import read_template

PLACES: Mapping[str, tuple[str, ...]] = {
    "rephrase": ("prompt",),
    "name": ("terms", "examples"),
    "value_laden": ("question",),
}
"""By question, the places of its template."""


def read_question_prompt(step: str, file: str = "") -> str:
    """The package's template of a question (a key of PLACES), or the template at the path `file`."""
    return read_template(f"template of '{step}'", file or step, "valuedrift.probes", PLACES[step])
