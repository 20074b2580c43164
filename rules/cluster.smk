# On Slurm, before the first job: docs/cluster.md, "When something goes wrong". Jobs' own Snakemake calls skip it.
from pathlib import Path

from valuedrift.cluster import prepare_slurm

SLURM_COMMANDS = Path(str(workflow.current_basedir)).parent / "profiles/slurm/bin"


onstart:
    if workflow.executor_plugin.name == "slurm":
        prepare_slurm(workflow.executor_settings.jobname_prefix, Path(workflow.workdir_init), SLURM_COMMANDS)
