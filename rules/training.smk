# One rule per run of the grid, because every checkpoint is an output and runs differ in how many they have.
from pathlib import Path

from valuedrift.training.launch import launcher

ACCELERATE = Path(str(workflow.current_basedir)).parent / "envs" / "accelerate"

for run in (run for runs in FLOW.runs.values() for run in runs.values()):

    rule:
        name:
            run.rule
        input:
            base=ancient(checkpoint(run.model, "base", 0)),
            init=ancient(run.start),
            reward=ancient(run.reward_model or []),
            made=FLOW.made_for(run),
            data=f"results/data/{run.suite}/{run.data}/train.parquet",
        output:
            [directory(path) for path in run.checkpoints],
            metrics=run.metrics,
        log:
            f"results/logs/training/{run.model}/{run.lineage}.log",
        benchmark:
            f"results/benchmarks/{run.algorithm}/{run.model}/{run.lineage}.tsv"
        priority: {"sft": 80, "reward": 70, "ppo": 60}.get(run.algorithm, 50)
        conda:
            "../envs/training.yaml"
        params:
            algorithm=run.algorithm,
            settings=run.settings,
            seed=SEED,
            steps=list(run.steps),
            reward=lambda w, input: f"--reward-model {input.reward}" if input.reward else "",
            folder=subpath(output.metrics, parent=True),
            resume=f"results/resume/{run.model}/{run.lineage}",
            # Functions that ask for resources are left out of what makes jobs run again: these say how, not what.
            launch=lambda w, resources, run=run: launcher(
                run.algorithm, run.settings, resources.get("gpu", 1), ACCELERATE
            ),
            machine=lambda w, resources: FLOW.training_machine(),
        shell:
            "{params.launch} "
            "valuedrift train --algorithm {params.algorithm} --settings {params.settings:q} --seed {params.seed}"
            " --base {input.base} --init {input.init} --data {input.data} {params.reward}"
            " --out {params.folder} --resume {params.resume} --steps {params.steps} --machine {params.machine:q}"
            " > {log} 2>&1"
