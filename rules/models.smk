# Base models and judges: trained from scratch, or fetched by name and revision.


def pretraining_text(wildcards):
    suite = MODELS[wildcards.model]["suite"]
    made = "world" in SUITES[suite]
    return f"results/world/{suite}/pretraining.parquet" if made else f"results/data/{suite}/documents.parquet"


def named(entries, kind):
    """A wildcard pattern of the entries that have the key `kind`; one that matches nothing where there are none."""
    return "|".join(name for name, entry in entries.items() if kind in entry) or "(?!)"


def source(entry):
    return as_json({key: entry[key] for key in ("hub", "folder") if key in entry})


rule pretrain:
    input:
        pretraining_text,
    output:
        base=directory("results/checkpoints/{model}/base/step-000000"),
        metrics="results/checkpoints/{model}/base/metrics.parquet",
    params:
        settings=lambda w: as_json(suite_of(w)["training"]["pretrain"]),
        shape=lambda w: as_json(MODELS[w.model]["scratch"]),
        template=lambda w: MODELS[w.model]["chat"]["template"],
        seed=SEED,
    wildcard_constraints:
        model=named(MODELS, "scratch"),
    log:
        "results/logs/pretrain/{model}.log",
    benchmark:
        "results/benchmarks/pretrain/{model}.tsv"
    priority: 100
    conda:
        "../envs/training.yaml"
    shell:
        "valuedrift pretrain --settings {params.settings:q} --shape {params.shape:q} --template {params.template}"
        " --seed {params.seed} --data {input} --out {output.base} > {log} 2>&1"


rule fetch_base:
    output:
        directory("results/checkpoints/{model}/base/step-000000"),
    params:
        source=lambda w: source(MODELS[w.model]),
        chat=lambda w: as_json(MODELS[w.model]["chat"]),
    wildcard_constraints:
        model=f"{named(MODELS, 'hub')}|{named(MODELS, 'folder')}",
    log:
        "results/logs/fetch/{model}.log",
    benchmark:
        "results/benchmarks/fetch/{model}.tsv"
    conda:
        "../envs/training.yaml"
    shell:
        "valuedrift fetch-model --source {params.source:q} --chat {params.chat:q} --out {output} > {log} 2>&1"


rule train_judge:
    input:
        lambda w: f"results/world/{JUDGES[w.judge]['train']['world']}/judge_train.parquet",
    output:
        model=directory("results/judges/{judge}/model"),
        metrics="results/judges/{judge}/metrics.parquet",
    params:
        settings=lambda w: as_json(JUDGES[w.judge]["train"]["settings"]),
        shape=lambda w: as_json(JUDGES[w.judge]["train"]["shape"]),
        prompt=lambda w: JUDGES[w.judge]["prompt"],
        targets=TARGETS,
        seed=SEED,
    wildcard_constraints:
        judge=named(JUDGES, "train"),
    log:
        "results/logs/train_judge/{judge}.log",
    benchmark:
        "results/benchmarks/train_judge/{judge}.tsv"
    priority: 90
    conda:
        "../envs/training.yaml"
    shell:
        "valuedrift train-judge --settings {params.settings:q} --shape {params.shape:q} --prompt {params.prompt:q}"
        " --targets {params.targets:q} --seed {params.seed} --data {input} --out {output.model} > {log} 2>&1"


rule fetch_judge:
    output:
        directory("results/judges/{judge}/model"),
    params:
        source=lambda w: source(JUDGES[w.judge]),
    wildcard_constraints:
        judge=f"{named(JUDGES, 'hub')}|{named(JUDGES, 'folder')}",
    log:
        "results/logs/fetch_judge/{judge}.log",
    benchmark:
        "results/benchmarks/fetch_judge/{judge}.tsv"
    conda:
        "../envs/training.yaml"
    shell:
        "valuedrift fetch-model --source {params.source:q} --out {output} > {log} 2>&1"
