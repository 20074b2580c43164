"""Which prompts are retrieved for which topic."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from valuedrift.config.synthetic_pairs import RetrievalSettings
from valuedrift.data_formats.canonical import SCHEMAS
from valuedrift.data_formats.hh_rlhf import convert
from valuedrift.errors import ArtifactError
from valuedrift.input_tables.rows import read_rows
from valuedrift.probes.questions import prism_probes
from valuedrift.synthetic.candidate_questions import candidate_prompts, prompt_id, write_candidates
from valuedrift.synthetic.retrieve_questions import distinct, retrieve, score, shares, write_retrieved

SETTINGS = RetrievalSettings(total=4, nearest=2, minimum=0.5, duplicate=0.99)


def unit(*rows: list[float]) -> np.ndarray:
    vectors = np.array(rows, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def prompts(*texts: str) -> pl.DataFrame:
    return pl.DataFrame({"prompt_id": [prompt_id(t) for t in texts], "source": "s", "prompt": list(texts)})


PROBES = pl.DataFrame({"topic": ["a", "a", "b", "b"], "question": ["A one?", "A two?", "B one?", "B two?"]})
PROBE_VECTORS = unit([1, 0, 0.1], [1, 0, -0.1], [0, 1, 0.1], [0, 1, -0.1])


def preference_table(path: Path, conversations: list[list[tuple[str, str]]]) -> Path:
    def turn(role: str, text: str) -> dict[str, str]:
        return {"role": role, "content": text}

    rows = [
        {
            "id": str(n),
            "prompt": [turn(*t) for t in turns],
            "chosen": [turn("assistant", "c")],
            "rejected": [turn("assistant", "r")],
        }
        for n, turns in enumerate(conversations)
    ]
    pl.DataFrame(rows).write_parquet(path)
    return path


def test_candidates_are_the_distinct_opening_questions(tmp_path: Path) -> None:
    talk = [("system", "Be kind."), ("user", "Are taxes fair?"), ("assistant", "Yes."), ("user", "Why?")]
    one = preference_table(tmp_path / "one.parquet", [talk, [("user", "  are TAXES\n fair? ")], [("user", "x" * 21)]])
    two = preference_table(tmp_path / "two.parquet", [[("user", "Are taxes fair?")], [("user", "Who votes?")]])
    table, counts = candidate_prompts({"one": one, "two": two}, longest=20)
    assert table.rows() == [
        (prompt_id("Are taxes fair?"), "one", "Are taxes fair?"),
        (prompt_id("Who votes?"), "two", "Who votes?"),
    ]
    assert counts == {"rows": 5, "repeated": 2, "too_long": 1, "prompts": 2}


def test_score_is_the_mean_of_the_nearest_questions_of_a_topic() -> None:
    probes = unit([1, 0], [0, 1], [-1, 0], [1, 1])
    scores, closest = score(unit([1, 0], [0, 1]), probes, ["a", "a", "a", "b"], nearest=2)
    assert scores == pytest.approx(np.array([[0.5, 0.7071], [0.5, 0.7071]]), abs=1e-4)
    assert closest == pytest.approx(np.array([1.0, 1.0]))


def test_scores_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(*np.random.default_rng(0).normal(size=(50, 8)).tolist())
    probes, topics = vectors[:12], ["a", "b", "c"] * 4
    whole = score(vectors, probes, topics, 3)
    monkeypatch.setattr("valuedrift.synthetic.retrieve_questions._BLOCK", 7)
    parts = score(vectors, probes, topics, 3)
    for part, all_at_once in zip(parts, whole, strict=True):
        assert part == pytest.approx(all_at_once, abs=1e-6)


def test_each_prompt_goes_to_its_best_topic_and_shares_are_equal() -> None:
    table = prompts("p0", "p1", "p2", "p3", "p4")
    vectors = unit([1, 0.7, 0], [1, 0.3, 0], [1, 0.5, 0], [0.3, 1, 0], [0, 0, 1])
    found, counts = retrieve(table, vectors, PROBES, PROBE_VECTORS, SETTINGS)
    assert found.select("topic", "prompt").rows() == [("a", "p1"), ("a", "p2"), ("b", "p3")]
    assert found["cosine"].is_between(0.5, 1).all()
    assert counts["below_minimum"] == 1
    assert {key: counts["topics"]["a"][key] for key in ("found", "quota", "retrieved", "short")} == {
        "found": 3, "quota": 2, "retrieved": 2, "short": 0,
    }  # fmt: skip
    # what b lacks is reported, and not filled up with the third prompt of a
    assert (counts["retrieved"], counts["topics"]["b"]["short"]) == (3, 1)


def test_probe_questions_themselves_are_left_out() -> None:
    table = prompts("a  ONE?", "nearly a probe", "another")
    vectors = unit([1, 0.3, 0], [1, 0, 0.1], [1, 0.35, 0])
    found, counts = retrieve(table, vectors, PROBES, PROBE_VECTORS, SETTINGS)
    assert found["prompt"].to_list() == ["another"]
    assert counts["contaminated"] == 2


def test_of_near_duplicates_the_best_stays() -> None:
    table = prompts("worse", "better", "other")
    found, counts = retrieve(table, unit([1, 0.31, 0], [1, 0.3, 0], [1, 0.6, 0]), PROBES, PROBE_VECTORS, SETTINGS)
    assert found["prompt"].to_list() == ["better", "other"]
    assert counts["duplicates"] == 1


def test_distinct_in_blocks_equals_one_at_a_time() -> None:
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(40, 6))
    vectors = unit(*(centres[rng.integers(0, 40, 300)] + rng.normal(scale=0.2, size=(300, 6))).tolist())
    kept: list[int] = []
    for place, vector in enumerate(vectors):
        if not kept or (vectors[kept] @ vector).max() < 0.9:
            kept.append(place)
    assert 30 < len(kept) < 200
    for block in (1, 7, 64, 1000):
        assert np.flatnonzero(distinct(vectors, 0.9, block)).tolist() == kept


def test_shares_add_up() -> None:
    assert shares(11, ["a", "b", "c"]) == {"a": 4, "b": 4, "c": 3}


def test_order_of_the_prompts_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    table = prompts(*(f"p{n}" for n in range(60)))
    vectors = unit(*(np.abs(rng.normal(size=(60, 3))) * [1, 1, 0.3]).tolist())
    mixed = rng.permutation(60)
    straight, _ = retrieve(table, vectors, PROBES, PROBE_VECTORS, SETTINGS)
    shuffled, _ = retrieve(table[mixed], vectors[mixed], PROBES, PROBE_VECTORS, SETTINGS)
    assert straight.equals(shuffled)
    assert straight.height == 4


def test_nothing_close_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ArtifactError, match=r"Lower synthetic\.minimum"):
        retrieve(prompts("far"), unit([0, 0, 1]), PROBES, PROBE_VECTORS, SETTINGS)


def test_real_prompts_on_real_probes(tmp_path: Path) -> None:
    """Of the prompts nearest to abortion nearly all speak of it; the whole set has one in fifty that does."""
    from valuedrift.models.sentence_encoder import OFFLINE, embed

    folder = Path(os.environ.get("VALUEDRIFT_DATA") or pytest.skip("VALUEDRIFT_DATA is not set"))
    transcripts = read_rows(folder / "hh_rlhf" / "harmless-base_test.jsonl.gz")
    rows = [row for row in (convert(transcript) for _, transcript in transcripts) if isinstance(row, dict)]
    pl.DataFrame(rows, schema=SCHEMAS["preference"]).write_parquet(tmp_path / "train.parquet")
    write_candidates({"hh-rlhf": tmp_path / "train.parquet"}, 2000, tmp_path / "candidates.parquet")
    candidates = pl.read_parquet(tmp_path / "candidates.parquet")
    speaks = candidates["prompt"].str.contains(r"(?i)abortion|gay|trans|lesbian|gender")
    few = candidates.filter(speaks | (pl.int_range(pl.len()) % 40 == 0))
    few.write_parquet(tmp_path / "candidates.parquet")
    words = {"abortion": ["abortion", "abortions"], "gender": ["transgender", "gay", "lesbian"]}
    probes = prism_probes(str(folder / "prism" / "prism_prompts.csv"), words, 20, 0)[0]
    probes.write_parquet(tmp_path / "probes.parquet")
    write_retrieved(
        tmp_path / "candidates.parquet",
        embed(few["prompt"].to_list(), OFFLINE),
        tmp_path / "probes.parquet",
        embed(probes["question"].to_list(), OFFLINE),
        RetrievalSettings(total=12),
        tmp_path / "retrieved.parquet",
    )
    found = pl.read_parquet(tmp_path / "retrieved.parquet").filter(topic="abortion")
    assert json.loads((tmp_path / "retrieved.json").read_text())["topics"]["abortion"]["retrieved"] == found.height == 6
    assert found["prompt"].str.contains("(?i)abortion").sum() >= 5
