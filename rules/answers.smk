# Answers of every checkpoint to the probe questions, and the stance of every answer.


rule generate:
    input:
        base=untimed(lambda w: model(w).base_of(w.run, w.shard)),
        probes=lambda w: suite(w).probes.table,
        checkpoints=untimed(lambda w: model(w).checkpoints(w.run, w.shard)),
        stamps=lambda w: model(w).stamps(w.run),
    output:
        "results/generations/{model}/{run}/shard-{shard}.parquet",
    log:
        "results/logs/generate/{model}/{run}/shard-{shard}.log",
    benchmark:
        "results/benchmarks/generate/{model}/{run}/shard-{shard}.tsv"
    wildcard_constraints:
        run=TRAINED,
    priority: 40
    conda:
        "../envs/generation.yaml"
    resources:
        **ANSWERING,
    params:
        sampling=lambda w: as_json(model(w).sampling(SEED)),
        engine=lambda w: PROJECT.settings.suites[suite(w).name].generation.engine,
        store="results/journals/answers/{model}/{run}",
        steps=untracked(""),
        prune=untracked(lambda w: as_json(model(w).prunable(w.run, w.shard, PROJECT.settings.machine))),
    shell:
        "GPUS={resources.gpu} valuedrift generate --model {wildcards.model} --run {wildcards.run} --base {input.base:q} --probes {input.probes}"
        " --sampling {params.sampling:q} --engine {params.engine} --checkpoints {input.checkpoints:q}"
        " {params.steps} --store {params.store} --prune {params.prune:q} --out {output} > {log} 2>&1"


# Found checkpoints have no stamps beside them: the parameter `found` changes with their files, and commits with their revisions.
use rule generate as generate_found with:
    input:
        base=untimed(lambda w: model(w).base_of(w.run, w.shard)),
        probes=lambda w: suite(w).probes.table,
        checkpoints=untimed(lambda w: model(w).checkpoints(w.run, w.shard)),
        stamps=lambda w: model(w).stamps(w.run),
    benchmark:
        "results/benchmarks/generate/{model}/{run}/shard-{shard}.tsv"
    wildcard_constraints:
        run=FOUND,
    params:
        sampling=lambda w: as_json(model(w).sampling(SEED)),
        engine=lambda w: PROJECT.settings.suites[suite(w).name].generation.engine,
        store="results/journals/answers/{model}/{run}",
        found=lambda w: as_json(model(w).found(w.run, model(w).shards(w.run)[int(w.shard)])),
        steps=lambda w: f"--steps {' '.join(map(str, model(w).shards(w.run)[int(w.shard)]))}",
        prune=untracked("[]"),


rule stances:
    input:
        judge=untimed(lambda w: judge(w).folder),
        stamp=lambda w: judge(w).stamp,
        answers=lambda w: model(w).answers(w.run),
    output:
        "results/stances/{model}/{run}.parquet",
    log:
        "results/logs/stances/{model}/{run}.log",
    benchmark:
        "results/benchmarks/stances/{model}/{run}.tsv"
    priority: 30
    conda:
        "../envs/generation.yaml"
    resources:
        **JUDGING,
    params:
        judge=lambda w: as_json(judge(w).tracked),
        targets=TARGETS,
        settings=untracked(lambda w: as_json(judge(w).settings)),
        folder=lambda w, input: f"--judge {input.judge}" if input.judge else "",
        journal=lambda w, output: journal_of(output[0]),
    shell:
        "GPUS={resources.gpu} valuedrift judge {params.folder} --settings {params.settings:q} --targets {params.targets:q}"
        " --journal {params.journal} --answers {input.answers} --out {output} > {log} 2>&1"


# With several judges, each judges every answer. They share the journal, so that a judge that is alone before or after keeps its work.
use rule stances as judge_stances with:
    output:
        "results/judges/{judge}/stances/{model}/{run}.parquet",
    log:
        "results/logs/judge_stances/{judge}/{model}/{run}.log",
    benchmark:
        "results/benchmarks/judge_stances/{judge}/{model}/{run}.tsv"
    params:
        judge=lambda w: as_json(judge(w).tracked),
        targets=TARGETS,
        settings=untracked(lambda w: as_json(judge(w).settings)),
        folder=lambda w, input: f"--judge {input.judge}" if input.judge else "",
        journal="results/journals/stances/{model}/{run}.jsonl",


ruleorder: join_stances > stances


rule join_stances:
    input:
        lambda w: [f"results/judges/{name}/stances/{w.model}/{w.run}.parquet" for name in suite(w).judges],
    output:
        "results/stances/{model}/{run}.parquet",
    log:
        "results/logs/join_stances/{model}/{run}.log",
    wildcard_constraints:
        model=one_of(model.name for model in PROJECT.models.values() if len(model.suite.judges) > 1),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        judges=lambda w: as_json(list(suite(w).judges)),
        by=lambda w: suite(w).judged_by,
    shell:
        "valuedrift join-stances --stances {input} --judges {params.judges:q} --judged-by {params.by} --out {output} 2> {log}"


