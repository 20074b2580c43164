# The pocket world, data sets and probe questions.


def world_plans(suite):
    """The tables of a suite's world: name → (kind, plan)."""
    world = SUITES[suite].get("world")
    if not world:
        return {}
    heldout = {"heldout_phrasings": world["judge"]["heldout_phrasings"]}
    return {
        **{name: ("sft", plan) for name, plan in world["sft"].items()},
        **{name: ("preference", plan) for name, plan in world["preference"].items()},
        "pretraining": ("pretraining", world["pretraining"]),
        "judge_train": ("judge", {"rows": world["judge"]["train_rows"], "heldout": False, **heldout}),
        "judge_heldout": ("judge", {"rows": world["judge"]["heldout_rows"], "heldout": True, **heldout}),
        "probes": ("probes", {}),
    }


def world_file(suite, name):
    return f"results/world/{suite}/{name}.{'csv' if name == 'probes' else 'parquet'}"


def sources(suite, *files):
    """Files that the suite's own world makes, and local files that are there."""
    made = {world_file(suite, name) for name in world_plans(suite)}
    return [path for path in files if path in made] + present(*(path for path in files if path not in made))


rule world:
    output:
        "results/world/{suite}/{table}.{format}",
    params:
        settings=lambda w: as_json(
            {"seed": SEED, **{key: SUITES[w.suite]["world"][key] for key in ("probes_per_topic", "variation")}}
        ),
        kind=lambda w: world_plans(w.suite)[w.table][0],
        plan=lambda w: as_json(world_plans(w.suite)[w.table][1]),
    wildcard_constraints:
        table="[a-z0-9_-]+",
        format="parquet|csv",
    log:
        "results/logs/world/{suite}/{table}.{format}.log",
    benchmark:
        "results/benchmarks/world/{suite}/{table}.{format}.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift world --settings {params.settings:q} --kind {params.kind} --name {wildcards.table}"
        " --plan {params.plan:q} --out {output} 2> {log}"


rule data:
    input:
        lambda w: sources(w.suite, *SUITES[w.suite]["data"][w.data].get("files", [])),
    output:
        train="results/data/{suite}/{data}/train.parquet",
        validation="results/data/{suite}/{data}/validation.parquet",
        card="results/data/{suite}/{data}/card.json",
        text="results/data/{suite}/{data}/card.md",
    params:
        settings=lambda w: as_json({**SUITES[w.suite]["data"][w.data], "name": w.data}),
        seed=SEED,
        folder="results/data/{suite}/{data}",
    log:
        "results/logs/data/{suite}/{data}.log",
    benchmark:
        "results/benchmarks/data/{suite}/{data}.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift prepare --settings {params.settings:q} --seed {params.seed} --out {params.folder} 2> {log}"


rule probes:
    input:
        lambda w: sources(w.suite, SUITES[w.suite]["probes"]["file"]),
    output:
        table="results/probes/{suite}.parquet",
        counts="results/probes/{suite}.json",
    params:
        settings=lambda w: as_json(SUITES[w.suite]["probes"]),
        keywords=as_json({key: topic["keywords"] for key, topic in TOPICS.items()}),
        seed=SEED,
    log:
        "results/logs/probes/{suite}.log",
    benchmark:
        "results/benchmarks/probes/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift probes --settings {params.settings:q} --keywords {params.keywords:q}"
        " --seed {params.seed} --out {output.table} 2> {log}"


rule documents:
    input:
        lambda w: [f"results/data/{w.suite}/{data}/train.parquet" for data in SUITES[w.suite]["grid"]["sft"]],
    output:
        "results/data/{suite}/documents.parquet",
    log:
        "results/logs/documents/{suite}.log",
    benchmark:
        "results/benchmarks/documents/{suite}.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "valuedrift documents --data {input} --out {output} 2> {log}"
