# Values, drifts, tables, figures and the report.

REPORTED = config["report"]["models"]
SHOWN_TOPICS = as_json({key: {k: v for k, v in topic.items() if k != "keywords"} for key, topic in TOPICS.items()})
SHOWN = {key: config["report"][key] for key in ("table_1_topics", "figure_formats", "figure_columns")}
STATISTICS = ("values.parquet", "drift.parquet", "findings.json")


def stance_files(model):
    return [f"results/stances/{model}/{run.lineage}.parquet" for run in traced(RUNS[model].values())]


def planted_cards(wildcards):
    """Cards of the SFT sets whose stances are planted, by name."""
    suite = MODELS[wildcards.model]["suite"]
    planted = SUITES[suite].get("world", {}).get("sft", {})
    names = [data for data in SUITES[suite]["grid"]["sft"] if data in planted]
    return {data: f"results/data/{suite}/{data}/card.json" for data in names}


def calibrated(model):
    return SUITES[MODELS[model]["suite"]]["calibration"] > 0


def statistics_folders(wildcards):
    return [f"results/statistics/{model}/{name}" for model in REPORTED for name in STATISTICS]


def measured_judges(wildcards):
    judges = {SUITES[MODELS[model]["suite"]]["judge"] for model in REPORTED}
    return [f"results/judges/{judge}/quality.json" for judge in sorted(judges) if "train" in JUDGES[judge]][:1]


rule statistics:
    input:
        stances=lambda w: [f"results/stances/{w.model}/base.parquet", *stance_files(w.model)],
        cards=lambda w: planted_cards(w).values(),
    output:
        expand("results/statistics/{{model}}/{name}", name=STATISTICS),
    params:
        trajectories=lambda w: as_json([run.trajectory() for run in traced(RUNS[w.model].values())]),
        sets=lambda w: as_json(
            {key: suite_of(w)["grid"][key] for key in ("small_gap", "support_aligned", "oppose_aligned")}
        ),
        cards=lambda w: as_json(planted_cards(w)),
        statistics=as_json(config["statistics"]),
        seed=SEED,
        folder="results/statistics/{model}",
    log:
        "results/logs/statistics/{model}.log",
    benchmark:
        "results/benchmarks/statistics/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift statistics --stances {input.stances} --trajectories {params.trajectories:q} --sets {params.sets:q}"
        " --cards {params.cards:q} --statistics-settings {params.statistics:q} --seed {params.seed} --out {params.folder} 2> {log}"


rule calibration:
    input:
        stances=lambda w: [f"results/calibration/{w.model}/sft-{data}/stances.parquet" for data in planted_cards(w)],
        cards=lambda w: planted_cards(w).values(),
    output:
        table="results/calibration/{model}/table.parquet",
        errors="results/calibration/{model}/errors.parquet",
    params:
        cards=lambda w: as_json(planted_cards(w)),
        statistics=as_json(config["statistics"]),
        seed=SEED,
        folder="results/calibration/{model}",
    log:
        "results/logs/calibration/{model}.log",
    benchmark:
        "results/benchmarks/calibration/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift calibrate --stances {input.stances} --cards {params.cards:q} --statistics-settings {params.statistics:q}"
        " --seed {params.seed} --out {params.folder} 2> {log}"


rule drift:
    input:
        expand("results/statistics/{{model}}/{name}", name=STATISTICS),
    output:
        directory("results/drift/{model}"),
    params:
        topics=SHOWN_TOPICS,
        report=as_json(SHOWN),
        statistics="results/statistics/{model}",
    log:
        "results/logs/drift/{model}.log",
    benchmark:
        "results/benchmarks/drift/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift drift --statistics {params.statistics} --topics {params.topics:q} --report {params.report:q}"
        " --out {output} 2> {log}"


rule tables:
    input:
        statistics_folders,
    output:
        directory("results/tables"),
    params:
        topics=SHOWN_TOPICS,
        report=as_json({"table_1_topics": SHOWN["table_1_topics"]}),
        statistics=expand("results/statistics/{model}", model=REPORTED),
    log:
        "results/logs/tables.log",
    benchmark:
        "results/benchmarks/tables/tables.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift tables --statistics {params.statistics} --topics {params.topics:q} --report {params.report:q}"
        " --out {output} 2> {log}"


rule figures:
    input:
        statistics_folders,
    output:
        directory("results/figures"),
    params:
        topics=SHOWN_TOPICS,
        report=as_json({key: SHOWN[key] for key in ("figure_formats", "figure_columns")}),
        statistics=expand("results/statistics/{model}", model=REPORTED),
    log:
        "results/logs/figures.log",
    benchmark:
        "results/benchmarks/figures/figures.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift figures --statistics {params.statistics} --topics {params.topics:q} --report {params.report:q}"
        " --out {output} 2> {log}"


rule configuration:
    output:
        "results/configuration.yaml",
    params:
        text=as_json(config),
    log:
        "results/logs/configuration.log",
    localrule: True
    shell:
        "printf '%s\n' {params.text:q} > {output} 2> {log}"


rule report:
    input:
        statistics_folders,
        expand("results/drift/{model}", model=REPORTED),
        "results/tables",
        "results/figures",
        stances=lambda w: [path for model in REPORTED for path in stance_files(model)],
        calibrations=[f"results/calibration/{model}/table.parquet" for model in REPORTED if calibrated(model)],
        quality=measured_judges,
        configuration="results/configuration.yaml",
    output:
        directory("results/report"),
    params:
        topics=SHOWN_TOPICS,
        statistics=expand("results/statistics/{model}", model=REPORTED),
        calibrations=as_json([f"results/calibration/{model}" for model in REPORTED if calibrated(model)]),
        quality=lambda w, input: f"--quality {input.quality}" if input.quality else "",
        benchmarks="results/benchmarks",
    log:
        "results/logs/report.log",
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift report --statistics {params.statistics} --stances {input.stances}"
        " --calibrations {params.calibrations:q} {params.quality} --topics {params.topics:q}"
        " --benchmarks {params.benchmarks} --configuration {input.configuration} --out {output} 2> {log}"
