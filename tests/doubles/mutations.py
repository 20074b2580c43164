"""Valid JSON and files with small faults in them, for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NUMBERS = [True, -1, 0, 1, 2**31, 2**63, 2**70, 1e308]
TEXTS = ["", "x", "F32", "<|end|>", "\x00", "\ud7ff", "../../etc/passwd", "../x.safetensors"]
PARTS = [None, [], [[]], {}, [0, 0], {"x": []}, [-1, 4], [2**40], ["a"] * 3]
ODD = st.sampled_from([*NUMBERS, *TEXTS, *PARTS])
JSON = st.recursive(ODD | st.text(max_size=4) | st.integers(), lambda part: st.lists(part, max_size=3), max_leaves=4)


def mutate(value: Any, data: st.DataObject) -> Any:
    """The JSON value with one part at any depth removed, renamed, repeated or replaced."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(value)))
        how = data.draw(st.sampled_from(["into", "into", "into", "remove", "rename", "replace"]))
        rest = {name: part for name, part in value.items() if name != key}
        if how == "remove":
            return rest
        if how == "rename":
            return {**rest, data.draw(st.sampled_from(sorted(value)) | st.text(max_size=5)): value[key]}
        return {**value, key: mutate(value[key], data) if how == "into" else data.draw(JSON)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 9)):
        i = data.draw(st.integers(0, len(value) - 1))
        how = data.draw(st.sampled_from(["into", "into", "remove", "repeat"]))
        if how == "into":
            return [*value[:i], mutate(value[i], data), *value[i + 1 :]]
        return value[:i] + value[i + 1 :] if how == "remove" else [*value, value[i]]
    return data.draw(JSON)


def spoil(content: bytes, data: st.DataObject) -> bytes:
    """The bytes with a few edits, most of them near the start."""
    found = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(found), 3000)) | st.integers(0, len(found)))
        new, gone = data.draw(st.binary(max_size=8)), data.draw(st.sampled_from([0, 1, 8, 100, len(found)]))
        found[at : at + gone] = new
    return bytes(found)
