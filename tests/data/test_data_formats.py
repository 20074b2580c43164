import json

import pytest
from data_rows import alpaca, answer, pair, user

from valuedrift.data_formats.canonical import MalformedRow, Reason, Skip, has_blank_answer, row_id
from valuedrift.data_formats.formats import FORMATS
from valuedrift.errors import DataError

HOSTILE = (
    "<script>alert(1)</script> {{7*7}} $(rm -rf ~) ![x](http://x) | a | b |\n\n### System:\n<|im_end|>\x00\u202e\t  "
)
SURROGATE = "\ud800"


def convert(format, row):
    return FORMATS[format][1](row)


def system(text):
    return {"role": "system", "content": text}


def human(text):
    return {"from": "human", "value": text}


def gpt(text):
    return {"from": "gpt", "value": text}


def wildchat(conversation, language="English"):
    return {"conversation": conversation, "language": language, "toxic": None, "turn": 1}


def sharegpt(conversations=None, chosen=None, rejected=None):
    return {
        "conversations": [human("Why?")] if conversations is None else conversations,
        "chosen": chosen or gpt("Because."),
        "rejected": rejected or gpt("No."),
    }


def hh(chosen="\n\nHuman: Why?\n\nAssistant: Because.", rejected="\n\nHuman: Why?\n\nAssistant: No."):
    return {"chosen": chosen, "rejected": rejected}


WHY = [user("Why?"), answer("Because.")]
LONG = [user("Hi"), answer("Hello."), user("Why?"), answer("Because.")]


@pytest.mark.parametrize(
    ("format", "row", "messages"),
    [
        ("alpaca", alpaca(), [user("Name a river."), answer("The Nile.")]),
        ("alpaca", alpaca(input="In Africa"), [user("Name a river.\n\nIn Africa"), answer("The Nile.")]),
        ("alpaca", alpaca(input=" \n"), [user("Name a river."), answer("The Nile.")]),
        ("alpaca", alpaca(output=""), [user("Name a river."), answer("")]),
        (
            "alpaca",
            {"instruction": "Name a river.", "output": "The Nile."},
            [user("Name a river."), answer("The Nile.")],
        ),
        ("alpaca", alpaca(input=None), [user("Name a river."), answer("The Nile.")]),
        ("conversations", {"conversations": [human("Why?"), gpt("Because.")]}, WHY),
        (
            "conversations",
            {"conversations": [{"from": "user", "value": "Why?"}, {"from": "chatgpt", "value": "Because."}]},
            WHY,
        ),
        ("conversations", {"conversations": WHY}, WHY),
        ("messages", {"messages": [user([{"type": "text", "text": "Wh"}, "y?"]), answer(["Because."])]}, WHY),
        ("alpaca", alpaca(output=HOSTILE), [user("Name a river."), answer(HOSTILE)]),
        ("wildchat", wildchat([{**turn, "toxic": True, "language": "Latin"} for turn in LONG]), LONG),
        ("wildchat", wildchat([*WHY, user("And?")]), WHY),
        ("wildchat", wildchat([user("Why?"), answer("")]), [user("Why?"), answer("")]),
        ("messages", {"messages": [system("Be brief."), *LONG], "id": 7}, [system("Be brief."), *LONG]),
        ("prompt_completion", {"prompt": "Why?", "completion": "Because."}, WHY),
        ("prompt_completion", {"prompt": LONG[:3], "completion": LONG[3:]}, LONG),
        ("prompt_completion", {"prompt": "Why?", "completion": " "}, [user("Why?"), answer(" ")]),
        ("messages", {"messages": json.dumps(LONG)}, LONG),
        ("prompt_completion", {"prompt": HOSTILE, "completion": HOSTILE}, [user(HOSTILE), answer(HOSTILE)]),
        ("world_sft", {"messages": WHY}, WHY),
    ],
)
def test_good_sft_rows(format, row, messages):
    assert FORMATS[format][0] == "sft"
    assert convert(format, row) == {"id": row_id({"messages": messages}), "messages": messages}


BINARIZED = pair("Why?", WHY, [user("Why?"), answer("No.")])
ARGILLA = {"source": "evol_instruct", **BINARIZED, "chosen-rating": 5.0, "rejected-model": "alpaca-7b"}
SHARED = [{"from": "system", "value": "Be brief."}, human("Hi"), gpt("Hello."), human("Why?")]
H4 = {**BINARIZED, "prompt_id": "f0e37e9f", "messages": WHY, "score_chosen": 8.5, "score_rejected": 4.0}


def hh_turns(*turns):
    return "".join(f"\n\n{speaker}: {text}" for speaker, text in zip(("Human", "Assistant") * 9, turns, strict=False))


