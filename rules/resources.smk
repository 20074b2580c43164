# What jobs need at the paper's size; profiles override what their machine has otherwise. `gpu` is a number of devices, and a
# shell command that uses them begins with GPUS={resources.gpu}, by which profiles/gpus/take-gpus knows how many to wait for.


def per_attempt(amount):
    """More with each attempt: a job that failed may have lacked it."""
    return lambda wildcards, attempt: attempt * amount


CPU = dict(gpu=0, cpus_per_task=2, mem_mb=per_attempt(16000), runtime=per_attempt(240))

# Weights pass through memory once, in bfloat16: 2 GB per 1,000 million parameters.
FETCH = dict(CPU, mem_mb=per_attempt(48000), runtime=per_attempt(480))
FETCH_LLM = dict(CPU, mem_mb=per_attempt(160000), runtime=per_attempt(720))

# Models that are made from scratch are small.
SCRATCH = dict(CPU, mem_mb=per_attempt(8000))

# A run that is cut off continues where it was, so that its time needn't grow. Training runs have a rule each, which a profile
# can't list: what its default-resources say of these is for all of them.
DEFAULTS = workflow.resource_settings.default_resources or {}
TRAINING = dict(gpu=1, cpus_per_task=8, runtime=2880)
TRAINING = {name: amount for name, amount in TRAINING.items() if name not in DEFAULTS}
TRAINING["mem_mb"] = per_attempt(96000)

# One process takes a shard of checkpoints, or all answers of a run, on one GPU.
ANSWERING = dict(gpu=1, cpus_per_task=4, mem_mb=per_attempt(64000), runtime=720)
JUDGING = dict(ANSWERING, gpu=lambda w: 0 if judge(w).is_served else 1)

# Sentence encoders use a GPU where there is one, and run on CPUs otherwise.
ENCODING = dict(gpu=1, cpus_per_task=4, mem_mb=per_attempt(32000), runtime=per_attempt(240))


def asking(llm):
    """A chat model of 72,000 million parameters, unless a server has it.

    llm: a function of the wildcards that gives the ChatModel, or None
    """
    return dict(
        gpu=lambda w: 0 if llm(w) is None or llm(w).is_served else 4,
        cpus_per_task=16,
        mem_mb=per_attempt(256000),
        runtime=1440,
    )
