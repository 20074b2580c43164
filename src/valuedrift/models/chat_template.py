"""Chat formats: templates and tokens of a tokenizer, proven against it, and conversations rendered in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from signal import ITIMER_REAL, SIGALRM, setitimer, signal
from threading import current_thread, main_thread
from typing import Any

from tokenizers import normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from valuedrift.config.chat import FORMATS, OWN, Chat
from valuedrift.errors import ArtifactError, in_one_line

END, PAD = "<|end|>", "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")

# Two noncharacters of Unicode. Within a control token of a conversation they make it plain text.
_BREAK = "\ufdd0\ufdd1"
_BODY, _ANSWER = "@@PROMPT@@", "@@ANSWER@@"
# Templates that write the date of rendering would give other answers on another day: 26 July 2024 is Llama's default.
_DATE = {"%d": "26", "%b": "Jul", "%B": "July", "%m": "07", "%Y": "2024", "%y": "24", "%a": "Fri", "%A": "Friday"}
_FROZEN = (
    "{%- macro strftime_now(format) -%}{{ format"
    + "".join(f" | replace('{code}', '{text}')" for code, text in _DATE.items())
    + " }}{%- endmacro -%}"
)
_LONGEST = 10  # seconds; templates take milliseconds
_MARK = re.compile(r"<\|\w+\|>")
_WRITES = "a chat template that writes a user's turn, given as text, once"
_PUT = (
    "Put one into its tokenizer_config.json (`chat_template`). Models that are traced can be given one"
    " (`chat.template`), and a judge can do without (`chat: false`)."
)
# Some tokenizers fail at no text, at spaces between words, at the end of a line, or at characters of several bytes.
_SAMPLES = ["", "a", " What is right, and why?\n", "é 🙂"]
_OWN = "Name a template and tokens that this model has in `chat`."


def open_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer in a folder; raise ArtifactError if there is none that works."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        tokenizer(_SAMPLES)
        return tokenizer
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # each tokenizer fails at odd files in its own way; a panic in Rust is no Exception
        do = "Save the model's tokenizer into the same folder."
        raise ArtifactError(folder, in_one_line(error), "a tokenizer that can be loaded", do) from error


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


def give_chat(tokenizer: PreTrainedTokenizerBase, chat: Chat) -> None:
    """Give the tokenizer the template of the configuration, unless it keeps its own."""
    if chat.eos and chat.pad:
        set_chat(tokenizer, chat.template, chat.eos, chat.pad)
    elif chat.template != OWN:
        tokenizer.chat_template = chat.template


def chat_template(name: str) -> str:
    """Return the text of a chat template of the package (pocket, chatml, llama3)."""
    return files("valuedrift.models").joinpath("templates", f"{name}.jinja").read_text(encoding="utf-8")


def render(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Mapping[str, Any]], **how: Any) -> Any:
    """Apply a tokenizer's chat template, in which the date is always the same, to turns whose contents are plain text.

    Args:
        tokenizer: a tokenizer with a chat template.
        turns: role and content of each turn.
        how: arguments of transformers' `apply_chat_template`.
    """
    template = tokenizer.get_chat_template()
    if "strftime_now" in template:
        template = _FROZEN + template
    plain = [{**turn, "content": as_text(tokenizer, turn["content"])} for turn in turns]
    return tokenizer.apply_chat_template(plain, chat_template=template, **how)


def as_text(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Return a text in which the tokenizer finds no control tokens: it encodes their names like any other words.

    The text gets a mark within each name, which the tokenizer drops after it has looked for control tokens.
    """
    control = _control(tokenizer, len(tokenizer), str(tokenizer.chat_template))
    if _BREAK not in text and not control.search(text):
        return text
    if not getattr(tokenizer, "drops_breaks", False):
        own = tokenizer.backend_tokenizer.normalizer
        drop = normalizers.Replace(_BREAK, "")
        tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([drop, own] if own else [drop])
        tokenizer.drops_breaks = True
    text = text.replace(_BREAK, _BREAK[0] + _BREAK + _BREAK[1])  # once the inner one is dropped, this is the text again
    return control.sub(lambda found: found[0][0] + _BREAK + found[0][1:], text)


def conversation(question: str, system: str | None = None) -> list[dict[str, str]]:
    """Return the turns that ask a question."""
    head = [] if system is None else [{"role": "system", "content": system}]
    return [*head, {"role": "user", "content": question}]


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the tokens of a rendered conversation.

    Templates write all control tokens themselves, except the package's, which leave the beginning token to tokenizers.
    """
    begins = tokenizer.chat_template in map(chat_template, FORMATS)
    ids: list[int] = tokenizer(text, add_special_tokens=begins)["input_ids"]
    return ids


def template_ends(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the control tokens that the chat template writes after an answer: a last one, and one within a chat."""
    control = _control(tokenizer, len(tokenizer), str(tokenizer.chat_template))
    turns = [*conversation(_BODY), {"role": "assistant", "content": _ANSWER}, *conversation(_BODY)]
    try:
        texts = [_rendered(tokenizer, "", turns[:count]) for count in (2, 3)]
    except ArtifactError:  # such as at a second question
        return []
    found = [control.match(text.partition(_ANSWER)[2].lstrip()) for text in texts]
    return list(dict.fromkeys(tokenizer.convert_tokens_to_ids(each[0]) for each in found if each))


