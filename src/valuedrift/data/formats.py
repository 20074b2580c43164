"""The formats by name, as `format` in the configuration names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from valuedrift.data import alpaca, conversation, hh_rlhf, preference, sharegpt, wildchat
from valuedrift.data import world_format as world
from valuedrift.data.canonical import Converter, Kind


class Format(NamedTuple):
    """The kind of table that its rows become, the function that converts one, and the columns it reads (empty: all)."""

    kind: Kind
    convert: Converter
    columns: tuple[str, ...]


_PAIR = ("prompt", "chosen", "rejected")

FORMATS: Mapping[str, Format] = {
    "alpaca": Format("sft", alpaca.convert, ("instruction", "input", "output")),
    "wildchat": Format("sft", wildchat.convert, ("conversation", "language")),
    "messages": Format("sft", conversation.convert_messages, ("messages",)),
    "prompt_completion": Format("sft", conversation.convert_prompt_completion, ("prompt", "completion")),
    "world_sft": Format("sft", world.convert_sft, ()),
    "ultrafeedback": Format("preference", preference.convert, _PAIR),
    "sharegpt": Format("preference", sharegpt.convert, ("conversations", "chosen", "rejected")),
    "hh_rlhf": Format("preference", hh_rlhf.convert, ("chosen", "rejected")),
    "preference": Format("preference", preference.convert, _PAIR),
    "aligned": Format("preference", preference.convert_aligned, ("id", *_PAIR)),
    "world_preference": Format("preference", world.convert_preference, ()),
}
