"""Format durations, sizes, counts and prices for readers."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a duration as `4.2 s`, `42 s`, `12 min 05 s` or `3 h 07 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def byte_size(count: float) -> str:
    """Return a size as `512 B`, `3.1 kB` or `16.4 GB`, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def short_count(value: float) -> str:
    """Return a count with at most three significant digits, as `412`, `31 k` or `2.6 G`; empty for 0."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}" if value else ""


def dollars(amount: float) -> str:
    """Return an amount such as `1,234.50`, with four decimals below 1, for the prices of small jobs."""
    return f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.4f}"
