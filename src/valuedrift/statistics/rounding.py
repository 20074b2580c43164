"""Comparisons that ignore rounding errors, for example in a weighted mean of equal numbers."""

from __future__ import annotations

import numpy as np

from valuedrift.statistics.bootstrap import FloatArray

EQUAL = 1e-12
"""Values whose difference is at most this count as equal."""


def sign_of(change: FloatArray) -> FloatArray:
    """Return the sign of each `change`: 1, −1, or 0 where |change| is at most EQUAL."""
    return np.where(np.abs(change) <= EQUAL, 0.0, np.sign(change))
