"""The paper's figures as Altair charts: stance trajectories, a drift heat map, planted against recovered."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import altair as alt
import polars as pl
import vl_convert
from markupsafe import Markup

from valuedrift.errors import ConfigError, DataError
from valuedrift.files import publish, write_text
from valuedrift.paper import style
from valuedrift.paper.display_order import (
    Topics,
    aligned_stance,
    require_columns,
    require_topics,
    run_order,
    topic_name,
)
from valuedrift.paper.rendering import render
from valuedrift.paper.table_files import shown
from valuedrift.paper.tables import signed
from valuedrift.statistics.panel import ALL
from valuedrift.titles import model_title, origin_title, run_title

VALUE_COLUMNS = ("model", "run", "step", "topic", "stance", "value", "low", "high")
CALIBRATION_COLUMNS = ("model", "data", "topic", "stance", "planted", "measured", "low", "high")
FORMATS = ("svg", "png", "html")

_POINTS = 6
_PRINTED = (200, 140)  # three panels side by side fill a page with letters of 7 points
_TITLE = 32
_Joined = TypeVar("_Joined", alt.ConcatChart, alt.VConcatChart)


def trajectories(
    values: pl.DataFrame, runs: Sequence[str], chosen: Sequence[str], topics: Topics, columns: int = 3
) -> alt.ConcatChart:
    """Small multiples of v_t(T) with 95 % bands: a panel for each run, topic and model (figures 3, 4, 7, 9, 11 to 14).

    values: one row a model, run, step, topic and stance. chosen: topic keys, or "all". Raises DataError for a run
    and topic without rows.
    """
    require_columns(values, "values", VALUE_COLUMNS)
    require_topics(values, "values", topics)
    panels = []
    for run in runs:
        for topic in chosen:
            rows = values.filter(pl.col("run") == run, pl.col("topic") == topic)
            if rows.is_empty():
                raise DataError("values", None, "run, topic", "no row", f"checkpoints of '{run}' on '{topic}'")
            for model in rows["model"].unique().sort():
                where = f"{model_title(model)}, {origin_title(run)}"
                lines = [*_wrapped(run_title(run)), topic_name(topics, topic)]
                title = alt.Title(lines, subtitle=_wrapped(where))
                panel = trajectory_panel(rows.filter(pl.col("model") == model), style.stance_legend())
                panels.append(panel.properties(title=title, width=_PRINTED[0], height=_PRINTED[1]))
    return _finish(alt.concat(*panels, columns=columns))


def trajectory_panel(rows: pl.DataFrame, legend: alt.Legend | None = None) -> alt.LayerChart:
    """One run's stances on one topic over its steps; every checkpoint is on the line, a few carry its point shape."""
    base = alt.Chart(rows.select("step", "stance", "value", "low", "high", _is_marked(rows))).encode(
        x=alt.X("step:Q", title="Training step", axis=alt.Axis(tickCount=3, grid=False, format=",d")),
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


def drift_heatmap(drift: pl.DataFrame, topics: Topics) -> alt.VConcatChart:
    """Drift magnitude M of each run's shown stance (see `shown_stances`), topic × run, one block a model."""
    require_topics(drift, "drift", topics)
    rows = shown_drift(drift)
    blocks = [_heat_block(rows.filter(pl.col("model") == model), topics) for model in rows["model"].unique().sort()]
    return _finish(alt.vconcat(*blocks))


def shown_drift(drift: pl.DataFrame) -> pl.DataFrame:
    """One row of `drift` a model, run and topic: that of the stance its data rewards on purpose.

    Data that rewards none (SFT sets, UltraFeedback, HH-RLHF) is shown by the stance that moved most over all its
    topics, so that "it hardly moved" is said of the largest movement.
    """
    size = pl.col("magnitude").abs().sum().alias("size")
    moved = drift.group_by("model", "run", "data", "stance").agg(size).sort("size", "stance", descending=[True, False])
    most = moved.unique(["model", "run"], keep="first", maintain_order=True)
    stances = [aligned_stance(data) or stance for data, stance in most.select("data", "stance").iter_rows()]
    chosen = most.select("model", "run").with_columns(stance=pl.Series(stances, dtype=pl.String))
    return drift.join(chosen, on=["model", "run", "stance"], how="semi")


def recovery_panel(rows: pl.DataFrame, legend: alt.Legend | None = None) -> alt.LayerChart:
    """One data set's planted and measured shares; on the grey diagonal the two agree."""
    share = alt.Scale(domain=[0, 1])
    axis = _share_axis()
    corners = pl.DataFrame({"planted": [0.0, 1.0], "measured": [0.0, 1.0]})
    x = alt.X("planted:Q", title="Planted stance share", scale=share, axis=axis)
    y = alt.Y("measured:Q", title="Recovered stance probability", scale=share, axis=axis)
    diagonal = alt.Chart(corners).mark_line(color="#8a8a8a", strokeDash=[4, 4], strokeWidth=1, aria=False)
    base = alt.Chart(rows).encode(x=x, color=style.stance_colour(legend))
    intervals = base.mark_rule(strokeWidth=1, opacity=0.6, aria=False).encode(
        y=alt.Y("low:Q", scale=share), y2="high:Q"
    )
    points = base.mark_point(filled=True, size=45, opacity=0.9, aria=False)
    points = points.encode(y=y, shape=style.stance_shape(legend), tooltip=list(CALIBRATION_COLUMNS))
    return alt.LayerChart(layer=[diagonal.encode(x=x, y=y), intervals, points], width=240, height=240)


def mean_absolute_error(calibration: pl.DataFrame) -> float:
    """Mean |measured − planted| over the rows; NaN where there is none."""
    errors = [abs(measured - planted) for measured, planted in calibration.select("measured", "planted").iter_rows()]
    return sum(errors) / len(errors) if errors else float("nan")


def save_chart(chart: alt.TopLevelMixin, stem: Path | str, formats: Iterable[str]) -> list[Path]:
    """Write `<stem>.svg`, `.png` (at scale 2) and `.html` (opens without a network), as asked; returns the paths.

    The same chart gives the same bytes. Raises ConfigError for another format.
    """
    written = []
    for kind in formats:
        if kind not in FORMATS:
            raise ConfigError("figures.formats", kind, f"some of {', '.join(FORMATS)}")
        path = Path(f"{stem}.{kind}")
        _write_chart(chart.to_dict(), path, kind)
        written.append(path)
    return written


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _TITLE, break_on_hyphens=False)


