"""Drifts, estimates and runs as the report's readers see them; its template calls these by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from valuedrift.display import BASE, Suite
from valuedrift.paper.drift_tables import signed, time_text
from valuedrift.paper.table_files import MISSING, shown
from valuedrift.titles import algorithm_title, phases

REAL, WITHIN_NOISE, OPEN = "real", "noise", "open"

Row = Mapping[str, Any]


def change(value: float | None) -> str:
    """`−0.21`, with a real minus sign."""
    return shown(signed(value))


def span(row: Row) -> str:
    """The values from which and to which a drift went."""
    return f"{row['start_value']:.2f} → {row['end_value']:.2f}"


def interval(row: Row, low: str = "low", high: str = "high") -> str:
    """The 95 % interval of a drift's magnitude."""
    return shown(f"[{signed(row[low])}, {signed(row[high])}]")


def time_interval(row: Row) -> str:
    """The 95 % interval of a drift's time; nothing where there is none."""
    ends = row["time_low"], row["time_high"]
    return "" if None in ends else "[{:.2f}, {:.2f}]".format(*ends)


def bracket(row: Row) -> str:
    """The saved steps between which the extremum's interval was reached."""
    if row["step_reached"] is None:
        return ""
    text = f"between steps {row['step_before']:,} and {row['step_reached']:,} of {row['end_step']:,}"
    return f"{text}; may still be moving" if row["still_moving"] else text


def certainty(row: Row) -> str:
    """REAL: its q-value is small and it exceeds the noise floor, where there is one; WITHIN_NOISE: only the first."""
    if not row["real"]:
        return OPEN
    return WITHIN_NOISE if row["exceeds_noise"] is False else REAL


def estimate(row: Row, form: str = "{:.2f}") -> str:
    """`0.88 [0.80, 0.90]`; ends that are missing are dashes, and a missing value is one dash."""
    texts = [MISSING if row[key] is None else form.format(row[key]) for key in ("value", "low", "high")]
    return MISSING if row["value"] is None else "{} [{}, {}]".format(*texts)


def phase_title(suite: Suite, run: str) -> str:
    """The heading under which a run is shown: SFT, or its preference data."""
    last = phases(run)[-1]
    if last.algorithm == "sft":
        return "Supervised fine-tuning"
    return f"Preference optimisation on {suite.data_title(last.data)}"


def short_title(suite: Suite, run: str) -> str:
    """What a run needs below its phase's heading: `DPO after ‹SFT set›`, or an SFT run's data."""
    first, last = phases(run)[0], phases(run)[-1]
    if first == last:
        return suite.data_title(last.data)
    return f"{algorithm_title(last.algorithm)} after {suite.data_title(first.data)}"


def answers_title(suite: Suite, run: str) -> str:
    return "Base model" if run == BASE else suite.full_title(run)


def runs_by_phase(suite: Suite, runs: Sequence[str]) -> list[tuple[str, list[str]]]:
    """(phase, its runs), in the order in which runs are shown."""
    groups: dict[str, list[str]] = {}
    for run in sorted(runs, key=suite.run_order):
        groups.setdefault(phase_title(suite, run), []).append(run)
    return list(groups.items())


WORDS = {
    word.__name__: word
    for word in (change, span, interval, time_text, time_interval, bracket, certainty, estimate, answers_title)
}
"""What the template calls."""
