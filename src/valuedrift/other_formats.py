"""Checkpoints in forms that aren't read, and the commands that convert them. Imports no training library."""

from __future__ import annotations

import shlex
from pathlib import Path

from valuedrift.errors import ArtifactError
from valuedrift.files import read_json

ADAPTER = "adapter_config.json"
"""The file that makes a folder an adapter (PEFT)."""

_MERGE = (
    "import sys; from peft import AutoPeftModelForCausalLM as M; from transformers import AutoTokenizer as T;"
    " M.from_pretrained(sys.argv[1]).merge_and_unload().save_pretrained(sys.argv[2]);"
    " T.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2])"
)
_UNPICKLE = (
    "import sys, torch; from pathlib import Path as P; from safetensors.torch import save_file as s;"
    " [s({k: v.clone() for k, v in torch.load(f, weights_only=True).items()},"
    ' P(f).with_name(P(f).name.replace("pytorch_", "")).with_suffix(".safetensors"), {"format": "pt"})'
    " for f in sys.argv[1:]]"
)
_PICKLES = f"python -c {shlex.quote(_UNPICKLE)} " + "{files}"
_VERL = "python -m verl.model_merger merge --backend fsdp --local_dir {place} --target_dir {folder}-merged"
_DISTRIBUTED = "accelerate merge-weights {place} {folder}"
_FORMATS = {
    "zero_to_fp32.py": ("shards of DeepSpeed ZeRO", "python {files} {folder} {folder} --safe_serialization"),
    "pytorch_model_fsdp_*/*.distcp": ("shards of FSDP", _DISTRIBUTED),
    "*.distcp": ("shards of torch.distributed.checkpoint", _DISTRIBUTED),
    "model_world_size_*_rank_*.pt": ("shards of verl", _VERL),
    "actor/model_world_size_*_rank_*.pt": ("shards of verl", _VERL),
    "adapter_model.bin": ("a pickled adapter", _PICKLES),
    "hf_model_*.pt": ("pickled weights of torchtune", _PICKLES),
    "epoch_*/*": ("a run of torchtune", ""),
    "*.bin": ("pickled weights", _PICKLES),
    "*.pt": ("pickled weights", _PICKLES),
    "*.pth": ("pickled weights", _PICKLES),
    "*.ckpt": ("pickled weights", _PICKLES),
}
"""Pattern of files → what they are, and the command that converts them. The first pattern counts."""
_STATE = ("optimizer", "scheduler", "scaler", "rng_state", "training_args")  # of a trainer


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter (PEFT) in place of a whole model."""
    return (folder / ADAPTER).is_file()


def named_base(adapter: Path) -> str:
    """Return the model that an adapter was trained on, as its configuration names it; empty if it names none."""
    return str(read_json(adapter / ADAPTER).get("base_model_name_or_path") or "")


def merge_command(folder: Path) -> str:
    """Return the command that merges an adapter, and writes a whole model beside it."""
    return f"python -c {shlex.quote(_MERGE)} {shlex.quote(str(folder))} {shlex.quote(f'{folder}-merged')}"


def refuse_other_formats(folder: Path) -> None:
    """Raise ArtifactError for weights in a form that isn't read, with the command that converts them."""
    for pattern, (found, command) in _FORMATS.items():
        if files := sorted(file for file in folder.glob(pattern) if not file.name.startswith(_STATE)):
            place = files[0].parent
            for key, paths in {"{files}": files, "{place}": [place], "{folder}": [folder]}.items():
                command = command.replace(key, shlex.join(map(str, paths)))
            do = f"Convert them: {command}" if command else f"Name the folder of one epoch, such as {place}."
            if command and not is_adapter(folder) and not (folder / "config.json").is_file():
                do += (
                    " Then copy config.json and the tokenizer's files from the model trained from, if they are missing."
                )
            found = f"{found} ({files[0].relative_to(folder)})"
            raise ArtifactError(folder, found, "config.json and *.safetensors", do)
