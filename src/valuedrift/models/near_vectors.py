"""Find all pairs of near vectors exactly, with blocked matrix products (appendix K.1: cosine of 0.5 or more)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valuedrift.models.sentence_encoder import FloatMatrix

_BLOCK = 2048


@dataclass(frozen=True)
class Pairs:
    """Indices of rows and probes, and their cosines (float64, each within 1e-12): three arrays of one length."""

    rows: NDArray[np.intp]
    probes: NDArray[np.intp]
    cosines: NDArray[np.float64]


def near_pairs(rows: FloatMatrix, probes: FloatMatrix, threshold: float) -> Iterator[Pairs]:
    """Find every pair of a row and a probe with cosine ≥ threshold, ordered by row, then probe.

    The result is that of exact arithmetic, on any machine and with any blocks and threads: products are summed in
    float64, and the few sums within rounding error of the threshold are computed again without rounding.

    Args:
        rows: (rows, dimensions), float32 unit vectors.
        probes: (probes, dimensions), float32 unit vectors.

    Yields:
        The pairs of one block of rows.
    """
    wide = probes.astype(np.float64)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float64)
        found, probe, cosines = _near(block, wide, threshold)
        yield Pairs(found + start, probe, cosines)


def _near(
    block: NDArray[np.float64], probes: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the near pairs of one block: rows within the block, probes, cosines."""
    # The rounding error of a dot product of n float64 numbers, in any order, is below n u |a|·|b|, u = 2^-53.
    # The factor of two covers vectors whose length is slightly more than 1.
    margin = 2 * block.shape[1] * 2.0**-53
    products = block @ probes.T
    indices = np.flatnonzero(products >= threshold - margin)
    cosines = products.ravel()[indices]
    row, probe = np.divmod(indices, len(probes))
    near = np.ones(len(indices), dtype=np.bool_)
    for index in np.flatnonzero(cosines <= threshold + margin):
        # In float64 the product of two float32 numbers has no rounding error, and the sign of fsum is exact.
        near[index] = math.fsum([*(block[row[index]] * probes[probe[index]]), -threshold]) >= 0
    return row[near], probe[near], cosines[near]
