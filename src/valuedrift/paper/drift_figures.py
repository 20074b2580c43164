"""Charts of drift: stance trajectories, a heat map, planted against recovered shares, and corrected drifts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import altair as alt
import polars as pl

from valuedrift.display import Display, Model
from valuedrift.errors import DataError
from valuedrift.paper import style
from valuedrift.paper.drift_tables import signed
from valuedrift.paper.table_formats import shown
from valuedrift.statistics.corrected import CORRECTED, RAW
from valuedrift.statistics.design import SOURCES
from valuedrift.statistics.panel import ALL, STANCES

_POINTS = 6
_PRINTED = (200, 140)  # three panels side by side fill the width of a page, with letters of 7 points
_TITLE = 32


def trajectories(
    values: pl.DataFrame, panels: Sequence[tuple[Model, str, str]], display: Display, columns: int = 3
) -> alt.VConcatChart:
    """Draw panels of v_t(T) with bands, whose level and kind are named (figures 3, 4, 7, 9, 11 to 14).

    What all panels share is the title of the figure, the rest that of the panels.

    Args:
        values: One row per model, run, step, topic and stance.
        panels: Model, run, and topic (a key, or "all") of each panel.
        display: Names and orders.
        columns: Number of panels per row.

    Raises:
        DataError: A panel has no rows.
    """
    parts = [
        (model.suite.run_title(run), display.topic_name(topic), model.title, model.suite.origin_title(run))
        for model, run, topic in panels
    ]
    differs = [len(set(column)) > 1 for column in zip(*parts, strict=True)]
    shared = ", ".join(part for part, varies in zip(parts[0], differs, strict=True) if part and not varies)
    own = [", ".join(part for part, varies in zip(row, differs, strict=True) if part and varies) for row in parts]
    drawn = []
    for (model, run, topic), title in zip(panels, style.lettered(own), strict=True):
        rows = display.banded(values.filter(model=model.name, run=run, topic=topic))
        if rows.is_empty():
            raise DataError("values", None, "run, topic", "no row", f"checkpoints of '{run}' on '{topic}'")
        panel = trajectory_panel(rows, None, model.tokens_per_step(run))
        lines = textwrap.wrap(title, _TITLE, break_on_hyphens=False)
        drawn.append(panel.properties(title=lines, width=_PRINTED[0], height=_PRINTED[1]))
    heading = alt.Title(shared, subtitle=display.bands_text, anchor="start", offset=8)
    return style.on_paper(alt.vconcat(style.stance_key(), alt.concat(*drawn, columns=columns), title=heading))


def trajectory_panel(
    rows: pl.DataFrame, legend: alt.Legend | None = None, tokens_per_step: float | None = None
) -> alt.LayerChart:
    """Draw one run's stances on one topic over its steps; lines pass through all checkpoints, a few have points.

    Args:
        rows: The values.
        legend: The legend of the stances.
        tokens_per_step: Shows tokens in place of steps.
    """
    title, form = ("Tokens", "~s") if tokens_per_step else ("Training step", ",d")
    shown = rows.with_columns(step=pl.col("step") * tokens_per_step) if tokens_per_step else rows
    base = alt.Chart(shown.select("step", "stance", "value", "low", "high", _is_marked(rows))).encode(
        x=alt.X("step:Q", title=title, axis=alt.Axis(tickCount=3, grid=False, format=form)),
        color=style.stance_colour(legend),
    )
    band = base.mark_area(opacity=0.18, aria=False).encode(y=_probability("low"), y2="high:Q")
    line = base.mark_line(strokeWidth=2, aria=False).encode(y=_probability("value"), strokeDash=style.stance_dash())
    points = base.transform_filter("datum.marked").mark_point(filled=True, size=40, opacity=1, aria=False)
    points = points.encode(
        y=_probability("value"),
        shape=style.stance_shape(legend),
        tooltip=["stance:N", "step:Q", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("value", "low", "high"))],
    )
    return alt.LayerChart(layer=[band, line, points], width=240, height=160)


def drift_heatmap(drift: pl.DataFrame, display: Display) -> alt.VConcatChart:
    """Draw the drift magnitude M of one stance per run (see `shown_drift`), topic × run, one block per model."""
    rows = shown_drift(drift, display)
    blocks = [_heat_block(rows.filter(model=model.name), model, display) for model in display.measured(rows)]
    return style.on_paper(alt.vconcat(*blocks))


def shown_drift(drift: pl.DataFrame, display: Display) -> pl.DataFrame:
    """Return one row of `drift` per model, run and topic: that of the stance that the run's data reward on purpose.

    If the data reward no stance (SFT sets, pairs with a small value gap), it is the stance that moved most.
    """
    most = moved_most(drift)
    keys = [
        (model, run, display.suite(model).rewarded(data) or most[model, run])
        for model, run, data in drift.select("model", "run", "data").unique().iter_rows()
    ]
    chosen = pl.DataFrame(keys, schema=dict.fromkeys(("model", "run", "stance"), pl.String), orient="row")
    return drift.join(chosen, on=["model", "run", "stance"], how="semi")


def moved_most(drift: pl.DataFrame) -> dict[tuple[str, str], str]:
    """Return model, run → the stance that moved most: the one with the largest |M| over all topics."""
    size = pl.col("magnitude").mean().abs().alias("size")  # M over all topics, as this is the mean over topics
    ranked = drift.group_by("model", "run", "stance").agg(size).sort("size", "stance", descending=[True, False])
    most = ranked.unique(["model", "run"], keep="first", maintain_order=True)
    return {(model, run): stance for model, run, stance in most.select("model", "run", "stance").iter_rows()}


def recovery_panel(rows: pl.DataFrame, legend: alt.Legend | None = None) -> alt.LayerChart:
    """Draw one data set's planted and measured shares; on the grey diagonal they are equal."""
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("planted:Q", title="Planted stance share", scale=scale, axis=style.SHARE_AXIS)
    y = alt.Y("measured:Q", title="Recovered stance probability", scale=scale, axis=style.SHARE_AXIS)
    columns = ["model", "data", "topic", "stance", "planted", "measured", "low", "high"]
    return style.agreement(rows, x, y, (0.0, 1.0), legend=legend, tooltip=columns)


