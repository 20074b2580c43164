# These run before the first and after the last job, but not in dry runs or in the Snakemake inside a cluster job. Snakemake uses
# only one `onstart` and one `onsuccess`.
from pathlib import Path

from valuedrift import job_server
from valuedrift.trackers import log_values, set_up
from valuedrift.workflow.killed_snakemake import remove_drafts, require_usable, tell_jobs
from valuedrift.workflow.slurm import prepare_slurm
from valuedrift.workflow.snakemake_internals import slurm_run

VALUE_LOGS = Path("results/logs/values")
SLURM_COMMANDS = Path(str(workflow.current_basedir)).parent / "profiles/slurm/bin"


onstart:
    from valuedrift.workflow.run_guard import guard

    if not workflow.touch:
        require_usable(Path("results"))
    guard(workflow, PROJECT)
    set_up(PROJECT.settings.machine.report_to, VALUE_LOGS)
    keep_records(Path("results"))
    tell_jobs(Path(MARK.name))
    if workflow.executor_plugin.name == "slurm":
        prepare_slurm(slurm_run(workflow), Path(MARK.name), Path(workflow.workdir_init), SLURM_COMMANDS)
    if not workflow.touch:
        remove_drafts(Path("results"), Path(MARK.name))
    if workflow.executor_plugin.name == "local" and PROJECT.settings.machine.preload:
        job_server.start()


onsuccess:
    if trackers := PROJECT.settings.machine.report_to:
        tables = [Path(f"results/statistics/{name}/values.parquet") for name in REPORTED]
        log_values([table for table in tables if table.is_file()], trackers, VALUE_LOGS)
