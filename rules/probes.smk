# V-PRISM, the probe set: each stage of appendix A is an artifact. docs/probes.md explains them.


rule vprism_questions:
    input:
        prompts=lambda w: FLOW.sources(w.suite, [FLOW.vprism(w.suite, "file")]),
        llm=lambda w: ancient(FLOW.vprism_llm_folder(w.suite)),
        made=lambda w: FLOW.made_vprism_llm(w.suite),
    output:
        table="results/vprism/{suite}/questions.parquet",
        counts="results/vprism/{suite}/questions.json",
    log:
        "results/logs/vprism_questions/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_questions/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        source=lambda w: as_json(FLOW.vprism(w.suite, "file")),
        llm=lambda w, output: FLOW.vprism_llm(w.suite),
        asked=lambda w: FLOW.vprism_llm_version(w.suite),
        template=lambda w: FLOW.template_version("rephrase"),
        journal="results/journals/vprism/{suite}.jsonl",
    shell:
        "valuedrift vprism-questions --source {params.source:q} {params.llm} --journal {params.journal}"
        " --out {output.table} 2> {log}"


rule vprism_embed:
    input:
        questions="results/vprism/{suite}/questions.parquet",
    output:
        vectors="results/vprism/{suite}/embeddings.npy",
        note="results/vprism/{suite}/embeddings.json",
    log:
        "results/logs/vprism_embed/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_embed/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        model=lambda w: FLOW.vprism(w.suite, "embedding"),
    shell:
        "valuedrift vprism-embed --questions {input.questions} --model {params.model} --out {output.vectors} 2> {log}"


rule vprism_reduce:
    input:
        questions="results/vprism/{suite}/questions.parquet",
        embeddings="results/vprism/{suite}/embeddings.npy",
    output:
        "results/vprism/{suite}/reduced.npy",
    log:
        "results/logs/vprism_reduce/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_reduce/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        model=lambda w: FLOW.vprism(w.suite, "embedding"),
        settings=lambda w: as_json(FLOW.vprism(w.suite, "reduction")),
        seed=SEED,
    shell:
        "valuedrift vprism-reduce --questions {input.questions} --embeddings {input.embeddings} --model {params.model}"
        " --settings {params.settings:q} --seed {params.seed} --out {output} 2> {log}"


rule vprism_cluster:
    input:
        questions="results/vprism/{suite}/questions.parquet",
        reduced="results/vprism/{suite}/reduced.npy",
    output:
        "results/vprism/{suite}/clustered.parquet",
    log:
        "results/logs/vprism_cluster/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_cluster/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        settings=lambda w: as_json(FLOW.vprism(w.suite, "clusters")),
    shell:
        "valuedrift vprism-cluster --questions {input.questions} --reduced {input.reduced} --settings {params.settings:q}"
        " --out {output} 2> {log}"


rule vprism_describe:
    input:
        clustered="results/vprism/{suite}/clustered.parquet",
        embeddings="results/vprism/{suite}/embeddings.npy",
    output:
        "results/vprism/{suite}/clusters.json",
    log:
        "results/logs/vprism_describe/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_describe/{suite}.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        model=lambda w: FLOW.vprism(w.suite, "embedding"),
    shell:
        "valuedrift vprism-describe --clustered {input.clustered} --embeddings {input.embeddings} --model {params.model}"
        " --out {output} 2> {log}"


rule vprism_name:
    input:
        descriptions="results/vprism/{suite}/clusters.json",
        llm=lambda w: ancient(FLOW.vprism_llm_folder(w.suite)),
        made=lambda w: FLOW.made_vprism_llm(w.suite),
    output:
        "results/vprism/{suite}/names.json",
    log:
        "results/logs/vprism_name/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_name/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        llm=lambda w, output: FLOW.vprism_llm(w.suite),
        asked=lambda w: FLOW.vprism_llm_version(w.suite),
        template=lambda w: FLOW.template_version("name"),
        journal="results/journals/vprism/{suite}.jsonl",
    shell:
        "valuedrift vprism-name --descriptions {input.descriptions} {params.llm} --journal {params.journal}"
        " --out {output} 2> {log}"


rule vprism_propose:
    input:
        clustered="results/vprism/{suite}/clustered.parquet",
        embeddings="results/vprism/{suite}/embeddings.npy",
        descriptions="results/vprism/{suite}/clusters.json",
        names="results/vprism/{suite}/names.json",
    output:
        "results/vprism/{suite}/topics.yaml",
    log:
        "results/logs/vprism_propose/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_propose/{suite}.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        model=lambda w: FLOW.vprism(w.suite, "embedding"),
        topics=as_json(config["topics"]),
    shell:
        "valuedrift vprism-propose --clustered {input.clustered} --embeddings {input.embeddings} --model {params.model}"
        " --descriptions {input.descriptions} --names-file {input.names} --topics {params.topics:q}"
        " --out {output} 2> {log}"


rule vprism_filter:
    input:
        clustered="results/vprism/{suite}/clustered.parquet",
        proposal=lambda w: FLOW.vprism_proposal(w.suite),
        choice=lambda w: FLOW.vprism_choice(w.suite),
        llm=lambda w: ancient(FLOW.vprism_llm_folder(w.suite)),
        made=lambda w: FLOW.made_vprism_llm(w.suite),
    output:
        table="results/vprism/{suite}/value_laden.parquet",
        counts="results/vprism/{suite}/value_laden.json",
    log:
        "results/logs/vprism_filter/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_filter/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        choice=lambda w: FLOW.vprism(w.suite, "choice"),
        topics=as_json(list(config["topics"])),
        llm=lambda w, output: FLOW.vprism_llm(w.suite),
        asked=lambda w: FLOW.vprism_llm_version(w.suite),
        template=lambda w: FLOW.template_version("value_laden"),
        journal="results/journals/vprism/{suite}.jsonl",
    shell:
        "valuedrift vprism-filter --clustered {input.clustered} --choice {params.choice:q} --topics {params.topics:q}"
        " {params.llm} --journal {params.journal} --out {output.table} 2> {log}"


rule vprism_sample:
    input:
        value_laden="results/vprism/{suite}/value_laden.parquet",
    output:
        table="results/probes/{suite}.parquet",
        counts="results/probes/{suite}.json",
    log:
        "results/logs/vprism_sample/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_sample/{suite}.tsv"
    wildcard_constraints:
        suite=FLOW.suites_with_probes("vprism"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        topics=as_json(list(config["topics"])),
        per_topic=lambda w: FLOW.vprism(w.suite, "per_topic"),
        seed=SEED,
    shell:
        "valuedrift vprism-sample --value-laden {input.value_laden} --topics {params.topics:q}"
        " --per-topic {params.per_topic} --seed {params.seed} --out {output.table} 2> {log}"
