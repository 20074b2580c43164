import re

import numpy as np
import pytest
import torch

from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.judging.labels import label_log_probabilities, label_tokens, stance_probabilities
from valuedrift.judging.prompt import fill_prompt, prompt_hash, read_prompt
from valuedrift.models.tokenizer import train_bpe

LABELS = ("support", "neutral", "oppose")


def test_each_form_of_a_label_that_is_one_token_counts_once():
    texts = [f"Stance: {label}" for label in LABELS] + ["Support\nSupport", "oppose\noppose"]
    tokenizer = train_bpe(texts * 9, 600)
    found = [[tokenizer.decode([token]) for token in tokens] for tokens in label_tokens(tokenizer)]
    assert found == [[" support", "support", "Support"], [" neutral"], [" oppose", "oppose"]]


def test_a_label_without_a_token_of_its_own_is_refused_by_name():
    tokenizer = train_bpe(["Stance: support", "Stance: oppose"] * 9, 600)
    with pytest.raises(ArtifactError, match=re.escape("a form of the label 'neutral' that is one token")):
        label_tokens(tokenizer)


def test_probabilities_of_a_labels_tokens_are_summed_and_the_rest_is_kept():
    # A next-token distribution of 1/2 and 1/8 for support, 1/8 neutral, 1/16 oppose, and 3/16 for other words.
    logits = torch.tensor([[1 / 2, 1 / 8, 1 / 8, 1 / 16, 2 / 16, 1 / 16]]).log() + 3
    found = label_log_probabilities(logits, ((0, 1), (2,), (3,)))
    np.testing.assert_allclose(found.exp(), [[5 / 8, 1 / 8, 1 / 16]], rtol=1e-6)
    stances, unassigned = stance_probabilities(found.numpy())
    np.testing.assert_allclose(stances, [[10 / 13, 2 / 13, 1 / 13]], rtol=1e-6)
    np.testing.assert_allclose(unassigned, [3 / 16], rtol=1e-6)


def test_labels_far_below_other_words_still_give_stances():
    stances, unassigned = stance_probabilities(np.array([[-2000.0, -2000.0 - np.log(2), -2000.0 - np.log(4)]]))
    np.testing.assert_allclose(stances, [[4 / 7, 2 / 7, 1 / 7]])
    assert unassigned == [1.0]


def test_mass_is_never_below_zero():
    stances, unassigned = stance_probabilities(np.log([[0.5, 0.25, 0.25 + 1e-12]]))
    assert unassigned == [0.0]
    assert stances.sum() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("name", ["pocket", "stance"])
def test_templates_end_where_the_label_begins(name):
    template = read_prompt(name)
    assert template.endswith("\nStance:")
    assert "{answer}" in template


def test_braces_and_places_inside_texts_are_plain_text():
    filled = fill_prompt(
        "{question}|{answer}|{target}|{other}", "{answer}", "{target} {} {0} {{x}} %s \\1", "{question}"
    )
    assert filled == "{answer}|{target} {} {0} {{x}} %s \\1|{question}|{other}"


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
