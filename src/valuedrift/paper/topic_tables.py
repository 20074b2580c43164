"""Tables 2 to 4: the categories of the probe set, what their stances are about, and the values of synthetic pairs."""

from __future__ import annotations

import polars as pl

from valuedrift.paper.display_order import Topics, require_columns, require_topics
from valuedrift.paper.table_files import Table

PAPER_SUITE = "paper"
"""The suite whose data sets, pairs and probes are meant to be the paper's."""

_PAPER_QUESTIONS = 50


def topic_tables(probes: pl.DataFrame, topics: Topics, suite: str) -> list[Table]:
    """Tables 2 to 4. probes: a row a question with its `topic` · suite: whose probes these are."""
    return [
        categories_table(probes, topics, suite),
        _mapping(
            "table_03_stance_targets", "Table 3. Category and the target that its stances are about.", "target", topics
        ),
        _mapping(
            "table_04_values", "Table 4. Category and the value that synthetic pairs are written for.", "value", topics
        ),
    ]


def categories_table(probes: pl.DataFrame, topics: Topics, suite: str) -> Table:
    """Table 2: the categories, with how many questions probe each."""
    require_columns(probes, "probes", ("topic",))
    require_topics(probes, "probes", topics)
    counts = dict(probes["topic"].value_counts().iter_rows())
    beside = f" (paper {_PAPER_QUESTIONS})" if suite == PAPER_SUITE else ""
    rows = [{"Category": topic["name"], "Questions": f"{counts.get(key, 0)}{beside}"} for key, topic in topics.items()]
    note = f"{probes.height} questions in all, of suite {suite}."
    return Table("table_02_categories", "Table 2. Categories of the probe set.", pl.DataFrame(rows), (note,))


def _mapping(name: str, caption: str, key: str, topics: Topics) -> Table:
    header = {"target": "Stance target", "value": "Value"}[key]
    rows = [{"Category": topic["name"], header: topic[key]} for topic in topics.values()]
    note = "The wording is ours: the paper's table is lost in its published text."
    return Table(name, caption, pl.DataFrame(rows), (note,))
