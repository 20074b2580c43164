"""Compare a filled sheet with the judge, in the sample and in all judged answers (paper, section 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from valuedrift.files import publish, write_json, write_parquet, write_text
from valuedrift.judging.checks.agreement_scores import ENDS, Bounded, cohen_kappa, estimate, intervals_as_text
from valuedrift.judging.checks.blind_sheet import read_sheet
from valuedrift.paper.table_formats import Table, markdown
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.judge_agreement import weighted_share
from valuedrift.statistics.panel import ALL, KEYS, PROBABILITIES, STANCES
from valuedrift.visible_text import visible

SAMPLE, POPULATION = "sample", "population"

_BOTH = ("human_stance", "judged_stance")
_SIDES = tuple(f"{side}{end}" for side in (SAMPLE, POPULATION) for end in ENDS)
_SCHEMA = {"measure": pl.String, "stance": pl.String, "pairs": pl.Int64, **dict.fromkeys(_SIDES, pl.Float64)}


def calibration_sample(checked: pl.DataFrame) -> pl.DataFrame:
    """Return a filled sheet as human-labelled calibration data of the judge, one row per pair.

    Columns: the keys of a stance table, `stage`, `human_stance` (support, neutral or oppose; a refusal counts as
    neutral), `human_refusal`, `p_support, p_neutral, p_oppose, unassigned, judged_stance`, and `weight`: the number of
    judged answers with the same topic and judged stance that the pair represents.
    """
    columns = ("stage", "human_stance", "human_refusal", *PROBABILITIES, "unassigned", "judged_stance", "weight")
    return _as_stances(checked).select(*KEYS, *columns)


def agreement_with_person(checked: pl.DataFrame, bootstrap: Bootstrap | None = None) -> pl.DataFrame:
    """Compute the agreement of judge and person, in the sample and in the population.

    The measures are `agreement`, over all pairs and over the pairs of each judged stance, with Wilson's interval, and
    Cohen's `kappa`, with the interval of a bootstrap over pairs. `sample` counts every pair once. `population` counts
    it `weight` times, because strata have different sampling rates; its Wilson interval uses Kish's effective number
    of pairs.

    Args:
        checked: A filled sheet with its key; see `read_sheet`.
        bootstrap: Settings of the bootstrap over pairs.

    Returns:
        `measure, stance, pairs`, then `sample` and `population`, each with `_low` and `_high`; null if not defined.
    """
    bootstrap = bootstrap or Bootstrap()
    rows = _as_stances(checked)
    parts = [(ALL, rows), *((stance, rows.filter(judged_stance=stance)) for stance in STANCES)]
    table = [("agreement", stance, part.height, _shares(part, bootstrap.level)) for stance, part in parts]
    table.append(("kappa", ALL, rows.height, _kappas(rows, bootstrap)))
    return pl.DataFrame([(*row, *sample, *population) for *row, (sample, population) in table], _SCHEMA, orient="row")


def disagreements(checked: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs on which judge and person disagree, in the sheet's order, with their texts and notes."""
    texts = ("target", "question", "answer", "judged_stance", "human_stance", "note")
    other = _as_stances(checked).filter(pl.col("human_stance") != pl.col("judged_stance"))
    return other.select("pair", *KEYS, *texts, *PROBABILITIES)


def write_check(sheet: Path, key: Path, out: Path, bootstrap: Bootstrap | None = None) -> None:
    """Write check.json, check.md, disagreements.parquet and calibration.parquet (`calibration_sample`) into `out`."""
    checked = read_sheet(sheet, key)
    table, apart = agreement_with_person(checked, bootstrap), disagreements(checked)
    with publish(out, folder=True) as draft:
        write_json(draft / "check.json", check_json(checked, table, apart))
        write_text(draft / "check.md", check_markdown(checked, table, apart))
        write_parquet(draft / "disagreements.parquet", apart)
        write_parquet(draft / "calibration.parquet", calibration_sample(checked))


def check_json(checked: pl.DataFrame, table: pl.DataFrame, apart: pl.DataFrame) -> dict[str, Any]:
    """Return `sheet, pairs, answers` (represented by the pairs), `refusals, agreement, confusion, disagreements`."""
    return {
        "sheet": checked["sheet"][0],
        "pairs": checked.height,
        "answers": round(checked["weight"].sum()),
        "refusals": checked.filter(human_stance="refusal").height,
        "agreement": table.to_dicts(),
        "confusion": confusion_table(checked).to_dicts(),
        "disagreements": apart["pair"].to_list(),
    }


def check_markdown(checked: pl.DataFrame, table: pl.DataFrame, apart: pl.DataFrame) -> str:
    """Return agreement, confusion and disagreements as Markdown tables, with invisible characters spelled out."""
    titles = {"stance": "judged stance", SAMPLE: "in the sample", POPULATION: "in all judged answers"}
    scores = intervals_as_text(table).rename(titles)
    texts = pl.col("target", "question", "answer", "note").map_elements(visible, return_dtype=pl.String)
    shown = apart.select("pair", "judged_stance", "human_stance", texts)
    tables = [
        Table("agreement", f"Judge and person, {checked.height} pairs (95 % intervals)", scores),
        Table("confusion", "Pairs by the person's and the judge's stance", confusion_table(checked)),
        Table("disagreements", "Pairs on which they disagree", shown),
    ]
    return "\n".join(map(markdown, tables))


def confusion_table(checked: pl.DataFrame) -> pl.DataFrame:
    """Count the pairs: one row per `human_stance`, refusals separately, and one column per judged stance."""
    return pl.DataFrame(
        [
            {"human_stance": label}
            | {stance: checked.filter(human_stance=label, judged_stance=stance).height for stance in STANCES}
            for label in (*STANCES, "refusal")
        ]
    )


def _as_stances(checked: pl.DataFrame) -> pl.DataFrame:
    refused = pl.col("human_stance") == "refusal"
    stance = pl.when(refused).then(pl.lit("neutral")).otherwise("human_stance")
    return checked.with_columns(human_refusal=refused, human_stance=stance)


def _shares(part: pl.DataFrame, level: float) -> list[Bounded]:
    right, weights = (part["human_stance"] == part["judged_stance"]).to_numpy(), part["weight"].to_numpy()
    return [weighted_share(right, one, level) for one in (np.ones(len(right)), weights)]


def _kappas(rows: pl.DataFrame, bootstrap: Bootstrap) -> list[Bounded]:
    human, judged = (rows[name].replace_strict(STANCES, range(3), return_dtype=pl.Int64).to_numpy() for name in _BOTH)
    cells = np.eye(9)[human * 3 + judged]
    draws = np.column_stack([np.ones(rows.height), bootstrap.weights("pairs", rows.height)])
    weighted = cells * rows["weight"].to_numpy()[:, None]
    return [estimate(cohen_kappa((one.T @ draws).reshape(3, 3, -1)), bootstrap) for one in (cells, weighted)]
