"""Time, memory and correctness of finding the near pairs among the embeddings of a data set and of the probes.

    python benchmarks/retrieval.py                   # WildChat's 284,168 rows × 550 probes, 384 dimensions
    python benchmarks/retrieval.py --rows 20000      # a smaller one

Run it in the activated environment. Random unit vectors with planted near pairs, some of them within rounding of the
threshold, are written to a temporary folder and searched at cosine 0.5, each way in its own process: the package's
blocked products over a memory-mapped file, and brute force, which is one matrix product of everything in memory, in
float32 and float64. Prints, as Markdown, seconds and peak resident memory of each, the ratio of its time to that of the
float32 product, and whether it finds the same pairs as the float64 product.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from valuedrift.models.near_vectors import near_pairs

THRESHOLD = 0.5
PLANTED, BORDERLINE = 0.02, 0.001
"""Shares of the rows that are near a probe, and at the threshold."""

_CHUNK = 10_000
_RANDOM = 0


def write_vectors(folder: Path, rows: int, probes: int, dimensions: int) -> None:
    """Write unit vectors, float32, to rows.npy and probes.npy."""
    rng = np.random.default_rng(_RANDOM)
    asked = _unit(rng.standard_normal((probes, dimensions)))
    np.save(folder / "probes.npy", asked.astype(np.float32))
    shape = (rows, dimensions)
    out = np.lib.format.open_memmap(folder / "rows.npy", mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, rows, _CHUNK):
        count = min(_CHUNK, rows - start)
        probe = asked[rng.integers(0, probes, count)]
        away = rng.standard_normal((count, dimensions))
        away = _unit(away - (away * probe).sum(axis=1, keepdims=True) * probe)
        kind = rng.random((count, 1))
        cosine = np.where(kind < PLANTED, rng.uniform(0.4, 1, (count, 1)), 0.0)
        cosine = np.where(kind < BORDERLINE, THRESHOLD, cosine)
        out[start : start + count] = cosine * probe + np.sqrt(1 - cosine**2) * away
    out.flush()


def blocked(folder: Path) -> NDArray[np.intp]:
    """The package's search."""
    rows, probes = np.load(folder / "rows.npy", mmap_mode="r"), np.load(folder / "probes.npy")
    return np.concatenate(
        [np.stack([pairs.rows, pairs.probes]) for pairs in near_pairs(rows, probes, THRESHOLD)], axis=1
    )


def brute(folder: Path, number: type[np.floating[Any]]) -> NDArray[np.intp]:
    """One product of everything in memory."""
    rows, probes = (np.load(folder / f"{name}.npy").astype(number) for name in ("rows", "probes"))
    return np.stack(np.nonzero(rows @ probes.T >= THRESHOLD))


WAYS: dict[str, Callable[[Path], NDArray[np.intp]]] = {
    "blocked": blocked,
    "brute force, float32": lambda folder: brute(folder, np.float32),
    "brute force, float64": lambda folder: brute(folder, np.float64),
}


def measure(way: str, folder: Path) -> None:
    """Run one way, save its pairs and print its cost as JSON; the peak memory is that of the whole process."""
    start = time.monotonic()
    pairs = WAYS[way](folder)
    seconds = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.save(folder / f"{way}.npy", pairs)
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "pairs": pairs.shape[1]}))


def compare(folder: Path) -> None:
    """Run each way in its own process and print a Markdown table."""
    costs = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--measure", way, "--folder", str(folder)]
        costs[way] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    plain, truth = costs["brute force, float32"]["seconds"], np.load(folder / "brute force, float64.npy")
    print("| | seconds | peak MiB | of float32's time | pairs | equal to float64 |\n|---|---|---|---|---|---|")
    for way, cost in costs.items():
        equal = "yes" if np.array_equal(np.load(folder / f"{way}.npy"), truth) else "no"
        times = f"{cost['seconds']:.1f} | {cost['peak_mib']:.0f} | {cost['seconds'] / plain:.2f}"
        print(f"| {way} | {times} | {cost['pairs']:,} | {equal} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=284_168)
    parser.add_argument("--probes", type=int, default=550)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        write_vectors(Path(name), given.rows, given.probes, given.dimensions)
        compare(Path(name))


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


if __name__ == "__main__":
    main()
