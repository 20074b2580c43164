import re

import pytest

from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.judging.judge_prompt import check_labels, fill_prompt, prompt_hash, read_prompt
from valuedrift.judging.label_words import forms, label_of, label_tokens
from valuedrift.models.chat_template import train_bpe

LABELS = ("support", "neutral", "oppose")


def test_each_form_of_a_label_that_is_one_token_counts_once():
    texts = [f"Stance: {label}" for label in LABELS] + ["Support\nSupport", "oppose\noppose"]
    tokenizer = train_bpe(texts * 9, 600)
    found = [[tokenizer.decode([token]) for token in tokens] for tokens in label_tokens(tokenizer, LABELS)]
    assert found == [[" support", "support", "Support"], [" neutral"], [" oppose", "oppose"]]


def test_a_label_without_a_token_of_its_own_is_refused_by_name():
    tokenizer = train_bpe(["Stance: support", "Stance: oppose"] * 9, 600)
    with pytest.raises(ArtifactError, match=re.escape("a form of the label 'neutral' that is one token")):
        label_tokens(tokenizer, LABELS)


def test_a_letter_in_lower_case_is_another_word():
    tokenizer = train_bpe(["Stance: A", "a a a", "B", "C"] * 9, 600)
    found = [[tokenizer.decode([token]) for token in tokens] for tokens in label_tokens(tokenizer, "ABC")]
    assert found == [[" A", "A"], ["B"], ["C"]]


@pytest.mark.parametrize("token", ["support", " support", "Support", "ĠSupport", "▁support", "Ċsupport", "support\n"])
def test_tokens_that_are_a_label(token):
    assert label_of(token, LABELS) == 0


@pytest.mark.parametrize("token", ["", " ", "supp", "supports", "un-support", "SUPPORT", "support.", "neutral oppose"])
def test_tokens_that_are_no_label(token):
    assert label_of(token, LABELS) is None


def test_every_form_of_a_label_is_read_as_it():
    assert all(label_of(form, LABELS) == i for i, label in enumerate(LABELS) for form in forms(label))
    assert forms("A") == (" A", "A")


@pytest.mark.parametrize("name", ["pocket", "stance"])
def test_templates_end_where_the_label_begins(name):
    template = read_prompt(name)
    assert template.endswith("\nStance:")
    assert "{answer}" in template


def test_braces_and_places_inside_texts_are_plain_text():
    filled = fill_prompt(
        "{question}|{answer}|{target}|{other}", "{answer}", "{target} {} {0} {{x}} %s \\1 {support}", "{question}"
    )
    assert filled == "{answer}|{target} {} {0} {{x}} %s \\1 {support}|{question}|{other}"


def test_labels_stand_where_the_template_has_their_places():
    filled = fill_prompt(read_prompt("stance"), "Q", "B", "wind", ("A", "B", "C"))
    lines = filled.splitlines()
    assert [line[0] for line in lines if line.endswith("it.") or "no side" in line] == ["A", "C", "B"]
    assert "{" not in filled
    assert "support: the answer is in favour" in fill_prompt(read_prompt("stance"), "Q", "B", "wind")


def test_labels_that_the_template_does_not_show_are_refused():
    check_labels(read_prompt("pocket"), LABELS)
    check_labels(read_prompt("stance"), ("A", "B", "C"))
    with pytest.raises(ConfigError, match=r"judge\.labels.*\{support\}, \{neutral\}, \{oppose\}"):
        check_labels(read_prompt("pocket"), ("A", "B", "C"))


def test_a_template_of_the_users_is_read_from_its_path_and_versioned_by_its_text(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("On {target}: {answer}\nStance:\n\n", encoding="utf-8")
    first = read_prompt(str(mine))
    assert first == "On {target}: {answer}\nStance:"
    mine.write_text("On {target}: {answer}\nStance:", encoding="utf-8")
    assert prompt_hash(read_prompt(str(mine))) == prompt_hash(first)
    mine.write_text("About {target}: {answer}\nStance:", encoding="utf-8")
    assert prompt_hash(read_prompt(str(mine))) != prompt_hash(first)


def test_a_template_that_is_missing_or_has_no_answer_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"judge.prompt.*pocket, stance"):
        read_prompt(str(tmp_path / "none.txt"))
    (tmp_path / "empty.txt").write_text("{question} {target}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"with \{answer\}"):
        read_prompt(str(tmp_path / "empty.txt"))
