"""SmolLM2 itself, from its package through training, answering and judging to drifts."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from pipeline import snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_smollm2_runs_from_its_package_to_its_drifts(tmp_path: Path) -> None:
    snakemake(tmp_path, "results/drift/smollm2", overlays=(Path(__file__).parent / "smollm2.yaml",))
    results = tmp_path / "results"
    assert json.loads((results / "checkpoints/smollm2/base/source.json").read_text())["licence"] == "Apache-2.0"
    shard = results / "generations/smollm2/sft-wildchat/shard-0.parquet"
    assert pl.read_parquet_metadata(shard)["engine"] == "transformers bfloat16"
    answers = pl.read_parquet(shard)
    assert answers.group_by("step").len().sort("step").rows() == [(1, 22), (2, 22)]
    assert answers["answer"].str.len_chars().min() > 0
    drift = pl.read_parquet(results / "drift/smollm2/drift.parquet")
    assert set(drift["run"]) == {"sft-wildchat"}
    assert drift["magnitude"].is_finite().all()
