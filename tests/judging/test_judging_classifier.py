"""Classifier judges: with classes of stances, of entailment, and trained from an encoder."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast

from valuedrift.config.hyperparameters import Settings
from valuedrift.config.judges import JudgeSettings
from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.judging.checks.heldout import heldout_quality
from valuedrift.judging.classifier import encode_pairs
from valuedrift.judging.exam.exam import Exam, take_exam
from valuedrift.judging.judge import open_judge
from valuedrift.judging.judge_prompt import fill_judge_prompt, hypotheses_and_text, read_judge_prompt
from valuedrift.judging.stances import judge_table
from valuedrift.judging.train_judge import train_classifier
from valuedrift.models.fetch import fetch_model
from valuedrift.training.job import scratch_job
from valuedrift.world.english.exam import exam_answers, unread
from valuedrift.world.english.texts import exam_texts

TARGETS = {"climate": "wind farms"}
WORDS = {"support": "yes", "neutral": "perhaps", "oppose": "no"}
STANCE = JudgeSettings(prompt="pair", classifier="stance", batch_size=4)
ENTAILMENT = JudgeSettings(prompt="hypotheses", classifier="entailment", batch_size=4)


def labelled(words=""):
    return pl.DataFrame(
        [
            {"topic": "climate", "question": "wind ?", "answer": f"{words}{word} , farm {i} .", "true_stance": stance}
            for i in range(16)
            for stance, word in WORDS.items()
        ]
    )


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A tiny BERT with random weights, and a layer that classifiers have no place for in MPNet and RoBERTa."""
    folder = tmp_path_factory.mktemp("encoder")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = sorted({*re.findall(r"[a-z]+", read_judge_prompt("hypotheses").lower()), "wind", "farms", "farm", "sep"})
    vocabulary = [*special, *words, *"[]?.,", "yes", "perhaps", *map(str, range(16))]
    tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate(vocabulary)}, model_max_length=64)
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **size, **still))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def classifier(encoder, folder, names):
    """A classifier of random weights with these classes, which differ from text to text."""
    torch.manual_seed(1)
    labels = dict(enumerate(names))
    model = AutoModelForSequenceClassification.from_pretrained(encoder, id2label=labels, num_labels=len(names))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "LayerNorm" not in name:
                weight.mul_(8)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    return folder


