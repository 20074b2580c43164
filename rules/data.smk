# The pocket world, data sets and probe questions.


rule world:
    output:
        "results/world/{suite}/{table}.{format}",
    log:
        "results/logs/world/{suite}/{table}.{format}.log",
    benchmark:
        "results/benchmarks/world/{suite}/{table}.{format}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        settings=lambda w: FLOW.world_settings(w.suite),
        kind=lambda w: FLOW.world_tables(w.suite)[w.table][0],
        plan=lambda w: as_json(FLOW.world_tables(w.suite)[w.table][1]),
    shell:
        "valuedrift world --settings {params.settings:q} --kind {params.kind} --name {wildcards.table}"
        " --plan {params.plan:q} --out {output} 2> {log}"


rule data:
    input:
        lambda w: FLOW.data_sources(w.suite, w.data),
    output:
        train="results/data/{suite}/{data}/train.parquet",
        validation="results/data/{suite}/{data}/validation.parquet",
        card="results/data/{suite}/{data}/card.json",
        text="results/data/{suite}/{data}/card.md",
    log:
        "results/logs/data/{suite}/{data}.log",
    benchmark:
        "results/benchmarks/data/{suite}/{data}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        rows=lambda w: FLOW.data_version(w.suite, w.data),
        settings=lambda w, output: FLOW.data_settings(w.suite, w.data),
        seed=SEED,
        folder=subpath(output.train, parent=True),
    shell:
        "valuedrift prepare --settings {params.settings:q} --seed {params.seed} --out {params.folder} 2> {log}"


rule probes:
    input:
        lambda w: FLOW.sources(w.suite, [config["suites"][w.suite]["probes"]["file"]]),
    output:
        table="results/probes/{suite}.parquet",
        counts="results/probes/{suite}.json",
    log:
        "results/logs/probes/{suite}.log",
    benchmark:
        "results/benchmarks/probes/{suite}.tsv"
    wildcard_constraints:
        suite=FLOW.suites_with_probes("questions", "prism"),
    conda:
        "../envs/analysis.yaml"
    params:
        settings=lambda w: as_json(config["suites"][w.suite]["probes"]),
        keywords=lambda w: FLOW.keywords(w.suite),
        seed=SEED,
    shell:
        "valuedrift probes --settings {params.settings:q} --keywords {params.keywords:q}"
        " --seed {params.seed} --out {output.table} 2> {log}"


rule documents:
    input:
        lambda w: FLOW.sft_tables(w.suite),
    output:
        "results/data/{suite}/documents.parquet",
    log:
        "results/logs/documents/{suite}.log",
    benchmark:
        "results/benchmarks/documents/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift documents --data {input} --out {output} 2> {log}"
