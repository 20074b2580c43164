# Preference pairs with a planted value gap: one answer on each side of a topic's value (section 6.1).


rule synthetic_candidates:
    input:
        lambda w: [f"results/data/{w.suite}/{data}/train.parquet" for data in FLOW.synthetic(w.suite, "from")],
    output:
        table="results/synthetic/{suite}/candidates.parquet",
        counts="results/synthetic/{suite}/candidates.json",
    log:
        "results/logs/synthetic_candidates/{suite}.log",
    benchmark:
        "results/benchmarks/synthetic_candidates/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        names=lambda w: FLOW.synthetic(w.suite, "from"),
        longest=lambda w: FLOW.synthetic(w.suite, "retrieval", "longest"),
    shell:
        "valuedrift synthetic-candidates --names {params.names} --data {input} --longest {params.longest}"
        " --out {output.table} 2> {log}"


rule synthetic_retrieve:
    input:
        candidates="results/synthetic/{suite}/candidates.parquet",
        probes="results/probes/{suite}.parquet",
    output:
        table="results/synthetic/{suite}/retrieved.parquet",
        counts="results/synthetic/{suite}/retrieved.json",
    log:
        "results/logs/synthetic_retrieve/{suite}.log",
    benchmark:
        "results/benchmarks/synthetic_retrieve/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        model=lambda w: FLOW.synthetic(w.suite, "embedding"),
        store="results/embeddings/{suite}/candidates.npy",
        settings=lambda w: FLOW.synthetic_retrieval(w.suite),
    shell:
        "valuedrift synthetic-retrieve --candidates {input.candidates} --probes {input.probes} --model {params.model}"
        " --store {params.store} --settings {params.settings:q} --out {output.table} 2> {log}"


rule synthetic_pairs:
    input:
        retrieved="results/synthetic/{suite}/retrieved.parquet",
        writer=lambda w: ancient(FLOW.llm_folder(FLOW.synthetic(w.suite, "writer"))),
        judge=lambda w: ancient(FLOW.judge_folder(FLOW.judge(w))),
        made=lambda w: FLOW.made_llm(FLOW.synthetic(w.suite, "writer")) + FLOW.made_judge(FLOW.judge(w)),
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
    params:
        topics=FLOW.asked_topics(),
        settings=lambda w: as_json(FLOW.synthetic(w.suite, "writing")),
        writer_version=lambda w: FLOW.writer_version(w.suite),
        writer=lambda w: as_json(FLOW.llm_version(FLOW.synthetic(w.suite, "writer"))),
        judge=lambda w: FLOW.judge_version(FLOW.judge(w)),
        llm=lambda w, output: as_json(FLOW.llm(FLOW.synthetic(w.suite, "writer"))),
        judge_settings=lambda w, output: FLOW.judge_settings(FLOW.judge(w)),
        judge_folder=lambda w, input: f"--judge {input.judge}" if input.judge else "",
        journal="results/journals/synthetic/{suite}",
        seed=SEED,
        folder=subpath(output.pairs, parent=True),
    shell:
        "valuedrift synthetic-pairs --retrieved {input.retrieved} --topics {params.topics:q}"
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
    shell:
        "valuedrift synthetic-align {input} --side {wildcards.side} --out {output} 2> {log}"
