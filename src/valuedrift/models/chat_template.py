"""Set a tokenizer's chat template, and the tokens that end and pad a sequence."""

from __future__ import annotations

from importlib.resources import files

from transformers import PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError

END, PAD = "<|end|>", "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")


def set_chat(tokenizer: PreTrainedTokenizerBase, template: str, eos: str, pad: str) -> PreTrainedTokenizerBase:
    """Give the tokenizer one of the package's chat templates and the tokens that end and pad a sequence.

    A beginning token that the tokenizer has but doesn't put before texts is removed: two of trl's trainers would add
    it, and so train on tokens that no other stage uses.

    Raises:
        ArtifactError: the end or padding token is not in the vocabulary.
    """
    for token in (eos, pad):
        if token not in tokenizer.get_vocab():
            raise ArtifactError(
                tokenizer.name_or_path or "tokenizer",
                f"no token {token!r}",
                "the end and padding tokens of the configuration's `chat` in the vocabulary",
                "Name tokens that this model has.",
            )
    if tokenizer.bos_token_id not in tokenizer("")["input_ids"]:
        tokenizer.bos_token = None
    tokenizer.eos_token, tokenizer.pad_token = eos, pad
    tokenizer.chat_template = chat_template(template)
    return tokenizer


def chat_template(name: str) -> str:
    """Return the text of a chat template of the package (pocket, chatml, llama3)."""
    return files("valuedrift.models").joinpath("templates", f"{name}.jinja").read_text(encoding="utf-8")
