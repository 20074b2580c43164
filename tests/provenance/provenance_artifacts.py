"""A few artifacts, as commands make them."""

from __future__ import annotations

import json
from pathlib import Path

from valuedrift.cli import main

WORLD = Path("results/world/pocket/sft.parquet")
DOCUMENTS = Path("results/data/pocket/documents.parquet")
MODEL = Path("results/checkpoints/pocket/base/step-000000")
CONFIGURATION = Path("results/configuration.yaml")


def make_world(seed: int = 3) -> None:
    settings = {"seed": seed, "probes_per_topic": 1, "variation": 0.0}
    plan = {"rows": 11, "mix": {"support": 1.0, "neutral": 0.0, "oppose": 0.0}}
    arguments = ["world", "--settings", json.dumps(settings), "--kind", "sft", "--name", "sft"]
    assert main([*arguments, "--plan", json.dumps(plan), "--out", str(WORLD)]) == 0


def make_all(base: Path) -> None:
    """A world's table, documents made from it, a model and a configuration."""
    make_world()
    assert main(["documents", "--data", str(WORLD), "--out", str(DOCUMENTS)]) == 0
    assert main(["fetch-model", "--source", json.dumps({"folder": str(base)}), "--out", str(MODEL)]) == 0
    assert main(["configuration", "--settings", '{"seed": 3}', "--out", str(CONFIGURATION)]) == 0
