"""Quality and time of clustering PRISM's prompts with the default settings, against PRISM's published clusters.

    python benchmarks/clusters.py prism_prompts.csv published_clusters.csv              # seed 0
    python benchmarks/clusters.py prism_prompts.csv published_clusters.csv --seeds 0 1 2
    python benchmarks/clusters.py prism_prompts.csv published_clusters.csv --encoder FOLDER   # another encoder

No chat model is asked: each prompt is its own question. Prints JSON: the settings, the wall seconds of each stage
(including imports, and compilation in the first reduction), the machine's load before and after, and for each seed the
result of `compare_clusters`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.config.probe_sets import ClusterSettings, ReductionSettings
from valuedrift.models.embedding_store import write_embeddings
from valuedrift.models.sentence_encoder import OFFLINE, encoder
from valuedrift.probes.compare_clusters import compare_clusters
from valuedrift.probes.describe_clusters import write_descriptions
from valuedrift.probes.question_clusters import write_clusters
from valuedrift.probes.reduce import write_reduced
from valuedrift.probes.rephrase import write_as_asked


def seconds(stage: Callable[..., object], *arguments: Any) -> float:
    start = time.monotonic()
    stage(*arguments)
    return round(time.monotonic() - start, 2)


def prepare(prompts: str, name: str, folder: Path) -> dict[str, float]:
    """Write questions and embeddings into `folder`; returns the seconds of each stage."""
    questions = folder / "questions.parquet"
    read = seconds(write_as_asked, prompts, questions)
    load = seconds(encoder, name)
    embed = seconds(write_embeddings, pl.read_parquet(questions)["question"], name, folder / "embeddings.npy")
    first = seconds(_reduce, name, folder, ReductionSettings())
    return {"read": read, "load_encoder": load, "embed": embed, "reduce_with_compilation": first}


def run(seed: int, published: Path, name: str, folder: Path) -> dict[str, Any]:
    """Cluster the prepared questions once; gives the quality and the seconds of each stage."""
    clustered = folder / "clustered.parquet"
    reduce = seconds(_reduce, name, folder, ReductionSettings(seed=seed))
    files = folder / "questions.parquet", folder / "reduced.npy"
    cluster = seconds(write_clusters, *files, ClusterSettings(), clustered)
    describe = seconds(write_descriptions, clustered, folder / "embeddings.npy", name, folder / "descriptions.json")
    found = compare_clusters(clustered, published)
    return {"seed": seed, "seconds": {"reduce": reduce, "cluster": cluster, "describe": describe}, **found}


def _reduce(name: str, folder: Path, settings: ReductionSettings) -> None:
    files = folder / "questions.parquet", folder / "embeddings.npy"
    write_reduced(*files, name, settings, folder / "reduced.npy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", help="PRISM's prompts: id, user_prompt")
    parser.add_argument("published", type=Path, help="PRISM's published clusters: cluster_id, top_texts")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--encoder", default=OFFLINE, help="as in the configuration's `embedding`, without packages")
    given = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(given.prompts, given.encoder, Path(folder))
        runs = [run(seed, given.published, given.encoder, Path(folder)) for seed in given.seeds]
    settings = {
        "embedding": given.encoder,
        "reduction": ReductionSettings().model_dump(),
        "clusters": ClusterSettings().model_dump(),
    }
    machine = {"cores": os.cpu_count(), "load_before": before, "load_after": os.getloadavg()[0]}
    json.dump({"settings": settings, "machine": machine, "seconds": prepared, "runs": runs}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
