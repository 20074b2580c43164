"""What decides the clusters, grouped by the stage that reads it: an edit reruns that stage and what follows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReductionSettings:
    """UMAP (appendix A: 20 dimensions). The other defaults are ours; docs/probes.md has the evidence.

    neighbours: nearest questions by cosine that each question is tied to, itself among them
    min_distance: how close UMAP may put two questions; 0 packs what belongs together, which suits clustering
    epochs: passes of its optimiser
    """

    neighbours: int = 20
    dimensions: int = 20
    min_distance: float = 0.0
    epochs: int = 200
    seed: int = 0


@dataclass(frozen=True)
class ClusterSettings:
    """HDBSCAN on the reduced vectors. The defaults are ours; docs/probes.md has the evidence.

    min_cluster_size: questions that make a cluster at least
    min_samples: neighbours that make a neighbourhood dense; more means more noise
    min_membership: the least soft membership (0 to 1) with which a question that is noise joins its nearest cluster
    """

    min_cluster_size: int = 80
    min_samples: int = 20
    min_membership: float = 0.05
