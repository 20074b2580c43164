import pytest, time, hashlib
import torch
from safetensors.torch import load_file
from valuedrift.training.run import train, TRAINERS

def test_y(make_job, capsys, base):
    a="ppo"
    ws=[]
    for i, kw in enumerate(({}, dict(bf16=True), dict(),dict(bf16=True,gradient_checkpointing=True), dict(device_batch_size=2), dict(device_batch_size=1), dict(ppo_epochs=2), dict(temperature=1.0), dict(missing_eos_penalty=0), dict(response_length=5), dict(kl_coefficient=.5))):
        j=make_job(a, **kw, job={"folder": make_job(a).folder/str(i)})
        train(j)
        ws.append(load_file(sorted(j.folder.glob("step-*"))[-1]/"model.safetensors"))
    with capsys.disabled():
        print(a, [max((w[k]-ws[0][k]).abs().max().item() for k in w) for w in ws])
