"""One training of `benchmarks/training.py` or `machine.py`, in its own process, to measure imports and memory apart."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LOGGED = 10


def last_loss(history: list[dict[str, Any]], key: str, steps: int) -> float:
    """The mean of the logged `key` over the last ten steps, or over all of fewer; stock trl logs every tenth."""
    end = steps - steps % _LOGGED if steps >= _LOGGED else steps
    return statistics.fmean(e[key] for e in history if key in e and end - _LOGGED < e["step"] <= end)


def child(spec: dict[str, Any]) -> None:
    """Train once in one of the ways and write the measurements as JSON."""
    trained: dict[str, Any] = {}
    imported = ours_imports if spec["way"] == "ours" else stock_imports
    run = imported(spec, trained)
    start, cpu = time.perf_counter(), time.process_time()
    run()
    trained["job"], trained["cpu"] = time.perf_counter() - start, time.process_time() - cpu
    trained["peak_mib"] = peak_mib()
    history = trained.pop("history")
    key = "objective/rlhf_reward" if spec["algorithm"] == "ppo" else "loss"
    trained["loss"] = last_loss(history, key, spec["steps"])
    Path(spec["report"]).write_text(json.dumps(trained))


def ours_imports(spec: dict[str, Any], trained: dict[str, Any]) -> Callable[[], None]:
    from valuedrift.config.hyperparameters import read_settings
    from valuedrift.training.job import Job
    from valuedrift.training.train import train

    watch(spec["algorithm"], trained)
    folder = Path(spec["folder"])
    job = Job(
        algorithm=spec["algorithm"],
        settings=read_settings(spec["algorithm"], spec["settings"]),
        seed=spec["seed"],
        base=Path(spec["model"]),
        init=Path(spec["model"]),
        data=Path(spec["data"]),
        folder=folder / "run",
        steps=(spec["steps"],),
        reward_model=Path(spec["reward"]) if spec["reward"] else None,
        # With 4B parameters, a resume point takes 48 GB.
        resume=folder / "resume" if spec["resumable"] else None,
    )
    return lambda: train(job)


def stock_imports(spec: dict[str, Any], trained: dict[str, Any]) -> Callable[[], None]:
    """Like trl's scripts: settings, `load_dataset`, trainer, `train`, `save_model`."""
    from datasets import load_dataset

    watch(spec["algorithm"], trained)
    trainer = {"sft": stock_sft, "dpo": stock_dpo, "simpo": stock_simpo, "ppo": stock_ppo}[spec["algorithm"]]()

    def run() -> None:
        rows = load_dataset("parquet", data_files=spec["data"], split="train", cache_dir=f"{spec['folder']}/cache")
        made = trainer(spec, rows)
        made.train()
        made.save_model(spec["folder"])

    return run


def stock_arguments(spec: dict[str, Any]) -> dict[str, Any]:
    """The settings that must be equal for a comparison; all others are trl's defaults."""
    settings = spec["settings"]
    fixed = {
        "output_dir": spec["folder"],
        "report_to": [],
        "learning_rate": settings["learning_rate"],
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(settings["warmup_ratio"] * spec["steps"]),
        "weight_decay": 0.0,
        "num_train_epochs": settings["epochs"],
        "per_device_train_batch_size": settings["device_batch_size"],
        "gradient_accumulation_steps": settings["batch_size"] // settings["device_batch_size"],
        "seed": spec["seed"],
        "use_cpu": True,
        "logging_steps": min(_LOGGED, spec["steps"]),
    }
    if spec["way"] == "matched":
        fixed |= {"bf16": settings["bf16"], "gradient_checkpointing": settings["gradient_checkpointing"]}
    return fixed


def stock_sft() -> Callable[[dict[str, Any], Any], Any]:
    from trl import SFTConfig, SFTTrainer

    def make(spec: dict[str, Any], rows: Any) -> Any:
        limit = spec["settings"]["max_length"]
        # The paper's objective; by default trl also trains on the user's turns.
        config = SFTConfig(**stock_arguments(spec), max_length=limit, assistant_only_loss=True)
        return SFTTrainer(model=spec["model"], args=config, train_dataset=rows.select_columns("messages"))

    return make


