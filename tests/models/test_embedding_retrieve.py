"""Near pairs are those of exact arithmetic, whatever the blocks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from valuedrift.models import near_vectors as retrieve
from valuedrift.models.near_vectors import near_pairs


def unit_vectors(seed: int, count: int, dimensions: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((count, dimensions))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def exact_cosine(row: np.ndarray, probe: np.ndarray) -> Fraction:
    return sum((Fraction(float(a)) * Fraction(float(b)) for a, b in zip(row, probe, strict=True)), Fraction(0))


def found(rows: np.ndarray, probes: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    return [
        (int(row), int(probe))
        for pairs in near_pairs(rows, probes, threshold)
        for row, probe in zip(pairs.rows, pairs.probes, strict=True)
    ]


@pytest.fixture(scope="module")
def vectors() -> tuple[np.ndarray, np.ndarray, list[list[Fraction]]]:
    rows, probes = unit_vectors(1, 60, 12), unit_vectors(2, 9, 12)
    return rows, probes, [[exact_cosine(row, probe) for probe in probes] for row in rows]


def test_every_threshold_at_a_pairs_own_cosine_is_decided_as_in_exact_arithmetic(vectors) -> None:
    rows, probes, exact = vectors
    for row in range(0, 60, 2):
        for probe in range(9):
            nearest = float(exact[row][probe])
            for threshold in (nearest, np.nextafter(nearest, 2), np.nextafter(nearest, -2)):
                brute = [(i, j) for i in range(60) for j in range(9) if exact[i][j] >= Fraction(float(threshold))]
                assert found(rows, probes, float(threshold)) == brute


@pytest.mark.parametrize("block", [1, 7, 59, 60, 1000])
def test_blocks_change_nothing(vectors, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    rows, probes, exact = vectors
    monkeypatch.setattr(retrieve, "_BLOCK", block)
    assert found(rows, probes, 0.25) == [(i, j) for i in range(60) for j in range(9) if exact[i][j] >= Fraction(1, 4)]


def test_cosines_are_those_of_the_pairs(vectors) -> None:
    rows, probes, exact = vectors
    (pairs,) = near_pairs(rows, probes, 0.3)
    true = [float(exact[i][j]) for i, j in zip(pairs.rows, pairs.probes, strict=True)]
    np.testing.assert_allclose(pairs.cosines, true, rtol=0, atol=1e-12)


def test_a_pair_exactly_at_the_threshold_is_near() -> None:
    probe = np.array([[1, 0, 0, 0]], np.float32)
    rows = np.array([[0.5, 0.5, 0.5, 0.5], [np.nextafter(np.float32(0.5), np.float32(0)), 0, 0, 0.8]], np.float32)
    assert found(rows, probe, 0.5) == [(0, 0)]


def test_memory_mapped_rows_are_read(tmp_path: Path, vectors) -> None:
    rows, probes, _ = vectors
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert found(mapped, probes, 0.3) == found(rows, probes, 0.3)


def test_nothing_near_is_no_pair(vectors) -> None:
    rows, probes, _ = vectors
    assert found(rows, probes, 0.999) == []