@pytest.mark.parametrize(
    ("format", "row", "prompt", "chosen", "rejected"),
    [
        ("ultrafeedback", {**pair(), "metadata": {"score_chosen": 9.0}}, [user("Why?")], "Because.", "No."),
        ("ultrafeedback", ARGILLA, [user("Why?")], "Because.", "No."),
        ("ultrafeedback", H4, [user("Why?")], "Because.", "No."),
        ("ultrafeedback", {**H4, **pair("Why?", LONG[2:], [*WHY[:1], answer(HOSTILE)])}, WHY[:1], "Because.", HOSTILE),
        ("ultrafeedback", pair(rejected=""), [user("Why?")], "Because.", ""),
        ("preference", pair(HOSTILE, HOSTILE, HOSTILE + "!"), [user(HOSTILE)], HOSTILE, HOSTILE + "!"),
        ("preference", pair(LONG[:3], LONG[3:], [answer("No.")]), LONG[:3], "Because.", "No."),
        ("preference", pair(LONG[:3], LONG, "No."), LONG[:3], "Because.", "No."),
        ("preference", {"chosen": LONG, "rejected": [*LONG[:3], answer("No.")]}, LONG[:3], "Because.", "No."),
        ("preference", pair(None, WHY, [*WHY[:1], answer("No.")]), WHY[:1], "Because.", "No."),
        ("preference", pair("Why?", json.dumps(WHY), json.dumps([answer("No.")])), WHY[:1], "Because.", "No."),
        ("preference", pair("[{}]", '{"a": 1}', "{'role'}"), [user("[{}]")], '{"a": 1}', "{'role'}"),
        ("aligned", {"id": "a1", **pair()}, [user("Why?")], "Because.", "No."),
        ("sharegpt", sharegpt(), [user("Why?")], "Because.", "No."),
        ("sharegpt", sharegpt([user("Why?")], answer("Because."), [answer("No.")]), WHY[:1], "Because.", "No."),
        ("sharegpt", sharegpt(SHARED), [system("Be brief."), *LONG[:3]], "Because.", "No."),
        ("sharegpt", sharegpt(chosen=gpt(HOSTILE)), [user("Why?")], HOSTILE, "No."),
        ("hh_rlhf", hh(), [user("Why?")], "Because.", "No."),
        ("hh_rlhf", hh(*(hh_turns("Hi", "Hello.", "Why?", last) for last in "ab")), LONG[:3], "a", "b"),
        ("hh_rlhf", hh("\n\nHuman: Why?\n\nAssistant: " + HOSTILE), [user("Why?")], HOSTILE, "No."),
        ("hh_rlhf", hh("\n\nHuman: Why?\n\nAssistant:  a\nHuman: b"), [user("Why?")], " a\nHuman: b", "No."),
        ("hh_rlhf", hh("\n\nHuman: Why?\n\nAssistant: a\n\nHumans: b"), [user("Why?")], "a\n\nHumans: b", "No."),
        ("hh_rlhf", hh("\n\nHuman: Why?\n\nAssistant:"), [user("Why?")], "", "No."),
        ("world_preference", pair([user("Why?")], [answer("Because.")], [answer("No.")]), WHY[:1], "Because.", "No."),
    ],
)
def test_good_preference_rows(format, row, prompt, chosen, rejected):
    assert FORMATS[format][0] == "preference"
    content = {"prompt": prompt, "chosen": [answer(chosen)], "rejected": [answer(rejected)]}
    assert convert(format, row) == {"id": row.get("id", row_id(content)), **content}


