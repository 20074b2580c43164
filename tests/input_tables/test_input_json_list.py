import json

import pytest

from valuedrift.input_tables.json_list import BrokenList, read_items

ITEMS = [
    {"a": "é — \u2028 🙂"},
    {"b": [1.5e-7, -12, True, None, {"c": ']},{\\"'}]},
    {},
    {"d": float("-inf")},
    "text",
    [],
]


def pieces(text, size):
    return (text[at : at + size] for at in range(0, len(text), size))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize("ascii", [True, False])
def test_pieces_may_be_cut_anywhere(size, indent, ascii):
    text = f" \r\n{json.dumps(ITEMS, indent=indent, ensure_ascii=ascii)}\n"
    assert list(read_items(pieces(text, size))) == ITEMS


@pytest.mark.parametrize("text", ["[]", " [ ] ", "[\n]\n"])
def test_an_empty_list(text):
    assert list(read_items(text)) == []


@pytest.mark.parametrize("size", [1, 5, 1_000])
@pytest.mark.parametrize(
    ("text", "before", "says"),
    [
        ("", 0, r"no '\[' at line 1 column 1"),
        ("  \n ", 0, r"no '\[' at line 2 column 2"),
        ('{"a": 1}', 0, r"no '\[' at line 1 column 1"),
        ("[", 0, "Expecting value at line 1 column 2"),
        ("[1", 1, r"no '\]' at line 1 column 3"),
        ('[{"a": 1},\n\n {"b" 2}]', 1, "Expecting ':' delimiter at line 3 column 7"),
        ('[{"a": 1},\n {"b": "x', 1, "Unterminated string starting at line 2 column 8"),
        ('[{"a": 1},]', 1, "Expecting value at line 1 column 11"),
        ('[{"a": 1}\n;{"a": 2}]', 1, r"no '\]' at line 2 column 1"),
        ('[{"a": 1}]\n]', 1, "text after the list at line 2 column 1"),
    ],
)
def test_a_broken_list_yields_what_is_whole_and_says_where_it_breaks(text, before, says, size):
    items = read_items(pieces(text, size))
    for _ in range(before):
        next(items)
    with pytest.raises(BrokenList, match=says):
        next(items)


def test_little_is_read_ahead_and_a_broken_item_is_found_before_the_end():
    taken = []

    def text():
        yield '[{"a": 1}, {"b" 2}'
        for number in range(1_000):
            taken.append(number)
            yield ', {"a": 1}'

    items = read_items(text())
    assert next(items) == {"a": 1}
    assert taken == []
    with pytest.raises(BrokenList, match="line 1 column 17"):
        next(items)
    assert len(taken) < 10