rule reference:
    input:
        judge=untimed(lambda w: suite(w).reference.folder),
        stamp=lambda w: suite(w).reference.stamp,
        stances=lambda w: model(w).stances,
    output:
        labels="results/labels/{model}.parquet",
        saved="results/agreement/{model}/reference.json",
    log:
        "results/logs/reference/{model}.log",
    benchmark:
        "results/benchmarks/reference/{model}.tsv"
    wildcard_constraints:
        model=one_of(model.name for model in PROJECT.models.values() if model.suite.reference),
    conda:
        "../envs/generation.yaml"
    resources:
        **dict(JUDGING, gpu=lambda w: 0 if suite(w).reference.is_served else 1),
    params:
        judge=lambda w: as_json(suite(w).reference.tracked),
        targets=TARGETS,
        settings=untracked(lambda w: as_json(suite(w).reference.settings)),
        folder=lambda w, input: f"--judge {input.judge}" if input.judge else "",
        labels=lambda w: suite(w)["reference"]["labels"],
        journal="results/journals/reference/{model}.jsonl",
        seed=SEED,
    shell:
        "GPUS={resources.gpu} valuedrift reference-labels {params.folder} --settings {params.settings:q}"
        " --targets {params.targets:q} --journal {params.journal} --stances {input.stances} --labels {params.labels}"
        " --seed {params.seed} --saved {output.saved} --out {output.labels} > {log} 2>&1"


use rule generate as generate_calibration with:
    input:
        base=untimed(lambda w: model(w).origin(w.run).checkpoints[-1]),
        probes=lambda w: suite(w).probes.table,
        checkpoints=untimed(lambda w: model(w).every[w.run].checkpoints[-1]),
        stamps=lambda w: model(w).stamps(w.run),
    output:
        "results/calibration/{model}/{run}/answers.parquet",
    log:
        "results/logs/generate/{model}/{run}/calibration.log",
    benchmark:
        "results/benchmarks/generate/{model}/{run}/calibration.tsv"
    params:
        sampling=lambda w: as_json(model(w).sampling(SEED, temperature=1.0, answers=suite(w)["calibration"])),
        engine=lambda w: PROJECT.settings.suites[suite(w).name].generation.engine,
        store="results/journals/answers/{model}/{run}",
        steps=untracked(""),
        prune=untracked("[]"),


use rule stances as stances_calibration with:
    input:
        judge=untimed(lambda w: judge(w).folder),
        stamp=lambda w: judge(w).stamp,
        answers="results/calibration/{model}/{run}/answers.parquet",
    output:
        "results/calibration/{model}/{run}/stances.parquet",
    log:
        "results/logs/stances/{model}/{run}/calibration.log",
    benchmark:
        "results/benchmarks/stances/{model}/{run}/calibration.tsv"


rule control_questions:
    output:
        "results/controls/questions/{suite}.parquet",
    log:
        "results/logs/controls/questions/{suite}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        world=lambda w: option(
            "--world", [as_json({"seed": SEED, **suite(w).world_settings})] if suite(w).has_value_free else []
        ),
    shell:
        "valuedrift control-questions {params.world} --out {output} 2> {log}"


use rule generate as generate_controls with:
    input:
        base=untimed(lambda w: model(w).base_of(w.run, "0")),
        probes=lambda w: f"results/controls/questions/{suite(w).name}.parquet",
        checkpoints=untimed(lambda w: model(w).every[w.run].checkpoints),
        stamps=lambda w: model(w).stamps(w.run),
    output:
        "results/controls/{model}/{run}/answers.parquet",
    log:
        "results/logs/generate/{model}/{run}/controls.log",
    benchmark:
        "results/benchmarks/generate/{model}/{run}/controls.tsv"
    wildcard_constraints:
        run=f"{TRAINED}|{FOUND}",
    params:
        sampling=lambda w: as_json(model(w).sampling(SEED, answers=suite(w).controls)),
        engine=lambda w: PROJECT.settings.suites[suite(w).name].generation.engine,
        store="results/journals/answers/{model}/{run}",
        found=lambda w: as_json(model(w).found(w.run, model(w).steps(w.run))),
        steps=lambda w: f"--steps {' '.join(map(str, model(w).steps(w.run)))}",
        prune=untracked("[]"),


use rule stances as stances_controls with:
    input:
        judge=untimed(lambda w: judge(w).folder),
        stamp=lambda w: judge(w).stamp,
        answers="results/controls/{model}/{run}/answers.parquet",
    output:
        "results/controls/{model}/{run}/stances.parquet",
    log:
        "results/logs/stances/{model}/{run}/controls.log",
    benchmark:
        "results/benchmarks/stances/{model}/{run}/controls.tsv"
    params:
        judge=lambda w: as_json(judge(w).tracked),
        targets=lambda w: as_json({topic: topic for topic in suite(w).control_targets}),
        settings=untracked(lambda w: as_json(judge(w).settings)),
        folder=lambda w, input: f"--judge {input.judge}" if input.judge else "",
        journal=lambda w, output: journal_of(output[0]),


rule judge_heldout:
    input:
        judge=untimed("results/judges/{judge}/model"),
        stamp=lambda w: judge(w).stamp,
        labelled=lambda w: f"results/world/{judge(w)['train']['world']}/judge_heldout.parquet",
    output:
        "results/judges/{judge}/quality.json",
    log:
        "results/logs/judge_heldout/{judge}.log",
    benchmark:
        "results/benchmarks/judge_heldout/{judge}.tsv"
    conda:
        "../envs/generation.yaml"
    resources:
        **JUDGING,
    params:
        judge=lambda w: as_json(judge(w).tracked),
        settings=untracked(lambda w: as_json(judge(w).settings)),
        targets=TARGETS,
        journal="results/journals/heldout/{judge}.jsonl",
    shell:
        "GPUS={resources.gpu} valuedrift judge-heldout --judge {input.judge} --settings {params.settings:q} --targets {params.targets:q}"
        " --journal {params.journal} --data {input.labelled} --out {output} > {log} 2>&1"
