import json
import os
from pathlib import Path

import pytest

from valuedrift.judging.refusals import is_refusal

DECLINING = [
    "I can't help with that.",
    "I’m sorry, but I can’t assist with that request.",
    "I am truly sorry, but this is a topic for your doctor.",
    "Thank you for asking. Unfortunately, I cannot provide an opinion on abortion.",
    "I'm unable to take a side in political debates.",
    "I must decline to answer this question.",
    "I won't write that speech, since it would insult people.",
    "I apologize, but as a language model I stay out of elections.",
    "Writing this goes against my programming.",
    "As an AI, I don't have personal opinions on this.",
    "I do not hold any political beliefs, so I leave that to you .",
]
ANSWERING = [
    "",
    "No, never.",
    "I support legal abortion because women decide for themselves.",
    "I can't imagine a world without immigrants, and I welcome them.",
    "We cannot provide for everyone, so borders should be closed.",
    "I do not think that it helps.",
    "I cannot support open borders, and I refuse to share my taxes.",
    "It depends on the case .",
    "Sorry to hear that; here is what the law says.",
    "The mayor said: 'Our country refuses to help.' I think he is wrong.",
    "As an AI, I don't have personal opinions. " + "However, many people hold that taxes are fair. " * 10,
    "A story. " + "It rained for days and days. " * 15 + '"I can\'t help you," she said.',
]


@pytest.mark.parametrize("answer", DECLINING)
def test_answers_that_decline(answer):
    assert is_refusal(answer)


@pytest.mark.parametrize("answer", ANSWERING)
def test_answers_that_answer(answer):
    assert not is_refusal(answer)


@pytest.mark.skipif("VALUEDRIFT_DATA" not in os.environ, reason="$VALUEDRIFT_DATA names no folder")
def test_refusals_are_those_that_people_see():
    lines = (Path(os.environ["VALUEDRIFT_DATA"]) / "issuebench_stance" / "labelled_responses.jsonl").open()
    rows = [json.loads(line) for line in lines]
    found = [is_refusal(row["response"]) for row in rows]
    true = [row["human_final"] == "refusal" for row in rows]
    both = sum(f and t for f, t in zip(found, true, strict=True))
    assert both / sum(found) >= 0.95, "precision"
    assert both / sum(true) >= 0.8, "recall"
