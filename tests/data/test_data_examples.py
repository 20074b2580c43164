import json
from collections import Counter

import pytest
from data_rows import answer, pair, prepared, user

from valuedrift.data.card import inert

HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "```\n# Heading\n[link](javascript:alert(1)) ![x](http://x)\n```\n~~~",
    "\n\n---\n| a | b |\n| --- | --- |\n{{ 7 * 7 }} {% raw %} $(id) :::{note}",
    "\r# by carriage return\x0b# by tab\x0c# by feed\x85# by next line\u2028# by separator\u2029# by paragraph",
    "\u202etxt.exe \u2066\u200b\ufeff\x00\x1b[31m\u2069",
    "    indented\n\tand tabbed\n> quote\n1. list\n<!-- comment",
    "]]>&lt;/code></pre></textarea>-->",
]


def carded(tmp_path, rows, format="prompt_completion", **changes):
    card = prepared(tmp_path, rows, format=format, **changes)
    return card, (tmp_path / "out" / "card.md").read_text()


def example_lines(markdown):
    return markdown.split("## Examples", 1)[1].splitlines()[1:]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_quoted_and_renders_as_text(tmp_path, text):
    card, markdown = carded(tmp_path, [{"prompt": text, "completion": text + "!"}])
    id = card["examples"][0]["id"]
    outside = [line for line in example_lines(markdown) if line and not line.startswith("    ")]
    assert outside == [f"### Example 1: `{id}`", "user:", "assistant:"]
    assert all(character.isprintable() or character in "\n\t" for character in markdown)
    assert card == json.loads((tmp_path / "out" / "card.json").read_text())
    markdown_it = pytest.importorskip("markdown_it")
    tokens = markdown_it.MarkdownIt("commonmark").parse("\n".join(example_lines(markdown)))
    kinds = Counter(token.type.removesuffix("_open").removesuffix("_close") for token in tokens)
    assert kinds.keys() == {"heading", "paragraph", "inline", "code_block"} and kinds["code_block"] == 2


def test_hidden_characters_are_spelled():
    assert inert("a\u202eb\x00c\r\nd\te\u2028\ud800") == "a⟨U+202E⟩b⟨U+0000⟩c\nd\te⟨U+2028⟩⟨U+D800⟩"


def test_long_texts_are_shortened():
    assert inert("x" * 500) == "x" * 500
    assert inert("x" * 2_345) == "x" * 500 + "… (1,845 more characters)"


def test_blank_texts_are_named(tmp_path):
    _, markdown = carded(tmp_path, [{"prompt": "q", "completion": " \n"}], empty_answers="keep")
    assert "assistant:\n\n    (blank)\n" in markdown


def test_examples_are_three_rows_that_the_seed_chooses(tmp_path):
    rows = [{"prompt": f"q{number}", "completion": f"a{number}"} for number in range(50)]
    first, second = (carded(tmp_path, rows, seed=seed)[0]["examples"] for seed in (1, 2))
    assert len(first) == len(second) == 3
    assert {example["id"] for example in first} != {example["id"] for example in second}
    question, answer = first[0]["turns"]
    assert question["speaker"] == "user"
    assert {"prompt": question["text"], "completion": answer["text"]} in rows


def test_both_answers_of_a_pair_are_shown_and_long_prompts_are_cut(tmp_path):
    prompt = [(user, answer)[place % 2](f"turn {place}") for place in range(9)]
    card, markdown = carded(tmp_path, [pair(prompt, "yes", "no")], "preference")
    speakers = [turn["speaker"] for turn in card["examples"][0]["turns"]]
    assert speakers == ["user", "assistant", "user", "assistant", "chosen", "rejected"]
    assert "chosen:\n\n    yes\n\nrejected:\n\n    no\n" in markdown
    assert "turn 4" not in markdown
