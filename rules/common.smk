import os
import shlex
import sys
from pathlib import Path

from valuedrift.config.grid import FOUND, TRAINED, ablated
from valuedrift.data.stances import EXPRESSION, PREDICTION, RECOVERY
from valuedrift.display import display_settings
from valuedrift.errors import ConfigError, exit_on_error
from valuedrift.workflow.killed_snakemake import join
from valuedrift.workflow.project_models import COMPARED, CORRECTED, STATISTICS
from valuedrift.workflow.project import Project
from valuedrift.workflow.rule_parameters import (
    as_json,
    folders,
    measured,
    named_inputs,
    one_of,
    option,
    pictures,
    sizes,
    untimed,
    untracked,
    versions,
)
from valuedrift.workflow.snakemake_records import keep_records
from valuedrift.workflow.targets import asked_targets, require_makeable, resolve_targets

# A folder of results as a target stands for all files that the pipeline makes in this folder.
is_own_command = workflow.is_main_process and workflow.modifier.is_main_snakefile()
with exit_on_error():
    # A prefix changes inputs and outputs, but not parameters or paths in the configuration.
    if workflow.modifier.path_modifier.replace_prefix("results") != "results":
        do = "run this workflow in a folder of its own, or keep results/ as it is"
        raise ConfigError("module.prefix", "one", f"none: {do}")
    PROJECT = Project.read(config)
    RESOLVED = {target: resolve_targets([target], config) for target in asked_targets(sys.argv) if is_own_command}

for target, files in RESOLVED.items():
    if files != [target]:

        rule:
            name:
                target
            input:
                files,
            localrule: True


SEED = config["seed"]
TARGETS = as_json(PROJECT.targets)
BOOTSTRAP = as_json({key: config["statistics"][key] for key in ("replicates", "level")})
REPORTED = config["report"]["models"]


def display(*keys, models=REPORTED):
    """Names, orders and roles of everything that is shown for these models, with these settings of the report."""
    return as_json(display_settings(PROJECT.config, models, *keys), keep_order=True)


# The model, suite and judge of a job, from its wildcards.
def model(w):
    return PROJECT.models[w.model]


def suite(w):
    return PROJECT.suites[w.suite] if w.get("suite") else model(w).suite


def judge(w):
    return PROJECT.judges[w.judge] if w.get("judge") else suite(w).judge


def if_llm(get, otherwise):
    """A function of the wildcards that applies `get` to the suite's chat model, if it has one."""
    return lambda w: get(llm) if (llm := suite(w).probes.llm) else otherwise


def journal_of(stances):
    """The path of the journal with the judgements of a table of stances."""
    return stances.replace("results/", "results/journals/", 1).removesuffix(".parquet") + ".jsonl"


# This file is locked until this Snakemake ends. A Snakemake that runs a single job uses the mark of the one that submitted it.
if workflow.is_main_process:
    with exit_on_error():
        MARK = join(Path(".snakemake"))
        keep_records(Path("results"), make=False)


# Jobs call the command line of the environment in which Snakemake runs, activated or not; environments of --sdm conda come first.
# `set -euo pipefail` is repeated here because this prefix replaces Snakemake's own.
shell.prefix(f'set -euo pipefail; PATH="$PATH:{os.path.dirname(sys.executable)}"; ')


wildcard_constraints:
    model="[a-z0-9_]+",
    suite="[a-z0-9_]+",
    judge="[a-z0-9_]+",
    data="[a-z0-9-]+",
    table="[a-z0-9_-]+",
    format="parquet|csv",
    shard="[0-9]+",
    run=f"{TRAINED}|{FOUND}",
