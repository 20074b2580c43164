"""Tables 2 to 8: categories, stance targets, values, sample answers of models, and sample preference pairs.

Answers, questions and pairs are untrusted text: they are in the tables' prose columns, cut to a readable length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.config.stages import BASE
from valuedrift.digests import text_digest
from valuedrift.display import Display, Model, Suite, Topics, rank
from valuedrift.paper.stated_numbers import paper_model, stated
from valuedrift.paper.table_formats import MISSING, Table
from valuedrift.statistics.panel import PROBABILITIES, STANCES
from valuedrift.titles import algorithm_title, phases

LONGEST = 600
"""The largest number of characters shown of an untrusted text."""

_COLUMNS = ("model", "run", "step", "topic", "question_id", "question", "sample", "answer", *PROBABILITIES)
_PAPER_PROBES = "vprism"
"""The `source` of probe sets that are built like the paper's."""


def categories_table(probes: pl.DataFrame, suite: Suite, display: Display) -> Table:
    """Return table 2 of a suite: the number of questions per category; `probes` has one row per question."""
    counts = dict(probes["topic"].value_counts().iter_rows())
    beside = f" (paper {stated()['questions_per_topic']})" if suite.probes == _PAPER_PROBES else ""
    rows = [
        {"Category": topic["name"], "Questions": f"{counts.get(key, 0)}{beside}"}
        for key, topic in display.topics.items()
    ]
    note = f"{probes.height} questions in all, of suite {suite.name}."
    name = f"table_02_categories{display.suffix(suite)}"
    return Table(name, "Table 2. Categories of the probe set.", pl.DataFrame(rows), (note,))


def target_and_value_tables(topics: Topics) -> list[Table]:
    """Return tables 3 and 4: the target of each category's stances, and the value that its pairs are written for."""
    shown = (
        ("table_03_stance_targets", "3. Category and the target that its stances are about", "Stance target", "target"),
        ("table_04_values", "4. Category and the value that synthetic pairs are written for", "Value", "value"),
    )
    note = "The wording is ours: the paper's table is lost in its published text."
    return [
        Table(
            name,
            f"Table {caption}.",
            pl.DataFrame([{"Category": topic["name"], header: topic[key]} for topic in topics.values()]),
            (note,),
        )
        for name, caption, header, key in shown
    ]


def sample_tables(stances: Sequence[Path], display: Display, seed: int) -> list[Table]:
    """Return tables 5 to 7: one question's answers by a model's base, SFT and support-aligned runs.

    There is one table per sample topic with answers.

    Args:
        stances: Stance files of the reported models.
        display: Names and orders.
        seed: The seed that chooses the question.
    """
    tables = []
    for number, topic in sample_topics(display).items():
        model = shown_model(number, display)
        last = last_answers(stances, model.name, topic)
        if not last.is_empty():
            tables.append(_sample_table(number, model, topic, last, display, seed))
    return tables


def sample_topics(display: Display) -> dict[int, str]:
    """Return table number → topic, from the configured sample topics or else the first topics."""
    return dict(zip(stated()["sample_tables"], display.sample_topics or display.topics, strict=False))


def shown_model(number: int, display: Display) -> Model:
    """Return the model that the paper shows in that table, or the first model if it isn't reported."""
    models = list(display.models.values())
    wanted = stated()["sample_tables"][number]
    return next((model for model in models if paper_model(model) == wanted), models[0])


def last_answers(stances: Sequence[Path], model: str, topic: str) -> pl.DataFrame:
    """Return each question's first answer at the last step of each run of a model, on one topic."""
    one = (pl.col("model") == model, pl.col("topic") == topic)
    found = [
        pl.scan_parquet(path).select(_COLUMNS).filter(one).filter(pl.col("step") == pl.col("step").max())
        for path in stances
    ]
    rows = pl.concat(pl.collect_all(found))
    return rows.sort("run", "question_id", "sample").unique(["run", "question_id"], keep="first", maintain_order=True)


