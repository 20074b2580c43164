"""Wheels and GGUF files, as their authors make them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import gguf
import numpy as np
from families import state_of
from transformers import AutoTokenizer


def write_wheel(folder: Path, name: str, files: dict[str, bytes], licence: str = "License: MIT") -> Path:
    """Write a wheel of version 1.0 that depends on a package that doesn't exist."""
    plain = name.replace("-", "_")
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{licence}\nRequires-Dist: no-such-package-at-all\n"
    tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    info = {"METADATA": metadata, "WHEEL": tags, "RECORD": ""}
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{plain}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        for path, text in info.items():
            archive.writestr(f"{plain}-1.0.dist-info/{path}", text)
    return wheel


def write_gguf(source: Path, file: Path) -> None:
    """Write the Llama in a folder as llama.cpp's converter does."""
    config = json.loads((source / "config.json").read_text())
    model = json.loads((source / "tokenizer.json").read_text())["model"]
    heads, shared = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("tiny")
    writer.add_context_length(64)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(shared)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config["vocab_size"])
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    special = {token.content for token in tokenizer.added_tokens_decoder.values()}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_bos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)
    names = {"embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    parts = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    for name, tensor in state_of(source).items():
        value = tensor.numpy()
        if "layers." in name:
            number, _, part = name.removeprefix("model.layers.").removesuffix(".weight").partition(".")
            if part in ("self_attn.q_proj", "self_attn.k_proj"):  # llama.cpp rotates neighbouring dimensions
                count = heads if "q_proj" in part else shared
                halves = value.reshape(count, 2, value.shape[0] // count // 2, value.shape[1])
                value = np.ascontiguousarray(halves.swapaxes(1, 2).reshape(value.shape))
            writer.add_tensor(f"blk.{number}.{parts[part]}.weight", value)
        else:
            short = name.removesuffix(".weight")
            writer.add_tensor(f"{names.get(short, names.get(short.removeprefix('model.'), short))}.weight", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
