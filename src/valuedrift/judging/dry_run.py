"""The estimate that `valuedrift judge --dry-run` prints."""

from __future__ import annotations

from valuedrift.config.chat_models import LlmSettings
from valuedrift.judging.stances import StancesEstimate
from valuedrift.quantities import dollars, duration


def dry_run_text(found: StancesEstimate, llm: LlmSettings | None) -> str:
    """Return aligned lines of counts, with dollars and hours if the chat model's settings have prices and limits.

    `llm` is None for a judge in a folder, which has no price.
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
        rows.append(("cost, synchronous API (dollars)", dollars(asked.dollars)))
        rows.append(("cost, Batch API (dollars)", dollars(asked.dollars_batch)))
    if asked.hours:
        rows.append(("time, at least (rate limits)", duration(asked.hours * 3600)))
    left, right = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = [f"{name:<{left}}  {value:>{right}}" for name, value in rows]
    if llm and not (llm.input_price or llm.output_price):
        lines.append("No cost: the judge's settings have neither input_price nor output_price.")
    return "\n".join(lines)
