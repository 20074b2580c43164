"""Hyper-parameters of each training algorithm; the paper's values are in workflow_config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from valuedrift.config.section import Count, Invalid, NotNegative, Positive, Section, Several, Share, Text, bare


class Lora(Section):
    """Low-rank adapters: W + alpha / rank · B A instead of W; A and B are trained, W is fixed (Hu et al., 2021).

    Checkpoints are plain weights with and without adapters.
    """

    rank: Count
    """Rank of the adapters."""
    alpha: Positive
    """Scale: alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Dropout of the adapters' inputs; 0 with PPO."""
    targets: Several[Text]
    """Linear layers that get adapters, such as q_proj."""


class Settings(Section):
    """Settings of every algorithm. Adam without weight decay and a cosine schedule are fixed (appendix B)."""

    learning_rate: Positive
    """Peak learning rate of the cosine schedule."""
    batch_size: Count
    """Rows per optimiser step, over all devices."""
    device_batch_size: Count
    """Rows per forward pass on one device; a divisor of `batch_size`."""
    epochs: Count
    """Passes over the training rows."""
    warmup_ratio: Share
    """Share of the steps over which the learning rate rises."""
    max_length: Annotated[int, Field(ge=8)]
    """Longest sequence in tokens."""
    bf16: bool
    """Compute in bfloat16; weights stay in fp32."""
    gradient_checkpointing: bool
    """Recompute activations to save memory."""
    lora: Lora | None = None
    """Low-rank adapters. Without them, all parameters are trained, as in the paper."""

    @model_validator(mode="after")
    def _device_batches_fill_batches(self) -> Self:
        if self.batch_size % self.device_batch_size:
            raise Invalid("device_batch_size", self.device_batch_size, f"a divisor of batch_size ({self.batch_size})")
        return self


class PairSettings(Settings):
    """Settings of algorithms that learn from pairs, and of the reward model."""

    response_length: Count
    """Longest answer in tokens; less than `max_length` (appendix B.3)."""

    @model_validator(mode="after")
    def _prompts_have_room(self) -> Self:
        if self.response_length >= self.max_length:
            raise Invalid("response_length", self.response_length, f"less than max_length ({self.max_length})")
        return self


class DpoSettings(PairSettings):
    """DPO, direct preference optimisation (section 2.3)."""

    beta: Positive
    """Scale of the implicit reward."""


class SimpoSettings(PairSettings):
    """SimPO, simple preference optimisation without a reference model (section 2.3)."""

    beta: Positive
    """Scale of the length-normalised reward."""
    gamma: NotNegative
    """Target margin."""


class IpoSettings(PairSettings):
    """IPO, identity preference optimisation (Azar et al., 2023)."""

    beta: Positive
    """Regularisation τ: the target margin is 1 / (2 beta)."""


class KtoSettings(PairSettings):
    """KTO, Kahneman-Tversky optimisation (Ethayarajh et al., 2024). `batch_size` counts answers, two per pair."""

    device_batch_size: Annotated[int, Field(ge=2)]
    """Rows per forward pass on one device, 2 or more, because KL is estimated within these rows."""
    beta: Positive
    """Scale of the implicit reward."""


class OrpoSettings(PairSettings):
    """ORPO, odds-ratio preference optimisation (Hong et al., 2024)."""

    beta: Positive
    """Weight λ of the odds ratio relative to the likelihood."""


class RolloutSettings(PairSettings):
    """Settings of algorithms that learn from rollouts: the model's own answers, scored by a reward model."""

    kl_coefficient: NotNegative
    """Weight of KL(π‖π_SFT)."""
    temperature: Positive
    """Sampling temperature of the answers."""
    missing_eos_penalty: NotNegative
    """Subtracted from the reward of answers without an end token (the EOS trick)."""


class PpoSettings(RolloutSettings):
    """PPO, proximal policy optimisation (section 2.3)."""

    ppo_epochs: Count
    """Passes over each batch of answers."""

    @model_validator(mode="after")
    def _adapters_have_no_dropout(self) -> Self:
        if self.lora and self.lora.dropout:
            raise Invalid("lora.dropout", self.lora.dropout, "0: PPO's trainer switches dropout off")
        return self


class GroupSettings(RolloutSettings):
    """GRPO (group-relative policy optimisation) and RLOO (REINFORCE leave-one-out), which compare several answers to
    the same prompt."""

    answers: Annotated[int, Field(ge=2)]
    """Answers per prompt; `batch_size` counts answers and is a multiple of it."""

    @model_validator(mode="after")
    def _groups_fill_batches(self) -> Self:
        if self.batch_size % self.answers:
            raise Invalid("batch_size", self.batch_size, f"a multiple of answers ({self.answers})")
        return self


class Training(Section):
    """Hyper-parameters by algorithm. Algorithms that are not in the grid may have settings, too."""

    pretrain: Settings | None = None
    """Pre-training, for models with `scratch`."""
    sft: Settings | None = None
    """Supervised fine-tuning."""
    reward: PairSettings | None = None
    """The reward model, for PPO, GRPO and RLOO."""
    ppo: PpoSettings | None = None
    dpo: DpoSettings | None = None
    simpo: SimpoSettings | None = None
    ipo: IpoSettings | None = None
    kto: KtoSettings | None = None
    orpo: OrpoSettings | None = None
    grpo: GroupSettings | None = None
    """Group-relative policy optimisation."""
    rloo: GroupSettings | None = None
    """REINFORCE leave-one-out."""


SETTINGS: dict[str, type[Settings]] = {name: bare(field.annotation) for name, field in Training.model_fields.items()}

# Algorithms that are given a reward model, trained on the same pairs from the same SFT checkpoint.
REWARDED = tuple(algorithm for algorithm, settings in SETTINGS.items() if issubclass(settings, RolloutSettings))


def read_settings(algorithm: str, values: Mapping[str, Any]) -> Settings:
    """The settings of an algorithm from a mapping. Raises ConfigError, naming the key."""
    return SETTINGS[algorithm].read(values)
