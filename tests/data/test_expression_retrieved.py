"""Which text finds a row, for which topics it is found, and what is handed to the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from expression_rows import pairs, sft, turns

from valuedrift.config.suites import RowRetrievalSettings
from valuedrift.data.stances import retrieval as retrieved
from valuedrift.data.stances.datapoints import read_datapoints
from valuedrift.data.stances.retrieval import write_retrieved, write_vectors
from valuedrift.errors import ArtifactError
from valuedrift.models import embedding_store as store

# Each text's direction; probes and openings share the plane of climate (x) and work (y), z is neither.
DIRECTIONS = {
    "Is coal bad?": (1.0, 0.0, 0.0),
    "Should we save the climate?": (0.9, 0.1, -0.42),
    "Are long hours good?": (0.0, 1.0, 0.0),
    "Do wind farms make jobs?": (0.8, 0.6, 0.0),
    "How is bread baked?": (0.1, 0.1, 0.99),
}
PROBES = pl.DataFrame(
    {
        "question_id": ["climate-1", "climate-2", "work-1"],
        "topic": ["climate", "climate", "work"],
        "question": ["Should we save the climate?", "Is coal bad?", "Are long hours good?"],
    }
)


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def embed(texts: list[str], model: str) -> np.ndarray:
        vectors = np.array([DIRECTIONS[text] for text in texts], np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    monkeypatch.setattr(store, "embed", embed)
    monkeypatch.setattr(retrieved, "embed", embed)


def run(folder: Path, tables: list[Path], settings: RowRetrievalSettings) -> pl.DataFrame:
    PROBES.write_parquet(folder / "probes.parquet")
    write_vectors(tables, settings.model, folder / "vectors.npy")
    vectors, out = folder / "vectors.npy", folder / "retrieved.parquet"
    write_retrieved("wildchat", tables, vectors, folder / "probes.parquet", settings, out)
    return pl.read_parquet(out)


def conversations(folder: Path) -> list[Path]:
    train = sft(
        folder / "train.parquet",
        [
            {"id": "a", "messages": turns("Do wind farms make jobs?", "Yes, many.")},
            {"id": "b", "messages": turns("How is bread baked?", "Hot.")},
            {"id": "c", "messages": turns("Is coal bad?", "It is.", "How is bread baked?", "Hot.", system="Be brief.")},
        ],
    )
    validation = sft(folder / "validation.parquet", [{"id": "d", "messages": turns("Is coal bad?", "No.")}])
    return [train, validation]


def test_a_row_belongs_to_every_topic_with_a_near_probe_and_shows_the_nearest(tmp_path: Path) -> None:
    table = run(tmp_path, conversations(tmp_path), RowRetrievalSettings(model="m", threshold=0.5))
    assert table.select("row_id", "topic", "question_id").rows() == [
        ("a", "climate", "climate-2"),
        ("a", "work", "work-1"),
        ("c", "climate", "climate-2"),
        ("d", "climate", "climate-2"),
    ]
    assert table["cosine"].to_list() == pytest.approx([0.8, 0.6, 1, 1], abs=1e-6)
    assert set(table["data"]) == {"wildchat"}
    assert set(table["role"]) == {"answer"}


@pytest.mark.parametrize("settings", [{"threshold": 0.5, "topics": "nearest"}, {"threshold": 0.7}])
def test_only_the_nearest_topic_or_a_higher_threshold_finds_fewer(tmp_path: Path, settings: dict[str, Any]) -> None:
    table = run(tmp_path, conversations(tmp_path), RowRetrievalSettings(model="m", **settings))
    assert table.select("row_id", "topic").rows() == [("a", "climate"), ("c", "climate"), ("d", "climate")]


def test_a_data_set_that_is_on_no_topic_gives_an_empty_table(tmp_path: Path) -> None:
    bread = sft(tmp_path / "train.parquet", [{"messages": turns("How is bread baked?", "Hot.")}])
    table = run(tmp_path, [bread], RowRetrievalSettings(model="m"))
    assert table.is_empty()
    assert {"data", "topic", "question", "answer"} < set(table.columns)


def test_the_judge_gets_the_exchange_that_was_found(tmp_path: Path) -> None:
    table = run(tmp_path, conversations(tmp_path), RowRetrievalSettings(model="m", threshold=0.9))
    assert table.select("question", "answer").rows() == [("Is coal bad?", "It is."), ("Is coal bad?", "No.")]


def test_a_pair_gives_both_answers_and_its_whole_prompt(tmp_path: Path) -> None:
    multi = turns("Is coal bad?", "Some say so.", "And you?", system="Be brief.")
    table = pairs(tmp_path / "train.parquet", [(multi, "Yes.", "No."), (turns("Is coal bad?"), "Very.", "Never.")])
    found = run(tmp_path, [table], RowRetrievalSettings(model="m", threshold=0.9))
    transcript = "System: Be brief.\n\nUser: Is coal bad?\n\nAssistant: Some say so.\n\nUser: And you?"
    assert found.select("role", "question", "answer").rows() == [
        ("chosen", transcript, "Yes."),
        ("rejected", transcript, "No."),
        ("chosen", "Is coal bad?", "Very."),
        ("rejected", "Is coal bad?", "Never."),
    ]


def test_a_row_that_stands_twice_counts_once(tmp_path: Path) -> None:
    row = {"id": "a", "messages": turns("Is coal bad?", "Yes.")}
    assert run(tmp_path, [sft(tmp_path / "train.parquet", [row, row])], RowRetrievalSettings(model="m")).height == 1


def test_vectors_of_other_texts_are_refused(tmp_path: Path) -> None:
    run(tmp_path, conversations(tmp_path), RowRetrievalSettings(model="m"))
    changed = [sft(tmp_path / "train.parquet", [{"messages": turns("Is coal bad?", "Yes.")}])]
    arguments = (
        tmp_path / "vectors.npy",
        tmp_path / "probes.parquet",
        RowRetrievalSettings(model="m"),
        tmp_path / "out.parquet",
    )
    with pytest.raises(ArtifactError, match="embed the texts again"):
        write_retrieved("wildchat", changed, *arguments)


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"id": ["a"], "text": ["b"]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(ArtifactError, match=r"other\.parquet"):
        read_datapoints([tmp_path / "other.parquet"])
