"""Save the weights of chosen steps while a trainer runs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel, TrainerCallback, TrainerState

from valuedrift.files import publish
from valuedrift.models.model_folder import checkpoint_name
from valuedrift.training.devices import gather_full_state, is_main
from valuedrift.training.lora import merged
from valuedrift.training.metrics import Entry, entry


def save_weights(model: PreTrainedModel, folder: Path) -> None:
    """Write a model's configuration and weights (safetensors) to a folder, which appears only when it is complete.

    Adapters are merged into plain weights. Every process of a run must call it; the main process writes.
    """
    state = gather_full_state(model.state_dict())
    plain = model
    if isinstance(model, PeftModel):
        state, plain = merged(model, state), model.get_base_model()
    if is_main():
        with publish(folder) as draft:
            plain.save_pretrained(draft, state_dict=state, safe_serialization=True)


class SaveTrajectory(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Save the policy's weights at the given steps as `folder/step-000100`; keep all logged metrics in `metrics`."""

    def __init__(self, folder: Path, steps: Collection[int]) -> None:
        self.folder, self.steps = folder, frozenset(steps)
        self.metrics: list[Entry] = []

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        if state.global_step in self.steps:
            model = kwargs["model"]
            # PPO trains policy and value model as one wrapper; only the policy is a checkpoint.
            save_weights(getattr(model, "policy", model), self.folder / checkpoint_name(state.global_step))

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:
        self.metrics.append(entry(state.global_step, logs))
