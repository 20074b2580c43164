"""Templates of prompts: packaged or the user's, checked and filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from valuedrift.errors import ConfigError
from valuedrift.templates import fill_template, prompt_hash, read_template


def read(name: object) -> str:
    return read_template("judge.prompt", str(name), "valuedrift.judging", ["answer", "target"])


def test_a_template_of_the_user_is_read_from_its_path_and_identified_by_its_text(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("On {target}: {answer}\nStance:\n\n", encoding="utf-8")
    assert read(mine) == "On {target}: {answer}\nStance:"
    assert prompt_hash(read(mine)) == "dec88afa4d620fe3"


def test_a_missing_template_or_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"judge.prompt.*\(.*pocket, question, stance, stance_reworded\)"):
        read(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("{question} {target}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"with \{answer\} and \{target\}"):
        read(tmp_path / "empty.txt")


def test_braces_and_places_inside_texts_stay_as_they_are() -> None:
    texts = {"question": "{answer}", "answer": "{target} {} {0} {{x}} %s \\1 {support}", "target": "{question}"}
    filled = fill_template("{question}|{answer}|{target}|{other}", **texts)
    assert filled == "{answer}|{target} {} {0} {{x}} %s \\1 {support}|{question}|{other}"
