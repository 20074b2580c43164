"""What a target will take, before it is run: jobs, tokens, GPU hours, disk, dollars. docs/planning.md explains it."""

BENCHMARKS = "results/benchmarks"
PREDICTIONS = "results/predictions.json"
STAGES = (
    *("world", "fetch", "fetch_judge", "fetch_llm", "data", "documents", "pretrain", "train_judge", "judge_quality"),
    *("probes", "vprism_questions", "vprism_embed", "vprism_reduce", "vprism_cluster", "vprism_describe"),
    *("vprism_name", "vprism_propose", "vprism_filter", "vprism_sample"),
    *("synthetic_candidates", "synthetic_retrieve", "synthetic_pairs", "synthetic_align"),
    *("sft", "reward", "ppo", "dpo", "simpo", "ipo", "kto", "orpo", "grpo", "rloo"),
    *("generate", "stances", "calibration", "retrieve", "judge_data", "expression", "recovery", "statistics"),
    *("labels", "corrected", "prediction", "drift", "downstream", "ablations", "tables", "figures", "configuration"),
    *("report", "exports"),
)
"""The order in which plans show stages; any others come last."""
