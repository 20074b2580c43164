"""The results of ablations: tables, and one paragraph of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from valuedrift.paper.ablated_runs import Ablated, magnitudes, number, parameter_title
from valuedrift.paper.table_formats import Table
from valuedrift.statistics.bootstrap import Estimate
from valuedrift.statistics.equal_rates import Contrast
from valuedrift.titles import algorithm_title, with_interval

TOGETHER = "all together"


def ablation_table(points: Sequence[Ablated], drift: pl.DataFrame, level: float) -> Table:
    """Return the rewarded stance's drift magnitudes, as means over topics: one row per run of each ablation."""
    found = magnitudes(points, drift)
    frame = pl.DataFrame(
        {
            "Start": [point.start_title for point in points],
            "Data": [point.data_title for point in points],
            "Algorithm": [algorithm_title(point.algorithm) for point in points],
            "Settings": [point.shown_settings or None for point in points],
            "Parameter": [parameter_title(point.parameter) for point in points],
            "Value": [point.shown for point in points],
            "Steps": found["end_step"],
            "Stance": found["stance"],
            "M": found["magnitude"],
            "low": found["low"],
            "high": found["high"],
        }
    )
    caption = (
        f"Ablations of {points[0].model.title}: drift magnitude of the stance that the data reward, mean over "
        f"topics, with its interval of {level:.0%}. An asterisk marks the configuration's own value."
    )
    return Table("ablations", caption, frame)


def equal_rates_table(contrasts: Mapping[str, Sequence[Contrast]], title: str, level: float) -> Table:
    """Return how much further DPO moves the rewarded stance, at the algorithms' own and at equal learning rates.

    Args:
        contrasts: Start and data set, or `TOGETHER` → the contrasts of their runs.
        title: The model's title.
        level: Level of the intervals.
    """
    rows = [
        {
            "Data": where,
            "DPO against": algorithm_title(one.other),
            "Learning rates": _rates(one),
            "Steps": f"{one.steps[0]} and {one.steps[1]}",
            **_cells("DPO", one.furthest),
            **_cells("other", one.moved),
            **_cells("difference", one.difference),
            **_cells("share", one.share),
        }
        for where, found in contrasts.items()
        for one in found
    ]
    caption = (
        f"{title}: drift magnitude of the stance that the data reward, mean over topics, by DPO and "
        f"another algorithm, at their own learning rates and at equal ones, with intervals of {level:.0%}. Steps: "
        "DPO's and the other's. Share: what part of the difference at their own rates remains; —: nothing to "
        "have a part of."
    )
    return Table("equal_learning_rates", caption, pl.DataFrame(rows, infer_schema_length=None))


def verdict(contrasts: Mapping[str, Sequence[Contrast]], title: str) -> str:
    """Return a Markdown paragraph on how much of DPO's difference from the others remains at equal learning rates.

    Args:
        contrasts: As for `equal_rates_table`. The paragraph is about the last entry, which is all data together if
            there are several data sets.
        title: The model's title.
    """
    *apart, where = contrasts
    over = f" and over the data sets ({'; '.join(apart)})" if apart else f", on {where}"
    others = dict.fromkeys(one.other for one in contrasts[where])
    text = " ".join(_of_one([one for one in contrasts[where] if one.other == other]) for other in others)
    return f"# {title}: is it the algorithm, or its learning rate?\n\n{text} Means over topics{over}.\n"


def _of_one(contrasts: Sequence[Contrast]) -> str:
    """Compare DPO with one other algorithm, first at their own learning rates and then at equal ones."""
    own, *equal = contrasts
    name = algorithm_title(own.other)
    moved = f"DPO moved the rewarded stance by {_estimate(own.furthest)} and {name} by {_estimate(own.moved)}"
    text = f"At their own rates, {_rates(own)}, {moved}"
    shares = {_rates(one): one.share for one in equal if one.share}
    if not equal:
        return f"{text}; there are no runs of both at equal rates."
    if not shares:
        return f"{text}: no difference of which a share could remain."
    parts = [f"{_estimate(share, '.0%')} where both learn at {rate}" for rate, share in shares.items()]
    first, second = own.steps
    uneven = (
        f" {name} took {second} steps to DPO's {first}, which equal rates leave unequal." if first != second else ""
    )
    return (
        f"{text}. Of the difference, {_estimate(own.difference)}, there remains {' and '.join(parts)}: "
        f"it {_blamed(list(shares.values()))}.{uneven}"
    )


def _blamed(shares: Sequence[Estimate]) -> str:
    if all(share.high < 0.5 for share in shares):
        return "is mostly the step size"
    if all(share.low > 0.5 for share in shares):
        return "is mostly the algorithm"
    return "is both, or changes with the rate"


def _rates(contrast: Contrast) -> str:
    first, second = map(number, contrast.rates)
    return first if first == second else f"{first} and {second}"


def _cells(name: str, found: Estimate | None) -> dict[str, float | None]:
    ends = ("", " low", " high")
    return {
        f"{name}{end}": cell
        for end, cell in zip(ends, (found.value, found.low, found.high) if found else [None] * 3, strict=True)
    }


def _estimate(found: Estimate, form: str = ".2f") -> str:
    return with_interval(found.value, found.low, found.high, form)
