"""Benchmark files like Snakemake's."""

from __future__ import annotations

from pathlib import Path


def write_benchmark(folder: Path, key: str, seconds: float) -> None:
    path = folder / f"results/benchmarks/{key}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t-\n")
