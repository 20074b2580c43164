"""Names of clusters, given by a chat model (appendix A.1) or, without one, by their strongest terms."""

from __future__ import annotations

import json
from pathlib import Path

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ArtifactError
from valuedrift.files import read_json, write_json
from valuedrift.probes.asking import Unusable, ask_each, unusable, write_counts
from valuedrift.probes.terms import Description, read_descriptions
from valuedrift.templates import fill_template

_MAX_TOKENS = 60
_LONGEST = 60
_TERMS = 3


def write_names(descriptions: Path, template: str, llm: LlmSettings, journal: Path, out: Path) -> None:
    """Ask a chat model for each cluster's name, into `out` (.json).

    A name serves the person who chooses topics, so an unusable reply costs no more than the name: the cluster gets its
    strongest terms in its stead, and is counted and listed.
    Raises ArtifactError where more replies are unusable than `asking.MOST_UNUSABLE`, and the errors of `complete`.
    """
    clustering, described = read_descriptions(descriptions)
    texts = [
        fill_template(template, terms="\n".join(each.terms), examples="\n".join(each.examples)) for each in described
    ]
    replies = [_read_name(reply) for reply in ask_each(texts, _MAX_TOKENS, llm, journal)]
    names = {
        str(each.cluster): name_by_terms(each) if isinstance(reply, Unusable) else reply
        for each, reply in zip(described, replies, strict=True)
    }
    write_counts(out, dict(zip(names, replies, strict=True)), {"clustering": clustering, "names": names})


def write_names_by_terms(descriptions: Path, out: Path) -> None:
    """What `write_names` writes, without a chat model."""
    clustering, described = read_descriptions(descriptions)
    write_json(out, {"clustering": clustering, "names": {str(each.cluster): name_by_terms(each) for each in described}})


def read_names(path: Path, clustering: str) -> dict[int, str]:
    """Name by cluster. Raises ArtifactError where they are of another clustering."""
    content = read_json(path)
    if content["clustering"] != clustering:
        raise ArtifactError(path, f"clustering {content['clustering']}", clustering, "Name the clusters again.")
    return {int(cluster): name for cluster, name in content["names"].items()}


def name_by_terms(description: Description) -> str:
    """The cluster's three strongest terms."""
    return " · ".join(description.terms[:_TERMS]) or f"cluster {description.cluster}"


def _read_name(reply: str | Unusable) -> str | Unusable:
    """The name in a reply, which must be {"name": text} and nothing else, the text one short line."""
    if isinstance(reply, Unusable):
        return reply
    try:
        content = json.loads(reply)
    except (ValueError, RecursionError):
        return unusable("not JSON", reply)
    name = content.get("name") if isinstance(content, dict) and len(content) == 1 else None
    if not isinstance(name, str) or not name.strip():
        return unusable("not an object with a name", reply)
    # JSON's escapes can hold what plain text can't: line ends, controls, lone surrogates
    return name.strip() if name.isprintable() and len(name) <= _LONGEST else unusable("not one short line", reply)
