"""What judging would take, as people read it."""

from __future__ import annotations

from valuedrift.judging.stances import StancesEstimate
from valuedrift.config.chat_models import LlmSettings

_SECONDS = 3600.0


def dry_run_text(found: StancesEstimate, llm: LlmSettings | None) -> str:
    """Aligned lines of counts; dollars and hours where the chat model's settings have prices and limits.

    llm: None for a judge in a folder, which is not paid
    """
    asked = found.asked
    rows = [
        ("answers", f"{found.answers:,}"),
        ("different requests", f"{asked.requests:,}"),
        ("already in the journal", f"{asked.requests - asked.to_send:,}"),
        ("to ask", f"{asked.to_send:,}"),
        ("prompt tokens, about", f"{asked.input_tokens:,}"),
        ("completion tokens, at most", f"{asked.output_tokens:,}"),
    ]
    if llm and (llm.input_price or llm.output_price):
        rows.append(("dollars, asked directly", _dollars(asked.dollars)))
        rows.append(("dollars, in batches", _dollars(asked.dollars_batch)))
    if asked.hours:
        rows.append(("time, by the limits, at least", _time(asked.hours)))
    lines = _aligned(rows)
    if llm and not (llm.input_price or llm.output_price):
        lines.append("No dollars: the judge's settings have neither input_price nor output_price.")
    return "\n".join(lines)


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    left, right = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [f"{name:<{left}}  {value:>{right}}" for name, value in rows]


def _dollars(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.4f}"


def _time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} h"
    minutes, seconds = divmod(round(hours * _SECONDS), 60)
    return f"{minutes} min {seconds} s"
