"""What the paper's table 17 states: accuracies on four benchmarks, as printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Benchmark:
    """A column of table 17: the harness's task, its metric, and what the paper calls it."""

    task: str
    metric: str
    title: str


BENCHMARKS = (
    Benchmark("mmlu", "acc", "MMLU"),
    Benchmark("hellaswag", "acc_norm", "HellaSwag"),
    Benchmark("gpqa_diamond_n_shot", "acc", "GPQA Diamond"),
    Benchmark("piqa", "acc_norm", "PIQA"),
)

_QWEN3_4B = {
    "base": (0.7302, 0.7526, 0.3990, 0.7905),
    "sft-alpaca": (0.6983, 0.7483, 0.3889, 0.7870),
    "sft-alpaca/dpo-synthetic-support": (0.6748, 0.7508, 0.3939, 0.7873),
    "sft-alpaca/dpo-synthetic-oppose": (0.6891, 0.7383, 0.3889, 0.7835),
    "sft-alpaca/ppo-synthetic-support": (0.6850, 0.7490, 0.3980, 0.7860),
    "sft-alpaca/ppo-synthetic-oppose": (0.6940, 0.7360, 0.3860, 0.7820),
    "sft-alpaca/simpo-synthetic-support": (0.6999, 0.7458, 0.4040, 0.7742),
    "sft-alpaca/simpo-synthetic-oppose": (0.6939, 0.7325, 0.3838, 0.7802),
    "sft-wildchat": (0.7126, 0.7587, 0.3889, 0.7890),
    "sft-wildchat/dpo-synthetic-support": (0.7042, 0.7586, 0.3788, 0.7867),
    "sft-wildchat/dpo-synthetic-oppose": (0.6982, 0.7551, 0.3889, 0.7824),
    "sft-wildchat/ppo-synthetic-support": (0.7080, 0.7600, 0.3920, 0.7900),
    "sft-wildchat/ppo-synthetic-oppose": (0.7030, 0.7540, 0.3860, 0.7830),
    "sft-wildchat/simpo-synthetic-support": (0.7126, 0.7635, 0.4040, 0.7960),
    "sft-wildchat/simpo-synthetic-oppose": (0.7092, 0.7566, 0.3889, 0.7818),
}
_LLAMA3_3B = {
    "base": (0.5615, 0.7549, 0.2879, 0.7878),
    "sft-alpaca": (0.5178, 0.7369, 0.3030, 0.7850),
    "sft-alpaca/dpo-synthetic-support": (0.4930, 0.7257, 0.2879, 0.7830),
    "sft-alpaca/dpo-synthetic-oppose": (0.5050, 0.6989, 0.3031, 0.7820),
    "sft-alpaca/ppo-synthetic-support": (0.5200, 0.7401, 0.3131, 0.7850),
    "sft-alpaca/ppo-synthetic-oppose": (0.5300, 0.7250, 0.3050, 0.7830),
    "sft-alpaca/simpo-synthetic-support": (0.5450, 0.6847, 0.2222, 0.7740),
    "sft-alpaca/simpo-synthetic-oppose": (0.5250, 0.6346, 0.2727, 0.7800),
    "sft-wildchat": (0.5407, 0.7659, 0.3434, 0.7890),
    "sft-wildchat/dpo-synthetic-support": (0.5550, 0.7521, 0.3636, 0.7860),
    "sft-wildchat/dpo-synthetic-oppose": (0.5480, 0.7328, 0.3636, 0.7820),
    "sft-wildchat/ppo-synthetic-support": (0.5580, 0.7525, 0.3500, 0.7900),
    "sft-wildchat/ppo-synthetic-oppose": (0.5590, 0.7536, 0.3283, 0.7850),
    "sft-wildchat/simpo-synthetic-support": (0.5650, 0.7622, 0.3384, 0.7920),
    "sft-wildchat/simpo-synthetic-oppose": (0.5490, 0.7483, 0.3081, 0.7850),
}

DOWNSTREAM = {"qwen3_4b": _QWEN3_4B, "llama3_3b": _LLAMA3_3B}
"""Model → run → the accuracy of each of `BENCHMARKS`."""
