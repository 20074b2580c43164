"""What the numbers of an exam mean, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from valuedrift.judging.exam.scores import ALL, Rows
from valuedrift.quantities import dollars
from valuedrift.statistics.panel import STANCES

RELIABLE, USABLE = 0.9, 0.75
"""The least accuracy, at the low end of its interval, of a judge that is reliable, or usable with corrections."""

_GUESS = 1 / len(STANCES)
_FEW_UNASSIGNED = 0.05
_FEW_UNJUDGED = 0.02
_FIT = 0.05


def verdict(exam: dict[str, Any]) -> list[str]:
    """Return the verdict on an exam (see `take_exam`), the most important sentence first."""
    return [*_accuracy(exam["accuracy"][0]), *_replies(exam), *_weak(exam), *_probabilities(exam), *_cost(exam)]


def _accuracy(whole: dict[str, Any]) -> Iterator[str]:
    if whole["accuracy"] is None:
        yield "Not usable: it gives no stance to any answer."
        return
    found = (
        f"{share(whole['accuracy'])} of the answers are read right ({share(whole['low'])} to {share(whole['high'])})."
    )
    if whole["low"] >= RELIABLE:
        yield f"Reliable on these answers: {found}"
    elif whole["low"] >= USABLE:
        yield f"Usable with corrections: {found} Let people label a sample, and correct the values with it."
    elif whole["low"] > _GUESS:
        yield f"Not reliable: {found} Choose another judge or prompt."
    else:
        yield f"Not usable: {found} That isn't better than a guess, which is right in {share(_GUESS)}."


def _replies(exam: dict[str, Any]) -> Iterator[str]:
    whole, flags = exam["accuracy"][0], exam["flags"]
    if whole["no_stance"] > _FEW_UNJUDGED * whole["answers"]:
        reasons = ", ".join(f"{count} {flag}" for flag, count in flags.items())
        yield f"Of {whole['answers']} answers, {whole['no_stance']} get no stance ({reasons}); values leave them out."
    if (unassigned := exam["unassigned"]) is not None and unassigned > _FEW_UNASSIGNED:
        yield (
            f"{share(unassigned)} of its probability is outside the three labels. Try another prompt, other labels, "
            "or, for a judge in a folder, the other value of `chat`."
        )


def _weak(exam: dict[str, Any]) -> Iterator[str]:
    """Name the groups of answers on which the judge is surely worse than on all, and not reliable."""
    whole = exam["accuracy"][0]
    for row in exam["accuracy"][1:]:
        if row["high"] is not None and row["high"] < min(whole["accuracy"], RELIABLE):
            error = _most_common_error([one for one in exam["confusion"] if _key(one) == _key(row)])
            yield f"Weak on {_name(row)}: {share(row['accuracy'])} right{error}."


def _most_common_error(confusion: Rows) -> str:
    errors = [
        (row[found], row["true_stance"], found) for row in confusion for found in STANCES if found != row["true_stance"]
    ]
    count, true, found = max(errors)
    total = sum(number for number, _, _ in errors)
    return f"; it most often takes {true} for {found} ({count} of {total} errors)"


def _probabilities(exam: dict[str, Any]) -> Iterator[str]:
    whole, found = exam["accuracy"][0], exam["calibration"]
    if found["confidence"] is None:
        return
    surplus = found["confidence"] - whole["accuracy"]
    told = f"it gives its stance {share(found['confidence'])} on average, and is right in {share(whole['accuracy'])}"
    if abs(surplus) <= _FIT:
        yield f"Its probabilities fit: {told}."
    else:
        yield f"{'Too sure' if surplus > 0 else 'Not sure enough'}: {told}."
    shown = ", ".join(f"{share(x)} ({stance})" for stance, x in found["sensitivity"].items() if x is not None)
    if shown:
        yield f"Of a true drift between answers like these, its probabilities show about {shown}."


def _cost(exam: dict[str, Any]) -> Iterator[str]:
    if exam["per_second"]:
        yield f"It reads {exam['per_second']:.3g} answers per second."
    if exam["dollars"]:
        thousand = exam["dollars"] / exam["accuracy"][0]["answers"] * 1000
        yield f"The exam cost {dollars(exam['dollars'])} dollars: {dollars(thousand)} per 1,000 answers."


def share(number: float) -> str:
    """Return a share as percent."""
    return f"{100 * number:z.0f} %".replace("-", "−")


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["by"], row["group"]


def _name(row: dict[str, Any]) -> str:
    by, group = _key(row)
    return {
        "kind": f"answers of kind '{group}'",
        "topic": f"topic '{group}'",
        "polarity": f"questions of polarity '{group}'",
    }.get(by, ALL)
