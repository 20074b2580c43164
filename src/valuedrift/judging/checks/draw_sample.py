"""Draw a sample of judged answers for a person to check, stratified by judged stance and topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.files import publish
from valuedrift.judging.checks.blind_sheet import sheet_name, write_sheet
from valuedrift.judging.checks.matching import KEYS, scanned, stage_of
from valuedrift.judging.judge_prompt import require_targets
from valuedrift.statistics.panel import PROBABILITIES, most_probable

_TEXTS = ("question", "answer")
_STRATUM = ["topic", "judged_stance"]


def write_sample_sheet(sources: Sequence[Path], targets: Mapping[str, str], pairs: int, seed: int, out: Path) -> None:
    """Draw judged answers (see `draw_pairs`) and write sheet.csv, sheet.html and key.parquet into the folder `out`.

    The sheet shows the question, the answer and the target. Only the key has the run that gave the answer and the
    judge's stance.
    """
    key = draw_pairs(sources, targets, pairs, seed)
    with publish(out) as draft:
        draft.mkdir()
        write_sheet(key, draft / "sheet.csv", draft / "key.parquet")


def draw_pairs(sources: Sequence[Path], targets: Mapping[str, str], pairs: int, seed: int) -> pl.DataFrame:
    """Draw (question, answer) pairs from stance tables, in a random order.

    A stratum is a topic and a most probable stance (of equally probable ones, the first of support, neutral, oppose).
    The same number of pairs is drawn from each stratum, or all of them if it has fewer. Unjudged answers aren't drawn.

    Args:
        sources: Parquet files, or folders of them.
        targets: Topic → its target.
        pairs: Number of pairs to draw, from one per stratum to all judged answers.
        seed: Seed of the draw and of the order.

    Returns:
        Columns: `sheet` (the name of this draw), `pair` (1 to n), the keys of a stance table, `stage, target, question,
        answer, p_…, unassigned, judged_stance`, `population` (the number of answers in the stratum) and `weight` (the
        number of answers that the pair represents).

    Raises:
        ConfigError: There are fewer pairs than strata or more than answers, or a topic has no target.
        ArtifactError: A column is missing, or two rows have the same key.
    """
    tables = [table for source in sources for table in scanned(source, (*_TEXTS, "unassigned"))]
    judged = pl.concat([table.select(*KEYS, *PROBABILITIES).drop_nulls() for _, table in tables])
    strata = judged.select(*KEYS, judged_stance=most_probable()).collect().sort(KEYS)
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


def allocate(sizes: Sequence[int], pairs: int) -> list[int]:
    """Return the number of pairs per stratum: equal, but at most its size; the largest strata get the remainder.

    Raises ConfigError if there are fewer pairs than strata or more pairs than answers.
    """
    if not len(sizes) <= pairs <= sum(sizes):
        expected = f"from {len(sizes)} (one for each topic and judged stance) to {sum(sizes)} (all judged answers)"
        raise ConfigError("pairs", pairs, expected)
    given = [0] * len(sizes)
    while left := pairs - sum(given):
        open_to_more = [place for place, size in enumerate(sizes) if given[place] < size]
        for place in sorted(open_to_more, key=lambda place: -sizes[place])[:left]:
            given[place] += 1
    return given


def _choose(strata: pl.DataFrame, pairs: int, random: np.random.Generator) -> pl.DataFrame:
    parts = strata.sort([*_STRATUM, *KEYS]).partition_by(_STRATUM, maintain_order=True)
    numbers = allocate([part.height for part in parts], pairs)
    chosen = [
        part[np.sort(random.choice(part.height, number, replace=False))].with_columns(
            population=pl.lit(part.height, pl.Int64), weight=pl.lit(part.height / number)
        )
        for part, number in zip(parts, numbers, strict=True)
    ]
    return pl.concat(chosen)[random.permutation(pairs)]
