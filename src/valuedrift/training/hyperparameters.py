"""Hyper-parameters, one data class per algorithm; the paper's values stand in the workflow configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Low-rank adapters: W + alpha / rank · B A in place of W, A and B trained, W kept (Hu et al., 2021).

    targets: names of the linear layers that get adapters, such as `q_proj`. dropout: of the adapters' inputs.
    """

    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every algorithm needs. Adam without weight decay and a cosine schedule are fixed by the paper (appendix B).

    batch_size: rows per optimiser step over all devices; device_batch_size: rows per forward pass on one device.
    max_length: tokens of a whole sequence. lora: without it, all parameters are trained, as in the paper.
    """

    learning_rate: float
    batch_size: int
    device_batch_size: int
    epochs: int
    warmup_ratio: float
    max_length: int
    bf16: bool
    gradient_checkpointing: bool
    lora: Lora | None = None


@dataclass(frozen=True, kw_only=True)
class PairSettings(Settings):
    """Algorithms that learn from pairs. response_length: tokens of an answer (appendix B.3)."""

    response_length: int


@dataclass(frozen=True, kw_only=True)
class DpoSettings(PairSettings):
    """DPO (section 2.3); beta scales the implicit reward."""

    beta: float


@dataclass(frozen=True, kw_only=True)
class IpoSettings(PairSettings):
    """IPO (Azar et al., 2023); beta is its regularisation τ: the margin that it aims at is 1 / (2 beta)."""

    beta: float


@dataclass(frozen=True, kw_only=True)
class KtoSettings(PairSettings):
    """KTO (Ethayarajh et al., 2024); beta scales the implicit reward. `batch_size` counts answers, two a pair."""

    beta: float


@dataclass(frozen=True, kw_only=True)
class OrpoSettings(PairSettings):
    """ORPO (Hong et al., 2024); beta is the weight λ of the odds ratio beside the likelihood."""

    beta: float


@dataclass(frozen=True, kw_only=True)
class SimpoSettings(PairSettings):
    """SimPO (section 2.3); beta scales the length-normalised reward, gamma is the target margin."""

    beta: float
    gamma: float


@dataclass(frozen=True, kw_only=True)
class RolloutSettings(PairSettings):
    """Algorithms that learn from answers of their own, scored by a reward model.

    kl_coefficient: weight of KL(π‖π_SFT); temperature: of sampling; missing_eos_penalty: taken from the reward of
    answers that do not end (the EOS trick).
    """

    kl_coefficient: float
    temperature: float
    missing_eos_penalty: float


@dataclass(frozen=True, kw_only=True)
class PpoSettings(RolloutSettings):
    """PPO (section 2.3). ppo_epochs: passes over each batch of answers."""

    ppo_epochs: int


@dataclass(frozen=True, kw_only=True)
class GroupSettings(RolloutSettings):
    """GRPO and RLOO, which compare the answers to one prompt. answers: their number; `batch_size` counts answers."""

    answers: int


SETTINGS: dict[str, type[Settings]] = {
    "pretrain": Settings,
    "sft": Settings,
    "reward": PairSettings,
    "dpo": DpoSettings,
    "ipo": IpoSettings,
    "kto": KtoSettings,
    "orpo": OrpoSettings,
    "simpo": SimpoSettings,
    "ppo": PpoSettings,
    "grpo": GroupSettings,
    "rloo": GroupSettings,
}

# Algorithms that are given a reward model, trained on the same pairs from the same SFT checkpoint.
REWARDED = tuple(algorithm for algorithm, settings in SETTINGS.items() if issubclass(settings, RolloutSettings))


def needed(settings: type[Settings]) -> set[str]:
    """The keys that the configuration must give; the others may be left out."""
    return {field.name for field in fields(settings) if field.default is MISSING}


def read_settings(algorithm: str, raw: Mapping[str, Any]) -> Settings:
    """The settings of an algorithm from its part of the configuration, which the schema has checked."""
    cls = SETTINGS[algorithm]
    given: dict[str, Any] = {field.name: raw[field.name] for field in fields(cls) if field.name in raw}
    for key in sorted(needed(cls) - given.keys()):
        raise KeyError(key)
    if given.get("lora"):
        given["lora"] = Lora(**{**given["lora"], "targets": tuple(given["lora"]["targets"])})
    return cls(**given)
