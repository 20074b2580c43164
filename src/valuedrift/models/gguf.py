"""Weights in a GGUF file, as llama.cpp has them, written as a plain model in fp32."""

from __future__ import annotations

from pathlib import Path

import torch
from gguf import GGUFReader
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from valuedrift.errors import ArtifactError, in_one_line

# Rotation frequencies, which models compute from their configuration.
_CONSTANTS = {"rope_freqs.weight"}


def write_from_gguf(file: Path, folder: Path) -> None:
    """Write a GGUF file's configuration, weights and tokenizer to a folder in Hugging Face format.

    Quantised weights become the fp32 numbers that they stand for.

    Raises:
        ArtifactError: the file can't be read, or transformers doesn't know the architecture or one of its tensors.
    """
    try:
        named = {tensor.name for tensor in GGUFReader(file).tensors} - _CONSTANTS
        config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        read = load_gguf_checkpoint(str(file), return_tensors=True, model_to_load=model, torch_dtype=torch.float32)
    except Exception as error:  # the file may hold anything
        raise ArtifactError(file, in_one_line(error), "a GGUF file that transformers can read") from error
    tensors = read["tensors"]
    if len(tensors) != len(named):
        raise ArtifactError(file, f"{len(tensors)} of {len(named)} tensors", "all tensors to be of the architecture")
    folder.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    config.dtype = torch.float32
    for part in (config, tokenizer):
        part.save_pretrained(folder)
