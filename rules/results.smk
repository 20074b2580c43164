# Values, drifts, tables, figures and the report.


rule statistics:
    input:
        stances=lambda w: FLOW.stance_files(w.model),
        cards=lambda w: FLOW.planted_cards(w.model).values(),
        seeds=lambda w: FLOW.other_seeds(w.model),
    output:
        expand("results/statistics/{{model}}/{name}", name=STATISTICS),
    log:
        "results/logs/statistics/{model}.log",
    benchmark:
        "results/benchmarks/statistics/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        trajectories=lambda w: FLOW.trajectories(w.model),
        sets=lambda w: FLOW.preference_sets(w.model),
        cards=lambda w: as_json(FLOW.planted_cards(w.model)),
        statistics=FLOW.bootstrap(),
        seeds=lambda w, input: f"--seeds {shlex.join(input.seeds)}" if input.seeds else "",
        seed=SEED,
        folder=subpath(output[0], parent=True),
    shell:
        "valuedrift statistics --stances {input.stances} --trajectories {params.trajectories:q} --sets {params.sets:q}"
        " --cards {params.cards:q} --statistics-settings {params.statistics:q} --seed {params.seed}"
        " {params.seeds} --out {params.folder} 2> {log}"


rule labels:
    input:
        lambda w: FLOW.stance_files(w.model),
    output:
        "results/labels/{model}.parquet",
    log:
        "results/logs/labels/{model}.log",
    benchmark:
        "results/benchmarks/labels/{model}.tsv"
    wildcard_constraints:
        model=FLOW.labelled_models(world=True),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        labels=lambda w: FLOW.world_labels(w.model),
        seed=SEED,
    shell:
        "valuedrift world-labels --stances {input} --labels {params.labels} --seed {params.seed} --out {output} 2> {log}"


rule corrected:
    input:
        stances=lambda w: FLOW.stance_files(w.model),
        labelled=lambda w: FLOW.labelled(w.model),
    output:
        expand("results/statistics/{{model}}/{name}", name=CORRECTED),
    log:
        "results/logs/corrected/{model}.log",
    benchmark:
        "results/benchmarks/corrected/{model}.tsv"
    wildcard_constraints:
        model=FLOW.labelled_models(),
    conda:
        "../envs/analysis.yaml"
    params:
        trajectories=lambda w: FLOW.trajectories(w.model),
        statistics=FLOW.bootstrap(),
        seed=SEED,
        folder=subpath(output[0], parent=True),
    shell:
        "valuedrift correct --stances {input.stances} --trajectories {params.trajectories:q} --labelled {input.labelled:q}"
        " --statistics-settings {params.statistics:q} --seed {params.seed} --out {params.folder} 2> {log}"


rule calibration:
    input:
        stances=lambda w: [
            f"results/calibration/{w.model}/sft-{data}/stances.parquet" for data in FLOW.planted_cards(w.model)
        ],
        cards=lambda w: FLOW.planted_cards(w.model).values(),
    output:
        table="results/calibration/{model}/table.parquet",
        errors="results/calibration/{model}/errors.parquet",
    log:
        "results/logs/calibration/{model}.log",
    benchmark:
        "results/benchmarks/calibration/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        cards=lambda w: as_json(FLOW.planted_cards(w.model)),
        statistics=FLOW.bootstrap(),
        seed=SEED,
        folder=subpath(output.table, parent=True),
    shell:
        "valuedrift calibrate --stances {input.stances} --cards {params.cards:q} --statistics-settings {params.statistics:q}"
        " --seed {params.seed} --out {params.folder} 2> {log}"


rule drift:
    input:
        expand("results/statistics/{{model}}/{name}", name=STATISTICS),
    output:
        directory("results/drift/{model}"),
    log:
        "results/logs/drift/{model}.log",
    benchmark:
        "results/benchmarks/drift/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        topics=FLOW.shown_topics(),
        report=FLOW.shown("table_1_topics", "figure_formats", "figure_columns"),
        statistics=subpath(input[0], parent=True),
    shell:
        "valuedrift drift --statistics {params.statistics} --topics {params.topics:q} --report {params.report:q}"
        " --out {output} 2> {log}"


