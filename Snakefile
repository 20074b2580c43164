from pathlib import Path

from snakemake.utils import min_version

from valuedrift.config.yaml_files import read_yaml
from valuedrift.errors import exit_on_error, require_no_braces

min_version("9.27")

if workflow.modifier.is_main_snakefile():
    with exit_on_error():
        require_no_braces(str(workflow.basedir))
        for file in filter(Path.is_file, map(Path, ["workflow_config.yaml", *workflow.configfiles])):
            read_yaml(file)


configfile: "workflow_config.yaml"


include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/start.smk"
include: "rules/data.smk"
include: "rules/probes.smk"
include: "rules/synthetic.smk"
include: "rules/models.smk"
include: "rules/training.smk"
include: "rules/answers.smk"
include: "rules/dataset_stances.smk"
include: "rules/downstream.smk"
include: "rules/results.smk"
include: "rules/report.smk"
include: "rules/ablations.smk"


rule all:
    default_target: True
    input:
        expand("results/drift/{model}", model=REPORTED),
        "results/tables",
        "results/figures",
        "results/report",
        "results/exports",
        PREDICTIONS,
        RECOVERIES,
    localrule: True


with exit_on_error():
    require_makeable([name for name, files in RESOLVED.items() if files == [name]], workflow.rules, PROJECT)
