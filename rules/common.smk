import os
import shlex
import sys
from pathlib import Path

from valuedrift.workflow.optional_results import measured, option, pictures, versions
from valuedrift.config.grid import ablated, as_json, checkpoint, journal

# Snakemake has a Workflow of its own.
from valuedrift.workflow.flow import CORRECTED, STATISTICS, Workflow as Flow, folders
from valuedrift.errors import ConfigError
from valuedrift.dataset_stances import EXPRESSION, PREDICTION, RECOVERY
from valuedrift.workflow.killed_runs import join
from valuedrift.workflow.snakemake_records import keep_records

# A prefix reaches inputs and outputs, but neither parameters nor what the configuration names.
if workflow.modifier.path_modifier.replace_prefix("results") != "results":
    raise ConfigError(
        "module.prefix", "one", "none: run this workflow in a folder of its own, or keep results/ as it is"
    )

FLOW = Flow.read(config)
SEED = config["seed"]

# Locked until this Snakemake ends. One that runs a single job belongs to the Snakemake that submitted it.
if workflow.is_main_process:
    MARK = join(Path(".snakemake"))
    keep_records(Path("results"), make=False)


# Jobs call the command line of the environment that runs Snakemake, activated or not; one that --sdm conda made goes first.
# A prefix takes the place of the one by which Snakemake has a pipe that fails end a job.
shell.prefix(f'set -euo pipefail; PATH="$PATH:{os.path.dirname(sys.executable)}"; ')


wildcard_constraints:
    model="[a-z0-9_]+",
    suite="[a-z0-9_]+",
    judge="[a-z0-9_]+",
    data="[a-z0-9-]+",
    table="[a-z0-9_-]+",
    format="parquet|csv",
    shard="[0-9]+",
    run="[a-z0-9-]+(/[a-z0-9-]+)?",
