"""Tables 5 to 8: what models answered, and what preference pairs look like (appendices D and E.1).

Answers, questions and pairs are untrusted text: they stand in the tables' prose columns, cut to a readable length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.digests import text_digest
from valuedrift.paper.display_order import ALGORITHMS, BASE, SFT_DATA, Topics
from valuedrift.paper.table_files import MISSING, Table
from valuedrift.statistics.panel import PROBABILITIES, STANCES
from valuedrift.titles import algorithm_title, data_title, model_title

LONGEST = 600
_COLUMNS = ("model", "run", "step", "topic", "question_id", "question", "sample", "answer", *PROBABILITIES)
_SETUP = "synthetic-support"


@dataclass(frozen=True)
class SampleTable:
    """A table of sample answers: its number, topic, and the model that the paper shows."""

    number: int
    topic: str
    model: str


SAMPLE_TABLES = (
    SampleTable(5, "abortion", "llama3_3b"),
    SampleTable(6, "immigration", "qwen3_4b"),
    SampleTable(7, "gender_lgbtq", "llama3_8b"),
)


def sample_tables(stances: Sequence[Path], models: Sequence[str], topics: Topics, seed: int) -> list[Table]:
    """Tables 5 to 7: one question's answers by a model's base, SFT and support-aligned runs, chosen by the seed.

    stances: stance files · models: those that are reported; where the paper's model is not among them the first one
    stands in, and the caption says which model it is. Topics that `topics` lacks, or without answers, are left out.
    """
    tables = []
    for each in SAMPLE_TABLES:
        model = shown_model(each, models)
        last = last_answers(stances, model, each.topic) if each.topic in topics else pl.DataFrame()
        if not last.is_empty():
            tables.append(_samples(each, model, last, topics, seed))
    return tables


def shown_model(table: SampleTable, models: Sequence[str]) -> str:
    return table.model if table.model in models else models[0]


def last_answers(stances: Sequence[Path], model: str, topic: str) -> pl.DataFrame:
    """Each question's first answer at the last step of each run of a model, on one topic."""
    one = (pl.col("model") == model, pl.col("topic") == topic)
    found = [
        pl.scan_parquet(path).select(_COLUMNS).filter(one).filter(pl.col("step") == pl.col("step").max())
        for path in stances
    ]
    rows = pl.concat(pl.collect_all(found))
    return rows.sort("run", "question_id", "sample").unique(["run", "question_id"], keep="first", maintain_order=True)


def pairs_table(pairs: pl.DataFrame, topics: Topics, seed: int) -> Table:
    """Table 8: a pair of each topic by the seed, or three pairs where the rows have no column `topic`.

    pairs: support-aligned rows with messages `prompt`, `chosen` and `rejected`
    """
    ranked = pairs.with_columns(rank=pl.Series([_rank(seed, row) for row in pairs["id"]], dtype=pl.String)).sort("rank")
    if "topic" in pairs.columns:
        order = {topic: place for place, topic in enumerate(topics)}
        chosen = ranked.unique("topic", keep="first").filter(pl.col("topic").is_in(list(order)))
        chosen = chosen.sort(pl.col("topic").replace_strict(order, return_dtype=pl.Int64))
    else:
        chosen = ranked.head(3)
    rows = [_pair(row, topics) for row in chosen.iter_rows(named=True)]
    return Table(
        "table_08_sample_pairs",
        "Table 8. Pairs of the synthetic preference data.",
        pl.DataFrame(rows),
        ("Support-aligned training chooses the supporting answer, oppose-aligned training the other.",),
        ("Prompt", "Supporting answer", "Opposing answer"),
    )


def cut(text: str) -> str:
    """`text` of at most 600 characters; a longer one says how much is left out."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} [… {len(text) - LONGEST:,} more characters]"


def _samples(each: SampleTable, model: str, last: pl.DataFrame, topics: Topics, seed: int) -> Table:
    question = _common_question(last, seed)
    answers = {row["run"]: row for row in last.filter(pl.col("question_id") == question).iter_rows(named=True)}
    asked = next(iter(answers.values()))["question"]
    rows = [
        {"SFT data": "", "Model": "Question", "Text": cut(asked), "Stance": ""},
        *(_answer(sft, stage, answers.get(run)) for sft, stage, run in _runs(last["run"])),
    ]
    name = topics[each.topic]["name"]
    caption = f"Table {each.number}. Answers of {model_title(model)}: {name}."
    notes = (
        "The question is chosen by the seed; shown is each run's first answer at its last checkpoint, with the stance "
        "that the judge finds most probable. Preference runs: support-aligned synthetic pairs. "
        f"{MISSING}: not in the grid.",
    )
    return Table(f"table_{each.number:02d}_sample_answers", caption, pl.DataFrame(rows), notes, ("Text",))


def _common_question(last: pl.DataFrame, seed: int) -> str:
    """The seed's choice among the questions that most runs answered."""
    counts = last["question_id"].value_counts()
    common = counts.filter(pl.col("count") == pl.col("count").max())["question_id"]
    return str(min(common, key=lambda question: _rank(seed, question)))


def _rank(seed: int, name: str) -> str:
    return text_digest(f"{seed} {name}")


def _runs(found: Iterable[str]) -> list[tuple[str, str, str]]:
    """(SFT data, stage, run) of the paper's rows, and of other algorithms that were run."""
    present = set(found)
    rows = [("", "base", BASE)]
    for sft in SFT_DATA:
        start = f"sft-{sft}"
        others = sorted(run for run in present if run.startswith(f"{start}/") and run.endswith(f"-{_SETUP}"))
        algorithms = dict.fromkeys((*ALGORITHMS, *(run.rpartition("/")[2].partition("-")[0] for run in others)))
        rows.append((data_title(sft), "SFT", start))
        rows += [(data_title(sft), algorithm_title(name), f"{start}/{name}-{_SETUP}") for name in algorithms]
    return rows


def _answer(sft: str, stage: str, row: Mapping[str, Any] | None) -> dict[str, str | None]:
    text = None if row is None else cut(row["answer"])
    return {"SFT data": sft, "Model": stage, "Text": text, "Stance": None if row is None else _stance(row)}


def _stance(row: Mapping[str, Any]) -> str:
    shares = [row[name] for name in PROBABILITIES]
    if None in shares:
        return "open"
    return f"{STANCES[shares.index(max(shares))]} {max(shares):.2f}"


def _pair(row: Mapping[str, Any], topics: Topics) -> dict[str, str]:
    texts = {"Prompt": row["prompt"], "Supporting answer": row["chosen"], "Opposing answer": row["rejected"]}
    category = {"Category": topics[row["topic"]]["name"]} if "topic" in row else {}
    return category | {title: cut("\n".join(turn["content"] for turn in turns)) for title, turns in texts.items()}
