"""Every reader of a table from people, given a valid table with faults: it reads it, or names the file."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from doubles.mutations import mutate, spoil
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from valuedrift.errors import ValueDriftError
from valuedrift.judging.checks.against_people import judges_against_people
from valuedrift.judging.checks.blind_sheet import SHOWN, read_sheet
from valuedrift.judging.checks.matching import read_stances
from valuedrift.judging.exam.own_answers import read_own_answers
from valuedrift.probes.compare_clusters import read_examples
from valuedrift.probes.questions import hand_made_probes, prism_probes
from valuedrift.probes.rephrase import read_prompts
from valuedrift.probes.topic_choice import read_choice
from valuedrift.statistics.labelled_sample import read_labelled

FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Rows = list[dict[str, Any]]

JUDGED = {"p_support": 0.5, "p_neutral": 0.25, "p_oppose": 0.25}
ANSWER = {"model": "m", "run": "sft-a", "step": 3, "topic": "a", "question_id": "a-1", "sample": 0}
LABELS = {"human_1": "1", "human_2": "2 - mostly pro", "human_final": "support", "judge:a": "3"}
QUESTIONS = [{"topic": "a", "question": "Why?", "kind": "open"}, {"topic": "b", "question": "How?", "kind": None}]


def filled(file: Path) -> pl.DataFrame:
    key = file.with_name("key.parquet")
    pl.DataFrame([dict.fromkeys(SHOWN, "x") | {"sheet": "s", "pair": number} for number in (1, 2)]).write_parquet(key)
    return read_sheet(file, key)


READERS: dict[str, tuple[Rows, Callable[[Path], Any]]] = {
    "questions": (QUESTIONS, lambda file: hand_made_probes(str(file), ["a", "b"])),
    "prompts": ([{"user_prompt": "a"}] * 2, lambda file: prism_probes(str(file), {"a": ["a"]}, 1, 0)),
    "prompts to rephrase": ([{"id": "1", "user_prompt": "a"}], lambda file: read_prompts(str(file))),
    "clusters": ([{"cluster_id": "1", "top_texts": "['a', 'b']"}], read_examples),
    "answers of known stance": ([{**QUESTIONS[0], "answer": "Yes.", "true_stance": "support"}], read_own_answers),
    "labels": ([{**LABELS, **JUDGED}, {**LABELS, **JUDGED, "human_2": "con"}], judges_against_people),
    "labelled sample": (
        [{**ANSWER, **JUDGED, "true_stance": "con", "weight": 2}],
        lambda file: read_labelled(file, "m"),
    ),
    "stances": ([{**ANSWER, **JUDGED}, {**ANSWER, **JUDGED, "sample": 1}], read_stances),
    "sheet": ([{"sheet": "s", "pair": n, "human_stance": "pro", "note": "x"} for n in (1, 2)], filled),
}


def written(folder: Path, rows: Rows, kind: str) -> Path:
    """The rows in a file; cells that CSV and parquet can't hold are JSON text there."""
    file = folder / f"a.{kind}"
    columns = list(dict.fromkeys(str(name) for row in rows for name in row))
    flat = [{name: cell if kind == "jsonl" else _flat(cell) for name, cell in row.items()} for row in rows]
    if kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in flat))
    elif kind == "parquet":
        cells = {name: [row.get(name) for row in flat] for name in columns}
        pl.DataFrame({name: pl.Series(name, each, strict=False) for name, each in cells.items()}).write_parquet(file)
    else:
        text = io.StringIO()
        table = csv.DictWriter(text, columns, delimiter=";" if kind == "csv.gz" else ",", restval="")
        table.writeheader()
        table.writerows(flat)
        content = text.getvalue().encode(errors="surrogatepass")
        file.write_bytes(gzip.compress(content) if kind == "csv.gz" else content)
    return file


def _flat(cell: Any) -> Any:
    if isinstance(cell, list | dict):
        return json.dumps(cell)
    return float(cell) if isinstance(cell, int) and abs(cell) >= 2**63 else cell


KINDS = st.sampled_from(["csv", "csv.gz", "jsonl", "parquet"])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "parquet"])
def test_a_valid_table_is_read(tmp_path: Path, name: str, kind: str) -> None:
    rows, read = READERS[name]
    read(written(tmp_path, rows, kind))


@FUZZ
@given(name=st.sampled_from(sorted(READERS)), kind=KINDS, data=st.data())
def test_a_table_with_faults_is_read_or_refused(tmp_path: Path, name: str, kind: str, data: st.DataObject) -> None:
    rows, read = READERS[name]
    for _ in range(data.draw(st.integers(1, 3))):
        found = mutate(rows, data)
        rows = [row if isinstance(row, dict) else {} for row in found] if isinstance(found, list) else []
    refused(read, written(tmp_path, rows, kind))


@FUZZ
@given(name=st.sampled_from(sorted(READERS)), kind=KINDS, data=st.data())
def test_a_damaged_table_is_read_or_refused(tmp_path: Path, name: str, kind: str, data: st.DataObject) -> None:
    rows, read = READERS[name]
    file = written(tmp_path, rows, kind)
    file.write_bytes(spoil(file.read_bytes(), data))
    refused(read, file)


CHOICE = yaml.safe_dump({"clustering": "x", "reviewed": "me", "topics": {"a": [0, 1], "b": [2]}}).encode()


@FUZZ
@given(data=st.data())
@example(b"reviewed: 2000-99-99")
def test_a_damaged_choice_of_topics_is_read_or_refused(tmp_path: Path, data: st.DataObject | bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(data if isinstance(data, bytes) else spoil(CHOICE, data))
    refused(lambda file: read_choice(file, "x", [0, 1, 2], ["a", "b"]), tmp_path / "a.yaml")


def refused(read: Callable[[Path], Any], file: Path) -> None:
    """Read the file, or see it refused in a sentence with its name."""
    try:
        read(file)
    except ValueDriftError as error:
        assert str(file) in str(error) or str(error).startswith("stances, model")  # of one file or several
        assert "\n" not in str(error)
