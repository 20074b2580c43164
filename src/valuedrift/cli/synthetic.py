"""Commands that write preference pairs with a planted value gap (section 6.1)."""

from __future__ import annotations

import argparse

from valuedrift.cli.options import Command


def synthetic_candidates(given: argparse.Namespace) -> None:
    """Collect the opening questions of preference sets."""
    from valuedrift.synthetic.retrieve_questions import write_candidates

    write_candidates(dict(zip(given.names, given.data, strict=True)), given.longest, given.out)


def synthetic_retrieve(given: argparse.Namespace) -> None:
    """Choose the questions that are nearest to each topic's probes."""
    import polars as pl

    from valuedrift.config.synthetic_pairs import RetrievalSettings
    from valuedrift.models.embedding_store import read_embeddings, write_embeddings
    from valuedrift.models.sentence_encoder import embed
    from valuedrift.synthetic.retrieve_questions import write_retrieved

    prompts = pl.read_parquet(given.candidates)["prompt"]
    write_embeddings(prompts, given.model, given.store)
    vectors = read_embeddings(given.store, prompts, given.model)
    probe_vectors = embed(pl.read_parquet(given.probes)["question"].to_list(), given.model)
    settings = RetrievalSettings.read(given.settings)
    write_retrieved(given.candidates, vectors, given.probes, probe_vectors, settings, given.out)


def synthetic_pairs(given: argparse.Namespace) -> None:
    """Let a chat model answer on both sides, and a judge check the answers."""
    from functools import partial

    from valuedrift.config.chat_models import LlmSettings
    from valuedrift.config.judges import JudgeSettings
    from valuedrift.config.synthetic_pairs import WriterSettings
    from valuedrift.judging.judge import open_judge
    from valuedrift.judging.stances import judge_table
    from valuedrift.synthetic.pairs import write_pairs

    judge = partial(
        judge_table,
        judge=open_judge(JudgeSettings.read(given.judge_settings), given.judge),
        targets={topic: texts["target"] for topic, texts in given.topics.items()},
        journal=given.journal / "judge.jsonl",
    )
    writer = WriterSettings.read({**given.settings, "seed": given.seed})
    replies = given.journal / "writer.jsonl"
    write_pairs(given.retrieved, given.topics, writer, LlmSettings.read(given.llm), judge, replies, given.out)


def synthetic_align(given: argparse.Namespace) -> None:
    """Make the training set in which one side is chosen."""
    from valuedrift.synthetic.pairs import write_aligned

    write_aligned(given.file, given.side, given.out)


def synthetic_sheet(given: argparse.Namespace) -> None:
    """Draw pairs for a person to check blindly."""
    from valuedrift.synthetic.pair_sheet import write_sheet

    write_sheet(given.file, given.topics, given.pairs, given.seed, given.out, given.key)


def synthetic_agreement(given: argparse.Namespace) -> None:
    """Read a filled sheet of pairs back."""
    from valuedrift.synthetic.pair_sheet import write_agreement

    print(write_agreement(given.sheet, given.key, given.out))


COMMANDS = (
    Command(synthetic_candidates, "names* data* longest out"),
    Command(synthetic_retrieve, "candidates probes model store settings out"),
    Command(synthetic_pairs, "retrieved topics settings llm judge? judge-settings journal seed out"),
    Command(synthetic_align, "file! side out"),
    Command(synthetic_sheet, "file! topics pairs seed key out"),
    Command(synthetic_agreement, "sheet! key out"),
)
