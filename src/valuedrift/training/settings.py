"""Hyper-parameters, one data class per algorithm; the paper's values stand in the workflow configuration."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every algorithm needs. Adam without weight decay and a cosine schedule are fixed by the paper (appendix B).

    batch_size: rows per optimiser step over all devices; device_batch_size: rows per forward pass on one device.
    max_length: tokens of a whole sequence.
    """

    learning_rate: float
    batch_size: int
    device_batch_size: int
    epochs: int
    warmup_ratio: float
    max_length: int
    bf16: bool
    gradient_checkpointing: bool


@dataclass(frozen=True, kw_only=True)
class PairSettings(Settings):
    """Algorithms that learn from pairs. response_length: tokens of an answer (appendix B.3)."""

    response_length: int


@dataclass(frozen=True, kw_only=True)
class DpoSettings(PairSettings):
    """DPO (section 2.3); beta scales the implicit reward."""

    beta: float


@dataclass(frozen=True, kw_only=True)
class SimpoSettings(PairSettings):
    """SimPO (section 2.3); beta scales the length-normalised reward, gamma is the target margin."""

    beta: float
    gamma: float


@dataclass(frozen=True, kw_only=True)
class PpoSettings(PairSettings):
    """PPO (section 2.3). missing_eos_penalty is taken from the reward of answers that do not end (the EOS trick)."""

    kl_coefficient: float
    temperature: float
    missing_eos_penalty: float
    ppo_epochs: int


SETTINGS: dict[str, type[Settings]] = {
    "pretrain": Settings,
    "sft": Settings,
    "reward": PairSettings,
    "dpo": DpoSettings,
    "simpo": SimpoSettings,
    "ppo": PpoSettings,
}


def read_settings(algorithm: str, raw: dict[str, Any]) -> Settings:
    """The settings of an algorithm from its part of the configuration, which the schema has checked."""
    cls = SETTINGS[algorithm]
    return cls(**{field.name: raw[field.name] for field in fields(cls)})
