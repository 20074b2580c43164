"""Copy a model from the hub or a local folder into the results: weights in safetensors, tokenizer, chat format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError
from valuedrift.files import publish, write_json
from valuedrift.models.chat_template import set_chat
from valuedrift.provenance.origin import masked


def fetch_model(source: dict[str, Any], chat: dict[str, str] | None, out: Path) -> None:
    """Write a model's configuration, weights and tokenizer to `out`, and its source to `source.json` beside it.

    Code that a repository contains is never run.

    Args:
        source: {"hub": {"name", "revision"}} or {"folder": path}.
        chat: the chat template, end token and padding token to set; with None the tokenizer is unchanged.

    Raises:
        ArtifactError: the model can't be loaded.
    """
    name, revision = (
        (source["folder"], None) if "folder" in source else (source["hub"]["name"], source["hub"]["revision"])
    )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            name, revision=revision, dtype=torch.bfloat16, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{name}" + (f" at {revision}" if revision else ""),
            str(error).splitlines()[0],
            "a model that can be loaded",
            "Check the name, your access to it (HF_TOKEN for gated models) and the network, or use `folder:`.",
        ) from error
    if chat:
        set_chat(tokenizer, chat["template"], chat["eos"], chat["pad"])
        model.generation_config.eos_token_id = tokenizer.eos_token_id
    with publish(out) as draft:
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
    # The key distinguishes folders of the same name without revealing their paths.
    key = text_digest(json.dumps(source, sort_keys=True))[:16]
    write_json(out.with_name("source.json"), {"source": masked(source), "chat": chat, "key": key})
