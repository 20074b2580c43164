"""The same rules on slices of the real data sets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from chat_model import reply
from doubles.endpoint import endpoint
from pipeline import snakemake

from valuedrift.probes.compare_clusters import compare_clusters

pytestmark = pytest.mark.workflow

SHORT_REAL, VPRISM, SYNTHETIC = (
    Path(__file__).parent / f"{name}.yaml" for name in ("short_real", "vprism", "synthetic")
)
needs_slices = pytest.mark.skipif(
    not os.environ.get("VALUEDRIFT_DATA"), reason="VALUEDRIFT_DATA names no folder of real slices"
)


def test_absent_data_is_explained(tmp_path: Path) -> None:
    train = "results/data/real/alpaca/train.parquet"
    absent = tmp_path / "absent"
    printed = snakemake(
        tmp_path, train, fails=True, overlays=(SHORT_REAL,), environment={"VALUEDRIFT_DATA": str(absent)}
    )
    assert f"{absent}/alpaca/alpaca_9k.json" in printed


@needs_slices
def test_every_algorithm_runs_on_real_rows(tmp_path: Path) -> None:
    snakemake(tmp_path, overlays=(SHORT_REAL,))
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


@pytest.mark.slow
@needs_slices
def test_the_probe_set_is_built_from_prism_as_far_as_no_chat_model_is_needed(tmp_path: Path) -> None:
    """The clusters are PRISM's own, and what only a chat model or a person can say is asked for."""
    snakemake(tmp_path, "results/probes/real.parquet", fails=True, overlays=(SHORT_REAL, VPRISM))
    assert "a key of llms" in (tmp_path / "results/logs/vprism_filter/real.log").read_text()
    folder = tmp_path / "results/vprism/real"
    proposal = yaml.safe_load((folder / "topics.yaml").read_text())
    assert len(proposal["topics"]) == 11
    published = Path(os.environ["VALUEDRIFT_DATA"]) / "prism/published_clusters.csv"
    soft = compare_clusters(folder / "clustered.parquet", published)["soft"]
    assert 20 <= soft["clusters"] <= 32
    assert soft["nmi"] > 0.93


@pytest.mark.slow
@needs_slices
def test_probe_set_and_synthetic_pairs_are_built_with_a_chat_model(tmp_path: Path) -> None:
    """Every stage of appendices A and E: the chat model is a scripted endpoint, the choice of topics a file."""
    targets = [f"results/data/real/synthetic-{side}/train.parquet" for side in ("support", "oppose")]
    how: dict[str, Any] = {"overlays": (SHORT_REAL, VPRISM, SYNTHETIC), "environment": {"OPENAI_API_KEY": "none"}}
    with endpoint(reply) as url:
        how["config"] = {"llms": {"chat": {"backend": "http", "model": "scripted", "url": url}}}
        snakemake(tmp_path, *targets, fails=True, **how)
        assert "Copy the proposal there" in (tmp_path / "results/logs/vprism_filter/real.log").read_text()
        choose_topics(tmp_path / "results/vprism/real/topics.yaml", tmp_path / "vprism_topics.yaml")
        snakemake(tmp_path, *targets, **how)
    probes = pl.read_parquet(tmp_path / "results/probes/real.parquet")
    assert probes.group_by("topic").len()["len"].to_list() == [5] * 11
    support, oppose = (pl.read_parquet(tmp_path / target) for target in targets)
    assert support.height == oppose.height == 8
    assert support["chosen"].to_list() == oppose["rejected"].to_list()


def choose_topics(proposal: Path, choice: Path) -> None:
    """Sign the proposal, as a person would, and give topics without a cluster one that no topic has."""
    content = yaml.safe_load(proposal.read_text())
    taken = {cluster for clusters in content["topics"].values() for cluster in clusters}
    spare = [each["cluster"] for each in content["evidence"] if each["cluster"] not in taken]
    topics = {topic: clusters or [spare.pop()] for topic, clusters in content["topics"].items()}
    choice.write_text(yaml.safe_dump({**content, "reviewed": "a test", "topics": topics}))
