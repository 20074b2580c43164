# Base models and judges: trained from scratch, or fetched by name and revision.


rule pretrain:
    input:
        lambda w: FLOW.pretraining_text(w.model),
    output:
        base=directory("results/checkpoints/{model}/base/step-000000"),
        metrics="results/checkpoints/{model}/base/metrics.parquet",
    log:
        "results/logs/pretrain/{model}.log",
    benchmark:
        "results/benchmarks/pretrain/{model}.tsv"
    wildcard_constraints:
        model=FLOW.named("models", "scratch"),
    priority: 100
    conda:
        "../envs/training.yaml"
    params:
        settings=lambda w: as_json(FLOW.suite(w.model)["training"]["pretrain"]),
        shape=lambda w: as_json(config["models"][w.model]["scratch"]),
        template=lambda w: config["models"][w.model]["chat"]["template"],
        seed=SEED,
    shell:
        "valuedrift pretrain --settings {params.settings:q} --shape {params.shape:q} --template {params.template}"
        " --seed {params.seed} --data {input} --out {output.base} > {log} 2>&1"


rule fetch_base:
    output:
        model=directory("results/checkpoints/{model}/base/step-000000"),
        source="results/checkpoints/{model}/base/source.json",
    log:
        "results/logs/fetch/{model}.log",
    benchmark:
        "results/benchmarks/fetch/{model}.tsv"
    wildcard_constraints:
        model=FLOW.named("models", "hub", "folder"),
    conda:
        "../envs/training.yaml"
    params:
        source=lambda w: FLOW.source("models", w.model),
        chat=lambda w: as_json(config["models"][w.model]["chat"]),
    shell:
        "valuedrift fetch-model --source {params.source:q} --chat {params.chat:q} --out {output.model} > {log} 2>&1"


rule train_judge:
    input:
        lambda w: f"results/world/{config['judges'][w.judge]['train']['world']}/judge_train.parquet",
    output:
        model=directory("results/judges/{judge}/model"),
        metrics="results/judges/{judge}/metrics.parquet",
    log:
        "results/logs/train_judge/{judge}.log",
    benchmark:
        "results/benchmarks/train_judge/{judge}.tsv"
    wildcard_constraints:
        judge=FLOW.named("judges", "train"),
    priority: 90
    conda:
        "../envs/training.yaml"
    params:
        settings=lambda w: as_json(config["judges"][w.judge]["train"]["settings"]),
        shape=lambda w: as_json(config["judges"][w.judge]["train"]["shape"]),
        prompt=lambda w, output: config["judges"][w.judge]["prompt"],
        prompt_version=lambda w: FLOW.prompt_version(w.judge),
        targets=FLOW.targets(),
        seed=SEED,
    shell:
        "valuedrift train-judge --settings {params.settings:q} --shape {params.shape:q} --prompt {params.prompt:q}"
        " --targets {params.targets:q} --seed {params.seed} --data {input} --out {output.model} > {log} 2>&1"


rule fetch_judge:
    output:
        model=directory("results/judges/{judge}/model"),
        source="results/judges/{judge}/source.json",
    log:
        "results/logs/fetch_judge/{judge}.log",
    benchmark:
        "results/benchmarks/fetch_judge/{judge}.tsv"
    wildcard_constraints:
        judge=FLOW.named("judges", "hub", "folder"),
    conda:
        "../envs/training.yaml"
    params:
        source=lambda w: FLOW.source("judges", w.judge),
    shell:
        "valuedrift fetch-model --source {params.source:q} --out {output.model} > {log} 2>&1"


rule fetch_llm:
    output:
        model=directory("results/llms/{llm}/model"),
        source="results/llms/{llm}/source.json",
    log:
        "results/logs/fetch_llm/{llm}.log",
    benchmark:
        "results/benchmarks/fetch_llm/{llm}.tsv"
    wildcard_constraints:
        llm=FLOW.named("llms", "hub", "folder"),
    conda:
        "../envs/training.yaml"
    params:
        source=lambda w: FLOW.source("llms", w.llm),
    shell:
        "valuedrift fetch-model --source {params.source:q} --out {output.model} > {log} 2>&1"
