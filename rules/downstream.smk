# Scores of checkpoints on standard benchmarks (appendix I, table 17). They are made only on request; `all` doesn't need them.


rule downstream:
    input:
        checkpoint=untimed(lambda w: model(w).every[w.run].checkpoint(int(w.step))),
        base=untimed(lambda w: model(w).origin(w.run).checkpoints[-1]),
        stamps=lambda w: model(w).stamps(w.run),
    output:
        "results/downstream/{model}/{run}/step-{step}.json",
    log:
        "results/logs/downstream/{model}/{run}/step-{step}.log",
    benchmark:
        "results/benchmarks/downstream/{model}/{run}/step-{step}.tsv"
    wildcard_constraints:
        model=one_of(model.name for model in PROJECT.models.values() if "downstream" in model.suite.entry),
        step="[0-9]{6}",
    conda:
        "../envs/downstream.yaml"
    resources:
        **ANSWERING,
    params:
        settings=lambda w: as_json(suite(w)["downstream"]),
    shell:
        "GPUS={resources.gpu} valuedrift downstream --model {wildcards.model} --run {wildcards.run} --checkpoint {input.checkpoint}"
        " --base {input.base} --settings {params.settings:q} --out {output} > {log} 2>&1"


rule downstream_all:
    input:
        [score for model in PROJECT.reported for score in model.scores],
    localrule: True
