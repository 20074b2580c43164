"""State that PPO's trainer needs to continue but doesn't save: its value model and its position in the data."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainerState, TrainingArguments

from valuedrift.files import read_json, write_json

if TYPE_CHECKING:
    from trl.experimental.ppo import PPOTrainer

POSITION, TRAINED = "position.json", "trained.safetensors"


class Batches:
    """A data loader that can save its position; torch's generator at the start of an epoch decides its order."""

    def __init__(self, loader: Any) -> None:
        self.loader, self.taken = loader, 0
        self.start = torch.get_rng_state()
        self._skip = False

    def __iter__(self) -> Iterator[Any]:
        if not self._skip:
            self.start, self.taken = torch.get_rng_state(), 0
            batches = iter(self.loader)
        else:
            batches = self._again()
        for batch in batches:
            self.taken += 1
            yield batch

    def place(self) -> dict[str, Any]:
        """Return the position as JSON: torch's generator at the epoch's start and the number of batches taken since."""
        return {"taken": self.taken, "generator": base64.b64encode(self.start.numpy().tobytes()).decode()}

    def go_to(self, place: dict[str, Any]) -> None:
        """Make the next iteration continue from a saved position."""
        self.taken = place["taken"]
        self.start = torch.frombuffer(bytearray(base64.b64decode(place["generator"])), dtype=torch.uint8)
        self._skip = True

    def _again(self) -> Iterator[Any]:
        """Return the remaining batches of the epoch; torch's generator keeps its state."""
        self._skip = False
        now = torch.get_rng_state()
        torch.set_rng_state(self.start)
        batches: Iterator[Any] = iter(self.loader)
        for _ in range(self.taken):
            next(batches)
        torch.set_rng_state(now)
        return batches


class PpoState(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Add what the trainer's saved state lacks; restore the state before the training loop, generators last."""

    def __init__(self, trainer: PPOTrainer, point: Path | None) -> None:
        self.trainer, self.point = trainer, point
        self.batches = trainer.dataloader = Batches(trainer.dataloader)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        if self.point is None:
            return
        place = read_json(self.point / POSITION)
        self.batches.go_to(place["batches"])
        _restore(self.trainer.model, self.point / TRAINED)
        for name, part in (("optimizer.pt", self.trainer.optimizer), ("scheduler.pt", self.trainer.lr_scheduler)):
            # Loaded to the CPU; the optimiser moves its state to its parameters' device.
            part.load_state_dict(torch.load(self.point / name, map_location="cpu", weights_only=True))
        state.global_step, state.episode = place["step"], place["step"] * args.batch_size
        # The loop reads its number of batches from here; the schedule and the log have already read the full number.
        args.num_total_batches -= place["step"]
        self.trainer._load_rng_state(str(self.point))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        draft = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        for policy in draft.glob("*.safetensors"):
            policy.unlink()
        trained = {name: p.detach() for name, p in self.trainer.model.named_parameters() if p.requires_grad}
        save_file(trained, draft / TRAINED)
        write_json(draft / POSITION, {"step": state.global_step, "batches": self.batches.place()})


def _restore(model: torch.nn.Module, file: Path) -> None:
    trained = load_file(file)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(trained[name])