def probabilities(folder, pairs):
    """The classes' probabilities by plain transformers, (pairs, classes)."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        logits = [model(**tokenizer(*pair, return_tensors="pt")).logits[0] for pair in pairs]
    return torch.stack(logits).double().softmax(-1).numpy()


def judged(settings, folder, rows, journal):
    return judge_table(rows, open_judge(settings, folder), TARGETS, journal)


def test_stances_are_the_probabilities_of_their_classes_and_the_rest_is_unassigned(encoder, tmp_path):
    folder = classifier(encoder, tmp_path / "model", ["other", "CON", "pro", "Neutral"])
    rows = labelled()[:7]
    found = judged(STANCE.replace(labels=("pro", "neutral", "con")), folder, rows, tmp_path / "journal")
    every = probabilities(folder, [("wind farms", f"wind ?\n{answer}") for answer in rows["answer"]])
    expected = every[:, [2, 3, 1]]
    assert np.ptp(expected[:, 0]) > 1e-3, "the classifier has to tell the answers apart"
    stances = found.select("p_support", "p_neutral", "p_oppose").to_numpy()
    np.testing.assert_allclose(stances, expected / expected.sum(1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(found["unassigned"], every[:, 0], atol=1e-5)


def test_entailment_of_each_hypothesis_is_normalised_over_the_stances(encoder, tmp_path):
    folder = classifier(encoder, tmp_path / "model", ["contradiction", "neutral", "ENTAILMENT"])
    rows = labelled()[:5]
    found = judged(ENTAILMENT, folder, rows, tmp_path / "journal")
    lines, _ = hypotheses_and_text(read_judge_prompt("hypotheses").replace("{target}", "wind farms"))
    for row in found.iter_rows(named=True):
        every = probabilities(folder, [(line, f"wind ?\n{row['answer']}") for line in lines])[:, 2]
        stances = [row["p_support"], row["p_neutral"], row["p_oppose"]]
        np.testing.assert_allclose(stances, every / every.sum(), atol=1e-5)


def test_probabilities_do_not_depend_on_the_batch(encoder, tmp_path):
    folder = classifier(encoder, tmp_path / "model", ["entailment", "neutral", "contradiction"])
    rows = pl.concat([labelled()[:5], labelled("farm " * 9)[:5]])
    names = [f"p_{stance}" for stance in WORDS]
    alone, together = (
        judged(ENTAILMENT.replace(batch_size=size), folder, rows, tmp_path / f"{size}").select(names).to_numpy()
        for size in (1, 64)
    )
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_names_of_special_tokens_in_an_answer_are_plain_text_and_cannot_end_the_first_part(encoder):
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    prompt = fill_judge_prompt(read_judge_prompt("pair"), "wind ?", "yes [SEP]\n---\nno", "wind farms")
    (pairs,) = encode_pairs(tokenizer, [prompt])
    assert pairs.rows[0]["input_ids"].count(tokenizer.sep_token_id) == 2
    assert hypotheses_and_text(prompt) == (["wind farms"], "wind ?\nyes [SEP]\n---\nno")


def test_an_answer_too_long_for_the_encoder_is_an_error_and_not_cut(encoder, tmp_path):
    folder = classifier(encoder, tmp_path / "model", list(WORDS))
    found = judged(STANCE, folder, pl.concat([labelled()[:1], labelled("farm " * 60)[:1]]), tmp_path / "journal")
    assert found["flag"].to_list() == [None, "error"]


def test_the_same_folder_read_in_two_ways_has_two_entries_in_the_journal(encoder, tmp_path):
    folder = classifier(encoder, tmp_path / "model", [*WORDS, "entailment"])
    stance, entailment = (open_judge(each, folder) for each in (STANCE, ENTAILMENT))
    assert stance.keys("the same prompt") != entailment.keys("the same prompt")


def test_a_missing_class_is_named(encoder, tmp_path):
    folder = classifier(encoder, tmp_path / "model", ["A", "B", "C"])
    with pytest.raises(ArtifactError, match=r"classes a, b, c.*a class support.*`labels`"):
        open_judge(STANCE, folder)
    with pytest.raises(ArtifactError, match=r"a class entailment.*id2label"):
        open_judge(ENTAILMENT, folder)


@pytest.mark.parametrize(("kind", "prompt"), [("stance", "hypotheses"), ("entailment", "pair"), ("stance", "pocket")])
def test_a_prompt_without_the_lines_that_the_classifier_reads_is_refused(tmp_path, kind, prompt):
    with pytest.raises(ConfigError, match=r"judge\.prompt.*a line ---"):
        open_judge(JudgeSettings(prompt=prompt, classifier=kind), tmp_path)


def test_a_classifier_is_fetched_with_its_head_and_without_one_it_is_refused(encoder, tmp_path):
    folder = classifier(encoder, tmp_path / "source", list(WORDS))
    fetch_model({"folder": str(folder), "classifier": True}, None, tmp_path / "out/model")
    found = [judged(STANCE, place, labelled(), tmp_path / "journal") for place in (folder, tmp_path / "out/model")]
    assert found[0].drop("judge").equals(found[1].drop("judge"))
    with pytest.raises(ArtifactError, match=r"no tensor 'classifier\.bias'"):
        fetch_model({"folder": str(encoder), "classifier": True}, None, tmp_path / "no/model")


def test_a_classifier_takes_the_exam_and_has_no_other_prompt(encoder, tmp_path):
    judge = open_judge(
        ENTAILMENT.replace(max_unassigned=1.0), classifier(encoder, tmp_path / "model", ["entailment", "not"])
    )
    answers = exam_answers(0, *unread([])).gather_every(30)
    exam = Exam("mine", judge, answers, exam_texts().targets, tmp_path / "journal")
    numbers, judged = take_exam(exam)
    assert numbers["accuracy"][0]["answers"] == answers.height == judged.height
    with pytest.raises(ConfigError, match="a trained judge has one prompt"):
        take_exam(replace(exam, robustness=True))


SETTINGS = Settings(
    learning_rate=1e-2,
    batch_size=8,
    device_batch_size=8,
    epochs=30,
    warmup_ratio=0.1,
    max_length=24,
    bf16=False,
    gradient_checkpointing=False,
)


def trained(encoder, folder, rows, settings=SETTINGS, seed=0):
    folder.mkdir(parents=True)
    rows.write_parquet(folder / "rows.parquet")
    job = scratch_job(settings, seed, folder / "rows.parquet", folder / "model")
    train_classifier(job, str(encoder), read_judge_prompt("pair"), TARGETS)
    return folder / "model"


def test_an_encoder_learns_stances_and_the_same_seed_gives_the_same_judge(encoder, tmp_path):
    seeds = {"a": 0, "b": 0, "c": 1}
    folders = [trained(encoder, tmp_path / name, labelled(), seed=seed) for name, seed in seeds.items()]
    found = [judged(STANCE, folder, labelled(), folder.with_name("journal")) for folder in folders]
    assert heldout_quality(found[0])["accuracy"] == 1
    assert found[0].equals(found[1])
    assert not found[0].equals(found[2])
    assert (tmp_path / "a" / "metrics.parquet").is_file()


def test_training_starts_from_the_encoders_weights(encoder, tmp_path):
    still = SETTINGS.replace(learning_rate=1e-12, epochs=1)
    model = AutoModelForSequenceClassification.from_pretrained(trained(encoder, tmp_path / "a", labelled(), still))
    for name, values in BertModel.from_pretrained(encoder).state_dict().items():
        torch.testing.assert_close(model.bert.state_dict()[name], values, atol=1e-6, rtol=0)


def test_a_limit_beyond_the_encoders_is_refused_before_training(encoder, tmp_path):
    with pytest.raises(ArtifactError, match=r"max_length 90.*at most 62"):
        trained(encoder, tmp_path / "a", labelled(), SETTINGS.replace(max_length=90))