def pairs_table(pairs: pl.DataFrame, suite: Suite, display: Display, seed: int) -> Table:
    """Return table 8 of a suite: one pair per topic, or three pairs if there is no column `topic`.

    Args:
        pairs: Support-aligned rows with messages `prompt`, `chosen` and `rejected`.
        suite: The suite of the pairs.
        display: Names and orders.
        seed: The seed that chooses the pairs.
    """
    ranks = pl.Series([_draw(seed, row) for row in pairs["id"]], dtype=pl.String)
    ranked = pairs.with_columns(rank=ranks).sort("rank")
    if "topic" in pairs.columns:
        order = {topic: place for place, topic in enumerate(display.topics)}
        chosen = ranked.unique("topic", keep="first").filter(pl.col("topic").is_in(list(order)))
        chosen = chosen.sort(pl.col("topic").replace_strict(order, return_dtype=pl.Int64))
    else:
        chosen = ranked.head(3)
    rows = [_pair(row, display) for row in chosen.iter_rows(named=True)]
    of_suite = f", {display.of_suite(suite)}" if display.of_suite(suite) else ""
    return Table(
        f"table_08_sample_pairs{display.suffix(suite)}",
        f"Table 8. Pairs of the synthetic preference data{of_suite}.",
        pl.DataFrame(rows),
        ("Support-aligned training chooses the supporting answer, oppose-aligned training the other.",),
        ("Prompt", "Supporting answer", "Opposing answer"),
    )


def cut(text: str) -> str:
    """Return the first 600 characters of `text`, with a note of how many were left out, if any."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} [… {len(text) - LONGEST:,} more characters]"


def _sample_table(number: int, model: Model, topic: str, last: pl.DataFrame, display: Display, seed: int) -> Table:
    question = _common_question(last, seed)
    answers = {row["run"]: row for row in last.filter(pl.col("question_id") == question).iter_rows(named=True)}
    asked = next(iter(answers.values()))["question"]
    rows = [
        {"SFT data": "", "Model": "Question", "Text": cut(asked), "Stance": ""},
        *(_answer(sft, stage, answers.get(run)) for sft, stage, run in _runs(last["run"], model.suite)),
    ]
    caption = f"Table {number}. Answers of {model.title}: {display.topic_name(topic)}."
    notes = (
        "The question is chosen by the seed; shown is each run's first answer at its last checkpoint, with the stance "
        "that the judge finds most probable. Preference runs: support-aligned synthetic pairs. "
        f"{MISSING}: not in the grid.",
    )
    return Table(f"table_{number:02d}_sample_answers", caption, pl.DataFrame(rows), notes, ("Text",))


def _common_question(last: pl.DataFrame, seed: int) -> str:
    """Return one of the questions with the most answers over the runs, chosen by the seed."""
    counts = last["question_id"].value_counts()
    common = counts.filter(pl.col("count") == pl.col("count").max())["question_id"]
    return str(min(common, key=lambda question: _draw(seed, question)))


def _draw(seed: int, name: str) -> str:
    """Return a sort key that puts names in an order drawn by the seed."""
    return text_digest(f"{seed} {name}")


def _runs(found: Iterable[str], suite: Suite) -> list[tuple[str, str, str]]:
    """Return (SFT data, stage, run) of the table's rows: base, found stages, then SFT and its algorithms by SFT set."""
    found = set(found)
    pairs = suite.aligned.get("support")
    own = [(phases(run)[0].data, phases(run)[-1].algorithm) for run in found if run.endswith(f"-{pairs}")]
    stages = sorted((run for run in found - {BASE} if not phases(run)[-1].data), key=suite.run_order)
    rows = [("", "base", BASE), *(("", suite.run_title(run), run) for run in stages)]
    for sft in suite.sft:
        run, title = f"sft-{sft}", suite.data_title(sft)
        ran = {*suite.algorithms, *(algorithm for start, algorithm in own if start == sft)} if pairs else set()
        rows.append((title, "SFT", run))
        for name in sorted(ran, key=lambda algorithm: rank(algorithm, suite.algorithms)):
            rows.append((title, algorithm_title(name), f"{run}/{name}-{pairs}"))
    return rows


def _answer(sft: str, stage: str, row: Mapping[str, Any] | None) -> dict[str, str | None]:
    text = None if row is None else cut(row["answer"])
    return {"SFT data": sft, "Model": stage, "Text": text, "Stance": None if row is None else _stance(row)}


def _stance(row: Mapping[str, Any]) -> str:
    shares = [row[name] for name in PROBABILITIES]
    if None in shares:
        return "open"
    return f"{STANCES[shares.index(max(shares))]} {max(shares):.2f}"


def _pair(row: Mapping[str, Any], display: Display) -> dict[str, str]:
    texts = {"Prompt": row["prompt"], "Supporting answer": row["chosen"], "Opposing answer": row["rejected"]}
    category = {"Category": display.topic_name(row["topic"])} if "topic" in row else {}
    return category | {title: cut("\n".join(turn["content"] for turn in turns)) for title, turns in texts.items()}
