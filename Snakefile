from snakemake.utils import min_version

min_version("9.27")


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
