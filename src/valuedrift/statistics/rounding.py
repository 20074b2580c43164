"""Comparisons that ignore rounding errors, such as those of a weighted mean of equal numbers."""

from __future__ import annotations

import numpy as np

from valuedrift.statistics.bootstrap import FloatArray

EQUAL = 1e-12
"""Values closer than this are equal."""


def sign_of(change: FloatArray) -> FloatArray:
    """1, −1, or 0 where `change` is no larger than a rounding error."""
    return np.where(np.abs(change) <= EQUAL, 0.0, np.sign(change))
