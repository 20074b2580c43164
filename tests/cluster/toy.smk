# Jobs that only wait, with the resources and the profile of the real pipeline and what that does before its first job.
from pathlib import Path

from valuedrift.workflow.slurm import prepare_slurm
from valuedrift.workflow.killed_snakemake import join
from valuedrift.workflow.snakemake_internals import slurm_run

if workflow.is_main_process:
    MARK = join(Path(".snakemake"))
SLURM_COMMANDS = Path(str(workflow.current_basedir)).parents[1] / "profiles/slurm/bin"


onstart:
    if workflow.executor_plugin.name == "slurm":
        prepare_slurm(slurm_run(workflow), Path(MARK.name), Path(workflow.workdir_init), SLURM_COMMANDS)


include: "../../rules/resources.smk"


# `wait-3-a` takes three seconds; it notes each start, and what it was given.
rule wait:
    output:
        "wait-{seconds}-{name}",
    log:
        "logs/wait-{seconds}-{name}.log",
    resources:
        **TRAINING,
    shell:
        "GPUS={resources.gpu}; echo start >> starts-{wildcards.name}; sleep {wildcards.seconds};"
        " echo ${{CUDA_VISIBLE_DEVICES-none}} ${{PLANTED-}} > {output} 2> {log}"


use rule wait as world with:
    output:
        "cpu-{seconds}-{name}",
    log:
        "logs/cpu-{seconds}-{name}.log",
    resources:
        **CPU,


# Another job's successor, so that something is submitted late.
use rule wait as after with:
    input:
        "wait-{seconds}-{name}",
    output:
        "after-{seconds}-{name}",
    log:
        "logs/after-{seconds}-{name}.log",


rule fail:
    output:
        "fail",
    log:
        "logs/fail.log",
    resources:
        **TRAINING,
    shell:
        "echo the disk is on fire > {log}; touch {output}; exit 3"


rule impossible:
    output:
        "impossible",
    log:
        "logs/impossible.log",
    resources:
        **dict(TRAINING, mem_mb=90000000),
    shell:
        "touch {output} 2> {log}"
