"""The formats by name: what `format` in the configuration may say."""

from __future__ import annotations

from collections.abc import Mapping

from valuedrift.data import alpaca, conversation, hh_rlhf, preference, sharegpt, wildchat, world
from valuedrift.data.canonical import Converter, Kind

FORMATS: Mapping[str, tuple[Kind, Converter]] = {
    "alpaca": ("sft", alpaca.convert),
    "wildchat": ("sft", wildchat.convert),
    "messages": ("sft", conversation.convert_messages),
    "prompt_completion": ("sft", conversation.convert_prompt_completion),
    "world_sft": ("sft", world.convert_sft),
    "ultrafeedback": ("preference", preference.convert),
    "sharegpt": ("preference", sharegpt.convert),
    "hh_rlhf": ("preference", hh_rlhf.convert),
    "preference": ("preference", preference.convert),
    "world_preference": ("preference", world.convert_preference),
}
