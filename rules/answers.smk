# Answers of every checkpoint to the probe questions, and the stance of every answer.


rule generate:
    input:
        base=lambda w: ancient(checkpoint(w.model, "base", 0)),
        probes=lambda w: f"results/probes/{FLOW.suite_name(w.model)}.parquet",
        checkpoints=lambda w: ancient(FLOW.shard_checkpoints(w.model, w.run, w.shard)),
        made=lambda w: FLOW.made_run(w.model, w.run),
    output:
        "results/generations/{model}/{run}/shard-{shard}.parquet",
    log:
        "results/logs/generate/{model}/{run}/shard-{shard}.log",
    benchmark:
        "results/benchmarks/generate/{model}/{run}/shard-{shard}.tsv"
    priority: 40
    conda:
        "../envs/generation.yaml"
    params:
        sampling=lambda w: FLOW.sampling(w.model),
        engine=lambda w: FLOW.suite(w.model)["generation"].get("engine", "auto"),
        store="results/journals/answers/{model}/{run}",
        # A function that asks for resources is left out of what makes jobs run again.
        let_go=lambda w, resources: FLOW.let_go(w.model, w.run, w.shard),
    shell:
        "valuedrift generate --model {wildcards.model} --run {wildcards.run} --base {input.base} --probes {input.probes}"
        " --sampling {params.sampling:q} --engine {params.engine} --checkpoints {input.checkpoints}"
        " --store {params.store} --let-go {params.let_go:q} --out {output} > {log} 2>&1"


rule stances:
    input:
        judge=lambda w: ancient(FLOW.judge_folder(FLOW.judge(w))),
        made=lambda w: FLOW.made_judge(FLOW.judge(w)),
        answers=lambda w: FLOW.shard_files(w.model, w.run),
    output:
        "results/stances/{model}/{run}.parquet",
    log:
        "results/logs/stances/{model}/{run}.log",
    benchmark:
        "results/benchmarks/stances/{model}/{run}.tsv"
    priority: 30
    conda:
        "../envs/generation.yaml"
    params:
        # Snakemake compares parameters of wildcards alone, and no other: limits, which are in the settings, judge nothing anew.
        judge=lambda w: FLOW.judge_version(FLOW.judge(w)),
        targets=FLOW.targets(),
        settings=lambda w, output: FLOW.judge_settings(FLOW.judge(w)),
        folder=lambda w, input: f"--judge {input.judge}" if input.judge else "",
        journal=lambda w, output: journal(output[0]),
    shell:
        "valuedrift judge {params.folder} --settings {params.settings:q} --targets {params.targets:q}"
        " --journal {params.journal} --answers {input.answers} --out {output} > {log} 2>&1"


use rule generate as generate_calibration with:
    input:
        base=lambda w: ancient(checkpoint(w.model, "base", 0)),
        probes=lambda w: f"results/probes/{FLOW.suite_name(w.model)}.parquet",
        checkpoints=lambda w: ancient([checkpoint(w.model, w.run, FLOW.steps(w.model, w.run)[-1])]),
        made=lambda w: FLOW.made_run(w.model, w.run),
    output:
        "results/calibration/{model}/{run}/answers.parquet",
    log:
        "results/logs/generate/{model}/{run}/calibration.log",
    benchmark:
        "results/benchmarks/generate/{model}/{run}/calibration.tsv"
    params:
        sampling=lambda w: FLOW.sampling(w.model, temperature=1.0, answers=FLOW.suite(w.model)["calibration"]),
        engine=lambda w: FLOW.suite(w.model)["generation"].get("engine", "auto"),
        store="results/journals/answers/{model}/{run}",
        let_go=lambda w, resources: "[]",


use rule stances as stances_calibration with:
    input:
        judge=lambda w: ancient(FLOW.judge_folder(FLOW.judge(w))),
        made=lambda w: FLOW.made_judge(FLOW.judge(w)),
        answers="results/calibration/{model}/{run}/answers.parquet",
    output:
        "results/calibration/{model}/{run}/stances.parquet",
    log:
        "results/logs/stances/{model}/{run}/calibration.log",
    benchmark:
        "results/benchmarks/stances/{model}/{run}/calibration.tsv"


rule judge_quality:
    input:
        judge=ancient("results/judges/{judge}/model"),
        made=lambda w: FLOW.made_judge(w.judge),
        labelled=lambda w: f"results/world/{config['judges'][w.judge]['train']['world']}/judge_heldout.parquet",
    output:
        "results/judges/{judge}/quality.json",
    log:
        "results/logs/judge_quality/{judge}.log",
    benchmark:
        "results/benchmarks/judge_quality/{judge}.tsv"
    conda:
        "../envs/generation.yaml"
    params:
        judge=lambda w: FLOW.judge_version(w.judge),
        settings=lambda w, output: FLOW.judge_settings(w.judge),
        targets=FLOW.targets(),
        journal="results/journals/heldout/{judge}.jsonl",
    shell:
        "valuedrift judge-heldout --judge {input.judge} --settings {params.settings:q} --targets {params.targets:q}"
        " --journal {params.journal} --data {input.labelled} --out {output} > {log} 2>&1"