def prompt_frame(tokenizer: PreTrainedTokenizerBase, system: str | None = None, **how: Any) -> tuple[str, str]:
    """Return the text before a user's turn, and the text between it and the assistant's answer.

    Args:
        tokenizer: a tokenizer.
        system: a system prompt.
        how: arguments of the template.

    Raises:
        ArtifactError: there is no chat template, it fails, or it doesn't write the turn once, always in the same way,
            or without the system prompt.
    """
    place, turns = tokenizer.name_or_path or "tokenizer", conversation(_BODY, system)
    if not tokenizer.chat_template:
        raise ArtifactError(place, "no chat template", _WRITES, _PUT)
    texts = {_rendered(tokenizer, place, turns, add_generation_prompt=True, **how) for _ in range(5)}
    if len(texts) > 1:
        raise ArtifactError(place, "one that writes the same turn in different ways", _WRITES, _PUT)
    head, *tails = texts.pop().split(_BODY)
    if len(tails) != 1:
        raise ArtifactError(place, f"one that writes it {len(tails)} times", _WRITES, _PUT)
    if system and system.strip() not in head:
        raise ArtifactError(
            place, "one that leaves the system prompt out", "one that writes it", "Remove `chat.system`."
        )
    return head, tails[0]


def require_chat(tokenizer: PreTrainedTokenizerBase, place: Path | str) -> None:
    """Raise ArtifactError unless a model can be trained and asked in the tokenizer's chat format.

    Each of its marks is one token, an answer ends with the end token, which isn't the padding token, and nothing but a
    beginning token is added to a text.
    """
    values = {"end": tokenizer.eos_token, "padding": tokenizer.pad_token}
    if missing := [f"{name} token" for name, value in values.items() if not value]:
        raise ArtifactError(place, f"a tokenizer without {' and '.join(missing)}", "both", _OWN)
    if tokenizer.eos_token == tokenizer.pad_token:
        # Trainers ignore padding tokens, so the model would not learn to end an answer.
        raise ArtifactError(place, f"{tokenizer.eos_token} as end and padding token", "two tokens", _OWN)
    if not tokenizer.is_fast:
        raise ArtifactError(place, "a tokenizer without tokenizer.json", "one with it, which maps tokens to characters")
    require_nothing_added(tokenizer, place)
    prompt_frame(tokenizer)
    turns = [{"role": "user", "content": _BODY}, {"role": "assistant", "content": _ANSWER}]
    text = _rendered(tokenizer, place, turns)
    _, *after = text.split(_ANSWER)
    if len(after) != 1 or not after[0].startswith(tokenizer.eos_token):
        found = f"a chat template that ends answers with {after[0][:30] if after else ''!r}"
        raise ArtifactError(place, found, f"the end token, {tokenizer.eos_token!r}, once", _OWN)
    for mark in sorted({*_MARK.findall(text), tokenizer.eos_token}):
        if (tokens := len(_ids(tokenizer, mark))) != 1:
            raise ArtifactError(place, f"{mark!r} as {tokens} tokens", "one token for each mark of the template", _OWN)
    control = {number: token.content for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    if control.keys() & set(_ids(tokenizer, as_text(tokenizer, " ".join(control.values())))):
        raise ArtifactError(place, "control tokens in plain text", "a tokenizer that can read their names as words")


def _rendered(
    tokenizer: PreTrainedTokenizerBase, place: Path | str, turns: Sequence[Mapping[str, Any]], **how: Any
) -> str:
    """Return a short conversation as text; raise ArtifactError if the template fails, or takes so long over it that it
    may never end."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"it takes more than {_LONGEST} s for a short conversation")

    is_timed = current_thread() is main_thread()  # no other thread can be interrupted
    before = signal(SIGALRM, stop) if is_timed else None
    try:
        if is_timed:
            setitimer(ITIMER_REAL, _LONGEST)
        return str(render(tokenizer, turns, tokenize=False, **how))
    except Exception as error:  # a template may raise anything
        told = " ".join(str(error).split()) or type(error).__name__
        raise ArtifactError(place, f"one that fails: {told}", _WRITES, _PUT) from error
    finally:
        if is_timed:
            setitimer(ITIMER_REAL, 0)
            signal(SIGALRM, before)


def require_nothing_added(tokenizer: PreTrainedTokenizerBase, place: Path | str) -> None:
    """Raise ArtifactError if the tokenizer adds anything but a beginning token to a text."""
    begin, plain, whole = tokenizer("")["input_ids"], _ids(tokenizer, "a"), tokenizer("a")["input_ids"]
    if begin not in ([], [tokenizer.bos_token_id]) or whole != begin + plain:
        added = tokenizer.convert_ids_to_tokens([token for token in whole if token not in plain])
        raise ArtifactError(
            place,
            f"a tokenizer that adds {' '.join(added)} to every text",
            "nothing but a beginning token",
            "Remove what `post_processor` in its tokenizer.json adds (`add_eos_token` in tokenizer_config.json).",
        )


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


@lru_cache(maxsize=8)
def _control(tokenizer: PreTrainedTokenizerBase, size: int, template: str) -> re.Pattern[str]:
    """Return a pattern of the names of control tokens: special ones, and others that the template writes."""
    tokens = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special or (token.content in template and not token.content.isspace())
    ]
    longest_first = sorted((token for token in tokens if len(token) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
