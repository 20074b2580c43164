# Values, drifts, tables and figures.

LABELLED = [model.name for model in PROJECT.reported if PROJECT.labelled(model)]
COMPARISONS = [file for model in PROJECT.reported for file in model.comparisons]
CALIBRATED = [model.name for model in PROJECT.reported if model.suite["calibration"] > 0]
PREDICTIONS = expand(
    "results/prediction/{model}/{name}",
    model=[model.name for model in PROJECT.reported if model.suite.is_expressed],
    name=PREDICTION,
)
RECOVERIES = expand(
    "results/expression/{suite}/recovery/{name}",
    suite=[suite.name for suite in PROJECT.reported_suites if suite.has_world and suite.is_expressed],
    name=RECOVERY,
)

# Inputs by suite or judge of the reported models.
PROBES = {suite.name: suite.probes.table for suite in PROJECT.reported_suites}
EXPRESSED = {suite.name: f"results/expression/{suite.name}" for suite in PROJECT.reported_suites if suite.is_expressed}
REPORTED_EXPRESSION = expand("{folder}/{name}", folder=EXPRESSED.values(), name=EXPRESSION)
ALIGNED = {
    suite.name: suite.tables(suite["grid"]["support_aligned"])[0]
    for suite in PROJECT.reported_suites
    if suite["grid"].get("support_aligned")
}
QUALITY = {judge: f"results/judges/{judge}/quality.json" for judge in PROJECT.measured_judges}
PROMPTS = {
    "judge": {name: judge.prompt for suite in PROJECT.reported_suites for name, judge in suite.judges.items()},
    "writer": {suite.name: suite.writer_prompt for suite in PROJECT.reported_suites if suite.writer},
}


rule health:
    input:
        lambda w: model(w).stances,
    output:
        "results/health/{model}.parquet",
    log:
        "results/logs/health/{model}.log",
    benchmark:
        "results/benchmarks/health/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        world=lambda w: "--world" if suite(w).has_world else "",
    shell:
        "valuedrift health --stances {input} {params.world} --out {output} 2> {log}"


rule statistics:
    input:
        stances=lambda w: model(w).stances,
        health="results/health/{model}.parquet",
        cards=lambda w: suite(w).planted.values(),
        seeds=lambda w: named_inputs(PROJECT.other_seeds(w.model)),
    output:
        expand("results/statistics/{{model}}/{name}", name=STATISTICS),
    log:
        "results/logs/statistics/{model}.log",
    benchmark:
        "results/benchmarks/statistics/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        trajectories=lambda w: as_json(model(w).trajectories),
        sets=lambda w: as_json(suite(w).preference_sets),
        cards=lambda w: as_json(suite(w).planted),
        statistics=BOOTSTRAP,
        thresholds=as_json({key: config["statistics"][key] for key in ("early", "barely", "strong")}),
        seeds=(
            (lambda w: option("--seeds", [f"{folder}/statistics/{w.model}" for folder in PROJECT.seeds]))
            if PROJECT.seeds
            else untracked("")
        ),
        seed=SEED,
        folder=subpath(output[0], parent=True),
    shell:
        "valuedrift statistics --stances {input.stances} --trajectories {params.trajectories:q} --sets {params.sets:q}"
        " --cards {params.cards:q} --thresholds {params.thresholds:q} --statistics-settings {params.statistics:q}"
        " --seed {params.seed} --health {input.health} {params.seeds} --out {params.folder} 2> {log}"


use rule statistics as judge_statistics with:
    input:
        stances=lambda w: model(w).stances_by(w.judge),
        health="results/health/{model}.parquet",
        cards=lambda w: suite(w).planted.values(),
    output:
        expand("results/judges/{{judge}}/statistics/{{model}}/{name}", name=STATISTICS),
    log:
        "results/logs/judge_statistics/{judge}/{model}.log",
    benchmark:
        "results/benchmarks/judge_statistics/{judge}/{model}.tsv"
    params:
        trajectories=lambda w: as_json(model(w).trajectories),
        sets=lambda w: as_json(suite(w).preference_sets),
        cards=lambda w: as_json(suite(w).planted),
        statistics=BOOTSTRAP,
        thresholds=as_json({key: config["statistics"][key] for key in ("early", "barely", "strong")}),
        seeds=untracked(""),
        seed=SEED,
        folder=subpath(output[0], parent=True),


rule agreement:
    input:
        stances=lambda w: [file for name in suite(w).judges for file in model(w).stances_by(name)],
        statistics=lambda w: [
            f"results/judges/{name}/statistics/{w.model}/{file}" for name in suite(w).judges for file in STATISTICS
        ],
    output:
        expand("results/agreement/{{model}}/{name}", name=COMPARED),
    log:
        "results/logs/agreement/{model}.log",
    benchmark:
        "results/benchmarks/agreement/{model}.tsv"
    wildcard_constraints:
        model=one_of(model.name for model in PROJECT.models.values() if len(model.suite.judges) > 1),
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        stances=lambda w: as_json({name: model(w).stances_by(name) for name in suite(w).judges}, keep_order=True),
        statistics=lambda w: as_json({name: f"results/judges/{name}/statistics/{w.model}" for name in suite(w).judges}),
        settings=BOOTSTRAP,
        seed=SEED,
        folder=subpath(output[0], parent=True),
    shell:
        "valuedrift agreement --stances {params.stances:q} --statistics {params.statistics:q}"
        " --statistics-settings {params.settings:q} --seed {params.seed} --out {params.folder} 2> {log}"