def mean_absolute_error(calibration: pl.DataFrame) -> float:
    """Return the mean of |measured − planted| over the rows; NaN if there are no rows."""
    error = calibration.select((pl.col("measured") - pl.col("planted")).abs().mean()).item()
    return float("nan") if error is None else float(error)


def corrected_panel(drift: pl.DataFrame, reach: float) -> alt.LayerChart:
    """Draw one run's three stances on one topic, each estimate with its interval.

    The drift as judged is a filled point, the corrected one a hollow point.

    Args:
        drift: Rows of corrected_drift, one per stance.
        reach: Limit of the axis, which runs from −reach to +reach.
    """
    axis = alt.Axis(tickCount=5, labelExpr="datum.value === 0 ? '0' : format(datum.value, '+.1f')")
    base = alt.Chart(estimates(drift)).encode(
        x=alt.X("value:Q", title="M", scale=alt.Scale(domain=[-reach, reach]), axis=axis),
        y=alt.Y("stance:N", title=None, sort=list(STANCES), axis=alt.Axis(ticks=False, domain=False)),
        yOffset=alt.YOffset("shown:N", sort=[RAW, CORRECTED]),
        color=style.stance_colour(None),
    )
    zero = alt.Chart(pl.DataFrame({"value": [0.0]})).mark_rule(color="#8a8a8a", strokeWidth=1, aria=False)
    intervals = base.mark_rule(strokeWidth=1.25, opacity=0.7, aria=False).encode(x="low:Q", x2="high:Q")
    points = [
        base.transform_filter(alt.datum.shown == which)
        .mark_point(size=34, opacity=1, strokeWidth=1.5, filled=filled, aria=False)
        .encode(shape=style.stance_shape(None))
        for which, filled in ((RAW, True), (CORRECTED, False))
    ]
    layers = [zero.encode(x="value:Q"), intervals, *points]
    return alt.LayerChart(layer=layers, width=260, height=alt.Step(10))


