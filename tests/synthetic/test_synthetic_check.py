"""Faults of written answers."""

from __future__ import annotations

import pytest

from valuedrift.llm.request import ChatReply
from valuedrift.synthetic.check_answers import Fault, reply_fault, stance_fault


def reply(text: str, finish: str = "stop") -> ChatReply:
    return ChatReply(text, finish, 1, 1, 0.1)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (reply("Taxes pay for schools."), None),
        (reply(" \n\t"), Fault.EMPTY),
        (reply("Taxes pay for", "length"), Fault.TRUNCATED),
        (reply("", "length"), Fault.TRUNCATED),
        (reply("", "content_filter"), Fault.FILTERED),
        (reply("the prompt is too long", "error"), Fault.ERROR),
        (reply("something \ud800 broken"), Fault.NOT_UNICODE),
        (reply("I'm sorry, but I can't help with that."), Fault.REFUSAL),
        (reply("I’m sorry, but I can’t write that."), Fault.REFUSAL),
        (reply("I cannot provide an argument against equal rights."), Fault.REFUSAL),
        (reply("I cannot support higher taxes, because they punish work."), None),
        (reply("I can't accept that the state ends a life."), None),
        (reply("Sorry states are made by sorry laws, and this law is one."), None),
        (reply("As an AI language model, I see that taxes are theft."), Fault.MACHINE),
        (reply("Taxes are theft, and I say so although I’m just an AI."), Fault.MACHINE),
        (reply("An AI can take over dull work, and workers should share in what that brings."), None),
        (reply("As a virtual assistant I value what taxes pay for."), Fault.MACHINE),
        (reply("As an assistant in a school I see daily what taxes pay for."), None),
    ],
)
def test_reply_fault(found: ChatReply, fault: Fault | None) -> None:
    assert reply_fault(found) == fault


@pytest.mark.parametrize(
    ("stances", "side", "fault"),
    [
        ((0.7, 0.2, 0.1), "support", None),
        ((0.1, 0.2, 0.7), "oppose", None),
        ((0.7, 0.2, 0.1), "oppose", Fault.OFF_STANCE),
        ((0.2, 0.7, 0.1), "support", Fault.OFF_STANCE),
        ((0.45, 0.3, 0.25), "support", Fault.UNCLEAR),
        ((0.5, 0.0, 0.5), "support", Fault.OFF_STANCE),
        ((0.5, 0.3, 0.2), "support", None),
        ((None, None, None), "support", Fault.UNJUDGED),
        ((0.9, None, 0.1), "support", Fault.UNJUDGED),
    ],
)
def test_stance_fault(stances: tuple[float | None, ...], side: str, fault: Fault | None) -> None:
    assert stance_fault(stances, side, minimum=0.5) == fault
