"""The same rules on slices of the real data sets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest
from pipeline import snakemake

pytestmark = pytest.mark.workflow

SHORT_REAL = Path(__file__).parent / "short_real.yaml"


def test_absent_data_is_explained(tmp_path: Path) -> None:
    run = snakemake(tmp_path, "results/data/real/alpaca/train.parquet", overlays=(SHORT_REAL,), VALUEDRIFT_DATA="")
    log = (tmp_path / "results/logs/data/real/alpaca.log").read_text()
    assert run.returncode != 0
    assert "VALUEDRIFT_DATA" in log


@pytest.mark.skipif(not os.environ.get("VALUEDRIFT_DATA"), reason="VALUEDRIFT_DATA names no folder of real slices")
def test_every_algorithm_runs_on_real_rows(tmp_path: Path) -> None:
    run = snakemake(tmp_path, overlays=(SHORT_REAL,))
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-8000:]
    results = tmp_path / "results"
    drift = pl.read_parquet(results / "drift/pocket_real/drift.parquet")
    runs = {f"sft-wildchat/{a}-{d}" for a in ("ppo", "dpo", "simpo") for d in ("ultrafeedback", "hh-rlhf")}
    assert set(drift["run"]) == {"sft-wildchat", "sft-alpaca", *runs}
    probes = pl.read_parquet(results / "probes/real.parquet")
    assert probes.group_by("topic").len()["len"].to_list() == [2] * 11
    answers = pl.read_parquet(results / "generations/pocket_real/**/shard-*.parquet")
    assert answers.group_by("run", "step").len()["len"].unique().to_list() == [2 * 2 * 11]
    card = json.loads((results / "data/real/ultrafeedback/card.json").read_text())
    assert card["counts"]["skipped"]["chosen equals rejected"] == 4
    summary = json.loads((results / "report/summary.json").read_text())
    assert summary["calibration"]["mae"] is None
