"""Draw a sample of judged answers for a person to check, stratified by judged stance, topic and run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.files import publish
from valuedrift.judging.checks.blind_sheet import sheet_name, write_sheet
from valuedrift.judging.checks.matching import scanned
from valuedrift.judging.judge_prompt import require_targets
from valuedrift.statistics.labelled_sample import stage_of
from valuedrift.statistics.panel import KEYS, PROBABILITIES, most_probable

TEXT = pl.struct("topic", "question_id", "answer").hash().alias("text")
"""Equal for equal answers to a question."""

_TEXTS = ("question", "answer")
_STRATUM = ["topic", "judged_stance"]


def write_sample_sheet(sources: Sequence[Path], targets: Mapping[str, str], pairs: int, seed: int, out: Path) -> None:
    """Draw judged answers (see `draw_pairs`) and write sheet.csv, sheet.html and key.parquet into the folder `out`.

    The sheet shows the question, the answer and the target. Only the key has the run that gave the answer and the
    judge's stance.
    """
    key = draw_pairs(sources, targets, pairs, seed)
    with publish(out, folder=True) as draft:
        write_sheet(key, draft / "sheet.csv", draft / "key.parquet")


def draw_pairs(sources: Sequence[Path], targets: Mapping[str, str], pairs: int, seed: int) -> pl.DataFrame:
    """Draw (question, answer) pairs from the ends of runs, in a random order.

    A stratum is a topic and a most probable stance (of equally probable ones, the first of support, neutral, oppose).
    The same number of pairs is drawn from each stratum, or all of them if it has fewer, and within a stratum from each
    run (see `draw_distinct`). Unjudged answers aren't drawn.

    Args:
        sources: Parquet files, or folders of them.
        targets: Topic → its target.
        pairs: Number of pairs to draw, from one per stratum to all different answers.
        seed: Seed of the draw and of the order.

    Returns:
        Columns: `sheet` (the name of this draw), `pair` (1 to n), the keys of a stance table, `stage, target, question,
        answer, p_…, unassigned, judged_stance`, `population` (the number of answers in the stratum) and `weight` (the
        number of answers at the ends of runs that the pair represents).

    Raises:
        ConfigError: There are fewer pairs than strata or more than different answers, or a topic has no target.
        ArtifactError: A column is missing, or two rows have the same key.
    """
    tables = [table for source in sources for table in scanned(source, (*_TEXTS, "unassigned"))]
    ends = at_run_ends([table for _, table in tables], (*KEYS, *PROBABILITIES, TEXT))
    strata = ends.select(*KEYS, "text", judged_stance=most_probable())
    if strata.select(KEYS).is_duplicated().any():
        raise ArtifactError(tables[0][0], "answers with the same keys", f"one row for each of {', '.join(KEYS)}")
    chosen = _choose(strata, pairs, np.random.default_rng(seed))
    require_targets(chosen["topic"], targets)
    rows = pl.concat([table.select(*KEYS, *_TEXTS, *PROBABILITIES, "unassigned") for _, table in tables])
    texts = rows.join(chosen.lazy().select(KEYS), on=KEYS, how="semi").collect(engine="streaming")
    drawn = chosen.join(texts, on=KEYS, how="left", maintain_order="left")
    return drawn.select(
        pl.lit(sheet_name(seed, drawn.select(*KEYS, *_TEXTS, *PROBABILITIES).rows())).alias("sheet"),
        pl.int_range(1, pairs + 1).alias("pair"),
        *KEYS,
        stage_of(pl.col("run")).alias("stage"),
        pl.col("topic").replace_strict(targets, return_dtype=pl.String).alias("target"),
        *_TEXTS,
        *PROBABILITIES,
        "unassigned",
        *_STRATUM[1:],
        "population",
        "weight",
    )


def at_run_ends(tables: Iterable[pl.LazyFrame], columns: Iterable[str | pl.Expr]) -> pl.DataFrame:
    """Read the judged answers of each run's last step, sorted by their keys."""
    judged = pl.concat([table.select(columns) for table in tables]).drop_nulls(PROBABILITIES)
    ends = judged.group_by("run").agg(pl.col("step").max())
    return judged.join(ends, on=["run", "step"], how="semi").sort(KEYS).collect()


def draw_distinct(stratum: pl.DataFrame, number: int, random: np.random.Generator) -> pl.DataFrame:
    """Draw `number` different answers, as many from each run, or all if there are fewer, and add their `weight`.

    An answer that a run gives twice is twice as likely to be drawn. Weights add up to the stratum's answers, and are
    equal within a run.

    Args:
        stratum: Answers, with `run` and `text` (equal for equal answers to a question).
        number: How many to draw.
        random: Where the draw comes from.
    """
    different = stratum[random.permutation(stratum.height)].unique("text", keep="first", maintain_order=True)
    drawn = different.sort(pl.int_range(pl.len()).over("run"), maintain_order=True).head(number)
    sizes = stratum.group_by("run").agg(pl.len().alias("weight"))
    each = drawn.join(sizes, on="run", maintain_order="left").with_columns(pl.col("weight") / pl.len().over("run"))
    return each.with_columns(pl.col("weight") * stratum.height / pl.col("weight").sum())


def allocate(sizes: Sequence[int], pairs: int) -> list[int]:
    """Return the number of pairs per stratum: equal, but at most its size; the largest strata get the remainder.

    Raises ConfigError if there are fewer pairs than strata or more pairs than different answers.
    """
    if not len(sizes) <= pairs <= sum(sizes):
        expected = f"from {len(sizes)} (one for each topic and judged stance) to {sum(sizes)} (all different answers)"
        raise ConfigError("pairs", pairs, expected)
    given = [0] * len(sizes)
    while left := pairs - sum(given):
        open_to_more = [place for place, size in enumerate(sizes) if given[place] < size]
        for place in sorted(open_to_more, key=lambda place: -sizes[place])[:left]:
            given[place] += 1
    return given


def _choose(strata: pl.DataFrame, pairs: int, random: np.random.Generator) -> pl.DataFrame:
    parts = strata.sort([*_STRATUM, *KEYS]).partition_by(_STRATUM, maintain_order=True)
    numbers = allocate([part["text"].n_unique() for part in parts], pairs)
    chosen = [
        draw_distinct(part, number, random).with_columns(population=pl.lit(part.height, pl.Int64))
        for part, number in zip(parts, numbers, strict=True)
    ]
    return pl.concat(chosen).drop("text")[random.permutation(pairs)]