rule controls:
    input:
        lambda w: model(w).control_stances,
    output:
        "results/controls/{model}/drift.parquet",
    log:
        "results/logs/controls/{model}.log",
    benchmark:
        "results/benchmarks/controls/{model}.tsv"
    wildcard_constraints:
        model=one_of(model.name for model in PROJECT.models.values() if model.suite.controls),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        trajectories=lambda w: as_json(model(w).trajectories),
        statistics=BOOTSTRAP,
        seed=SEED,
    shell:
        "valuedrift controls --stances {input} --trajectories {params.trajectories:q}"
        " --statistics-settings {params.statistics:q} --seed {params.seed} --out {output} 2> {log}"


rule labels:
    input:
        lambda w: model(w).stances,
    output:
        "results/labels/{model}.parquet",
    log:
        "results/logs/labels/{model}.log",
    benchmark:
        "results/benchmarks/labels/{model}.tsv"
    wildcard_constraints:
        model=one_of(m.name for m in PROJECT.models.values() if m.suite.labels and not m.suite.reference),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        labels=lambda w: suite(w).labels,
        seed=SEED,
    shell:
        "valuedrift world-labels --stances {input} --labels {params.labels} --seed {params.seed} --out {output} 2> {log}"


rule corrected:
    input:
        stances=lambda w: model(w).stances,
        labelled=lambda w: named_inputs([PROJECT.labelled(model(w))], [f"results/labels/{w.model}"]),
    output:
        expand("results/corrected/{{model}}/{name}", name=CORRECTED),
    log:
        "results/logs/corrected/{model}.log",
    benchmark:
        "results/benchmarks/corrected/{model}.tsv"
    wildcard_constraints:
        model=one_of(model.name for model in PROJECT.models.values() if PROJECT.labelled(model)),
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        trajectories=lambda w: as_json(model(w).trajectories),
        labelled=untracked(lambda w: PROJECT.labelled(model(w))),
        statistics=BOOTSTRAP,
        seed=SEED,
        folder=subpath(output[0], parent=True),
    shell:
        "valuedrift correct --stances {input.stances} --trajectories {params.trajectories:q} --labelled {params.labelled:q}"
        " --statistics-settings {params.statistics:q} --seed {params.seed} --out {params.folder} 2> {log}"


rule calibration:
    input:
        stances=lambda w: [f"results/calibration/{w.model}/sft-{data}/stances.parquet" for data in suite(w).planted],
        cards=lambda w: suite(w).planted.values(),
    output:
        table="results/calibration/{model}/table.parquet",
        errors="results/calibration/{model}/errors.parquet",
    log:
        "results/logs/calibration/{model}.log",
    benchmark:
        "results/benchmarks/calibration/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        cards=lambda w: as_json(suite(w).planted),
        statistics=BOOTSTRAP,
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
    resources:
        **CPU,
    params:
        display=lambda w: display("table_1_topics", "figure_formats", "figure_columns", "bands", models=[w.model]),
        statistics=subpath(input[0], parent=True),
    shell:
        "valuedrift drift --statistics {params.statistics} --display {params.display:q} --out {output} 2> {log}"


rule tables:
    input:
        statistics=expand("results/statistics/{model}/{name}", model=REPORTED, name=STATISTICS),
        stances=[stances for model in PROJECT.reported for stances in model.stances],
        probes=PROBES.values(),
        aligned=ALIGNED.values(),
        expression=REPORTED_EXPRESSION,
        corrected=expand("results/corrected/{model}/corrected_drift.parquet", model=LABELLED),
        judges=COMPARISONS,
    output:
        directory("results/tables"),
    log:
        "results/logs/tables.log",
    benchmark:
        "results/benchmarks/tables/tables.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        display=display("table_1_topics", "sample_topics"),
        statistics=lambda w, input: folders(input.statistics),
        probes=as_json(PROBES),
        aligned=as_json(ALIGNED),
        expression=as_json(EXPRESSED),
        corrected=lambda w, input: option("--corrected", input.corrected),
        judges=untracked(option("--judges", folders(COMPARISONS))),
        downstream=lambda w: option("--downstream", measured("results/downstream", REPORTED)),
        downstream_versions=lambda w: as_json(versions(measured("results/downstream", REPORTED))),
        seed=SEED,
    shell:
        "valuedrift tables --statistics {params.statistics} --stances {input.stances} --probes {params.probes:q}"
        " --aligned {params.aligned:q} --expression {params.expression:q} {params.corrected} {params.judges} {params.downstream}"
        " --display {params.display:q} --seed {params.seed} --out {output} 2> {log}"


rule figures:
    input:
        statistics=expand("results/statistics/{model}/{name}", model=REPORTED, name=STATISTICS),
        expression=REPORTED_EXPRESSION,
    output:
        directory("results/figures"),
    log:
        "results/logs/figures.log",
    benchmark:
        "results/benchmarks/figures/figures.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        display=display("figure_topics", "figure_formats", "figure_columns", "bands"),
        statistics=lambda w, input: folders(input.statistics),
        expression=as_json(EXPRESSED),
        prompts=lambda w: as_json(PROMPTS),
        ablations=lambda w: option("--ablations", pictures("results/ablations", REPORTED)),
    shell:
        "valuedrift figures --statistics {params.statistics} --expression {params.expression:q}"
        " --prompts {params.prompts:q} {params.ablations} --display {params.display:q} --out {output} 2> {log}"


rule configuration:
    output:
        "results/configuration.yaml",
    log:
        "results/logs/configuration.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        text=lambda w: as_json(PROJECT.recorded),  # patterns of steps contain braces
    shell:
        "valuedrift configuration --settings {params.text:q} --out {output} 2> {log}"
