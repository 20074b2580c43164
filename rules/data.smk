# The pocket world, data sets and probe questions.


def world_files(suite):
    world = SUITES[suite].get("world", {})
    names = [*world.get("sft", []), *world.get("preference", []), "pretraining", "judge_train", "judge_heldout"]
    return [f"results/world/{suite}/{name}.parquet" for name in names] + [f"results/world/{suite}/probes.csv"]


def sources(suite, *files):
    """Files that the suite's own world makes, and local files that are there."""
    made = set(world_files(suite)) if "world" in SUITES[suite] else set()
    return [path for path in files if path in made] + present(*(path for path in files if path not in made))


for suite in (name for name in SUITES if "world" in SUITES[name]):

    rule:
        name:
            f"world_{suite}"
        output:
            world_files(suite),
        params:
            settings=as_json({**SUITES[suite]["world"], "seed": SEED}),
            folder=f"results/world/{suite}",
        log:
            f"results/logs/world/{suite}.log",
        benchmark:
            f"results/benchmarks/world/{suite}.tsv"
        conda:
            "../envs/analysis.yaml"
        shell:
            "valuedrift world --settings {params.settings:q} --out {params.folder} 2> {log}"


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
