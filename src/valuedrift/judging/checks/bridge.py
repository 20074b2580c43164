"""Compare judges, or wordings of a judge's prompt, on the same answers: agreement, values and drifts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.files import publish, write_json, write_parquet, write_text
from valuedrift.judging.checks.agreement_scores import intervals_as_text
from valuedrift.judging.checks.answer_agreement import agreement_table
from valuedrift.judging.checks.matching import NEW, OLD, match, read_stances
from valuedrift.judging.checks.shifts import SHIFT, drift_shifts, value_shifts
from valuedrift.paper.chart_files import save_chart
from valuedrift.paper.judge_figures import bridge_figure
from valuedrift.paper.table_formats import Table, markdown
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.panel import ALL

Source = Path | pl.DataFrame
"""A stance table: a parquet file, a folder of them, or the table itself."""


@dataclass(frozen=True)
class Bridge:
    """An old judge compared with a new one on the same answers, for every model.

    All intervals come from one bootstrap over questions.

    Attributes:
        agreement: See `agreement_table`.
        values: See `value_shifts`.
        drift: See `drift_shifts`.
    """

    agreement: pl.DataFrame
    values: pl.DataFrame
    drift: pl.DataFrame


def bridge(old: Source, new: Source, bootstrap: Bootstrap | None = None) -> Bridge:
    """Compare two stance tables of the same answers, matched by model, run, step, topic, question_id and sample.

    Raises ArtifactError as `read_stances` and `match` do.
    """
    bootstrap = bootstrap or Bootstrap()
    models = match(read_stances(old), read_stances(new)).partition_by("model", maintain_order=True)

    def of_each(make: Callable[[pl.DataFrame, Bootstrap], pl.DataFrame]) -> pl.DataFrame:
        return pl.concat([make(matched, bootstrap) for matched in models])

    return Bridge(of_each(agreement_table), of_each(value_shifts), of_each(drift_shifts))


def pairwise(sources: Mapping[str, Source], bootstrap: Bootstrap | None = None) -> pl.DataFrame:
    """Compare every two judges, by stage and topic.

    Returns:
        Columns `a, b`, then those of `agreement_table` with a as the old judge.
    """
    bootstrap = bootstrap or Bootstrap()
    tables = {name: read_stances(source) for name, source in sources.items()}
    rows = [
        agreement_table(matched, bootstrap).select(pl.lit(a).alias("a"), pl.lit(b).alias("b"), pl.all())
        for a, b in combinations(tables, 2)
        for matched in match(tables[a], tables[b]).partition_by("model", maintain_order=True)
    ]
    return pl.concat(rows)


def write_bridges(
    old: Path,
    new: Sequence[Path],
    out: Path,
    bootstrap: Bootstrap | None = None,
    formats: Sequence[str] = ("svg", "png"),
) -> None:
    """Compare an old judge with new ones, and every two judges with each other.

    Writes one folder per new judge (bridge.md, bridge.json, three parquet tables and a figure), and pairwise.md, .json
    and .parquet. The names of the judges are the parts of their paths that differ.

    Args:
        old: The old judge's stance tables: a parquet file, or a folder of them.
        new: Each new judge's stance tables, given in the same way.
        out: The folder to write.
        bootstrap: Settings of the bootstrap over questions.
        formats: File formats of the figures.

    Raises:
        ArtifactError: Two paths are the same, or one contains all others; or as `bridge` does.
    """
    names = _names([old, *new])
    sources = dict(zip(names, (old, *new), strict=True))
    with publish(out) as draft:
        for name in names[1:]:
            print(f"bridge: {names[0]} against {name}", file=sys.stderr)
            _write_bridge(bridge(old, sources[name], bootstrap), names[0], name, draft / name, formats)
        pairs = pairwise(sources, bootstrap).filter(stage=ALL, topic=ALL).drop("stage", "topic")
        write_parquet(draft / "pairwise.parquet", pairs)
        write_json(draft / "pairwise.json", pairs.to_dicts())
        table = Table("pairwise", "Agreement of every two judges", intervals_as_text(pairs))
        write_text(draft / "pairwise.md", markdown(table))


def bridge_summary(found: Bridge) -> dict[str, Any]:
    """Return by model: agreement over all answers, the largest shift of v, and the number of `changed_drifts`."""
    summary: dict[str, Any] = {}
    for row in found.agreement.filter(stage=ALL, topic=ALL).drop("stage", "topic").iter_rows(named=True):
        model = row.pop("model")
        values, drift = (table.filter(model=model) for table in (found.values, found.drift))
        by_topic = values.filter(pl.col("topic") != ALL).sort(pl.col(SHIFT).abs(), descending=True)
        summary[model] = row | {
            "largest_value_shift": by_topic.row(0, named=True) if by_topic.height else None,
            "drifts": drift.height,
            "drifts_that_read_otherwise": changed_drifts(drift).height,
        }
    return summary


def changed_drifts(drift: pl.DataFrame) -> pl.DataFrame:
    """Return the drifts whose two intervals are on different sides of zero, or of which only one contains zero."""
    return drift.filter(_side(OLD) != _side(NEW))


def bridge_markdown(found: Bridge, old: str, new: str) -> str:
    """Return a summary, agreement by stage and topic, v and M under both judges, and the `changed_drifts`."""
    lines = [_sentence(model, line) for model, line in bridge_summary(found).items()]
    changed = intervals_as_text(changed_drifts(found.drift))
    tables = [
        Table("agreement", f"{old} against {new}: agreement by stage and topic", intervals_as_text(found.agreement)),
        Table("values", "v under both judges by stage, all topics", found.values.filter(topic=ALL)),
        Table("drift", "M under both judges, all topics", intervals_as_text(found.drift.filter(topic=ALL))),
        Table("changed", "Drifts on which the judges differ: their sign, or whether zero is excluded", changed),
    ]
    return "\n".join([f"# {old} replaced by {new}", "", *lines, "", *map(markdown, tables)])


def _write_bridge(found: Bridge, old: str, new: str, out: Path, formats: Sequence[str]) -> None:
    out.mkdir(parents=True)
    for name, table in vars(found).items():
        write_parquet(out / f"{name}.parquet", table)
    rows = {name: table.to_dicts() for name, table in vars(found).items()}
    write_json(out / "bridge.json", {OLD: old, NEW: new, "summary": bridge_summary(found), **rows})
    write_text(out / "bridge.md", bridge_markdown(found, old, new))
    if not found.values.is_empty():
        save_chart(
            bridge_figure(found.values, found.drift),
            out / "bridge",
            formats,
            f"What changes if {new} judges in place of {old}.",
        )


def _sentence(model: str, line: Mapping[str, Any]) -> str:
    alone = f"{line['only_old']:,} only by the old judge, {line['only_new']:,} only by the new one"
    said = [f"- {model}: {line['both']:,} answers judged by both ({alone})."]
    if line["both"]:
        said.append(f"The most probable stance agrees in {line['agreement']:.1%} of them,")
        said.append(f"the mean total-variation distance is {line['distance']:.3f}.")
        most = line["largest_value_shift"]
        said.append(
            f"The largest shift of v is {most[SHIFT]:+.3f} ({most['topic']}, {most['stance']}, stage {most['stage']})."
        )
        said.append(f"{line['drifts_that_read_otherwise']} of {line['drifts']} drift magnitudes are read differently.")
    return " ".join(said)


def _side(judge: str) -> pl.Expr:
    """Return 1 if a drift's interval is above zero, −1 if it is below, 0 if it contains zero."""
    return (pl.col(f"{judge}_low") > 0).cast(pl.Int8) - (pl.col(f"{judge}_high") < 0).cast(pl.Int8)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return each path without the folders that all paths share, its parts joined by hyphens."""
    whole = [path.resolve().with_suffix("") for path in paths]
    shared = Path(os.path.commonpath(whole))
    names = ["-".join(path.relative_to(shared).parts) for path in whole]
    if len(set(names)) != len(names) or "" in names:
        raise ArtifactError(paths[-1], [str(path) for path in paths], "different stance tables, none inside another")
    return names
