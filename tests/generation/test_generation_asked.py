"""How a checkpoint is asked: its own template, system prompt and arguments; where answers end; what is reasoning."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from valuedrift.config.chat import Chat
from valuedrift.config.sampling import Sampling
from valuedrift.errors import ArtifactError
from valuedrift.files import read_json, write_json
from valuedrift.generation.probe_prompts import prompt_codec
from valuedrift.generation.sweep import sweep
from valuedrift.models.stops import described, stops

SAMPLING = Sampling(answers=2, temperature=0.9, max_tokens=6, batch_size=3, seed=0)
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}<|pad|>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{{ '<think>' if thinking else '' }}{% endif %}"
)


@pytest.fixture
def own(base: Path) -> PreTrainedTokenizerBase:
    """A tokenizer with a template of its own."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def asked(tokenizer: PreTrainedTokenizerBase, is_base: bool = False, **chat: Any) -> str:
    codec = prompt_codec(tokenizer, {}, chat=Chat(**chat))
    codec.check(Path("model"), is_base)
    return codec.prompt("q", "Why ?", is_base, 1).text


def test_a_checkpoint_is_asked_in_its_own_template(own: PreTrainedTokenizerBase) -> None:
    assert asked(own) == "<user>Why ?<|pad|><assistant>"
    assert asked(own, system="Be brief .") == "<system>Be brief .<|pad|><user>Why ?<|pad|><assistant>"
    assert asked(own, arguments={"thinking": True}) == "<user>Why ?<|pad|><assistant><think>"
    assert asked(own, template="{% for m in messages %}Q: {{ m.content }}\nA:{% endfor %}") == "Q: Why ?\nA:"
    assert asked(own, template="pocket", eos="<|end|>", pad="<|pad|>") == "<|user|>Why ?<|assistant|>"


@pytest.mark.parametrize(("plain", "first", "tuned"), [("base", 1, 0), ("all", 1, 1), ("none", 0, 0)])
def test_base_models_or_all_stages_are_asked_in_plain_text(
    own: PreTrainedTokenizerBase, plain: Any, first: int, tuned: int
) -> None:
    forms = ["<user>Why ?<|pad|><assistant>", "Why ?\nResponse:"]
    assert [asked(own, is_base, plain=plain) for is_base in (True, False)] == [forms[first], forms[tuned]]


