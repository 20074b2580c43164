"""Commands that rules call to make data and probe questions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from valuedrift.cli.options import Json, JsonList, JsonText, Paths
from valuedrift.errors import ConfigError

Kind = Literal["sft", "preference", "pretraining", "judge", "probes"]


def world(*, settings: Json, kind: Kind, name: str, plan: Json, out: Path) -> None:
    """Generate one table of the pocket world.

    Args:
        settings: The world's seed and sizes.
        kind: The use of the table.
        name: The table's name, on which its random numbers depend.
        plan: The table's numbers of rows and stances.
        out: Table to write, parquet or CSV by its ending.
    """
    from valuedrift.config.pocket_world import WorldSettings
    from valuedrift.files import publish, write_parquet
    from valuedrift.world.world_tables import world_table

    table = world_table(WorldSettings.read(settings), kind, name, plan)
    if out.suffix == ".csv":
        with publish(out) as draft:
            table.write_csv(draft)
    else:
        write_parquet(out, table)


def prepare(*, settings: Json, seed: int, out: Path) -> None:
    """Turn a data set into training tables and a data card.

    Args:
        settings: The data set's entry in the configuration.
        seed: Seed of the split and of the order.
        out: Folder to write.
    """
    from valuedrift.config.data_sets import DataSettings
    from valuedrift.data.prepare import prepare

    prepare(DataSettings.read(settings), seed, out)


def documents(*, data: Paths, out: Path) -> None:
    """Turn conversations into plain documents to pre-train on.

    Args:
        data: Tables of conversations.
        out: Table to write.
    """
    from valuedrift.data.documents import documents
    from valuedrift.files import write_parquet

    write_parquet(out, documents(data))


def probes(*, settings: Json, keywords: Json, seed: int, out: Path) -> None:
    """Collect the probe questions.

    Args:
        settings: The suite's `probes` in the configuration.
        keywords: Keywords of every topic.
        seed: Seed of the draw.
        out: Table to write.
    """
    from valuedrift.probes.questions import builtin_probes, hand_made_probes, prism_probes, write_probes

    found = {
        "questions": lambda: hand_made_probes(settings["file"], keywords),
        "builtin": lambda: builtin_probes(keywords, settings["per_topic"], seed),
        "prism": lambda: prism_probes(settings["file"], keywords, settings["per_topic"], seed),
    }
    write_probes(found[settings["source"]](), out)


def control_questions(*, world: Json | None = None, out: Path) -> None:
    """Write the value-free questions that are asked as negative controls.

    Args:
        world: Settings of the pocket world whose data have value-free subjects; the package's questions if not given.
        out: Table to write.
    """
    from valuedrift.config.pocket_world import WorldSettings
    from valuedrift.probes.questions import control_probes, write_probes

    write_probes(control_probes(WorldSettings.read(world) if world else None), out)


def vprism_questions(*, source: JsonText, llm: Json | None = None, journal: Path, out: Path) -> None:
    """Read PRISM's prompts, and rephrase them as questions if a chat model is given.

    Args:
        source: File of PRISM's prompts.
        llm: Settings of the chat model.
        journal: File that keeps the chat model's replies.
        out: Table of questions to write.
    """
    from valuedrift.config.chat_models import LlmSettings
    from valuedrift.probes.rephrase import write_as_asked, write_rephrased

    if llm is None:
        write_as_asked(source, out)
    else:
        write_rephrased(source, LlmSettings.read(llm), journal, out)


def vprism_embed(*, questions: Path, model: str, out: Path) -> None:
    """Embed the questions.

    Args:
        questions: Table of questions.
        model: Sentence encoder.
        out: File of vectors to write.
    """
    import polars as pl

    from valuedrift.models.embedding_store import write_embeddings

    write_embeddings(pl.read_parquet(questions)["question"], model, out)


def vprism_reduce(*, questions: Path, embeddings: Path, model: str, settings: Json, seed: int, out: Path) -> None:
    """Reduce the embeddings by UMAP.

    Args:
        questions: Table of questions.
        embeddings: Their vectors.
        model: Sentence encoder that made the vectors.
        settings: Settings of UMAP.
        seed: Seed of UMAP.
        out: File to write.
    """
    from valuedrift.config.probe_sets import ReductionSettings
    from valuedrift.probes.reduce import write_reduced

    write_reduced(questions, embeddings, model, ReductionSettings.read({**settings, "seed": seed}), out)


def vprism_cluster(*, questions: Path, reduced: Path, settings: Json, out: Path) -> None:
    """Cluster the questions by HDBSCAN.

    Args:
        questions: Table of questions.
        reduced: Their reduced vectors.
        settings: Settings of HDBSCAN.
        out: Table of clusters to write.
    """
    from valuedrift.config.probe_sets import ClusterSettings
    from valuedrift.probes.question_clusters import write_clusters

    write_clusters(questions, reduced, ClusterSettings.read(settings), out)


def vprism_describe(*, clustered: Path, embeddings: Path, model: str, out: Path) -> None:
    """Find the terms and the central questions of every cluster.

    Args:
        clustered: Table of clusters.
        embeddings: Vectors of the questions.
        model: Sentence encoder that made the vectors.
        out: Table of descriptions to write.
    """
    from valuedrift.probes.describe_clusters import write_descriptions

    write_descriptions(clustered, embeddings, model, out)


def vprism_name(*, descriptions: Path, llm: Json | None = None, journal: Path, out: Path) -> None:
    """Name the clusters, with a chat model if one is given, else by their terms.

    Args:
        descriptions: Table of descriptions of the clusters.
        llm: Settings of the chat model.
        journal: File that keeps the chat model's replies.
        out: Table of names to write.
    """
    from valuedrift.config.chat_models import LlmSettings
    from valuedrift.probes.describe_clusters import write_names, write_names_by_terms

    if llm is None:
        write_names_by_terms(descriptions, out)
    else:
        write_names(descriptions, LlmSettings.read(llm), journal, out)


def vprism_propose(
    *, clustered: Path, embeddings: Path, model: str, descriptions: Path, names_file: Path, topics: Json, out: Path
) -> None:
    """Propose the clusters of every topic, with evidence, for a person to review.

    Args:
        clustered: Table of clusters.
        embeddings: Vectors of the questions.
        model: Sentence encoder that made the vectors.
        descriptions: Table of descriptions of the clusters.
        names_file: Table of names of the clusters.
        topics: Name, target, value and keywords of every topic.
        out: Proposal to write (YAML).
    """
    from valuedrift.config.schema import Topic
    from valuedrift.probes.topic_proposal import write_proposal

    described = {key: Topic.read(topic, f"topics.{key}") for key, topic in topics.items()}
    write_proposal(clustered, embeddings, model, descriptions, names_file, described, out)


def vprism_filter(
    *, clustered: Path, choice: Path, topics: JsonList, llm: Json | None = None, journal: Path, out: Path
) -> None:
    """Keep the value-laden questions of the clusters that were chosen.

    Args:
        clustered: Table of clusters.
        choice: The reviewed choice of clusters per topic (YAML).
        topics: Keys of the topics.
        llm: Settings of the chat model that decides which questions are value-laden.
        journal: File that keeps the chat model's replies.
        out: Table of questions to write.
    """
    from valuedrift.config.chat_models import LlmSettings
    from valuedrift.probes.value_laden import write_value_laden

    if llm is None:
        expected = "a key of llms, since a chat model says which questions are value-laden"
        raise ConfigError("probes.llm", None, expected, "Name one, or give a file of questions (source: questions).")
    write_value_laden(clustered, choice, topics, LlmSettings.read(llm), journal, out)


def vprism_sample(*, value_laden: Path, topics: JsonList, per_topic: int, seed: int, out: Path) -> None:
    """Draw the probe questions of every topic.

    Args:
        value_laden: Table of value-laden questions.
        topics: Keys of the topics.
        per_topic: Questions per topic.
        seed: Seed of the draw.
        out: Table of probe questions to write.
    """
    from valuedrift.probes.questions import write_sample

    write_sample(value_laden, topics, per_topic, seed, out)


def synthetic_candidates(*, names: list[str], data: Paths, longest: int, out: Path) -> None:
    """Collect the opening questions of preference sets.

    Args:
        names: Names of the data sets.
        data: Their tables of pairs, in the same order.
        longest: The most characters that a question may have.
        out: Table of candidates to write.
    """
    from valuedrift.synthetic.candidate_questions import write_candidates

    write_candidates(dict(zip(names, data, strict=True)), longest, out)


def synthetic_retrieve(*, candidates: Path, probes: Path, model: str, store: Path, settings: Json, out: Path) -> None:
    """Choose the questions nearest to each topic's probes.

    Args:
        candidates: Table of candidates.
        probes: Table of probe questions.
        model: Sentence encoder.
        store: File that keeps the candidates' vectors.
        settings: Settings of the retrieval.
        out: Table of questions to write.
    """
    import polars as pl

    from valuedrift.config.synthetic_pairs import RetrievalSettings
    from valuedrift.models.embedding_store import read_embeddings, write_embeddings
    from valuedrift.models.sentence_encoder import embed
    from valuedrift.synthetic.retrieve_questions import write_retrieved

    prompts = pl.read_parquet(candidates)["prompt"]
    write_embeddings(prompts, model, store)
    vectors = read_embeddings(store, prompts, model)
    probe_vectors = embed(pl.read_parquet(probes)["question"].to_list(), model)
    write_retrieved(candidates, vectors, probes, probe_vectors, RetrievalSettings.read(settings), out)


def synthetic_pairs(
    *,
    retrieved: Path,
    topics: Json,
    settings: Json,
    llm: Json,
    judge: Path | None = None,
    judge_settings: Json,
    journal: Path,
    seed: int,
    out: Path,
) -> None:
    """Have a chat model write answers for both sides, and a judge check them.

    Args:
        retrieved: Table of questions.
        topics: Target and value of every topic.
        settings: Settings of the writing.
        llm: Settings of the chat model that writes.
        judge: The judge's folder, if it has one.
        judge_settings: Settings of the judge.
        journal: Folder that keeps the replies of chat model and judge.
        seed: Seed of the writing.
        out: Folder to write.
    """
    from functools import partial

    from valuedrift.config.chat_models import LlmSettings
    from valuedrift.config.judges import JudgeSettings
    from valuedrift.config.synthetic_pairs import WriterSettings
    from valuedrift.judging.judge import open_judge
    from valuedrift.judging.stances import judge_table
    from valuedrift.synthetic.pairs import write_pairs

    check = partial(
        judge_table,
        judge=open_judge(JudgeSettings.read(judge_settings), judge),
        targets={topic: texts["target"] for topic, texts in topics.items()},
        journal=journal / "judge.jsonl",
    )
    writer = WriterSettings.read({**settings, "seed": seed})
    write_pairs(retrieved, topics, writer, LlmSettings.read(llm), check, journal / "writer.jsonl", out)


def synthetic_align(file: Path, /, *, side: Literal["support", "oppose"], out: Path) -> None:
    """Make the preference set in which the answer of one side is always the chosen one.

    Args:
        file: Table of pairs.
        side: The side whose answer is the chosen one.
        out: Table to write.
    """
    from valuedrift.synthetic.pairs import write_aligned

    write_aligned(file, side, out)
