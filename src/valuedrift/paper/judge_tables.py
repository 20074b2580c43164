"""Tables that compare the judges of a model: agreement, drifts and findings by judge, and what a reference saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.display import Display, rank
from valuedrift.files import read_json
from valuedrift.paper.table_formats import Table
from valuedrift.quantities import dollars
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.titles import with_interval

_VERDICT = {True: "holds", False: "does not hold", None: "undecided"}


def judge_tables(folders: Sequence[Path], display: Display) -> list[Table]:
    """Return the tables of each model's folder: of several judges, and of a reference judge, as far as there are."""
    tables: list[Table] = []
    for folder in folders:
        model = display.model(folder.name)
        found = {file.stem: pl.read_parquet(file) for file in sorted(folder.glob("*.parquet"))}
        if found:
            tables += [
                Table(f"judges_{name}_{model.name}", caption.format(model.title), frame)
                for name, caption, frame in (
                    ("agreement", _AGREEMENT, _agreement(found["agreement"], display)),
                    ("drift", _DRIFTS, _drifts(found["drift"], display)),
                    ("findings", _FINDINGS, _findings(found["findings"])),
                )
            ]
        if (folder / "reference.json").is_file():
            tables.append(_reference(read_json(folder / "reference.json"), folder.name, display))
    return tables


_AGREEMENT = (
    "Agreement of the judges of {}, by topic and stage of training: Cohen’s κ of the most probable stances, with its "
    "interval."
)
_DRIFTS = (
    "Drift magnitudes of {} by each judge, over all topics; and on how many topics it is real by all judges, with "
    "one sign, and by one judge only."
)
_FINDINGS = "Findings of {} by each judge."


def verdicts_by_judge(findings: pl.DataFrame, name: str) -> str:
    """Return a sentence with a finding's verdict by each judge."""
    rows = findings.filter(name=name)
    holding = rows.filter(pl.col("holds"))["judge"].to_list()
    told = ", ".join(f"{_VERDICT[holds]} by {judge}" for judge, holds in rows.select("judge", "holds").iter_rows())
    only = f"It holds by one judge only, {holding[0]}: " if len(holding) == 1 else "By judge: it "
    return f"{only}{told}."


def _agreement(agreement: pl.DataFrame, display: Display) -> pl.DataFrame:
    stages = [stage for stage in agreement["stage"].unique(maintain_order=True) if stage != ALL]
    cells = {tuple(row[key] for key in ("a", "b", "topic", "stage")): row for row in agreement.to_dicts()}
    pairs = agreement.select("a", "b").unique(maintain_order=True).rows()
    topics = sorted(set(agreement["topic"]), key=lambda topic: rank(topic, (ALL, *display.topics)))
    return pl.DataFrame(
        [
            {
                "Judges": f"{a}, {b}",
                "Topic": "all" if topic == ALL else display.topic_name(topic),
                **{stage: _kappa(cells.get((a, b, topic, stage))) for stage in (*stages, ALL)},
            }
            for a, b in pairs
            for topic in topics
        ]
    )


def _kappa(row: dict[str, Any] | None) -> str | None:
    if row is None or row["kappa"] is None:
        return None
    return with_interval(row["kappa"], row["kappa_low"], row["kappa_high"])


def _drifts(drift: pl.DataFrame, display: Display) -> pl.DataFrame:
    judges = drift["judge"].unique(maintain_order=True).to_list()
    model = display.model(drift["model"][0])
    signed = pl.when("real").then(pl.col("magnitude").sign())
    each = drift.filter(pl.col("topic") != ALL).group_by("run", "topic", "stance")
    single = each.agg(real=pl.col("real").sum(), signs=signed.drop_nulls().n_unique())
    together = {(row["run"], row["stance"], row["judge"]): row for row in drift.filter(topic=ALL).to_dicts()}
    rows = []
    for run in sorted({run for run, _, _ in together}, key=model.suite.run_order):
        for stance in STANCES:
            own, of_topics = [together[run, stance, judge] for judge in judges], single.filter(run=run, stance=stance)
            rows.append(
                {
                    "Run": model.suite.full_title(run),
                    "Stance": stance,
                    **{row["judge"]: with_interval(row["magnitude"], row["low"], row["high"]) for row in own},
                    "Real by all": of_topics.filter(real=len(judges), signs=1).height,
                    "Real by one only": of_topics.filter(real=1).height,
                }
            )
    return pl.DataFrame(rows)


def _findings(findings: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "Finding": name.replace("_", " "),
                **{row["judge"]: _VERDICT[row["holds"]] for row in findings.filter(name=name).to_dicts()},
            }
            for name in findings["name"].unique(maintain_order=True)
        ]
    )


def _reference(saved: dict[str, Any], model: str, display: Display) -> Table:
    caption = (
        f"What the reference judge of {display.model(model).title}, {saved['judge']}, read, and what reading all "
        "answers would take, at the same length."
    )
    rows = [("sample", "read", "tokens", "dollars"), ("all answers", "answers", "tokens_for_all", "dollars_for_all")]
    frame = pl.DataFrame(
        [
            {"": name, "Answers": f"{saved[count]:,}", "Tokens": f"{saved[tokens]:,}", "Dollars": dollars(saved[price])}
            for name, count, tokens, price in rows
        ]
    )
    return Table(f"judges_reference_{model}", caption, frame)