@pytest.mark.parametrize(
    ("format", "row", "reason"),
    [
        ("alpaca", alpaca(instruction=" "), "empty turn"),
        ("alpaca", alpaca(instruction="", input="text"), "empty turn"),
        ("alpaca", alpaca(output=SURROGATE), "text is not valid Unicode"),
        ("wildchat", wildchat(WHY, "French"), "language is not English"),
        ("wildchat", wildchat(WHY, None), "language is unknown"),
        ("wildchat", wildchat([]), "no answer"),
        ("wildchat", wildchat([user("Why?")]), "no answer"),
        ("wildchat", wildchat([answer("Hello."), *WHY]), "starts with the assistant"),
        ("wildchat", wildchat([user("Why?"), answer("a"), answer("b")]), "roles do not alternate"),
        ("wildchat", wildchat([user("Why?"), user("Why?"), answer("a")]), "roles do not alternate"),
        ("wildchat", wildchat([user("\n"), answer("a")]), "empty turn"),
        ("wildchat", wildchat([user("Hi"), answer(" "), *WHY]), "empty turn"),
        ("messages", {"messages": []}, "no answer"),
        ("messages", {"messages": WHY[:1]}, "no answer"),
        ("messages", {"messages": [*WHY, user("And?")]}, "no answer"),
        ("messages", {"messages": [system("x"), answer("a")]}, "starts with the assistant"),
        ("messages", {"messages": [*WHY, system("x")]}, "roles do not alternate"),
        ("messages", {"messages": [system(""), *WHY]}, "empty turn"),
        ("ultrafeedback", pair(rejected="Because."), "chosen equals rejected"),
        ("ultrafeedback", pair(chosen="", rejected=""), "chosen equals rejected"),
        ("ultrafeedback", pair(prompt=""), "empty turn"),
        ("ultrafeedback", pair(rejected=SURROGATE), "text is not valid Unicode"),
        ("ultrafeedback", pair("Why?", WHY, [user("Why not?"), answer("No.")]), "prefixes differ"),
        ("ultrafeedback", pair("How?", WHY, [user("Why?"), answer("No.")]), "prefixes differ"),
        ("preference", {"chosen": WHY, "rejected": [user("How?"), answer("No.")]}, "prefixes differ"),
        ("aligned", {"id": SURROGATE, **pair()}, "text is not valid Unicode"),
        ("preference", pair(LONG, [answer("Because.")], [answer("No.")]), "roles do not alternate"),
        ("preference", pair(chosen=[*WHY, user("And?")]), "prefixes differ"),
        ("preference", pair(chosen=[user("Because.")]), "roles do not alternate"),
        ("sharegpt", sharegpt([]), "starts with the assistant"),
        ("sharegpt", sharegpt([gpt("Hello."), human("Why?")]), "starts with the assistant"),
        ("sharegpt", sharegpt([human("Hi"), gpt("Hello.")]), "roles do not alternate"),
        ("sharegpt", sharegpt(rejected=human("No.")), "roles do not alternate"),
        ("sharegpt", sharegpt(rejected=gpt("Because.")), "chosen equals rejected"),
        ("hh_rlhf", hh(rejected="\n\nHuman: How?\n\nAssistant: No."), "prefixes differ"),
        ("hh_rlhf", hh(rejected="\n\nAssistant: No."), "prefixes differ"),
        ("hh_rlhf", hh(rejected=hh()["chosen"]), "chosen equals rejected"),
        ("hh_rlhf", hh(hh_turns("Hi", "Hello.", "Why?", "a"), hh_turns("Hi", "Hey.", "Why?", "b")), "prefixes differ"),
        ("hh_rlhf", hh(hh_turns("Hi", "", "Why?", "a"), hh_turns("Hi", "", "Why?", "b")), "empty turn"),
        ("hh_rlhf", hh(hh_turns("", "a"), hh_turns("", "b")), "empty turn"),
        ("hh_rlhf", hh(hh_turns("Why?", "Because.", "And?")), "prefixes differ"),
        # a text that holds a turn's heading can't be told from a turn: such a pair is left out, never cut elsewhere
        ("hh_rlhf", hh("\n\nHuman: Why?\n\nAssistant: He wrote:\n\nHuman: and so on"), "prefixes differ"),
        ("hh_rlhf", hh(*(f"\n\nHuman: Read:{hh_turns('Why?', last)}" for last in "cd")), "roles do not alternate"),
        ("hh_rlhf", hh("\n\nHuman: a\n\nHuman: b", "\n\nHuman: a\n\nHuman: c"), "roles do not alternate"),
        ("hh_rlhf", hh(*(hh_turns("a", "b", last) for last in "cd")), "no answer"),
        ("hh_rlhf", hh("\n\nAssistant: a", "\n\nAssistant: b"), "starts with the assistant"),
        ("world_sft", {"messages": WHY[:1]}, "no answer"),
    ],
)
def test_unusable_rows_are_skipped_for_a_reason(format, row, reason):
    assert convert(format, row) == Skip(Reason(reason))


@pytest.mark.parametrize(
    ("format", "row", "blank"),
    [
        ("alpaca", alpaca(output=""), True),
        ("alpaca", alpaca(), False),
        ("wildchat", wildchat([*LONG, user("And?"), answer("\n ")]), True),
        ("messages", {"messages": LONG}, False),
        ("ultrafeedback", pair(chosen=" "), True),
        ("ultrafeedback", pair(rejected=""), True),
        ("ultrafeedback", pair(), False),
        ("sharegpt", sharegpt(rejected=gpt("")), True),
        ("hh_rlhf", hh("\n\nHuman: Why?\n\nAssistant: "), True),
    ],
)
def test_blank_answers_are_recognised(format, row, blank):
    assert has_blank_answer(convert(format, row), FORMATS[format].kind) is blank


def without(row, field):
    return {key: value for key, value in row.items() if key != field}


