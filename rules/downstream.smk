# What checkpoints can still do, on standard benchmarks (appendix I, table 17). Asked for by name; no part of `all`.


rule downstream:
    input:
        checkpoint=lambda w: ancient(checkpoint(w.model, w.run, int(w.step))),
        base=lambda w: ancient(checkpoint(w.model, "base", 0)),
        made=lambda w: FLOW.made_run(w.model, w.run),
    output:
        "results/downstream/{model}/{run}/step-{step}.json",
    log:
        "results/logs/downstream/{model}/{run}/step-{step}.log",
    benchmark:
        "results/benchmarks/downstream/{model}/{run}/step-{step}.tsv"
    wildcard_constraints:
        model=FLOW.downstream_models(),
        step="[0-9]{6}",
    conda:
        "../envs/downstream.yaml"
    params:
        settings=lambda w: FLOW.downstream(w.model),
    shell:
        "valuedrift downstream --model {wildcards.model} --run {wildcards.run} --checkpoint {input.checkpoint}"
        " --base {input.base} --settings {params.settings:q} --out {output} > {log} 2>&1"


rule downstream_all:
    input:
        FLOW.downstream_files(),
    localrule: True
