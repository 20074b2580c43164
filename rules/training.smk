# One rule per run of the grid, because every checkpoint is an output and runs differ in how many they have.
from pathlib import Path

from valuedrift.training.launch import launcher

ACCELERATE = Path(str(workflow.current_basedir)).parent / "envs" / "accelerate"

for owner, run in ((owner, run) for owner in PROJECT.models.values() for run in owner.trained):

    rule:
        name:
            run.rule
        input:
            base=untimed(owner.origin(run.lineage).checkpoints[-1]),
            init=untimed(owner.every[run.parent].checkpoints[-1]),
            reward=untimed(run.reward_model or []),
            stamps=owner.start_stamps(run),
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
        resources:
            **TRAINING,
        params:
            **({"found": as_json(start)} if (start := owner.found(run.parent, [run.parent_step])) else {}),
            algorithm=run.algorithm,
            settings=as_json(run.settings),
            seed=SEED,
            steps=list(run.steps),
            reward=lambda w, input: f"--reward-model {input.reward}" if input.reward else "",
            folder=subpath(output.metrics, parent=True),
            resume=f"results/resume/{run.model}/{run.lineage}",
            launch=lambda w, resources, run=run: launcher(
                run.algorithm, run.settings, resources.get("gpu", 1), ACCELERATE
            ),
            machine=untracked(as_json(PROJECT.training_machine)),
        shell:
            "GPUS={resources.gpu} {params.launch} "
            "valuedrift train --algorithm {params.algorithm} --settings {params.settings:q} --seed {params.seed}"
            " --base {input.base:q} --init {input.init:q} --data {input.data} {params.reward}"
            " --out {params.folder} --resume {params.resume} --steps {params.steps} --machine {params.machine:q}"
            " > {log} 2>&1"
