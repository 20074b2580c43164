"""Snakemake's benchmark files, summed by stage and beside what was predicted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from valuedrift.errors import DataError
from valuedrift.provenance.benchmark_files import predicted_and_measured, stage_costs

Finish = Callable[..., None]


def test_stages_sum_seconds_and_keep_the_largest_peak(tmp_path: Path, finish: Finish) -> None:
    finish("train/sft-alpaca", 10.5, "512.0")
    finish("train/sft-alpaca/dpo-hh-rlhf", 21.25, "768.5")
    finish("judge/a", 0.1, "nan")
    finish("judge/b", 0.2, "NA")
    finish("report", 3.0, "100.0")
    (tmp_path / "results/benchmarks/train/notes.txt").write_text("not a benchmark")
    costs = stage_costs(tmp_path / "results/benchmarks")
    assert costs.columns == ["stage", "jobs", "wall_seconds", "peak_mib"]
    assert costs.rows() == [("judge", 2, 0.3, None), ("report", 1, 3.0, 100.0), ("train", 2, 31.75, 768.5)]
    assert stage_costs(tmp_path / "none").is_empty()


@pytest.mark.parametrize(
    "text", ["", "seconds\tmax_rss\n1\t2\n", "s\n1\n", "s\tmax_rss\n-\t2\n", "s\tmax_rss\n1.0\tmuch\n"]
)
def test_a_file_that_is_no_benchmark_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "bad.tsv").write_text(text)
    with pytest.raises(DataError, match=r"bad.tsv, row 1, .* expected a Snakemake benchmark"):
        stage_costs(tmp_path)


def test_predicted_stands_beside_measured(tmp_path: Path, finish: Finish) -> None:
    finish("sft/a", 20)
    finish("sft/b", 10)
    finish("stances/a", 12)
    finish("sft/not-predicted", 1000)
    expected = {"sft/a": (10, 1), "sft/b": (30, 2), "stances/a": (9, 1), "sft/unfinished": (1000, 1)}
    predictions = {key: {"seconds": seconds, "devices": devices} for key, (seconds, devices) in expected.items()}
    (tmp_path / "results/predictions.json").write_text(json.dumps(predictions))
    table = predicted_and_measured(tmp_path / "results/benchmarks")
    assert table.rows() == [("sft", 2, 40.0, 40.0, 1.0), ("stances", 1, 9.0, 12.0, 0.75)]
    assert predicted_and_measured(tmp_path / "elsewhere/benchmarks").height == 0
