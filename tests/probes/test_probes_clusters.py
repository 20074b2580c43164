"""Vectors to few dimensions to clusters, every setting, and what each cluster is about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from probes_doubles import MODEL, WORDS, read, words_embed, write_clustered

from valuedrift.config.probe_sets import ClusterSettings, ReductionSettings
from valuedrift.errors import ConfigError
from valuedrift.models import embedding_store as store
from valuedrift.models.embedding_store import write_embeddings
from valuedrift.probes.describe_clusters import class_tf_idf, describe, read_descriptions, top_terms, write_descriptions
from valuedrift.probes.question_clusters import NOISE, Assignment, assign, clustering_hash, soften, write_clusters
from valuedrift.probes.reduce import nearest, reduce, write_reduced
from valuedrift.probes.rephrase import write_as_asked

REDUCTION = ReductionSettings(neighbours=8, dimensions=3, epochs=60)


def unit_vectors(count: int = 120, dimensions: int = 16, groups: int = 4) -> np.ndarray:
    random = np.random.default_rng(7)
    middles = np.eye(groups, dimensions) * 3
    vectors = middles[np.arange(count) % groups] + random.normal(size=(count, dimensions)) * 0.5
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(autouse=True)
def word_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "embed", words_embed)


def test_nearest_equals_brute_force_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("valuedrift.probes.reduce._BLOCK", 50)
    vectors = unit_vectors()
    vectors[7] = vectors[3]  # a duplicate is as near as itself
    places, distances = nearest(vectors, 9)
    full = 1 - vectors.astype(np.float64) @ vectors.astype(np.float64).T
    assert (places[:, 0] == np.arange(120)).all()
    assert np.allclose(distances, np.sort(full, axis=1)[:, :9], atol=1e-6)
    assert np.allclose(distances, np.take_along_axis(full, places.astype(np.int64), 1), atol=1e-6)
    assert all(len(set(row)) == 9 for row in places.tolist())
    assert (distances >= 0).all()


def test_reduction_keeps_groups_and_gives_the_same_bytes_for_one_seed() -> None:
    vectors = unit_vectors()
    reduced = reduce(vectors, REDUCTION)
    assert (reduced.shape, reduced.dtype) == ((120, 3), np.float32)
    assert reduce(vectors, REDUCTION).tobytes() == reduced.tobytes()
    gaps = np.linalg.norm(reduced[:, None] - reduced[None], axis=2) + np.eye(120) * 1e9
    assert (gaps.argmin(axis=1) % 4 == np.arange(120) % 4).all()


@pytest.mark.parametrize(
    "change", [{"neighbours": 12}, {"dimensions": 4}, {"min_distance": 0.5}, {"epochs": 20}, {"seed": 1}]
)
def test_every_setting_of_the_reduction_counts(change: dict) -> None:
    vectors = unit_vectors()
    assert reduce(vectors, REDUCTION.replace(**change)).tobytes() != reduce(vectors, REDUCTION).tobytes()


def test_too_few_questions_to_reduce_are_named() -> None:
    with pytest.raises(ConfigError, match="found 21, expected fewer than there are questions \\(12\\)"):
        reduce(unit_vectors(12), ReductionSettings())


def blobs(*sizes: int, strays: int = 0) -> np.ndarray:
    """Groups of the given sizes along a line, and strays far from all and from each other."""
    random = np.random.default_rng(3)
    groups = [random.normal(size=(size, 2)) * 0.1 + [place * 5, 0] for place, size in enumerate(sizes)]
    far = [np.array([[place * 7 + 1, 40 + place]]) for place in range(strays)]
    return np.concatenate([*groups, *far]).astype(np.float32)


def clusters(points: np.ndarray, size: int, samples: int = 5) -> Assignment:
    return assign(points, ClusterSettings(min_cluster_size=size, min_samples=samples, min_membership=1.0))


def test_clusters_are_numbered_by_size_and_strays_are_noise() -> None:
    assigned = clusters(blobs(20, 40, 30, strays=3), 10)
    assert assigned.cluster.tolist() == [2] * 20 + [0] * 40 + [1] * 30 + [NOISE] * 3
    assert assigned.soft_cluster.tolist() == assigned.cluster.tolist()
    assert ((assigned.probability >= 0) & (assigned.probability <= 1)).all()


def test_min_cluster_size_counts() -> None:
    points = blobs(20, 40, 30)
    assert set(clusters(points, 10).cluster) == {0, 1, 2}
    assert 2 not in clusters(points, 25).cluster


def test_more_min_samples_more_noise() -> None:
    points = np.random.default_rng(1).normal(size=(300, 2)).astype(np.float32) + blobs(150, 150) * 1.2
    few, many = ((clusters(points, 20, samples).cluster == NOISE).sum() for samples in (1, 20))
    assert few != many


@pytest.mark.parametrize("points", [blobs(60), blobs(5, 5)])
def test_fewer_than_two_clusters_are_an_error(points: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=rf"min_cluster_size.*of {len(points)} questions.*Lower it"):
        clusters(points, 20)


def test_noise_joins_its_likeliest_cluster_where_membership_is_large_enough() -> None:
    membership = np.array([[0.2, 0.7], [0.3, 0.1], [0.02, 0.04], [0.0, 0.0]])
    hard = np.array([0, NOISE, NOISE, NOISE])
    softened = soften(hard, membership, 0.04)
    assert softened.soft_cluster.tolist() == [0, 0, 1, NOISE]  # what HDBSCAN itself has placed stays there
    assert softened.probability.tolist() == [0.2, 0.3, 0.04, 0.0]
    assert soften(hard, membership, 0.05).soft_cluster.tolist() == [0, 0, NOISE, NOISE]
    assert soften(hard, membership, 0.0).soft_cluster.tolist() == [0, 0, 1, 0]


def prepared(folder: Path, per_word: int = 30) -> Path:
    """Questions on four words and their embeddings, in files."""
    prompts = [f"Is {word} good in case {number}?" for number in range(per_word) for word in WORDS]
    (folder / "prism.jsonl").write_text(
        "\n".join(f'{{"id": "p{place}", "user_prompt": "{prompt}"}}' for place, prompt in enumerate(prompts))
    )
    write_as_asked(str(folder / "prism.jsonl"), folder / "questions.parquet")
    write_embeddings(pl.read_parquet(folder / "questions.parquet")["question"], MODEL, folder / "embeddings.npy")
    return folder


def test_from_questions_to_described_clusters_in_files(tmp_path: Path) -> None:
    folder = prepared(tmp_path)
    questions, clustered = folder / "questions.parquet", folder / "clustered.parquet"
    write_reduced(questions, folder / "embeddings.npy", MODEL, REDUCTION, folder / "reduced.npy")
    write_clusters(questions, folder / "reduced.npy", ClusterSettings(min_cluster_size=10, min_samples=5), clustered)
    table = pl.read_parquet(clustered)
    assert table.columns == ["id", "prompt", "question", "cluster", "soft_cluster", "probability"]
    assert table.drop("cluster", "soft_cluster", "probability").equals(pl.read_parquet(questions))
    words = table.group_by(pl.col("question").str.extract("Is (\\w+)")).agg(pl.col("soft_cluster").n_unique())
    assert words["soft_cluster"].to_list() == [1] * 4

    write_descriptions(clustered, folder / "embeddings.npy", MODEL, folder / "clusters.json")
    clustering, described = read_descriptions(folder / "clusters.json")
    assert clustering == clustering_hash(table)
    assert sorted(each.terms[0].split()[0] for each in described) == sorted(WORDS)
    assert sum(each.size for each in described) == 120
    assert all(each.terms[0].split()[0] in text for each in described for text in each.examples)
    assert read(folder / "clusters.json")["noise"] == {
        name: table.filter(pl.col(name) == NOISE).height for name in ("cluster", "soft_cluster")
    }


def test_the_hash_is_of_who_is_where(tmp_path: Path) -> None:
    table = write_clustered(tmp_path / "c.parquet", [0, 0, 1, NOISE], [0, 0, 1, 1])
    assert clustering_hash(table) == clustering_hash(table.reverse())
    for change in ({"soft_cluster": [0, 0, 1, 0]}, {"cluster": [0, NOISE, 1, NOISE]}, {"id": ["a", "b", "c", "d"]}):
        changed = table.with_columns(**{name: pl.Series(values) for name, values in change.items()})
        assert clustering_hash(changed) != clustering_hash(table)


def test_class_tf_idf_is_its_formula() -> None:
    weights = class_tf_idf(np.array([[3.0, 1.0, 0.0], [1.0, 0.0, 1.0]]))  # classes of 4 and 2 terms: 3 on average
    expected = [[0.75 * np.log(1 + 3 / 4), 0.25 * np.log(4), 0], [0.5 * np.log(1 + 3 / 4), 0, 0.5 * np.log(4)]]
    assert np.allclose(weights, expected)
    assert np.isfinite(class_tf_idf(np.array([[1.0, 2.0], [0.0, 0.0]]))).all()


def test_terms_are_ngrams_within_a_question_without_stop_words() -> None:
    questions = ["the climate change", "is climate change real", "cooking pasta", "the of and"]
    terms = top_terms(questions, np.array([0, 0, 1, NOISE]))
    assert set(terms[0][:3]) == {"climate", "change", "climate change"}
    assert set(terms[1]) == {"cooking", "pasta", "cooking pasta"}
    assert "change climate" not in terms[0]
    assert top_terms(["the of", "and is"], np.array([0, 1])) == [[], []]


def test_examples_are_the_most_central_and_noise_is_no_ones(tmp_path: Path) -> None:
    table = write_clustered(tmp_path / "c.parquet", [0] * 9 + [1] * 3 + [NOISE], [0] * 9 + [1] * 3 + [NOISE])
    vectors = np.zeros((13, 3), dtype=np.float32)
    vectors[:9] = [[1, offset, 0] for offset in (0.9, -0.3, 0.2, -0.1, 0.05, -0.2, 0.1, -0.05, -0.4)]
    vectors[9:12, 2] = 1
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)
    first, second = describe(table, vectors)
    assert (first.size, first.core, second.size) == (9, 9, 3)
    assert len(first.examples) == 8
    assert table["question"][0] not in first.examples  # the one furthest from the centre
    assert first.examples[0] == table["question"][4]