def stock_dpo() -> Callable[[dict[str, Any], Any], Any]:
    from trl import DPOConfig, DPOTrainer

    def make(spec: dict[str, Any], rows: Any) -> Any:
        settings = spec["settings"]
        config = DPOConfig(**stock_arguments(spec), max_length=settings["max_length"], beta=settings["beta"])
        pairs = rows.select_columns(["prompt", "chosen", "rejected"])
        return DPOTrainer(model=spec["model"], args=config, train_dataset=pairs)

    return make


def stock_simpo() -> Callable[[dict[str, Any], Any], Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    def make(spec: dict[str, Any], rows: Any) -> Any:
        settings = spec["settings"]
        objective = {"loss_type": "simpo", "cpo_alpha": 0.0, "beta": settings["beta"], "simpo_gamma": settings["gamma"]}
        return CPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(spec["model"], dtype="float32"),
            args=CPOConfig(**stock_arguments(spec), **objective, max_length=settings["max_length"]),
            train_dataset=rows.select_columns(["prompt", "chosen", "rejected"]),
            processing_class=AutoTokenizer.from_pretrained(spec["model"]),
        )

    return make


def stock_ppo() -> Callable[[dict[str, Any], Any], Any]:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    def make(spec: dict[str, Any], rows: Any) -> Any:
        settings = spec["settings"]
        tokenizer = AutoTokenizer.from_pretrained(spec["model"], padding_side="left")
        policy, reference = (AutoModelForCausalLM.from_pretrained(spec["model"], dtype="float32") for _ in range(2))
        reward, value = (
            AutoModelForSequenceClassification.from_pretrained(spec["reward"], num_labels=1, dtype="float32")
            for _ in range(2)
        )

        def encode(row: dict[str, Any]) -> dict[str, Any]:
            text = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
            return {"input_ids": tokenizer(text)["input_ids"]}

        config = PPOConfig(
            **stock_arguments(spec),
            kl_coef=settings["kl_coefficient"],
            temperature=settings["temperature"],
            missing_eos_penalty=settings["missing_eos_penalty"],
            response_length=settings["response_length"],
            stop_token="eos",
            num_ppo_epochs=settings["ppo_epochs"],
            num_sample_generations=0,
        )
        return PPOTrainer(
            args=config,
            processing_class=tokenizer,
            model=policy,
            ref_model=reference,
            reward_model=reward,
            value_model=value,
            train_dataset=rows.map(encode, remove_columns=rows.column_names),
        )

    return make


def watch(algorithm: str, trained: dict[str, Any]) -> None:
    """Make the trainer's `train` store its seconds, tokens and logs in `trained`, in the same way for all."""
    import torch
    from transformers import Trainer as owner

    if algorithm == "ppo":
        from trl.experimental.ppo import PPOTrainer as owner
    original = owner.train
    seen = [0, 0]

    def count(model: Any, args: tuple[Any, ...], inputs: dict[str, Any]) -> None:
        if model.training and torch.is_grad_enabled():
            seen[0] = seen[0] + inputs["attention_mask"].sum()
            seen[1] += inputs["attention_mask"].numel()

    def train(self: Any, *args: Any, **options: Any) -> Any:
        self.model.register_forward_pre_hook(count, with_kwargs=True)
        start = time.perf_counter()
        result = original(self, *args, **options)
        trained["train"] = time.perf_counter() - start
        trained["tokens"], trained["padding"] = int(seen[0]), 1 - int(seen[0]) / seen[1]
        trained["history"] = self.state.log_history
        return result

    owner.train = train


def peak_mib() -> float:
    """Peak memory so far: GPU memory if there is a GPU, otherwise resident memory."""
    import resource

    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main() -> None:
    child(json.loads(sys.argv[1]))


if __name__ == "__main__":
    main()
