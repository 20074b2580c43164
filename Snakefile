from snakemake.utils import min_version

min_version("9.27")


configfile: "workflow_config.yaml"


include: "rules/cluster.smk"
include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/probes.smk"
include: "rules/synthetic.smk"
include: "rules/models.smk"
include: "rules/training.smk"
include: "rules/answers.smk"
include: "rules/expression.smk"
include: "rules/downstream.smk"
include: "rules/results.smk"
include: "rules/ablations.smk"


# Before the first job of a real run: no job's own Snakemake, and no dry run, comes by here.
onstart:
    from valuedrift.planning.commands import guard

    guard(workflow, FLOW)


rule all:
    default_target: True
    input:
        FLOW.reported_files("results/drift/{model}"),
        "results/tables",
        "results/figures",
        "results/report",
        FLOW.foretold(),
    localrule: True