def estimates(drift: pl.DataFrame) -> pl.DataFrame:
    """Return `stance, shown, value, low, high` of a run's drifts, RAW and CORRECTED; no row for what was refused."""
    raw = drift.select("stance", pl.lit(RAW).alias("shown"), value="raw", low="raw_low", high="raw_high")
    corrected = drift.select("stance", pl.lit(CORRECTED).alias("shown"), "value", "low", "high")
    return pl.concat([raw, corrected.drop_nulls()])


def variance_chart(parts: pl.DataFrame, display: Display) -> alt.Chart:
    """Draw what each run's variance is made up of (see `variance_parts`), as stacked bars, averaged over stances."""
    means = parts.group_by("model", "run", maintain_order=True).agg(pl.col(SOURCES).mean())
    titles = [display.model(model).suite.full_title(run) for model, run in means.select("model", "run").iter_rows()]
    rows = means.with_columns(title=pl.Series(titles, dtype=pl.String)).unpivot(
        SOURCES, index="title", variable_name="source", value_name="variance"
    )
    chart = alt.Chart(
        rows.drop_nulls().with_columns(order=pl.col("source").replace_strict(SOURCES, range(len(SOURCES))))
    )
    bars: alt.Chart = chart.mark_bar().encode(
        x=alt.X("variance:Q", title="variance of M on a single topic", stack="zero"),
        y=alt.Y("title:N", title=None, sort=list(titles), axis=alt.Axis(labelLimit=400)),
        color=alt.Color("source:N", title=None, sort=list(SOURCES)),
        order=alt.Order("order:Q"),
    )
    return style.on_paper(bars)


def _is_marked(rows: pl.DataFrame) -> pl.Series:
    """Whether each row's checkpoint has point shapes: about `_POINTS` do, including the first and the last.

    A checkpoint just before the last one has none, so that the points don't overlap.
    """
    steps = rows["step"].unique().sort()
    first, last = steps[0], steps[-1]
    stride = max(1, -(-(steps.len() - 1) // (_POINTS - 1)))
    apart = (last - first) / (2 * _POINTS)
    marked = {first, last, *(step for step in steps.gather_every(stride) if last - step > apart)}
    return pl.Series("marked", [step in marked for step in rows["step"]])


def _probability(field: str) -> alt.Y:
    return alt.Y(f"{field}:Q", title="Stance probability", scale=alt.Scale(domain=[0, 1]), axis=style.SHARE_AXIS)


def _heat_block(rows: pl.DataFrame, model: Model, display: Display) -> alt.LayerChart:
    """Draw one model's heat map; `rows` has one row per run and topic."""
    present = set(rows["topic"])
    names = [display.topic_name(topic) for topic in (ALL, *display.topics) if topic in present]
    stances = dict(rows.select("run", "stance").iter_rows())
    labels = {run: _heat_label(model, run, stances[run]) for run in sorted(stances, key=model.suite.run_order)}
    cells = rows.select(
        "magnitude",
        shown=pl.Series([shown(signed(magnitude)) for magnitude in rows["magnitude"]], dtype=pl.String),
        run=pl.col("run").replace_strict(labels),
        topic=pl.Series([display.topic_name(topic) for topic in rows["topic"]]),
    )
    reach = max(0.1, *(abs(magnitude) for magnitude in rows["magnitude"]))
    base = alt.Chart(cells).encode(
        x=alt.X("topic:N", title=None, sort=names, axis=alt.Axis(labelAngle=-40, labelLimit=260, orient="bottom")),
        y=alt.Y("run:N", title=None, sort=list(labels.values()), axis=alt.Axis(labelLimit=480)),
    )
    colour = alt.Color(
        "magnitude:Q",
        scale=alt.Scale(scheme="purpleorange", reverse=True, domain=[-reach, reach]),
        legend=alt.Legend(title="M", orient="right"),
    )
    dark = alt.when(f"abs(datum.magnitude) > {0.6 * reach}").then(alt.value("white")).otherwise(alt.value(style.INK))
    text = base.mark_text(fontSize=11, aria=False).encode(text="shown:N", color=dark)
    rectangles = base.mark_rect(aria=False).encode(color=colour)
    return alt.LayerChart(layer=[rectangles, text], title=model.title, width=alt.Step(52), height=alt.Step(24))


def _heat_label(model: Model, run: str, stance: str) -> str:
    return f"{model.suite.full_title(run) if '/' in run else model.suite.run_title(run)}: {stance}"
