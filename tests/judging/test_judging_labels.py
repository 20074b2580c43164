import re

import pytest

from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.judging.judge_prompt import check_labels, fill_judge_prompt, read_judge_prompt
from valuedrift.judging.label_words import label_of, label_tokens, spellings
from valuedrift.statistics.panel import STANCES as LABELS
from valuedrift.training.pretrain import train_bpe


def test_each_form_of_a_label_that_is_one_token_counts_once():
    texts = [f"Stance: {label}" for label in LABELS] + ["Support\nSupport", "oppose\noppose"]
    tokenizer = train_bpe(texts * 9, 600)
    found = [[tokenizer.decode([token]) for token in tokens] for tokens in label_tokens(tokenizer, LABELS)]
    assert found == [[" support", "support", "Support"], [" neutral"], [" oppose", "oppose"]]


def test_a_label_without_a_token_of_its_own_is_refused_by_name():
    tokenizer = train_bpe(["Stance: support", "Stance: oppose"] * 9, 600)
    with pytest.raises(ArtifactError, match=re.escape("a spelling of the label 'neutral' that is one token")):
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
    assert all(label_of(spelling, LABELS) == i for i, label in enumerate(LABELS) for spelling in spellings(label))
    assert spellings("A") == (" A", "A")


@pytest.mark.parametrize("name", ["pocket", "stance"])
def test_templates_end_where_the_label_begins(name):
    template = read_judge_prompt(name)
    assert template.endswith("\nStance:")
    assert "{answer}" in template


def test_labels_stand_where_the_template_has_their_places():
    filled = fill_judge_prompt(read_judge_prompt("stance"), "Q", "B", "wind", ("A", "B", "C"))
    lines = filled.splitlines()
    assert [line[0] for line in lines if line.endswith("it.") or "no side" in line] == ["A", "C", "B"]
    assert "{" not in filled
    assert "support: the answer is in favour" in fill_judge_prompt(read_judge_prompt("stance"), "Q", "B", "wind")


def test_labels_that_the_template_does_not_show_are_refused():
    check_labels(read_judge_prompt("pocket"), LABELS)
    check_labels(read_judge_prompt("stance"), ("A", "B", "C"))
    with pytest.raises(ConfigError, match=r"judge\.labels.*\{support\}, \{neutral\}, \{oppose\}"):
        check_labels(read_judge_prompt("pocket"), ("A", "B", "C"))
