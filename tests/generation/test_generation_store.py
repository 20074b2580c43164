"""Answers that are kept, and which are still lacking."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from valuedrift.errors import ArtifactError
from valuedrift.generation.answer_store import AnswerFile, lacking, wanted
from valuedrift.generation.probe_prompts import Answer, Prompt

PROMPTS = [Prompt(key, f"{key} ?", (1, 2), (0, 1)) for key in ("b", "a")]
ANSWERS = [Answer(p.question_id, i, f"{p.question_id}{i}", 3, i == 0) for p in PROMPTS for i in p.samples]


@pytest.fixture
def file(tmp_path: Path) -> AnswerFile:
    return AnswerFile(tmp_path / "store", {"weights": "w", "seed": "0"})


def test_everything_is_lacking_at_first(file: AnswerFile) -> None:
    assert lacking(PROMPTS, file.read()) == PROMPTS


def test_answers_are_kept_as_they_are(file: AnswerFile) -> None:
    file.add(PROMPTS, ANSWERS, "in place")
    table = file.read()
    assert table.rows() == [
        ("b", "b ?", 0, "b0", 3, True, "in place"),
        ("b", "b ?", 1, "b1", 3, False, "in place"),
        ("a", "a ?", 0, "a0", 3, True, "in place"),
        ("a", "a ?", 1, "a1", 3, False, "in place"),
    ]
    assert lacking(PROMPTS, table) == []
    metadata = pl.read_parquet_metadata(file.path)
    assert {key: metadata[key] for key in file.settings} == file.settings


def test_only_new_numbers_questions_and_wordings_are_lacking(file: AnswerFile) -> None:
    file.add(PROMPTS, ANSWERS, "in place")
    more = [replace(prompt, samples=(0, 1, 2, 3)) for prompt in PROMPTS]
    assert lacking(more, file.read()) == [replace(prompt, samples=(2, 3)) for prompt in PROMPTS]
    third = replace(PROMPTS[0], question_id="c")
    reworded = replace(PROMPTS[1], text="a, then ?")
    assert lacking([*PROMPTS, third, reworded], file.read()) == [third, reworded]


def test_what_was_there_stays_when_more_is_added(file: AnswerFile) -> None:
    file.add(PROMPTS[:1], ANSWERS[:2], "in place")
    changed = [replace(answer, text="else") for answer in ANSWERS]
    file.add(PROMPTS, changed, "fresh engine")
    assert file.read()["answer"].to_list() == ["b0", "b1", "else", "else"]


def test_wanted_answers_stand_in_the_prompts_order() -> None:
    assert wanted(PROMPTS).rows() == [("b", "b ?", 0), ("b", "b ?", 1), ("a", "a ?", 0), ("a", "a ?", 1)]


def test_other_settings_have_another_file(file: AnswerFile, tmp_path: Path) -> None:
    assert AnswerFile(tmp_path / "store", {"seed": "0", "weights": "w"}).path == file.path
    assert AnswerFile(tmp_path / "store", {**file.settings, "seed": "1"}).path != file.path


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", None])
def test_a_file_that_is_no_table_of_answers_is_named(file: AnswerFile, content: bytes | None) -> None:
    file.path.parent.mkdir()
    if content is None:
        pl.DataFrame({"question_id": ["a"]}).write_parquet(file.path)
    else:
        file.path.write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{file.path.name}: .* expected a table of answers. Remove it"):
        file.read()
