# Runs that differ from the grid's runs in one setting (appendix J), and their comparison with the grid. No other target needs them.


rule ablations:
    input:
        lambda w: PROJECT.ablation_stances(w.model),
    output:
        directory("results/ablations/{model}"),
    log:
        "results/logs/ablations/{model}.log",
    benchmark:
        "results/benchmarks/ablations/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        **CPU,
    params:
        ablated=lambda w: as_json(ablated(PROJECT.config, w.model)),
        display=lambda w: display("ablation_topics", "figure_formats", models=[w.model]),
        statistics=BOOTSTRAP,
        seed=SEED,
    shell:
        "valuedrift ablations --stances {input} --ablated {params.ablated:q} --display {params.display:q}"
        " --statistics-settings {params.statistics:q} --seed {params.seed}"
        " --out {output} 2> {log}"
