"""Commands that build V-PRISM, the probe set, stage by stage (section 3, appendix A)."""

from __future__ import annotations

import argparse
import json

from valuedrift.cli.options import Command
from valuedrift.errors import ConfigError


def vprism_questions(given: argparse.Namespace) -> None:
    """Read PRISM's prompts, rephrased as questions by a chat model where one is given."""
    from valuedrift.config.chat_models import LlmSettings
    from valuedrift.probes.question_prompts import read_question_prompt
    from valuedrift.probes.rephrase import write_as_asked, write_rephrased

    if given.llm is None:
        write_as_asked(given.source, given.out)
    else:
        write_rephrased(
            given.source, read_question_prompt("rephrase"), LlmSettings.read(given.llm), given.journal, given.out
        )


def vprism_embed(given: argparse.Namespace) -> None:
    """Embed the questions."""
    from valuedrift.models.embedding_store import write_embeddings
    from valuedrift.probes.rephrase import read_questions

    write_embeddings(read_questions(given.questions)["question"], given.model, given.out)


def vprism_reduce(given: argparse.Namespace) -> None:
    """Reduce the embeddings by UMAP."""
    from valuedrift.config.probe_sets import ReductionSettings
    from valuedrift.probes.reduce import write_reduced

    settings = ReductionSettings.read({**given.settings, "seed": given.seed})
    write_reduced(given.questions, given.embeddings, given.model, settings, given.out)


def vprism_cluster(given: argparse.Namespace) -> None:
    """Cluster the questions by HDBSCAN."""
    from valuedrift.config.probe_sets import ClusterSettings
    from valuedrift.probes.question_clusters import write_clusters

    write_clusters(given.questions, given.reduced, ClusterSettings.read(given.settings), given.out)


def vprism_describe(given: argparse.Namespace) -> None:
    """Find each cluster's terms and central questions."""
    from valuedrift.probes.terms import write_descriptions

    write_descriptions(given.clustered, given.embeddings, given.model, given.out)


def vprism_name(given: argparse.Namespace) -> None:
    """Name the clusters, by a chat model where one is given."""
    from valuedrift.config.chat_models import LlmSettings
    from valuedrift.probes.cluster_names import write_names, write_names_by_terms
    from valuedrift.probes.question_prompts import read_question_prompt

    if given.llm is None:
        write_names_by_terms(given.descriptions, given.out)
    else:
        write_names(
            given.descriptions, read_question_prompt("name"), LlmSettings.read(given.llm), given.journal, given.out
        )


def vprism_propose(given: argparse.Namespace) -> None:
    """Propose which clusters belong to which topic, with evidence, for a person to review."""
    from valuedrift.probes.topics import Topic, write_proposal

    topics = {key: Topic(**topic) for key, topic in given.topics.items()}
    write_proposal(
        given.clustered, given.embeddings, given.model, given.descriptions, given.names_file, topics, given.out
    )


def vprism_filter(given: argparse.Namespace) -> None:
    """Keep the value-laden questions of the clusters that were chosen."""
    from valuedrift.config.chat_models import LlmSettings
    from valuedrift.probes.question_prompts import read_question_prompt
    from valuedrift.probes.value_laden import write_value_laden

    if given.llm is None:
        expected = "a key of llms, since a chat model says which questions are value-laden"
        raise ConfigError("probes.llm", None, expected, "Name one, or give a file of questions (source: questions).")
    template = read_question_prompt("value_laden")
    llm = LlmSettings.read(given.llm)
    write_value_laden(given.clustered, given.choice, given.topics, template, llm, given.journal, given.out)


def vprism_sample(given: argparse.Namespace) -> None:
    """Draw the probe questions of every topic."""
    from valuedrift.probes.sample import write_sample

    write_sample(given.value_laden, list(given.topics), given.per_topic, given.seed, given.out)


def compare_clusters(given: argparse.Namespace) -> None:
    """Compare clusters with published ones through their example texts."""
    from valuedrift.probes.compare_clusters import compare_clusters

    print(json.dumps(compare_clusters(given.clustered, given.published), indent=2))


COMMANDS = (
    Command(vprism_questions, "source llm? journal out"),
    Command(vprism_embed, "questions model out"),
    Command(vprism_reduce, "questions embeddings model settings seed out"),
    Command(vprism_cluster, "questions reduced settings out"),
    Command(vprism_describe, "clustered embeddings model out"),
    Command(vprism_name, "descriptions llm? journal out"),
    Command(vprism_propose, "clustered embeddings model descriptions names-file topics out"),
    Command(vprism_filter, "clustered choice topics llm? journal out"),
    Command(vprism_sample, "value-laden topics per-topic seed out"),
    Command(compare_clusters, "clustered! published!"),
)
