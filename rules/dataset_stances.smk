# Stances of the data sets themselves (appendix K), and the values that they predict for models trained on them.


rule retrieve:
    input:
        train="results/data/{suite}/{data}/train.parquet",
        validation="results/data/{suite}/{data}/validation.parquet",
        probes="results/probes/{suite}.parquet",
        encoder=untimed(lambda w: suite(w).row_encoder.folder),
        stamp=lambda w: suite(w).row_encoder.stamp,
    output:
        "results/expression/{suite}/{data}/retrieved.parquet",
    log:
        "results/logs/retrieve/{suite}/{data}.log",
    benchmark:
        "results/benchmarks/retrieve/{suite}/{data}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **ENCODING,
    params:
        settings=lambda w: as_json(suite(w).row_retrieval),
        store="results/embeddings/{suite}/{data}.npy",
    shell:
        "GPUS={resources.gpu} valuedrift retrieve --name {wildcards.data} --data {input.train} {input.validation} --store {params.store}"
        " --probes {input.probes} --settings {params.settings:q} --out {output} 2> {log}"


use rule stances as judge_data with:
    input:
        judge=untimed(lambda w: judge(w).folder),
        stamp=lambda w: judge(w).stamp,
        answers=lambda w: [f"results/expression/{w.suite}/{data}/retrieved.parquet" for data in suite(w).data],
    output:
        "results/expression/{suite}/stances.parquet",
    log:
        "results/logs/judge_data/{suite}.log",
    benchmark:
        "results/benchmarks/judge_data/{suite}.tsv"


rule expression:
    input:
        "results/expression/{suite}/stances.parquet",
    output:
        expand("results/expression/{{suite}}/{name}", name=EXPRESSION),
    log:
        "results/logs/expression/{suite}.log",
    benchmark:
        "results/benchmarks/expression/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        statistics=BOOTSTRAP,
        examples=lambda w: suite(w)["expression"]["examples"],
        seed=SEED,
        folder=subpath(output[0], parent=True),
    shell:
        "valuedrift express --stances {input} --statistics-settings {params.statistics:q} --seed {params.seed}"
        " --examples {params.examples} --out {params.folder} 2> {log}"


rule recovery:
    input:
        stances="results/expression/{suite}/stances.parquet",
        expression=expand("results/expression/{{suite}}/{name}", name=EXPRESSION),
        data=lambda w: [table for data in suite(w).data for table in suite(w).tables(data)],
    output:
        expand("results/expression/{{suite}}/recovery/{name}", name=RECOVERY),
    log:
        "results/logs/recovery/{suite}.log",
    benchmark:
        "results/benchmarks/recovery/{suite}.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        tables=lambda w: as_json({data: suite(w).tables(data) for data in suite(w).data}),
        expression=lambda w, input: folders(input.expression),
        folder=subpath(output[0], parent=True),
    shell:
        "valuedrift recover --stances {input.stances} --expression {params.expression} --tables {params.tables:q}"
        " --out {params.folder} 2> {log}"


rule prediction:
    input:
        expression=lambda w: expand("results/expression/{suite}/{name}", suite=suite(w).name, name=EXPRESSION),
        statistics=expand("results/statistics/{{model}}/{name}", name=STATISTICS),
    output:
        expand("results/prediction/{{model}}/{name}", name=PREDICTION),
    log:
        "results/logs/prediction/{model}.log",
    benchmark:
        "results/benchmarks/prediction/{model}.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        statistics=BOOTSTRAP,
        seed=SEED,
        expression=lambda w, input: folders(input.expression),
        folder=lambda w, input: folders(input.statistics),
        out=subpath(output[0], parent=True),
    shell:
        "valuedrift predict --expression {params.expression} --statistics {params.folder}"
        " --statistics-settings {params.statistics:q} --seed {params.seed} --out {params.out} 2> {log}"
