"""How fast this machine computes beside the one whose speeds are shipped."""

from __future__ import annotations

import time

import numpy as np
from threadpoolctl import threadpool_limits

REPEATS = 7
REFERENCE_SECONDS = 0.0171
"""CPU seconds of `_work` on the machine of rates.yaml."""


def slowness() -> float:
    """How many times longer than that machine this one takes for a little work like a pocket model's.

    In CPU time, so that what else runs at the moment doesn't count; the least of several, as the others are disturbed.
    """
    with threadpool_limits(1):
        return min(_work() for _ in range(REPEATS)) / REFERENCE_SECONDS


def _work() -> float:
    rows, weights = np.ones((640, 48), dtype=np.float32), np.full((48, 48), 0.02, dtype=np.float32)
    begin = time.process_time()
    for _ in range(300):
        rows = np.tanh(rows @ weights)
        sum(range(1000))
    return time.process_time() - begin
