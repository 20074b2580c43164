# Resources of jobs at the paper's size; profiles override them for their machine. `gpu` is a number of devices. Shell commands that
# use GPUs begin with GPUS={resources.gpu}, so that profiles/gpus/take-gpus knows for how many GPUs to wait.


def per_attempt(amount):
    """More with each attempt, because a job may have failed for lack of it."""
    return lambda wildcards, attempt: attempt * amount


CPU = dict(gpu=0, cpus_per_task=2, mem_mb=per_attempt(16000), runtime=per_attempt(240))

# Weights are loaded into memory once, in bfloat16: 2 GB per 1,000 million parameters.
FETCH = dict(CPU, mem_mb=per_attempt(48000), runtime=per_attempt(480))
FETCH_LLM = dict(CPU, mem_mb=per_attempt(160000), runtime=per_attempt(720))

# Models trained from scratch are small.
SCRATCH = dict(CPU, mem_mb=per_attempt(8000))

# An interrupted run continues from its saved state, so its time limit needn't grow. Each training run has its own rule, and a
# profile can't list all of them: these resources in its default-resources apply to all training runs.
DEFAULTS = workflow.resource_settings.default_resources or {}
TRAINING = dict(gpu=1, cpus_per_task=8, runtime=2880)
TRAINING = {name: amount for name, amount in TRAINING.items() if name not in DEFAULTS}
TRAINING["mem_mb"] = per_attempt(96000)

# One process handles a shard of checkpoints, or judges all answers of a run, on one GPU.
ANSWERING = dict(gpu=1, cpus_per_task=4, mem_mb=per_attempt(64000), runtime=720)
JUDGING = dict(ANSWERING, gpu=lambda w: 0 if judge(w).is_served else 1)

# Sentence encoders use a GPU if there is one, and run on CPUs otherwise.
ENCODING = dict(gpu=1, cpus_per_task=4, mem_mb=per_attempt(32000), runtime=per_attempt(240))


def asking(llm):
    """Resources for a chat model of 72,000 million parameters, unless it runs on a server.

    llm: a function of the wildcards that gives the ChatModel, or None
    """
    return dict(
        gpu=lambda w: 0 if llm(w) is None or llm(w).is_served else 4,
        cpus_per_task=16,
        mem_mb=per_attempt(256000),
        runtime=1440,
    )
