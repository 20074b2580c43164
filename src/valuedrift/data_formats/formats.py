"""The formats, by their names for `format` in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from valuedrift.data_formats import alpaca, conversation, hh_rlhf, preference, sharegpt, wildchat
from valuedrift.data_formats import world_format as world
from valuedrift.data_formats.canonical import Converter, Kind


class Format(NamedTuple):
    """How a format's rows are read.

    Attributes:
        kind: The kind of table that its rows become.
        convert: Converts one row.
        columns: The columns that are read (empty: all).
        tokens: Typical tokens of a row's parts, for estimates: `conversation`, or `prompt`, `chosen` and `rejected`.
            The numbers for public data sets are measured on parts of them, at 4.4 characters per token; those for the
            pocket world on its finished run; those for aligned pairs are assumptions.
    """

    kind: Kind
    convert: Converter
    columns: tuple[str, ...] = ()
    tokens: Mapping[str, float] = {}


_PAIR = ("prompt", "chosen", "rejected")


def _tokens(prompt: float, chosen: float, rejected: float) -> Mapping[str, float]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


FORMATS: Mapping[str, Format] = {
    "alpaca": Format("sft", alpaca.convert, ("instruction", "input", "output"), {"conversation": 81}),
    "wildchat": Format("sft", wildchat.convert, ("conversation", "language"), {"conversation": 1240}),
    "messages": Format("sft", conversation.convert_messages, ("messages",)),
    "prompt_completion": Format("sft", conversation.convert_prompt_completion, ("prompt", "completion")),
    "conversations": Format("sft", sharegpt.convert_conversations, ("conversations",)),
    "world_sft": Format("sft", world.convert_sft, tokens={"conversation": 39}),
    "ultrafeedback": Format("preference", preference.convert, _PAIR, _tokens(152, 288, 252)),
    "preference": Format("preference", preference.convert, _PAIR),
    "aligned": Format("preference", preference.convert_aligned, ("id", *_PAIR), _tokens(40, 150, 150)),
    "sharegpt": Format("preference", sharegpt.convert, ("conversations", "chosen", "rejected")),
    "hh_rlhf": Format("preference", hh_rlhf.convert, ("chosen", "rejected"), _tokens(108, 38, 48)),
    "world_preference": Format("preference", world.convert_preference, tokens=_tokens(12, 30, 30)),
}
