"""Bodies of chat completions in which any part may be wrong, for hypothesis."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A completion in which any part may be anything, or missing, or cut."""

    def part(usual: st.SearchStrategy[Any]) -> Any:
        return draw(st.one_of(usual, usual, usual, JSON))

    def fields(**usual: st.SearchStrategy[Any]) -> dict[str, Any]:
        return {name: part(value) for name, value in usual.items() if draw(st.integers(0, 9))}

    entry = st.fixed_dictionaries({"token": st.text(max_size=5), "logprob": st.floats() | st.none() | JSON})
    token = st.builds(lambda top: {"token": "A", "logprob": -0.1, "top_logprobs": top}, st.lists(entry, max_size=4))
    choice = fields(
        message=st.just({"content": "A"}),
        finish_reason=st.sampled_from(["stop", "length", None, "error", "content_filter"]),
        logprobs=st.builds(lambda content: {"content": content}, st.lists(token, max_size=2)),
        error=st.none(),
    )
    body = fields(choices=st.just([choice]), usage=st.just({"prompt_tokens": 3}), model=st.just("m"), error=st.none())
    text = json.dumps(part(st.just(body)))
    written = draw(st.sampled_from(["{}", "data: {}\n\n", "data: {}\n\ndata: [DONE]", "<html>{}</html>"])).replace(
        "{}", text
    )
    content = written.encode("utf-8", "surrogatepass")
    return content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content
