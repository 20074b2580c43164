# Preference pairs with a planted value gap: one answer on each side of a topic's value (section 6.1).


rule synthetic_candidates:
    input:
        lambda w: [f"results/data/{w.suite}/{data}/train.parquet" for data in suite(w)["synthetic"]["from"]],
    output:
        table="results/synthetic/{suite}/candidates.parquet",
        counts="results/synthetic/{suite}/candidates.json",
    log:
        "results/logs/synthetic_candidates/{suite}.log",
    benchmark:
        "results/benchmarks/synthetic_candidates/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        names=lambda w: suite(w)["synthetic"]["from"],
        longest=lambda w: suite(w)["synthetic"]["retrieval"]["longest"],
    shell:
        "valuedrift synthetic-candidates --names {params.names} --data {input} --longest {params.longest}"
        " --out {output.table} 2> {log}"


rule synthetic_retrieve:
    input:
        candidates="results/synthetic/{suite}/candidates.parquet",
        probes="results/probes/{suite}.parquet",
        encoder=untimed(lambda w: suite(w).pair_encoder.folder),
        stamp=lambda w: suite(w).pair_encoder.stamp,
    output:
        table="results/synthetic/{suite}/retrieved.parquet",
        counts="results/synthetic/{suite}/retrieved.json",
    log:
        "results/logs/synthetic_retrieve/{suite}.log",
    benchmark:
        "results/benchmarks/synthetic_retrieve/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **ENCODING,
    params:
        model=lambda w: suite(w).pair_encoder.name,
        store="results/embeddings/{suite}/candidates.npy",
        settings=lambda w: as_json(suite(w).pair_retrieval),
    shell:
        "GPUS={resources.gpu} valuedrift synthetic-retrieve --candidates {input.candidates} --probes {input.probes} --model {params.model}"
        " --store {params.store} --settings {params.settings:q} --out {output.table} 2> {log}"


rule synthetic_pairs:
    input:
        retrieved="results/synthetic/{suite}/retrieved.parquet",
        writer=untimed(lambda w: suite(w).writer.folder),
        judge=untimed(lambda w: judge(w).folder),
        stamps=lambda w: suite(w).writer.stamp + judge(w).stamp,
    output:
        pairs="results/synthetic/{suite}/pairs/pairs.parquet",
        given_up="results/synthetic/{suite}/pairs/given_up.parquet",
        summary="results/synthetic/{suite}/pairs/summary.json",
    log:
        "results/logs/synthetic_pairs/{suite}.log",
    benchmark:
        "results/benchmarks/synthetic_pairs/{suite}.tsv"
    conda:
        "../envs/generation.yaml"
    resources:
        **asking(lambda w: suite(w).writer),
    params:
        topics=as_json(PROJECT.topics("target", "value")),
        settings=lambda w: as_json(suite(w)["synthetic"]["writing"]),
        writer_version=lambda w: suite(w).writer_prompt_hash,
        writer=lambda w: as_json(suite(w).writer.tracked),
        judge=lambda w: as_json(judge(w).tracked),
        llm=untracked(lambda w: as_json(suite(w).writer.settings)),
        judge_settings=untracked(lambda w: as_json(judge(w).settings)),
        judge_folder=lambda w, input: f"--judge {input.judge}" if input.judge else "",
        journal="results/journals/synthetic/{suite}",
        seed=SEED,
        folder=subpath(output.pairs, parent=True),
    shell:
        "GPUS={resources.gpu} valuedrift synthetic-pairs --retrieved {input.retrieved} --topics {params.topics:q}"
        " --settings {params.settings:q} --llm {params.llm:q} {params.judge_folder} --judge-settings {params.judge_settings:q}"
        " --journal {params.journal} --seed {params.seed} --out {params.folder} 2> {log}"


rule synthetic_align:
    input:
        "results/synthetic/{suite}/pairs/pairs.parquet",
    output:
        "results/synthetic/{suite}/{side}.parquet",
    log:
        "results/logs/synthetic_align/{suite}/{side}.log",
    benchmark:
        "results/benchmarks/synthetic_align/{suite}/{side}.tsv"
    wildcard_constraints:
        side="support|oppose",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    shell:
        "valuedrift synthetic-align {input} --side {wildcards.side} --out {output} 2> {log}"
