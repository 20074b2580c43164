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
    resources:
        **CPU,
    params:
        settings=lambda w: as_json({"seed": SEED, **suite(w).world_settings}),
        kind=lambda w: suite(w).world_tables[w.table][0],
        plan=lambda w: as_json(suite(w).world_tables[w.table][1]),
    shell:
        "valuedrift world --settings {params.settings:q} --kind {params.kind} --name {wildcards.table}"
        " --plan {params.plan:q} --out {output} 2> {log}"


rule data:
    input:
        lambda w: suite(w).inputs(suite(w).data[w.data].files),
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
    resources:
        **CPU,
    params:
        rows=lambda w: as_json(suite(w).data[w.data].tracked),
        settings=untracked(lambda w: as_json(suite(w).data[w.data].settings)),
        seed=SEED,
        folder=subpath(output.train, parent=True),
    shell:
        "valuedrift prepare --settings {params.settings:q} --seed {params.seed} --out {params.folder} 2> {log}"


rule probes:
    input:
        lambda w: suite(w).inputs(suite(w).probes.files),
    output:
        table="results/probes/{suite}.parquet",
        counts="results/probes/{suite}.json",
    log:
        "results/logs/probes/{suite}.log",
    benchmark:
        "results/benchmarks/probes/{suite}.tsv"
    wildcard_constraints:
        suite=one_of(suite.name for suite in PROJECT.suites.values() if suite.probes["source"] != "vprism"),
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        settings=lambda w: as_json(suite(w).probes.entry),
        keywords=lambda w: as_json(PROJECT.keywords(suite(w))),
        seed=SEED,
    shell:
        "valuedrift probes --settings {params.settings:q} --keywords {params.keywords:q}"
        " --seed {params.seed} --out {output.table} 2> {log}"


rule documents:
    input:
        lambda w: [f"results/data/{w.suite}/{data}/train.parquet" for data in suite(w)["grid"]["sft"]],
    output:
        "results/data/{suite}/documents.parquet",
    log:
        "results/logs/documents/{suite}.log",
    benchmark:
        "results/benchmarks/documents/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    shell:
        "valuedrift documents --data {input} --out {output} 2> {log}"
