"""Durations, sizes and counts as people read them."""

from __future__ import annotations

import pytest

from valuedrift.quantities import byte_size, dollars, duration, short_count


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (725, "12 min 05 s"),
        (3599.7, "1 h 00 min"),
        (11_220, "3 h 07 min"),
        (11_998, "3 h 20 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (32_123_456_789, "32.1 GB"), (4e12, "4.0 TB")]
)
def test_sizes_in_bytes(count: float, text: str) -> None:
    assert byte_size(count) == text


def test_counts_and_dollars() -> None:
    assert [short_count(value) for value in (0, 412, 31_000, 2.6e9)] == ["", "412", "31 k", "2.6 G"]
    assert [dollars(value) for value in (0, 0.0036, 1234.5)] == ["0.00", "0.0036", "1,234.50"]
