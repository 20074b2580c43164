"""Checkpoints that are adapters (PEFT): merged into their base model, and proven like whole weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel

from valuedrift.errors import ArtifactError, in_one_line
from valuedrift.files import read_json
from valuedrift.models.architecture import Architecture, file_tensors
from valuedrift.models.hub import from_hub
from valuedrift.models.weights import Checkpoint, Made, check_tensors, digest, load_model, read_checkpoint
from valuedrift.other_formats import ADAPTER, is_adapter, merge_command, named_base, refuse_other_formats

_FILE = "adapter_model.safetensors"
_PREFIX = "base_model.model."


def base_of(folder: Path, given: Path) -> Path:
    """Return the folder of the model that an adapter was trained on.

    It is the folder or the model on the hub that adapter_config.json names. A model that was fetched already isn't
    downloaded again.

    Args:
        folder: The adapter's folder.
        given: The base model of the lineage.

    Raises:
        ArtifactError: The hub doesn't give it.
    """
    named, source = named_base(folder), given.with_name("source.json")
    if named and Path(named).is_dir():
        return Path(named)
    known = read_json(source)["source"] if source.is_file() else {}
    names = (given, known.get("folder") or given, known.get("hub", {}).get("name", given))
    if not named or Path(named).name in {Path(name).name for name in names}:
        return given
    try:
        return from_hub(named, read_json(folder / ADAPTER).get("revision"))
    except ArtifactError as error:
        do = f"Write the folder of its base model into {ADAPTER} (`base_model_name_or_path`)."
        raise ArtifactError(folder / ADAPTER, f"the base model {named}", f"one that is there ({error})", do) from error


def read_any(folder: Path, architecture: Architecture, dtype: torch.dtype, base: Path) -> Checkpoint:
    """Read and check a checkpoint: whole weights, or an adapter for the model in `base`."""
    if is_adapter(folder):
        return read_adapter(folder, base_of(folder, base), dtype)
    return read_checkpoint(folder, architecture, dtype)


def read_adapter(folder: Path, base: Path, dtype: torch.dtype) -> Checkpoint:
    """Return the checkpoint that an adapter makes of its base model.

    The base is loaded in fp32 and proven, the adapter is proven to be what its file holds, and their sum is rounded
    once. A vocabulary that was resized is taken from the adapter, which then has to hold all its embeddings.

    Args:
        folder: The adapter's folder.
        base: Its base model's folder.
        dtype: The engine's precision.

    Raises:
        ArtifactError: A file is missing or can't be read, or the adapter doesn't fit, or can't be merged.
    """
    from peft import PeftModel, get_peft_model_state_dict

    if is_adapter(base):
        do = f"Merge it, and write the new folder there: {merge_command(base)}"
        raise ArtifactError(folder / ADAPTER, f"a base that is an adapter too, {base}", "a whole model", do)
    if {file.name for file in folder.glob("*.safetensors")} - {_FILE} and (folder / "config.json").is_file():
        do = "If it is merged already, move adapter_* away; if not, the other weights."
        raise ArtifactError(folder, f"an adapter beside a whole model ({ADAPTER})", "one of them", do)
    if not (folder / _FILE).is_file():
        refuse_other_formats(folder)
        raise ArtifactError(folder, "no adapter", f"{ADAPTER} and {_FILE}", "Save the adapter again.")
    model = load_model(base, torch.float32)
    try:
        saved = load_file(folder / _FILE)
        changed = _resize(folder, model, saved)
        _require_separate(folder, model, saved)
        adapted = PeftModel.from_pretrained(model, str(folder), torch_device="cpu")
        _require_held(folder, get_peft_model_state_dict(adapted), saved)
        merged = adapted.merge_and_unload(safe_merge=True)
    except ArtifactError:
        raise
    except Exception as error:  # each kind of adapter fails in its own way
        raise ArtifactError(folder, in_one_line(error), f"an adapter that can be merged into {base}") from error
    tensors = {name: Made(folder / _FILE, name, tensor) for name, tensor in file_tensors(merged).items()}
    do = f"Merge it yourself: {merge_command(folder)}"
    return check_tensors(folder, Architecture.of(base, **changed), dtype, do, tensors)


def _resize(folder: Path, model: PreTrainedModel, saved: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Give a model as many embeddings as the adapter has; return what changes in its configuration."""
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    plain = {name.removeprefix(_PREFIX).replace(".modules_to_save", ""): tensor for name, tensor in saved.items()}
    (inputs,) = (name for name, part in model.named_modules() if part is model.get_input_embeddings())
    rows = plain.get(f"{inputs}.weight", next(model.get_input_embeddings().parameters())).shape[0]
    if rows == model.get_input_embeddings().num_embeddings:
        return {}
    model.resize_token_embeddings(rows, mean_resizing=False)
    tied = dict(model.all_tied_weights_keys or {})
    for name, tensor in model.state_dict().items():
        if tensor.shape != shapes[name] and tied.get(name, name) not in plain:
            found = f"a vocabulary of {rows} tokens, but no {name!r}"
            raise ArtifactError(folder / _FILE, found, "all embeddings of the new tokens (`modules_to_save`)")
    return {"vocab_size": rows}


def _require_separate(folder: Path, model: PreTrainedModel, saved: Mapping[str, torch.Tensor]) -> None:
    """Raise ArtifactError if low-rank updates would change weights that are tied to others, and so change both."""
    for pair in dict(model.all_tied_weights_keys or {}).items():
        layers = {f"{_PREFIX}{name.removesuffix('.weight')}.lora_" for name in pair}
        if found := next((name for name in saved if any(name.startswith(layer) for layer in layers)), None):
            do = "Train embeddings whole (`modules_to_save`), or untie them in the base model."
            raise ArtifactError(folder / _FILE, f"{found!r}, of tied weights", "updates of weights of their own", do)


def _require_held(folder: Path, held: Mapping[str, torch.Tensor], saved: Mapping[str, torch.Tensor]) -> None:
    """Raise ArtifactError unless the loaded adapter has exactly the file's values."""
    mine, file = ({name: digest(tensor.float()) for name, tensor in each.items()} for each in (held, saved))
    if wrong := sorted(name for name in mine.keys() | file.keys() if mine.get(name) != file.get(name)):
        found = f"other values in {wrong[0]!r} than in the file" + (f", and {len(wrong) - 1} more" if wrong[1:] else "")
        do = "Its base model may be another one, or this version of peft can't load it."
        raise ArtifactError(folder / _FILE, found, "an adapter as its file has it", do)
