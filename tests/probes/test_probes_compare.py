"""Our clusters against published ones."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from math import log, sqrt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from probes_doubles import write_clustered

from valuedrift.errors import ArtifactError, DataError
from valuedrift.probes.compare_clusters import compare_clusters, read_examples
from valuedrift.probes.question_clusters import NOISE

SOFT = [0, 0, 1, 1, 1, 2]
HARD = [0, 0, 1, 1, NOISE, NOISE]


def published(folder: Path, rows: list[tuple[object, object]]) -> Path:
    path = folder / "published.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("cluster_id", "top_texts"), *rows])
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Six prompts in three clusters; the published ones have two clusters of two, one outlier, and one text unknown."""
    prompts = write_clustered(tmp_path / "c.parquet", HARD, SOFT)["prompt"].to_list()
    first, second = prompts[:2], [prompts[2], f"  {prompts[4].upper()}"]
    return tmp_path / "c.parquet", published(tmp_path, [(7, first), (9, second), (-1, [prompts[5], "unknown"])])


def test_hard_and_soft_with_what_is_left_out_counted(files: tuple[Path, Path]) -> None:
    result = compare_clusters(*files)
    assert result["examples"] == {"published": 6, "matched": 5, "outliers": 1}
    assert (result["published_clusters"], result["questions"]) == (2, 6)
    soft, hard = result["soft"], result["hard"]
    assert (soft["clusters"], soft["noise"], soft["examples_in_noise"]) == (3, 0, 0)
    assert (hard["clusters"], hard["noise"], hard["noise_share"], hard["examples_in_noise"]) == (2, 2, 2 / 6, 1)
    assert (soft["examples_rated"], soft["nmi"], soft["purity"]) == (4, 1.0, 1.0)
    assert soft["with_outliers"] == {"examples_rated": 5, "nmi": pytest.approx(1), "purity": 1.0}


def test_noise_is_a_cluster_of_its_own(files: tuple[Path, Path]) -> None:
    hard = compare_clusters(*files)["hard"]
    # examples: published 7 7 9 9, ours 0 0 1 noise. I = log 2, H = log 2 and 1.5 log 2; NMI is I over the mean H.
    assert hard["nmi"] == pytest.approx(log(2) / ((log(2) + 1.5 * log(2)) / 2))
    assert hard["purity"] == 1.0
    assert hard["without_noise"] == {"examples_rated": 3, "nmi": pytest.approx(1), "purity": 1.0}
    # with the outlier, which we call noise as well: one of the two in noise is not the majority's
    assert hard["with_outliers"]["purity"] == 4 / 5
    assert hard["with_outliers"]["nmi"] < 1


def test_purity_is_the_share_of_the_most_frequent(tmp_path: Path) -> None:
    prompts = write_clustered(tmp_path / "c.parquet", [0, 0, 0, 1])["prompt"].to_list()
    result = compare_clusters(tmp_path / "c.parquet", published(tmp_path, [(0, prompts[:2]), (1, prompts[2:])]))
    assert result["soft"]["purity"] == 3 / 4
    assert 0 < result["soft"]["nmi"] < sqrt(0.5)


def test_texts_are_matched_in_questions_where_there_are_no_prompts(files: tuple[Path, Path]) -> None:
    table = pl.read_parquet(files[0])
    table.select(pl.col("prompt").alias("question"), "cluster", "soft_cluster").write_parquet(files[0])
    assert compare_clusters(*files)["examples"]["matched"] == 5


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: None, "a parquet file of clustered questions"),
        (lambda path: path.write_bytes(b"no parquet at all"), "a parquet file of clustered questions"),
        (lambda path: pl.DataFrame({"question": ["a"]}).write_parquet(path), "cluster, soft_cluster"),
        (lambda path: write_clustered(path, HARD), "no example"),
    ],
)
def test_a_table_without_clusters_is_refused(tmp_path: Path, write: Callable[[Path], Any], says: str) -> None:
    write(tmp_path / "c.parquet")
    with pytest.raises(ArtifactError, match=rf"c\.parquet.*{says}"):
        compare_clusters(tmp_path / "c.parquet", published(tmp_path, [(0, ["unknown"])]))


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (("x", "['a']"), "cluster_id"),
        ((1, "a, b"), "top_texts"),
        ((1, "['a', 3]"), "top_texts"),
        ((1, "{'a': 1}"), "top_texts"),
        ((1, "__import__('os').getcwd()"), "top_texts"),
        ((1, "(" * 5000), "top_texts"),
    ],
)
def test_malformed_published_rows_are_named_and_never_run(tmp_path: Path, row: tuple, field: str) -> None:
    with pytest.raises(DataError, match=rf"published\.csv, row 2, field '{field}'"):
        read_examples(published(tmp_path, [(0, ["fine"]), row]))


@pytest.mark.skipif("VALUEDRIFT_DATA" not in os.environ, reason="needs the real slices in $VALUEDRIFT_DATA")
def test_the_published_file_has_115_examples_of_22_clusters() -> None:
    examples = read_examples(Path(os.environ["VALUEDRIFT_DATA"]) / "prism" / "published_clusters.csv")
    assert len(examples) == 115
    assert {label for label, _ in examples} == {*range(22), NOISE}