def _finish(chart: _Joined) -> _Joined:
    configured: _Joined = chart.configure(**style.print_config())
    return configured


def _is_marked(rows: pl.DataFrame) -> pl.Series:
    """Whether a checkpoint carries point shapes: about `_POINTS` of them, the first and the last included.

    A run's last step seldom lies a whole stride after the one before: one that it would cover has no shape.
    """
    steps = rows["step"].unique().sort()
    first, last = steps[0], steps[-1]
    stride = max(1, -(-(steps.len() - 1) // (_POINTS - 1)))
    apart = (last - first) / (2 * _POINTS)
    marked = {first, last, *(step for step in steps.gather_every(stride) if last - step > apart)}
    return pl.Series("marked", [step in marked for step in rows["step"]])


def _probability(field: str) -> alt.Y:
    return alt.Y(f"{field}:Q", title="Stance probability", scale=alt.Scale(domain=[0, 1]), axis=_share_axis())


def _share_axis() -> alt.Axis:
    return alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2~f")


def _heat_block(rows: pl.DataFrame, topics: Topics) -> alt.LayerChart:
    """One model's heat map; `rows` has one row a run and topic."""
    present = set(rows["topic"])
    names = [topic_name(topics, topic) for topic in (ALL, *topics) if topic in present]
    stances = dict(rows.select("run", "stance").iter_rows())
    labels = {run: _heat_label(run, stances[run]) for run in sorted(stances, key=run_order)}
    cells = rows.select(
        "magnitude",
        shown=pl.Series([shown(signed(magnitude)) for magnitude in rows["magnitude"]], dtype=pl.String),
        run=pl.col("run").replace_strict(labels),
        topic=pl.Series([topic_name(topics, topic) for topic in rows["topic"]]),
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
    dark = alt.when(f"abs(datum.magnitude) > {0.6 * reach}").then(alt.value("white")).otherwise(alt.value("#222222"))
    text = base.mark_text(fontSize=11, aria=False).encode(text="shown:N", color=dark)
    rectangles = base.mark_rect(aria=False).encode(color=colour)
    title = model_title(rows["model"][0])
    return alt.LayerChart(layer=[rectangles, text], title=title, width=alt.Step(52), height=alt.Step(24))


def _heat_label(run: str, stance: str) -> str:
    origin = "" if "/" not in run else f", {origin_title(run)}"
    return f"{run_title(run)}{origin}: {stance}"


def _write_chart(spec: dict[str, object], path: Path, kind: str) -> None:
    if kind == "svg":
        write_text(path, vl_convert.vegalite_to_svg(spec))
    elif kind == "png":
        with publish(path) as draft:
            draft.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
    else:
        write_text(path, render("figure.html", name=path.stem, spec=spec, vega=_vega()))


@cache
def _vega() -> Markup:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
