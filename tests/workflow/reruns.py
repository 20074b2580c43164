"""What an edit of each key of the configuration runs again: one table for the documentation and the tests.

`python tests/workflow/reruns.py` prints it as docs/reruns.md has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from valuedrift.config.chat_models import LIMITS

SHOWN = {"drift", "tables", "figures"}
STATISTICS = {"statistics", "prediction"} | SHOWN
ANSWERS = {"generate", "stances"} | STATISTICS
LABELLED = {"labels", "corrected"}
"""Of the pocket model, whose world labels its answers."""
WORLD_ANSWERS = ANSWERS | LABELLED
CALIBRATION = {"generate_calibration", "stances_calibration", "calibration"}
EXPRESSED = {"judge_data", "expression", "prediction", "figures", "tables"}
RETRIEVED = {"retrieve"} | EXPRESSED
RECOVERED = {"recovery"}
DATA_JUDGED = {"judge_data", "expression"} | RECOVERED
JUDGED = {"stances", "stances_calibration", "calibration", "judge_heldout"} | DATA_JUDGED | STATISTICS | LABELLED
SFT = {"sft", "reward", "ppo", "dpo", "simpo", "ipo", "kto", "orpo", "grpo", "rloo"}
PREFERENCE = SFT - {"sft"}
TRAINED = SFT | WORLD_ANSWERS | CALIBRATION
PROBED = {"probes", "retrieve"} | DATA_JUDGED | ANSWERS | CALIBRATION
PAIRS = {"synthetic_pairs", "synthetic_align", "data", "dpo"} | RETRIEVED | ANSWERS
WORLD = {"world", "data", "probes", "pretrain", "train_judge", "retrieve"}
VPRISM = ("questions", "embed", "reduce", "cluster", "filter", "sample")
VPRISM_PROBED = {"synthetic_retrieve", "generate", "stances"} | RETRIEVED | PAIRS


def vprism(first: str) -> set[str]:
    """From a stage of the probe set to the end."""
    return {f"vprism_{stage}" for stage in VPRISM[VPRISM.index(first) :]} | VPRISM_PROBED


DRAWN = WORLD | {"documents", "synthetic_candidates"} | vprism("reduce") | JUDGED | TRAINED


@dataclass(frozen=True)
class Row:
    """One row of the table.

    keys: patterns of keys, `*` standing for anything · says: what runs again
    edits: values for keys of the configuration in foretold.py · targets: for which it is asked
    runs: the rules whose jobs that runs again, training runs by their algorithm; each edit has to run the same. The
    report, its copy of the configuration and the exports are left out.
    """

    keys: tuple[str, ...]
    says: str
    runs: set[str] = field(default_factory=set)
    edits: tuple[tuple[str, Any], ...] = ()
    targets: tuple[str, ...] = ()


def edit(path: str, *values: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((path, value) for value in values)


def edits(folder: str, **values: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((f"{folder}.{name}", value) for name, value in values.items())


MIX = {"support": 0.3, "neutral": 0.4, "oppose": 0.3}
COMMON = {
    "learning_rate": 1e-4,
    "batch_size": 64,
    "device_batch_size": 8,
    "epochs": 2,
    "warmup_ratio": 0.5,
    "max_length": 120,
    "bf16": True,
    "gradient_checkpointing": True,
}
LIMITED = {**COMMON, "response_length": 60}
LORA = {"lora": {"rank": 4}}
ROLLOUTS = {"kl_coefficient": 0.1, "temperature": 0.9, "missing_eos_penalty": 2.0}
GROUPS = {**LIMITED, **ROLLOUTS, "batch_size": 352, "device_batch_size": 88, "answers": 8}
# Settings of each algorithm, each changed alone.
TRAINING: dict[str, dict[str, Any]] = {
    "dpo": {**LIMITED, "beta": 0.2},
    "simpo": {"beta": 3.0, "gamma": 0.6},
    "ipo": {"beta": 0.2},
    "kto": {"beta": 0.2},
    "orpo": {"beta": 0.2, "lora": {"rank": 4}},
    "grpo": {"answers": 8, "kl_coefficient": 0.1},
    "rloo": {"answers": 8},
}
OWN = "that run, the runs that start from it, their answers, stances and statistics"

TABLE = (
    Row(("seed",), "all that is drawn, trained or answered", DRAWN, edit("seed", 1)),
    Row(
        ("report.models",),
        "tables and figures; a model that is new, all of its grid",
        {"tables", "figures"},
        edit("report.models", ["qwen3_4b"]),
    ),
    Row(("report.table_1_topics",), "tables", {"drift", "tables"}, edit("report.table_1_topics", ["work"])),
    Row(
        ("report.ablation_topics",),
        "figures of ablations",
        {"ablations"},
        edit("report.ablation_topics", ["work"]),
        ("results/ablations/pocket",),
    ),
    Row(
        ("machine.*", "budget.*", "retrain"),
        "nothing, not even the report: how runs are made and whether is no part of what they make",
        set(),
        edit("machine", {"keep": "every_nth", "nth": 3})
        + edits("machine", resume_minutes=5, report_to=["tensorboard"], keep="final")
        + edits("budget", gpu_hours=9, dollars=9)
        + edit("retrain", True),
    ),
    Row(
        ("report.figure_formats", "report.figure_columns"),
        "figures",
        {"drift", "figures"},
        edits("report", figure_formats=["svg"], figure_columns=2),
    ),
    Row(
        ("statistics.replicates", "statistics.level"),
        "statistics, and what is made of them",
        {"calibration", "expression", "recovery", "corrected"} | STATISTICS,
        edits("statistics", replicates=500, level=0.9),
    ),
    Row(
        ("statistics.seeds",), "statistics, and what is made of them", STATISTICS, edit("statistics.seeds", ["seed-1"])
    ),
    Row(
        ("statistics.labelled",),
        "corrected values and drifts, and tables",
        {"corrected", "tables"},
        edit("statistics.labelled", "labelled.parquet"),
    ),
    Row(
        ("suites.*.world.labels",),
        "the labelled sample, corrected values and drifts, and tables",
        LABELLED | {"tables"},
        edit("suites.pocket.world.labels", 9),
    ),
    Row(("topics.*.name",), "tables and figures", SHOWN, edit("topics.work.name", "Labour")),
    Row(
        ("topics.*.value",),
        "tables and figures; pairs that are written about it, and what is trained on them",
        SHOWN | PAIRS,
        edit("topics.work.value", "Rest."),
    ),
    Row(
        ("topics.*.target",),
        "stances (only the topic's answers are judged again), a judge that is trained, pairs written about it",
        {"train_judge"} | JUDGED | PAIRS,
        edit("topics.work.target", "trade unions"),
    ),
    Row(
        ("topics.*.keywords",),
        "probes that are found by keywords, and what answers them",
        {"probes"} | RETRIEVED | ANSWERS,
        edit("topics.work.keywords", ["job"]),
    ),
    Row(
        ("llms.*.hub.*", "llms.*.folder"),
        "what the chat model writes, names, filters or judges",
        {"fetch_llm"} | vprism("questions") | PAIRS,
        edits("llms.qwen25_72b.hub", name="a/b", revision="abc"),
    ),
    Row(
        ("llms.*.backend", "llms.*.model", "llms.*.url"),
        "what the chat model writes, names, filters or judges; replies that the journal has aren't asked for",
        {"stances"} | PAIRS,
        edits("llms.asked", backend="batch", model="other", url="http://127.0.0.1/v1"),
    ),
    Row(
        tuple(f"llms.*.{key}" for key in sorted(LIMITS)),
        "nothing: a limit changes no reply",
        set(),
        edits(
            "llms.asked",
            key_variable="K",
            concurrency=2,
            timeout=9,
            attempts=2,
            patience=9,
            input_price=1,
            output_price=1,
            budget=9,
            batch_requests=9,
            batch_bytes=9,
            batch_tokens=9,
            batches_in_flight=1,
            batch_poll=9,
            requests_per_minute=9,
            tokens_per_minute=9,
        ),
    ),
    Row(
        ("judges.*.hub.*", "judges.*.folder"),
        "fetching the judge, stances, and what is made of them",
        {"fetch_judge", "stances"} | EXPRESSED | STATISTICS,
        edits("judges.qwen25_7b.hub", name="a/b", revision="abc"),
    ),
    Row(
        ("judges.*.train.*",),
        "training the judge, stances, and what is made of them",
        {"train_judge"} | JUDGED,
        edits("judges.pocket.train.shape", vocabulary=1000, hidden=32, layers=1, heads=2, context=256)
        + edits("judges.pocket.train.settings", **COMMON),
    ),
    Row(
        ("judges.*.prompt",),
        "stances and what is made of them; training of a judge that is trained",
        {"train_judge"} | JUDGED,
        edit("judges.pocket.prompt", "stance"),
    ),
    Row(
        ("judges.*.llm",),
        "stances and what is made of them",
        {"stances"} | PAIRS,
        edit("judges.asked.llm", "qwen25_72b"),
    ),
    Row(
        ("judges.*.engine", "judges.*.chat", "judges.*.batch_size"),
        "stances and what is made of them",
        {"stances"} | EXPRESSED | STATISTICS,
        edits("judges.qwen25_7b", engine="vllm", chat=False, batch_size=8),
    ),
    Row(
        (
            "judges.*.prompt",
            "judges.*.labels",
            "judges.*.max_unassigned",
            "judges.*.samples",
            "judges.*.temperature",
            "judges.*.max_tokens",
        ),
        "stances and what is made of them",
        {"stances"} | PAIRS,
        edits(
            "judges.asked",
            prompt="pocket",
            labels=["A", "B", "C"],
            max_unassigned=0.3,
            samples=5,
            temperature=1,
            max_tokens=50,
        ),
    ),
    Row(("models.*.title",), "nothing", set(), edit("models.qwen3_4b.title", "Q")),
    Row(("models.*.suite",), "that model's grid", {"sft", "dpo"} | ANSWERS, edit("models.qwen3_4b.suite", "real")),
    Row(
        ("models.*.hub.*", "models.*.folder"),
        "fetching the model, and all of its grid",
        {"fetch_base", "sft", "dpo"} | ANSWERS,
        edits("models.qwen3_4b.hub", name="a/b", revision="abc"),
    ),
    Row(
        ("models.*.scratch.*",),
        "pre-training, and all of the model's grid",
        {"pretrain"} | TRAINED,
        edits("models.pocket.scratch", vocabulary=900, hidden=32, layers=1, heads=2, context=256),
    ),
    Row(
        ("models.*.chat.*",),
        "the base model, and all of its grid",
        {"fetch_base", "sft", "dpo"} | ANSWERS,
        edits("models.qwen3_4b.chat", template="llama3", eos="<e>", pad="<p>"),
    ),
    Row(
        ("suites.*.world.probes_per_topic", "suites.*.world.variation"),
        "the whole world, and all that is made of it",
        WORLD | JUDGED | TRAINED,
        edits("suites.pocket.world", probes_per_topic=9, variation=0.05),
    ),
    Row(
        ("suites.*.world.pretraining.*",),
        "pre-training and all of the grid; no data set",
        {"world", "pretrain"} | TRAINED,
        edits("suites.pocket.world.pretraining", rows=700, mix=MIX),
    ),
    Row(
        ("suites.*.world.sft.*",),
        "that data set, and what is trained on it",
        {"world", "data", "retrieve"} | DATA_JUDGED | TRAINED,
        edits("suites.pocket.world.sft.wildchat", rows=700, mix=MIX),
    ),
    Row(
        ("suites.*.world.preference.*",),
        "that data set, and what is trained on it",
        {"world", "data", "retrieve", "dpo"} | DATA_JUDGED | WORLD_ANSWERS,
        edits("suites.pocket.world.preference.synthetic-support", rows=70, gap="oppose"),
    ),
    Row(
        ("suites.*.world.judge.heldout_rows",),
        "the judge's measurement",
        {"world", "judge_heldout"},
        edit("suites.pocket.world.judge.heldout_rows", 110),
    ),
    Row(
        ("suites.*.world.judge.train_rows",),
        "the judge and its stances",
        {"world", "train_judge"} | JUDGED,
        edit("suites.pocket.world.judge.train_rows", 1100),
    ),
    Row(
        ("suites.*.world.judge.heldout_phrasings",),
        "the judge and its stances",
        {"world", "train_judge"} | JUDGED,
        edit("suites.pocket.world.judge.heldout_phrasings", 0.3),
    ),
    Row(
        ("suites.*.probes.source", "suites.*.probes.file"),
        "probes, answers (only to questions that are new), stances",
        {"probes"} | RETRIEVED | ANSWERS,
        edit("suites.real.probes.file", "other.csv"),
    ),
    Row(
        ("suites.*.probes.per_topic",),
        "probes, answers (only to questions that are new), stances",
        {"probes"} | RETRIEVED | ANSWERS,
        edit("suites.real.probes.per_topic", 4),
    ),
    Row(
        ("suites.*.probes.llm", "suites.*.probes.file"),
        "V-PRISM from its first stage",
        vprism("questions"),
        edits("suites.paper.probes", llm="asked", file="other.csv"),
    ),
    Row(
        ("suites.*.probes.embedding",),
        "V-PRISM from the embeddings on",
        vprism("embed"),
        edit("suites.paper.probes.embedding", "all-MiniLM-L6-v2"),
    ),
    Row(
        ("suites.*.probes.reduction.*",),
        "V-PRISM from the reduction on",
        vprism("reduce"),
        edits("suites.paper.probes.reduction", neighbours=9, dimensions=9, min_distance=0.1, epochs=9),
    ),
    Row(
        ("suites.*.probes.clusters.*",),
        "V-PRISM from the clusters on",
        vprism("cluster"),
        edits("suites.paper.probes.clusters", min_cluster_size=9, min_samples=9, min_membership=0.1),
    ),
    Row(
        ("suites.*.probes.choice",),
        "V-PRISM from the filter on",
        vprism("filter"),
        edit("suites.paper.probes.choice", "other.yaml"),
    ),
    Row(
        ("suites.*.probes.per_topic",),
        "the sample, and what answers it",
        vprism("sample"),
        edit("suites.paper.probes.per_topic", 9),
    ),
    Row(
        ("suites.*.synthetic.from", "suites.*.synthetic.retrieval.longest"),
        "the pairs from their candidates on",
        {"synthetic_candidates", "synthetic_retrieve"} | PAIRS,
        edit("suites.paper.synthetic.from", ["hh-rlhf"]) + edit("suites.paper.synthetic.retrieval.longest", 9),
    ),
    Row(
        ("suites.*.synthetic.embedding", "suites.*.synthetic.retrieval.*"),
        "the pairs from the retrieval on",
        {"synthetic_retrieve"} | PAIRS,
        edit("suites.paper.synthetic.embedding", "all-MiniLM-L6-v2")
        + edits("suites.paper.synthetic.retrieval", total=9, nearest=9, minimum=0.1, duplicate=0.9),
    ),
    Row(
        ("suites.*.synthetic.writer", "suites.*.synthetic.writing.*"),
        "the writing of pairs, and what is trained on them",
        PAIRS,
        edit("suites.paper.synthetic.writer", "asked")
        + edits("suites.paper.synthetic.writing", temperature=0.1, max_tokens=9, attempts=9, minimum=0.1),
    ),
    Row(
        ("suites.*.data.*.title", "suites.*.data.*.licence"),
        "nothing: the card says them as they were when it was written",
        set(),
        edits("suites.pocket.data.wildchat", title="T", licence="L"),
    ),
    Row(
        tuple(
            f"suites.*.data.*.{key}"
            for key in ("format", "rows", "files", "hub.*", "sample", "duplicates", "empty_answers", "validation")
        ),
        "that data set, and what is trained on it",
        {"data", "retrieve", "dpo"} | DATA_JUDGED | WORLD_ANSWERS,
        edits(
            "suites.pocket.data.synthetic-support",
            format="preference",
            rows=330,
            files=["other.parquet"],
            sample=300,
            duplicates="drop",
            empty_answers="keep",
            validation=0.2,
        ),
    ),
    Row(
        ("suites.*.expression.model", "suites.*.expression.threshold", "suites.*.expression.topics"),
        "what data sets express, and what that foretells",
        {"retrieve", "prediction", "figures", "tables"} | DATA_JUDGED,
        edits("suites.pocket.expression", model="all-mpnet-base-v2", threshold=0.4, topics="every"),
    ),
    Row(
        ("suites.*.expression.examples",),
        "the tables of what data sets express",
        {"expression", "recovery", "prediction", "figures", "tables"},
        edit("suites.pocket.expression.examples", 4),
    ),
    Row(
        ("suites.*.grid.sft",),
        "runs that are new, and statistics",
        {"sft"} | WORLD_ANSWERS | CALIBRATION,
        edit("suites.pocket.grid.sft", ["wildchat", "alpaca"]),
    ),
    Row(
        ("suites.*.grid.preference.*",),
        "runs that are new, and statistics",
        {"dpo"} | ANSWERS,
        edit(
            "suites.real.grid.preference",
            [{"sft": ["wildchat", "alpaca"], "data": ["ultrafeedback"], "algorithms": ["dpo"]}],
            [{"sft": ["wildchat"], "data": ["ultrafeedback", "hh-rlhf"], "algorithms": ["dpo"]}],
        ),
    ),
    Row(
        ("suites.*.grid.preference.*",),
        "runs that are new, and statistics",
        {"simpo"} | ANSWERS,
        edit(
            "suites.real.grid.preference",
            [{"sft": ["wildchat"], "data": ["ultrafeedback"], "algorithms": ["dpo", "simpo"]}],
        ),
    ),
    Row(
        ("suites.*.grid.ablations.*",),
        "nothing, until an ablation is asked for by name",
        set(),
        edit(
            "suites.pocket.grid.ablations",
            [
                {
                    "sft": ["wildchat"],
                    "data": ["ultrafeedback"],
                    "algorithm": "dpo",
                    "parameter": "beta",
                    "values": [0.05, 0.5],
                }
            ],
        ),
    ),
    Row(
        ("suites.*.downstream.*",),
        "scores of checkpoints on benchmarks",
        {"downstream"},
        edits(
            "suites.paper.downstream",
            tasks=["piqa"],
            shots=1,
            batch_size=8,
            include_path="tasks",
            limit=9,
            dtype="auto",
        ),
        ("downstream_all",),
    ),
    Row(
        ("suites.*.grid.small_gap", "suites.*.grid.support_aligned", "suites.*.grid.oppose_aligned"),
        "statistics, and what is made of them",
        STATISTICS,
        edits(
            "suites.pocket.grid",
            small_gap=["ultrafeedback", "wildchat"],
            support_aligned="ultrafeedback",
            oppose_aligned="wildchat",
        ),
    ),
    Row(
        ("suites.*.training.pretrain.*",),
        "pre-training, and all of the grid",
        {"pretrain"} | TRAINED,
        edits("suites.pocket.training.pretrain", **COMMON),
    ),
    Row(("suites.*.training.sft.*",), OWN, TRAINED, edits("suites.pocket.training.sft", **COMMON)),
    Row(
        ("suites.*.training.reward.*",),
        "the reward models, runs that they reward, their answers, stances and statistics",
        {"reward", "ppo", "grpo", "rloo"} | WORLD_ANSWERS,
        edits("suites.pocket.training.reward", **LIMITED),
    ),
    Row(
        ("suites.*.training.ppo.*",),
        OWN,
        {"ppo"} | WORLD_ANSWERS,
        edits(
            "suites.pocket.training.ppo",
            **{
                **LIMITED,
                **ROLLOUTS,
                "batch_size": 352,
                "device_batch_size": 88,
                "ppo_epochs": 2,
                "response_length": 30,
            },
        ),
    ),
    *(
        Row(
            (f"suites.*.training.{name}.*",),
            OWN,
            {name} | WORLD_ANSWERS,
            edits(f"suites.pocket.training.{name}", **values),
        )
        for name, values in TRAINING.items()
    ),
    Row(
        ("suites.*.checkpoints.sft.*",),
        "the run with its checkpoints, runs that start from it, and what follows",
        TRAINED,
        edit("suites.pocket.checkpoints.sft.wildchat", 30),
    ),
    *(
        Row(
            (f"suites.*.checkpoints.{name}",),
            "the runs with their checkpoints, and what follows",
            {name} | WORLD_ANSWERS,
            edit(f"suites.pocket.checkpoints.{name}", 3),
        )
        for name in ("ppo", *TRAINING)
    ),
    Row(
        ("suites.*.generation.answers",),
        "answers (only those that are more) and what follows",
        WORLD_ANSWERS,
        edit("suites.pocket.generation.answers", 8),
    ),
    Row(
        (
            "suites.*.generation.temperature",
            "suites.*.generation.max_tokens",
            "suites.*.generation.batch_size",
            "suites.*.generation.engine",
        ),
        "answers, calibration, and what follows",
        WORLD_ANSWERS | CALIBRATION,
        edits("suites.pocket.generation", max_tokens=9, batch_size=9, engine="vllm"),
    ),
    Row(
        ("suites.*.generation.temperature",),
        "answers and what follows; calibration has its own",
        WORLD_ANSWERS,
        edit("suites.pocket.generation.temperature", 0.5),
    ),
    Row(
        ("suites.*.generation.shard",),
        "answers of runs that are cut elsewhere, from the store",
        WORLD_ANSWERS,
        edit("suites.pocket.generation.shard", 1),
    ),
    Row(
        ("suites.*.judge",),
        "stances and what is made of them",
        {"stances", "stances_calibration", "calibration"} | DATA_JUDGED | STATISTICS | LABELLED,
        edit("suites.pocket.judge", "asked"),
    ),
    Row(
        ("suites.*.calibration",),
        "answers for calibration (only those that are more)",
        CALIBRATION,
        edit("suites.pocket.calibration", 30),
    ),
)


def covers(row: Row, key: str) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in row.keys)


def markdown() -> Iterator[str]:
    """The table's lines, one for all rows that say the same."""
    yield from ("| key | an edit runs again |", "| --- | --- |")
    for says in dict.fromkeys(entry.says for entry in TABLE):
        keys = dict.fromkeys(key for entry in TABLE if entry.says == says for key in entry.keys)
        yield f"| {', '.join(f'`{key}`' for key in keys)} | {says} |"


if __name__ == "__main__":
    print("\n".join(markdown()))
