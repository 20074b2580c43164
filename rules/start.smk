# Before the first job: a dry run, and a job's own Snakemake, don't come by here. Snakemake keeps one `onstart`, this one.
from pathlib import Path

from valuedrift.workflow.slurm import prepare_slurm
from valuedrift.workflow.locks import prepare, remove_drafts
from valuedrift.workflow.snakemake_internals import slurm_run

SLURM_COMMANDS = Path(str(workflow.current_basedir)).parent / "profiles/slurm/bin"


onstart:
    from valuedrift.workflow.plan_commands import guard

    if not workflow.touch:
        prepare(Path("results"))
        remove_drafts(Path("results"), Path(SHARED.name))
    guard(workflow, PROJECT)
    keep_records(Path("results"))
    if workflow.executor_plugin.name == "slurm":
        prepare_slurm(slurm_run(workflow), Path(SHARED.name), Path(workflow.workdir_init), SLURM_COMMANDS)
