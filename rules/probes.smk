# V-PRISM, the probe set: each stage of appendix A makes an artifact. docs/probes.md explains the stages.
from valuedrift.probes.asking import read_question_prompt
from valuedrift.templates import prompt_hash

# The chat model that rephrases, names and filters for V-PRISM.
VPRISM_LLM = dict(
    llm=untimed(if_llm(lambda llm: llm.folder, [])),
    stamp=if_llm(lambda llm: llm.stamp, []),
)
ASKED = dict(
    llm=untracked(if_llm(lambda llm: f"--llm {shlex.quote(as_json(llm.settings))}", "")),
    asked=if_llm(lambda llm: as_json(llm.tracked), ""),
)
ASKING = asking(lambda w: suite(w).probes.llm)


rule vprism_questions:
    input:
        **VPRISM_LLM,
        prompts=lambda w: suite(w).inputs(suite(w).probes.files),
    output:
        table="results/vprism/{suite}/questions.parquet",
        counts="results/vprism/{suite}/questions.json",
    log:
        "results/logs/vprism_questions/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_questions/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **ASKING,
    params:
        **ASKED,
        source=lambda w: as_json(suite(w).probes["file"]),
        template=prompt_hash(read_question_prompt("rephrase")),
        journal="results/journals/vprism/{suite}.jsonl",
    shell:
        "GPUS={resources.gpu} valuedrift vprism-questions --source {params.source:q} {params.llm} --journal {params.journal}"
        " --out {output.table} 2> {log}"


rule vprism_embed:
    input:
        questions="results/vprism/{suite}/questions.parquet",
        encoder=untimed(lambda w: suite(w).probes.encoder.folder),
        stamp=lambda w: suite(w).probes.encoder.stamp,
    output:
        vectors="results/vprism/{suite}/embeddings.npy",
        note="results/vprism/{suite}/embeddings.json",
    log:
        "results/logs/vprism_embed/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_embed/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        model=lambda w: suite(w).probes.encoder.name,
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
    resources:
        **CPU,
    params:
        model=lambda w: suite(w).probes.encoder.name,
        settings=lambda w: as_json(suite(w).probes["reduction"]),
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
    resources:
        **CPU,
    params:
        settings=lambda w: as_json(suite(w).probes["clusters"]),
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
    resources:
        **CPU,
    params:
        model=lambda w: suite(w).probes.encoder.name,
    shell:
        "valuedrift vprism-describe --clustered {input.clustered} --embeddings {input.embeddings} --model {params.model}"
        " --out {output} 2> {log}"


rule vprism_name:
    input:
        **VPRISM_LLM,
        descriptions="results/vprism/{suite}/clusters.json",
    output:
        "results/vprism/{suite}/names.json",
    log:
        "results/logs/vprism_name/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_name/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **ASKING,
    params:
        **ASKED,
        template=prompt_hash(read_question_prompt("name")),
        journal="results/journals/vprism/{suite}.jsonl",
    shell:
        "GPUS={resources.gpu} valuedrift vprism-name --descriptions {input.descriptions} {params.llm} --journal {params.journal}"
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
    resources:
        **CPU,
    params:
        model=lambda w: suite(w).probes.encoder.name,
        topics=as_json(config["topics"]),
    shell:
        "valuedrift vprism-propose --clustered {input.clustered} --embeddings {input.embeddings} --model {params.model}"
        " --descriptions {input.descriptions} --names-file {input.names} --topics {params.topics:q}"
        " --out {output} 2> {log}"


rule vprism_filter:
    input:
        **VPRISM_LLM,
        clustered="results/vprism/{suite}/clustered.parquet",
        proposal=lambda w: suite(w).probes.proposal,
        choice=lambda w: suite(w).probes.choice,
    output:
        table="results/vprism/{suite}/value_laden.parquet",
        counts="results/vprism/{suite}/value_laden.json",
    log:
        "results/logs/vprism_filter/{suite}.log",
    benchmark:
        "results/benchmarks/vprism_filter/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **ASKING,
    params:
        **ASKED,
        choice=lambda w: suite(w).probes["choice"],
        topics=as_json(list(config["topics"])),
        template=prompt_hash(read_question_prompt("value_laden")),
        journal="results/journals/vprism/{suite}.jsonl",
    shell:
        "GPUS={resources.gpu} valuedrift vprism-filter --clustered {input.clustered} --choice {params.choice:q} --topics {params.topics:q}"
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
        suite=one_of(suite.name for suite in PROJECT.suites.values() if suite.probes["source"] == "vprism"),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        topics=as_json(list(config["topics"])),
        per_topic=lambda w: suite(w).probes["per_topic"],
        seed=SEED,
    shell:
        "valuedrift vprism-sample --value-laden {input.value_laden} --topics {params.topics:q}"
        " --per-topic {params.per_topic} --seed {params.seed} --out {output.table} 2> {log}"