rule tables:
    input:
        statistics=FLOW.reported_statistics(),
        stances=FLOW.reported_stances(),
        probes=FLOW.reported_probes(),
        aligned=FLOW.aligned_pairs(),
        expression=FLOW.reported_expression(),
        corrected=FLOW.corrected("corrected_drift.parquet"),
    output:
        directory("results/tables"),
    log:
        "results/logs/tables.log",
    benchmark:
        "results/benchmarks/tables/tables.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        topics=FLOW.shown_topics(),
        report=FLOW.shown("table_1_topics"),
        statistics=lambda w, input: folders(input.statistics),
        aligned=lambda w, input: f"--aligned {input.aligned}" if input.aligned else "",
        expression=lambda w, input: folders(input.expression),
        corrected=lambda w, input: option("--corrected", input.corrected),
        downstream=lambda w: option("--downstream", measured("results/downstream", FLOW.reported)),
        downstream_versions=lambda w: versions(measured("results/downstream", FLOW.reported)),
        seed=SEED,
    shell:
        "valuedrift tables --statistics {params.statistics} --stances {input.stances} --probes {input.probes}"
        " {params.aligned} --expression {params.expression} {params.corrected} {params.downstream} --topics {params.topics:q}"
        " --report {params.report:q} --seed {params.seed} --out {output} 2> {log}"


rule figures:
    input:
        statistics=FLOW.reported_statistics(),
        expression=FLOW.reported_expression(),
    output:
        directory("results/figures"),
    log:
        "results/logs/figures.log",
    benchmark:
        "results/benchmarks/figures/figures.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        topics=FLOW.shown_topics(),
        report=FLOW.shown("figure_formats", "figure_columns"),
        statistics=lambda w, input: folders(input.statistics),
        expression=lambda w, input: folders(input.expression),
        prompts=lambda w: FLOW.shown_prompts(),
        ablations=lambda w: option("--ablations", pictures("results/ablations", FLOW.reported)),
    shell:
        "valuedrift figures --statistics {params.statistics} --topics {params.topics:q} --report {params.report:q}"
        " --expression {params.expression} --prompts {params.prompts:q} {params.ablations} --out {output} 2> {log}"


rule configuration:
    output:
        "results/configuration.yaml",
    log:
        "results/logs/configuration.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        text=FLOW.science(),
    shell:
        "valuedrift configuration --settings {params.text:q} --out {output} 2> {log}"


# What the report and the exports show, beside statistics.
SHOWN = {
    "stances": FLOW.reported_stances(),
    "calibrations": FLOW.reported_files("results/calibration/{model}/table.parquet", FLOW.calibrated()),
    "quality": FLOW.measured_judges(),
    "expression": FLOW.reported_expression(),
    "prediction": expand("results/prediction/{model}/{name}", model=FLOW.reported, name=PREDICTION),
    "metrics": [path for runs in FLOW.metrics().values() for path in runs.values()],
}
SHOWN_PARAMS = {
    "statistics": lambda w, input: folders(input.statistics),
    "calibrations": lambda w, input: as_json(folders(input.calibrations)),
    "quality": lambda w, input: option("--quality", input.quality),
    "expression": lambda w, input: folders(input.expression),
    "prediction": lambda w, input: folders(input.prediction),
    "metrics": as_json(FLOW.metrics()),
    "benchmarks": "results/benchmarks",
}
SHOWN_OPTIONS = (
    "--statistics {params.statistics} --stances {input.stances} --calibrations {params.calibrations:q} {params.quality}"
    " --expression {params.expression} --prediction {params.prediction} --metrics {params.metrics:q}"
    " --benchmarks {params.benchmarks}"
)


rule report:
    input:
        # Made before the report, but not read; what they are made of is.
        ancient(FLOW.reported_files("results/drift/{model}")),
        ancient("results/tables"),
        ancient("results/figures"),
        **SHOWN,
        statistics=FLOW.reported_statistics(),
        corrected=FLOW.corrected(),
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
    params:
        **SHOWN_PARAMS,
        topics=FLOW.shown_topics(),
        corrected=lambda w, input: option("--corrected", folders(input.corrected)),
    shell:
        f"valuedrift report {SHOWN_OPTIONS}"
        " {params.corrected} --topics {params.topics:q} --configuration {input.configuration} --out {output} 2> {log}"


rule exports:
    input:
        **SHOWN,
        statistics=FLOW.reported_statistics() + FLOW.corrected(),
    output:
        directory("results/exports"),
    log:
        "results/logs/exports.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        **SHOWN_PARAMS,
        downstream=lambda w: option("--downstream", measured("results/downstream", FLOW.reported)),
        downstream_versions=lambda w: versions(measured("results/downstream", FLOW.reported)),
    shell:
        f"valuedrift exports {SHOWN_OPTIONS}" " {params.downstream} --out {output} 2> {log}"
