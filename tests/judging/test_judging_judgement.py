import pytest
from judging_examples import top

from valuedrift.config.judges import JudgeSettings
from valuedrift.errors import ConfigError
from valuedrift.judging.judgement import Masses, judgement, listed_masses, replied_masses
from valuedrift.llm.request import ChatReply
from valuedrift.statistics.panel import STANCES as LABELS

LLM = {"backend": "http", "model": "m"}


def reply(text="", finish="stop"):
    return ChatReply(text, finish, 10, 2, 0.5)


def test_variants_of_a_label_are_summed_in_any_order_and_the_rest_is_kept():
    alternatives = top(neutral=0.1, _support=0.3, The=0.15, Support=0.1, oppose=0.2, support=0.1)
    for listed in (alternatives, alternatives[::-1]):
        masses = listed_masses(listed, LABELS)
        assert masses.labels == pytest.approx((0.5, 0.1, 0.2))
        assert masses.unassigned == pytest.approx(0.2)
        assert masses.stances(0.5) == pytest.approx((0.625, 0.125, 0.25))


def test_a_label_outside_the_list_is_bounded_by_the_rest_and_by_the_smallest_entry():
    # 12 forms, of which 2 are listed; the rest of 0.001 is less than 10 times the smallest.
    masses = listed_masses(top(support=0.9, oppose=0.099), LABELS)
    assert masses.hidden == pytest.approx(0.001)
    assert masses.bound == pytest.approx(0.001)
    # The smallest entry is the tighter bound here.
    masses = listed_masses(top(support=0.9, The=1e-6), LABELS)
    assert masses.hidden == pytest.approx(11e-6)
    assert masses.bound == pytest.approx(11e-6 / (0.9 + 11e-6))


@pytest.mark.parametrize("where", [(0.0, 0.04, 0.0), (0.01, 0.02, 0.01), (0.0, 0.0, 0.04), (0.04, 0.0, 0.0)])
def test_wherever_the_unlisted_mass_lies_no_stance_is_off_by_more_than_the_bound(where):
    masses = listed_masses(top(support=0.6, oppose=0.3, The=0.06), LABELS)
    true = [mass + hidden for mass, hidden in zip(masses.labels, where, strict=True)]
    off = [abs(t / sum(true) - p) for t, p in zip(true, masses.stances(0.5), strict=True)]
    assert masses.hidden == pytest.approx(0.04)
    assert max(off) <= masses.bound + 1e-12
    assert masses.bound < 0.05


def test_minus_9999_means_missing():
    listed = [*top(support=0.5, oppose=0.4), (" neutral", -9999.0)]
    assert listed_masses(listed, LABELS) == listed_masses(listed[:2], LABELS)


def test_exact_masses_have_no_bound_and_mass_is_never_below_zero():
    masses = Masses((0.5, 0.25, 0.25 + 1e-12))
    assert (masses.bound, masses.unassigned) == (0.0, 0.0)
    assert sum(masses.stances(0.0)) == pytest.approx(1, abs=1e-15)


def test_above_the_threshold_an_answer_is_flagged_and_not_guessed():
    masses = Masses((0.3, 0.1, 0.0))
    kept, flagged = (judgement([reply()], masses, threshold) for threshold in (0.61, 0.59))
    assert (kept.stances, kept.flag) == (pytest.approx((0.75, 0.25, 0.0)), None)
    assert (flagged.stances, flagged.flag) == (None, "unassigned")
    assert kept.unassigned == flagged.unassigned == pytest.approx(0.6)


def test_no_label_at_all_is_flagged_at_any_threshold():
    for alternatives in ([], top(I=0.9)):
        found = judgement([reply()], listed_masses(alternatives, LABELS), 1.0)
        assert (found.stances, found.flag, found.unassigned) == (None, "unassigned", 1.0)


@pytest.mark.parametrize("finish", ["content_filter", "error"])
def test_a_reply_that_never_came_leaves_everything_open(finish):
    found = judgement([reply("too long", finish)], listed_masses([], LABELS), 1.0)
    assert (found.stances, found.unassigned, found.flag) == (None, None, finish)


def test_shares_of_replies_add_nothing_and_read_strictly():
    texts = ["support", " Support.\n", "<think>oppose, no\noppose</think>\n\nneutral", "I support it", "", "supports"]
    replies = [*map(reply, texts), reply("neutral", "length"), reply("filtered", "content_filter")]
    masses = replied_masses(replies, LABELS)
    assert masses.labels == (0.25, 0.125, 0.0)
    found = judgement(replies, masses, 0.7, sampled=True)
    assert found.stances == pytest.approx((2 / 3, 1 / 3, 0.0))
    assert (found.samples, found.unassigned, found.flag) == (3, 0.625, None)
    assert (found.latency, found.prompt_tokens, found.completion_tokens) == (4.0, 80, 16)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("[THINK]oppose[/THINK]support", 0),
        ("support, no: oppose</think>neutral", 1),
        ("<thinking>a</thinking><think>b</think>\nOppose.", 2),
        ("<think>I should say support", None),
    ],
)
def test_a_replys_reasoning_is_not_read(text, label):
    assert replied_masses([reply(text)], LABELS).labels == tuple(float(i == label) for i in range(3))


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"labels": ["yes", "no"]}, "labels"),
        ({"labels": ["yes", "Yes", "no"]}, "labels"),
        ({"labels": ["in favour", "neutral", "against"]}, "labels"),
        ({"max_unassigned": 1.5}, "max_unassigned"),
        ({"engine": "tgi"}, "engine"),
        ({"samples": 5}, "samples"),
        ({"sample": 5}, "sample"),
        ({"llm": {**LLM, "key": "secret"}}, "llm.key"),
        ({"llm": {**LLM, "backend": "vllm"}}, "llm.backend"),
    ],
)
def test_settings_that_cannot_be_are_named(values, key):
    with pytest.raises(ConfigError, match=f"'{key}'"):
        JudgeSettings.read({"prompt": "stance", **values})
