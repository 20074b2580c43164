# Answers of every checkpoint to the probe questions, and the stance of every answer.


def steps_of(wildcards):
    return (0,) if wildcards.run == "base" else RUNS[wildcards.model][wildcards.run].steps


def shards_of(wildcards):
    return shards(steps_of(wildcards), suite_of(wildcards)["generation"]["shard"])


def sampling(wildcards, **changed):
    settings = {**suite_of(wildcards)["generation"], **changed, "seed": SEED}
    return as_json({key: value for key, value in settings.items() if key != "shard"})


def judge_of(wildcards):
    return suite_of(wildcards)["judge"]


def judge_settings(judge):
    return as_json({key: JUDGES[judge][key] for key in ("prompt", "chat", "batch_size")})


rule generate:
    input:
        base=base_of,
        probes=lambda w: f"results/probes/{MODELS[w.model]['suite']}.parquet",
        checkpoints=lambda w: [checkpoint(w.model, w.run, step) for step in shards_of(w)[int(w.shard)]],
    output:
        "results/generations/{model}/{run}/shard-{shard}.parquet",
    params:
        sampling=lambda w: sampling(w),
    log:
        "results/logs/generate/{model}/{run}/shard-{shard}.log",
    benchmark:
        "results/benchmarks/generate/{model}/{run}/shard-{shard}.tsv"
    priority: 40
    conda:
        "../envs/generation.yaml"
    shell:
        "valuedrift generate --model {wildcards.model} --run {wildcards.run} --base {input.base} --probes {input.probes}"
        " --sampling {params.sampling:q} --checkpoints {input.checkpoints} --out {output} > {log} 2>&1"


rule stances:
    input:
        judge=lambda w: f"results/judges/{judge_of(w)}/model",
        answers=lambda w: [
            f"results/generations/{w.model}/{w.run}/shard-{number}.parquet" for number in range(len(shards_of(w)))
        ],
    output:
        "results/stances/{model}/{run}.parquet",
    params:
        settings=lambda w: judge_settings(judge_of(w)),
        targets=TARGETS,
    log:
        "results/logs/stances/{model}/{run}.log",
    benchmark:
        "results/benchmarks/stances/{model}/{run}.tsv"
    priority: 30
    conda:
        "../envs/generation.yaml"
    shell:
        "valuedrift judge --judge {input.judge} --settings {params.settings:q} --targets {params.targets:q}"
        " --answers {input.answers} --out {output} > {log} 2>&1"


use rule generate as generate_calibration with:
    input:
        base=base_of,
        probes=lambda w: f"results/probes/{MODELS[w.model]['suite']}.parquet",
        checkpoints=lambda w: [checkpoint(w.model, w.run, steps_of(w)[-1])],
    output:
        "results/calibration/{model}/{run}/answers.parquet",
    params:
        sampling=lambda w: sampling(w, temperature=1.0, answers=suite_of(w)["calibration"]),
    log:
        "results/logs/generate/{model}/{run}/calibration.log",
    benchmark:
        "results/benchmarks/generate/{model}/{run}/calibration.tsv"


use rule stances as stances_calibration with:
    input:
        judge=lambda w: f"results/judges/{judge_of(w)}/model",
        answers="results/calibration/{model}/{run}/answers.parquet",
    output:
        "results/calibration/{model}/{run}/stances.parquet",
    log:
        "results/logs/stances/{model}/{run}/calibration.log",
    benchmark:
        "results/benchmarks/stances/{model}/{run}/calibration.tsv"


rule judge_quality:
    input:
        judge="results/judges/{judge}/model",
        labelled=lambda w: f"results/world/{JUDGES[w.judge]['train']['world']}/judge_heldout.parquet",
    output:
        "results/judges/{judge}/quality.json",
    params:
        settings=lambda w: judge_settings(w.judge),
        targets=TARGETS,
    log:
        "results/logs/judge_quality/{judge}.log",
    benchmark:
        "results/benchmarks/judge_quality/{judge}.tsv"
    conda:
        "../envs/generation.yaml"
    shell:
        "valuedrift judge-heldout --judge {input.judge} --settings {params.settings:q} --targets {params.targets:q}"
        " --data {input.labelled} --out {output} > {log} 2>&1"