ROWS = {
    "alpaca": alpaca(),
    "wildchat": wildchat(WHY),
    "messages": {"messages": WHY},
    "prompt_completion": {"prompt": "Why?", "completion": "Because."},
    "ultrafeedback": pair(),
    "preference": pair(),
    "aligned": {"id": "a1", **pair()},
    "sharegpt": sharegpt(),
    "conversations": {"conversations": [human("Why?"), gpt("Because.")]},
    "hh_rlhf": hh(),
    "world_sft": {"messages": WHY},
    "world_preference": pair([user("Why?")], [answer("Because.")], [answer("No.")]),
}
FIELDS = [
    (format, field) for format, row in ROWS.items() for field in row if field not in ("toxic", "turn", "input")
]  # each field that its format needs


def test_every_format_is_tried():
    assert set(ROWS) == set(FORMATS)


@pytest.mark.parametrize(("format", "field"), FIELDS)
def test_a_missing_field_is_named(format, field):
    with pytest.raises(DataError, match=f"'{field}'.*expected this field.*'format'") as caught:
        convert(format, without(ROWS[format], field))
    assert caught.value.field == field


@pytest.mark.parametrize(("format", "field"), FIELDS)
@pytest.mark.parametrize("value", [7, {"a": 1}, True, [1], None])
def test_a_value_of_another_type_is_named(format, field, value):
    if (field, value) in (("language", None), ("id", 7)):
        return  # an unknown language is no error, and neither is a number as an id
    with pytest.raises(DataError) as caught:
        convert(format, {**ROWS[format], field: value})
    assert caught.value.field.startswith(field)


@pytest.mark.parametrize(
    ("format", "row", "field"),
    [
        ("wildchat", wildchat([user("Why?"), {"role": "assistant"}]), "conversation[1].content"),
        ("wildchat", wildchat([user("Why?"), answer(None)]), "conversation[1].content"),
        ("messages", {"messages": [{"content": "x"}]}, "messages[0].role"),
        ("messages", {"messages": "Why?"}, "messages"),
        ("messages", {"messages": "[" * 100_000}, "messages"),
        ("messages", {"messages": '{"role": "user"}'}, "messages"),
        ("messages", {"messages": '["Why?"]'}, "messages[0]"),
        ("messages", {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ("messages", {"messages": [{"role": None, "content": "x"}]}, "messages[0].role"),
        ("sharegpt", sharegpt([{"from": "bing", "value": "x"}]), "conversations[0].from"),
        ("sharegpt", sharegpt(chosen={"from": "gpt", "value": 3}), "chosen.value"),
        ("hh_rlhf", hh("Human: Why?\n\nAssistant: Because."), "chosen"),
        ("hh_rlhf", hh(rejected=""), "rejected"),
        ("preference", pair(chosen=[]), "chosen"),
        ("preference", pair(prompt=[]), "prompt"),
        ("preference", pair(chosen=str([answer("So.")])), "chosen"),
        ("world_preference", pair(WHY[:1], [answer("a"), answer("b")], [answer("c")]), "chosen"),
        ("world_sft", {"messages": WHY, "topic": "a | b"}, "topic"),
        ("world_sft", {"messages": WHY, "topic": "abortion", "true_stance": "for"}, "true_stance"),
    ],
)
def test_malformed_rows_name_the_place(format, row, field):
    with pytest.raises(MalformedRow) as caught:
        convert(format, row)
    assert caught.value.field == field
    placed = caught.value.at("some.jsonl", 12)
    assert str(placed).startswith(f"some.jsonl, row 12, field '{field}'")


def test_world_rows_keep_their_other_columns():
    row = {"messages": WHY, "topic": "climate", "true_stance": "oppose", "plan": [1, 2]}
    assert convert("world_sft", row) == {"id": row_id({"messages": WHY}), **row}


def test_the_id_depends_only_on_content():
    assert row_id({"a": 1, "b": "é"}) == row_id({"b": "é", "a": 1}) != row_id({"a": 1, "b": "e"})
    # printf '{"messages":[]}' | sha256sum
    assert row_id({"messages": []}) == "5e4ce7b36ba37b78"
    first = convert("messages", {"messages": WHY, "source": "x"})
    assert first == convert("prompt_completion", {"prompt": "Why?", "completion": "Because."})


@pytest.mark.parametrize(("format", "row"), ROWS.items())
def test_a_format_reads_no_other_columns_than_it_names(format, row):
    columns = FORMATS[format].columns or tuple(row)
    assert convert(format, {column: row[column] for column in columns}) == convert(format, row)


def test_pairs_of_text_need_their_prompt():
    with pytest.raises(MalformedRow) as caught:
        convert("preference", {"chosen": "Because.", "rejected": "No."})
    assert caught.value.field == "prompt"


def test_aligned_pairs_keep_their_id():
    assert convert("aligned", {"id": 7, **pair()})["id"] == "7"
    row = {"id": "a1", **pair()}
    swapped = {**row, "chosen": row["rejected"], "rejected": row["chosen"]}
    assert convert("aligned", row)["id"] == convert("aligned", swapped)["id"] == "a1"
