"""Write the folder of one model's ablations; a job of the pipeline calls this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from valuedrift.display import Display
from valuedrift.errors import ConfigError
from valuedrift.files import publish, write_parquet, write_text
from valuedrift.paper.ablated_runs import LEARNING_RATE, Ablated, read_ablated
from valuedrift.paper.ablation_figures import ablation_charts
from valuedrift.paper.ablation_tables import TOGETHER, ablation_table, equal_rates_table, verdict
from valuedrift.paper.chart_files import save_chart
from valuedrift.paper.table_formats import write_tables
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.drift import RunDrift
from valuedrift.statistics.equal_rates import Contrast, Rated, contrasts
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import read_panel


def write_ablations(
    stances: Sequence[Path],
    ablated: Sequence[Mapping[str, Any]],
    display: Display,
    settings: Mapping[str, Any],
    seed: int,
    out: Path,
) -> None:
    """Measure one model's ablations and write the results into the folder `out`.

    The folder gets values.parquet and drift.parquet (see `measure`; q-values and noise floors cover these runs only),
    the figures and the table `ablations`. If learning rates vary on data that reward a stance, it also gets the table
    `equal_learning_rates` and verdict.md.

    Args:
        stances: Stance tables of the runs and of the runs that they start from.
        ablated: The result of `valuedrift.config.grid.ablated`.
        display: Names and orders, of this model only.
        settings: Settings of the bootstrap.
        seed: Seed of the bootstrap.
        out: The folder.

    Raises:
        ConfigError: There are no ablations.
        ArtifactError: As for `measure`.
    """
    (model,) = display.models.values()
    points = read_ablated(ablated, model)
    if not points:
        raise ConfigError("grid.ablations", "none", "one or more")
    bootstrap = Bootstrap(seed=seed, **settings)
    runs = dict.fromkeys(point.trajectory for point in points)
    measures = measure(read_panel(stances, bootstrap), runs, bootstrap)
    compared = compare_rates(points, measures.runs, bootstrap)
    tables = [ablation_table(points, measures.drift, bootstrap.level)]
    with publish(out, folder=True) as draft:
        write_parquet(draft / "values.parquet", measures.values)
        write_parquet(draft / "drift.parquet", measures.drift)
        charts = ablation_charts(points, measures.values, measures.drift, display, bootstrap.level)
        for name, chart in charts.items():
            caption = f"{chart.title.text}. {chart.title.subtitle}."
            save_chart(chart, draft / name, display.figure_formats, caption)
        if compared:
            tables.append(equal_rates_table(compared, model.title, bootstrap.level))
            write_text(draft / "verdict.md", verdict(compared, model.title))
        write_tables(tables, draft)


def compare_rates(
    points: Sequence[Ablated], drifts: Sequence[RunDrift], bootstrap: Bootstrap
) -> dict[str, list[Contrast]]:
    """Return the result of `contrasts` per start and rewarding data set, and for all of them together.

    A start and data set without contrasts is left out, and so are runs with further changed settings.
    """
    drift = {one.trajectory.run: one for one in drifts}
    found: dict[str, list[Rated]] = {}
    for point in points:
        if (
            point.parameter == LEARNING_RATE
            and not point.settings
            and point.model.suite.rewarded(point.trajectory.data)
        ):
            rated = Rated(drift[point.run], point.value, point.own, point.stance)
            found.setdefault(point.title, []).append(rated)
    if len(found) > 1:
        found[TOGETHER] = [one for runs in found.values() for one in runs]
    compared = {where: contrasts(runs, bootstrap) for where, runs in found.items()}
    return {where: those for where, those in compared.items() if those}
