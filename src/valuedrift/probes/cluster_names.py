"""Name clusters with a chat model (appendix A.1) or, without a chat model, by their strongest terms."""

from __future__ import annotations

import json
from pathlib import Path

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ArtifactError
from valuedrift.files import read_json, write_json
from valuedrift.probes.asking import Unusable, ask_each, read_question_prompt, unusable, write_counts
from valuedrift.probes.describe_clusters import Description, read_descriptions
from valuedrift.templates import fill_template

_MAX_TOKENS = 60
_LONGEST = 60
_TERMS = 3


def write_names(descriptions: Path, llm: LlmSettings, journal: Path, out: Path) -> None:
    """Ask a chat model for a name for each cluster, and write the names to `out` (.json).

    The names are only a help for the person who chooses topics. If a reply is unusable, the cluster is named by its
    strongest terms, and the reply is counted and listed.

    Raises:
        ArtifactError: More than `asking.MOST_UNUSABLE` of the replies are unusable.
        ValueDriftError: As `valuedrift.llm.complete.complete` does.
    """
    clustering, described = read_descriptions(descriptions)
    template = read_question_prompt("name")
    texts = [
        fill_template(template, terms="\n".join(each.terms), examples="\n".join(each.examples)) for each in described
    ]
    replies = ask_each(texts, _MAX_TOKENS, _read_name, llm, journal)
    names = {
        str(each.cluster): name_by_terms(each) if isinstance(reply, Unusable) else reply
        for each, reply in zip(described, replies, strict=True)
    }
    write_counts(out, dict(zip(names, replies, strict=True)), {"clustering": clustering, "names": names})


def write_names_by_terms(descriptions: Path, out: Path) -> None:
    """Write names by strongest terms in the format of `write_names`, without a chat model."""
    clustering, described = read_descriptions(descriptions)
    write_json(out, {"clustering": clustering, "names": {str(each.cluster): name_by_terms(each) for each in described}})


def read_names(path: Path, clustering: str) -> dict[int, str]:
    """Read cluster → name; raises ArtifactError if the names belong to another clustering."""
    content = read_json(path)
    if content["clustering"] != clustering:
        raise ArtifactError(path, f"clustering {content['clustering']}", clustering, "Name the clusters again.")
    return {int(cluster): name for cluster, name in content["names"].items()}


def name_by_terms(description: Description) -> str:
    """Return the cluster's three strongest terms as its name."""
    return " · ".join(description.terms[:_TERMS]) or f"cluster {description.cluster}"


def _read_name(reply: str) -> str | Unusable:
    """Return the name in a reply, which must be exactly {"name": text} with one short line of text."""
    try:
        content = json.loads(reply)
    except (ValueError, RecursionError):
        return unusable("not JSON", reply)
    name = content.get("name") if isinstance(content, dict) and len(content) == 1 else None
    if not isinstance(name, str) or not name.strip():
        return unusable("not an object with a name", reply)
    # JSON's escapes can encode characters that a name can't have: line ends, controls, lone surrogates
    return name.strip() if name.isprintable() and len(name) <= _LONGEST else unusable("not one short line", reply)
