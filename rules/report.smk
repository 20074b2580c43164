# The report and the exports, which show the results that results.smk makes.

# Inputs of the report and the exports, apart from statistics.
SHOWN = {
    "stances": [stances for model in PROJECT.reported for stances in model.stances],
    "calibrations": expand("results/calibration/{model}/table.parquet", model=CALIBRATED),
    "quality": QUALITY.values(),
    "expression": REPORTED_EXPRESSION,
    "prediction": PREDICTIONS,
    "corrected": expand("results/corrected/{model}/{name}", model=LABELLED, name=CORRECTED),
    "controls": expand(
        "results/controls/{model}/drift.parquet",
        model=[model.name for model in PROJECT.reported if model.suite.controls],
    ),
    "judges": COMPARISONS,
    "metrics": [path for model in PROJECT.reported for path in model.metrics.values()],
}
SHOWN_PARAMS = {
    "statistics": lambda w, input: folders(input.statistics),
    "calibrations": lambda w, input: option("--calibrations", folders(input.calibrations)),
    "quality": as_json(QUALITY),
    "expression": as_json(EXPRESSED),
    "prediction": lambda w, input: option("--prediction", folders(input.prediction)),
    "corrected": lambda w, input: option("--corrected", folders(input.corrected)),
    "controls": lambda w, input: option("--controls", input.controls),
    "judges": untracked(option("--judges", folders(COMPARISONS))),
    "metrics": as_json({model.name: model.metrics for model in PROJECT.reported}),
    "benchmarks": "results/benchmarks",
    "display": display("table_1_topics", "bands"),
}
SHOWN_OPTIONS = (
    "--statistics {params.statistics} --stances {input.stances} {params.calibrations}"
    " --quality {params.quality:q} --expression {params.expression:q} {params.prediction}"
    " {params.corrected} {params.controls} {params.judges} --metrics {params.metrics:q} --benchmarks {params.benchmarks} --display {params.display:q}"
)


rule report:
    input:
        # These are made before the report, but it doesn't read them; it reads the files that they are made from.
        ancient(expand("results/drift/{model}", model=REPORTED)),
        ancient("results/tables"),
        ancient("results/figures"),
        **SHOWN,
        statistics=expand("results/statistics/{model}/{name}", model=REPORTED, name=STATISTICS),
        health=expand("results/health/{model}.parquet", model=REPORTED),
        labelled=[PROJECT.labelled(PROJECT.models[name]) for name in LABELLED],
        configuration="results/configuration.yaml",
    output:
        report(
            directory("results/report"),
            htmlindex="index.html",
            caption="../docs/report/report.rst",
            category="Report",
        ),
    log:
        "results/logs/report.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        **SHOWN_PARAMS,
        labelled=as_json({name: PROJECT.labelled(PROJECT.models[name]) for name in LABELLED}),
        sizes=lambda w: sizes(PROJECT),
    shell:
        f"valuedrift report {SHOWN_OPTIONS} --health {{input.health}} --labelled {{params.labelled:q}}"
        " --configuration {input.configuration} --sizes {params.sizes:q} --out {output} 2> {log}"


rule exports:
    input:
        **SHOWN,
        statistics=expand("results/statistics/{model}/{name}", model=REPORTED, name=STATISTICS),
    output:
        directory("results/exports"),
    log:
        "results/logs/exports.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        **SHOWN_PARAMS,
        downstream=lambda w: option("--downstream", measured("results/downstream", REPORTED)),
        downstream_versions=lambda w: as_json(versions(measured("results/downstream", REPORTED))),
    shell:
        f"valuedrift exports {SHOWN_OPTIONS}" " {params.downstream} --out {output} 2> {log}"
