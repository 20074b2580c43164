"""An exam as text, and as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.files import publish, write_json, write_parquet, write_text
from valuedrift.judging.checks.agreement_scores import estimate_text
from valuedrift.judging.exam.robustness import robustness_words
from valuedrift.judging.exam.scores import GROUPS
from valuedrift.judging.exam.verdict import verdict
from valuedrift.paper.table_formats import Table, markdown, write_tables
from valuedrift.statistics.panel import STANCES

_ERRORS_SHOWN = 20


def exam_json(exam: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers (see `take_exam`), and the sentences that say what they mean as `verdict`."""
    robustness = robustness_words(exam["robustness"]) if exam["robustness"] else []
    return {**exam, "verdict": [*verdict(exam), *robustness]}


def exam_markdown(exam: dict[str, Any], judged: pl.DataFrame) -> str:
    """Return the verdict and all tables, as they are printed and kept."""
    words = [f"- {sentence}" for sentence in exam_json(exam)["verdict"]]
    head = [f"# Exam of judge '{exam['judge']}'", "", *words, ""]
    return "\n".join([*head, *map(markdown, (*_tables(exam), _errors(judged)))])


def write_exam(exam: dict[str, Any], judged: pl.DataFrame, out: Path) -> None:
    """Write exam.json, exam.md, answers.parquet and each table as Markdown, CSV and LaTeX into the folder `out`."""
    with publish(out, folder=True) as draft:
        write_json(draft / "exam.json", exam_json(exam))
        write_text(draft / "exam.md", exam_markdown(exam, judged))
        write_parquet(draft / "answers.parquet", judged.drop("said"))
        write_tables(_tables(exam), draft)


def _tables(exam: dict[str, Any]) -> list[Table]:
    accuracy, confusion = pl.DataFrame(exam["accuracy"]), pl.DataFrame(exam["confusion"])
    shares = [estimate_text(*row) for row in accuracy.select("accuracy", "low", "high").iter_rows()]
    right = accuracy.drop("accuracy", "low", "high").with_columns(right=pl.Series(shares, dtype=pl.String))
    counts = confusion.rename({stance: f"judged {stance}" for stance in STANCES})
    tables = [
        Table("accuracy", "Share of answers read right (95 % intervals)", right),
        Table("confusion", "Answers by their true and their judged stance", counts),
    ]
    if curve := exam["calibration"]["curve"]:
        tables.append(Table("calibration", "Calibration by stance and tenth of probability", pl.DataFrame(curve)))
    if exam["robustness"]:
        caption = "The same answers, judged with another order of the labels or another wording"
        tables.append(Table("robustness", caption, pl.DataFrame(exam["robustness"])))
    return tables


def _errors(judged: pl.DataFrame) -> Table:
    """Return the answers that are read wrongly, the most confident errors first."""
    wrong = judged.filter(right=False).with_columns(probability=pl.max_horizontal(f"p_{stance}" for stance in STANCES))
    shown = wrong.sort("probability", descending=True, maintain_order=True).head(_ERRORS_SHOWN)
    columns = [name for name in GROUPS if name in judged.columns]
    texts = shown.select(*columns, "true_stance", "judged_stance", "probability", "question", "answer")
    caption = f"Answers read wrongly: {len(shown)} of {len(wrong)}, the most confident errors first"
    return Table("errors", caption, texts, prose=("question", "answer"))
