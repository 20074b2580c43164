import os
import sys
from pathlib import Path

from valuedrift.config.check import check
from valuedrift.config.grid import as_json, checkpoint, runs_of, shards, traced

# Jobs call the command line of the very environment that runs Snakemake, whether it was activated or not.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

check(config)
SEED, TOPICS, MODELS, SUITES, JUDGES = (
    config[key] for key in ("seed", "topics", "models", "suites", "judges")
)
RUNS = {model: {run.lineage: run for run in runs_of(config, model)} for model in MODELS}
TARGETS = as_json({key: topic["target"] for key, topic in TOPICS.items()})


def suite_of(wildcards):
    return SUITES[MODELS[wildcards.model]["suite"]]


def base_of(wildcards):
    return checkpoint(wildcards.model, "base", 0)


def present(*files):
    """Local source files as inputs, so that changing one is seen; absent ones are explained by the job that reads them."""
    return [path for path in map(os.path.expandvars, files) if "$" not in path and os.path.exists(path)]


wildcard_constraints:
    model="[a-z0-9_]+",
    suite="[a-z0-9_]+",
    judge="[a-z0-9_]+",
    data="[a-z0-9-]+",
    shard="[0-9]+",
    run="[a-z0-9-]+(/[a-z0-9-]+)?",