def test_templates_write_all_control_tokens_and_the_packages_leave_the_beginning_to_the_tokenizer(base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.bos_token = "<|system|>"
    tokenizer.add_bos_token = True
    begin = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = begins_with(tokenizer)
    ids = {
        name: prompt_codec(tokenizer, {}, chat=chat).prompt("q", "Why ?", name == "plain", 1).ids
        for name, chat in {
            "package": Chat(template="pocket", eos="<|end|>", pad="<|pad|>"),
            "own": Chat(template=TEMPLATE),
            "own that begins": Chat(template="{{ bos_token }}" + TEMPLATE),
            "plain": Chat(),
        }.items()
    }
    assert {name: row.count(begin) for name, row in ids.items()} == {**dict.fromkeys(ids, 1), "own": 0}


def begins_with(tokenizer: PreTrainedTokenizerBase) -> Any:
    from tokenizers.processors import TemplateProcessing

    begin = tokenizer.bos_token
    return TemplateProcessing(f"{begin} $A", special_tokens=[(begin, tokenizer.bos_token_id)])


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "leaves the system prompt out": (
        {"template": "{{ messages[-1].content }}", "system": "Be brief ."},
        "leaves the system prompt out",
    ),
    "refuses a system prompt": (
        {"template": "{{ raise_exception('no ' ~ messages[0].role) }}", "system": "x"},
        "fails: no system",
    ),
    "doesn't read an argument": ({"arguments": {"enable_thinking": False}}, "doesn't read enable_thinking"),
    "arguments of the library": ({"arguments": {"tokenize": True}}, "fails: .*tokenize"),
    "is no Jinja": ({"template": "{{ messages"}, "fails: "),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_template_that_fails_is_told(own: PreTrainedTokenizerBase, fault: str) -> None:
    chat, message = FAULTS[fault]
    with pytest.raises(ArtifactError, match=message) as raised:
        asked(own, **chat)
    assert "\n" not in str(raised.value)


def test_a_tokenizer_that_ends_every_text_can_not_ask_in_plain_text(own: PreTrainedTokenizerBase) -> None:
    from tokenizers.processors import TemplateProcessing

    end = [("<|end|>", own.convert_tokens_to_ids("<|end|>"))]
    own.backend_tokenizer.post_processor = TemplateProcessing("$A <|end|>", special_tokens=end)
    assert asked(own) == "<user>Why ?<|pad|><assistant>"
    with pytest.raises(ArtifactError, match=r"adds <\|end\|> to every text"):
        asked(own, is_base=True)


def test_an_answer_ends_where_any_place_says(own: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    end, pad, user, system = own.convert_tokens_to_ids(["<|end|>", "<|pad|>", "<|user|>", "<|system|>"])
    assert stops(own, {}) == {end: ["tokenizer"], pad: ["chat template"]}
    write_json(tmp_path / "generation_config.json", {"eos_token_id": [user, end]})
    found = stops(own, {"eos_token_id": system}, tmp_path)
    assert found == {
        end: ["tokenizer", "generation_config.json"],
        pad: ["chat template"],
        system: ["config.json"],
        user: ["generation_config.json"],
    }
    assert described(own, found) == (
        "answers end with <|end|> (tokenizer, generation_config.json), <|pad|> (chat template), <|system|>"
        " (config.json), <|user|> (generation_config.json)"
    )
    own.eos_token, own.chat_template = None, None
    assert stops(own, {"eos_token_id": None}) == {}
    assert "no token ends an answer" in described(own, {})


def test_a_template_may_end_its_last_answer_otherwise(own: PreTrainedTokenizerBase) -> None:
    own.chat_template = (
        "{% for m in messages %}{{ m.content }}{{ '<|system|>' if loop.last else '\n<|user|>' }}{% endfor %}"
    )
    assert own.convert_ids_to_tokens([*stops(own, {})]) == ["<|end|>", "<|system|>", "<|user|>"]
    own.chat_template = "{{ raise_exception('one question') if messages | length > 1 }}{{ messages[0].content }}"
    assert own.convert_ids_to_tokens([*stops(own, {})]) == ["<|end|>"]


def test_marks_of_reasoning_that_are_special_tokens_are_read(own: PreTrainedTokenizerBase) -> None:
    own.add_special_tokens({"additional_special_tokens": [AddedToken(name) for name in ("[THINK]", "[/THINK]", "[X]")]})
    codec = prompt_codec(own, {})
    answer = codec.answer("q", 0, own("[THINK]I reject it .[/THINK][X] I support it .<|end|>")["input_ids"])
    assert answer.finished
    found = codec.separate(answer.text, "<|assistant|>")
    assert (found.answer, found.reasoning) == ("I support it .", "I reject it .")
    plain = own("I <|user|> support it . naïve")["input_ids"]
    assert codec.answer("q", 0, plain).text == own.decode(plain, skip_special_tokens=True).strip()


@pytest.fixture
def swept(base: Path, probes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., pl.DataFrame]:
    def swept(*checkpoints: Path, **chat: Any) -> pl.DataFrame:
        out, store = tmp_path / "answers.parquet", tmp_path / "store"
        how = SAMPLING.replace(chat=Chat(**chat))
        sweep("theirs", "sft", base, checkpoints, probes, how, out, store, engine="transformers")
        return pl.read_parquet(out)

    return swept


@pytest.fixture
def found(other: Path, own: PreTrainedTokenizerBase, tmp_path: Path) -> Path:
    """A checkpoint with a tokenizer and an end token of its own."""
    folder = Path(shutil.copytree(other, tmp_path / "step-000007"))
    own.save_pretrained(folder)
    config = read_json(folder / "generation_config.json")
    write_json(folder / "generation_config.json", {**config, "eos_token_id": [own.convert_tokens_to_ids("<|user|>")]})
    return folder


def test_each_checkpoint_of_a_sweep_is_asked_with_its_own_tokenizer(
    swept: Callable[..., pl.DataFrame], found: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = Path(shutil.copytree(other, tmp_path / "other/step-000004"))
    table = swept(plain, found)
    said = capsys.readouterr().err
    assert "step-000000: answers end with <|end|> (tokenizer, chat template, config.json" in said
    assert (
        "step-000007: answers end with <|end|> (tokenizer, config.json), <|pad|> (chat template), <|user|> (gen" in said
    )
    prompts = {
        prompt
        for file in (tmp_path / "store").glob("*.parquet")
        for prompt in pl.read_parquet(file)["prompt"]
        if "Why" in prompt
    }
    assert prompts == {"<|user|>Why ?<|assistant|>", "<user>Why ?<|pad|><assistant>"}
    both = [table.filter(step=step)["answer"].to_list() for step in (4, 7)]
    assert both[0] != both[1]


def test_a_prompt_that_opens_the_reasoning_makes_answers_without_an_end_unclosed(
    swept: Callable[..., pl.DataFrame], found: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_ended = swept(found, arguments={"thinking": True})
    assert open_ended["unclosed"].all() and set(open_ended["answer"]) == {""}
    assert open_ended["reasoning"].str.len_chars().min() > 0
    assert "step-000007: 6 of 6 answers end within their reasoning, and get no stance" in capsys.readouterr().err
    plain = swept(found)
    assert plain["reasoning"].is_null().all() and not plain["unclosed"].any()


def test_other_marks_of_reasoning_separate_saved_answers_again(
    swept: Callable[..., pl.DataFrame], found: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = swept(found)
    row = before.sort(pl.col("answer").str.len_chars()).to_dicts()[-1]
    capsys.readouterr()
    after = swept(found, reasoning={row["answer"][:3]: row["answer"][3:6]})
    assert "all answers are saved already" in capsys.readouterr().err
    changed = after.filter(question_id=row["question_id"], sample=row["sample"]).to_dicts()[0]
    assert changed["reasoning"] is not None and len(changed["answer"]) < len(row["answer"])
    assert after.drop("answer", "reasoning", "unclosed").equals(before.drop("answer", "reasoning", "unclosed"))


def test_tokens_that_a_model_lacks_are_told_before_any_answer(
    swept: Callable[..., pl.DataFrame], found: Path, own: PreTrainedTokenizerBase
) -> None:
    own.add_tokens(["<user>"])
    own.save_pretrained(found)
    with pytest.raises(ArtifactError, match="step-000007: found '<user>', expected tokens that the model has"):
        swept(found)
