"""Read the text files that are part of this package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


def packaged_text(package: str, *path: str) -> str:
    """Return the text of a file in a package, such as `("valuedrift.world", "lexicon.yaml")`."""
    return files(package).joinpath(*path).read_text(encoding="utf-8")


@cache
def packaged_yaml(package: str, name: str) -> Any:
    """Return the content of a YAML file in a package."""
    return yaml.safe_load(packaged_text(package, name))
