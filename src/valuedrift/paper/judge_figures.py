"""Charts of a judge's quality, of its calibration, and of the effect of changing the judge."""

from __future__ import annotations

import altair as alt
import polars as pl

from valuedrift.paper import style

MEASURES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "weighted_f1": "weighted F1", "kappa": "Cohen's κ"}
"""Measure → its title, in the order shown."""

_PANELS = 4


def quality_figure(scores: pl.DataFrame, confusions: pl.DataFrame) -> alt.VConcatChart:
    """Draw each judge's scores with intervals, over three and four labels, above its four-label confusion matrix.

    Args:
        scores: `judge, labels, measure, value, low, high`.
        confusions: `judge, labels, truth, found, answers`.
    """
    judges = scores["judge"].unique(maintain_order=True).to_list()
    largest = confusions.filter(pl.col("labels") == confusions["labels"].max())
    panels = [_score_panel(scores.filter(pl.col("labels") == labels), judges) for labels in (3, 4)]
    grids = [_confusion_panel(largest.filter(pl.col("judge") == judge)).properties(title=judge) for judge in judges]
    rows = (alt.hconcat(*panels), alt.concat(*grids, columns=_PANELS).resolve_scale(color="shared"))
    return style.on_paper(alt.vconcat(*rows))


def calibration_figure(calibration: pl.DataFrame) -> alt.ConcatChart:
    """Draw people's shares against predicted probabilities, one panel per judge; both are equal on the diagonal."""
    judges = calibration["judge"].unique(maintain_order=True).to_list()
    panels = [
        _calibration_panel(calibration.filter(judge=judge)).properties(title=title)
        for judge, title in zip(judges, style.lettered(judges), strict=True)
    ]
    return style.on_paper(alt.concat(*panels, columns=_PANELS))


def bridge_figure(values: pl.DataFrame, drift: pl.DataFrame) -> alt.ConcatChart:
    """Draw the effect of a new judge: the shift of v by stage and topic, and new against old drift magnitudes.

    Args:
        values: `model, stage, topic, stance, shift, low, high`.
        drift: `old, old_low, old_high, new, new_low, new_high`.
    """
    reach = max(0.05, *(abs(end) for end in (*values["low"], *values["high"])))
    stages = values.partition_by("model", "stage", maintain_order=True)
    titles = [f"{rows['model'][0]}, {rows['stage'][0]}" for rows in stages]
    panels = [_shift_panel(rows, reach) for rows in stages]
    if not drift.is_empty():
        titles.append("Drift of each run and topic")
        panels.append(_drift_panel(drift))
    lettered = style.lettered(titles)
    panels = [panel.properties(title=title) for panel, title in zip(panels, lettered, strict=True)]
    return style.on_paper(alt.concat(*panels, columns=3))


def _score_panel(scores: pl.DataFrame, judges: list[str]) -> alt.LayerChart:
    """Draw points with intervals: one block per judge, one row per measure in it."""
    rows = scores.drop_nulls("value").with_columns(title=pl.col("measure").replace_strict(MEASURES))
    base = alt.Chart(rows).encode(
        y=alt.Y("judge:N", title=None, sort=judges, axis=alt.Axis(labelLimit=260)),
        yOffset=alt.YOffset("title:N", sort=list(MEASURES.values())),
        color=alt.Color(
            "title:N",
            sort=list(MEASURES.values()),
            scale=alt.Scale(range=["#1f4e79", "#c05a00", "#6a51a3", "#3d7a3d"]),
            legend=alt.Legend(title=None, orient="top"),
        ),
    )
    lowest = min(0.0, *rows["low"].drop_nulls())
    title = f"Agreement with people, {scores['labels'][0]} labels"
    x = alt.X("value:Q", title=title, scale=alt.Scale(domain=[lowest, 1]), axis=alt.Axis(tickCount=5))
    interval = base.mark_rule(strokeWidth=1.5, aria=False).encode(x="low:Q", x2="high:Q")
    points = base.mark_point(filled=True, size=40, opacity=1, aria=False).encode(x=x, tooltip=list(scores.columns))
    return alt.LayerChart(layer=[interval, points], width=300, height=alt.Step(11))


def _confusion_panel(counts: pl.DataFrame) -> alt.LayerChart:
    """Draw the counts of truth × found, shaded by their share of the truth's row."""
    cells = counts.with_columns(share=(pl.col("answers") / pl.col("answers").sum().over("truth")).fill_nan(0))
    order = counts["truth"].unique(maintain_order=True).to_list()
    base = alt.Chart(cells).encode(
        x=alt.X("found:N", title="found", sort=order, axis=alt.Axis(labelAngle=-40)),
        y=alt.Y("truth:N", title="people's label", sort=order),
    )
    shade = alt.Color(
        "share:Q",
        scale=alt.Scale(scheme="blues", domain=[0, 1]),
        legend=alt.Legend(title="share of row", orient="right", format=".1f"),
    )
    ink = alt.when("datum.share > 0.6").then(alt.value("white")).otherwise(alt.value(style.INK))
    text = base.mark_text(fontSize=12, aria=False).encode(text="answers:Q", color=ink)
    layers = [base.mark_rect(aria=False).encode(color=shade), text]
    return alt.LayerChart(layer=layers, width=alt.Step(40), height=alt.Step(32))


def _calibration_panel(rows: pl.DataFrame) -> alt.LayerChart:
    share = alt.Scale(domain=[0, 1])
    x = alt.X("predicted:Q", title="Judge's mean probability", scale=share)
    y = alt.Y("observed:Q", title="Share in people's labels", scale=share)
    size = alt.Size("answers:Q", scale=alt.Scale(range=[25, 140]), legend=alt.Legend(title="answers", orient="right"))
    return style.agreement(rows, x, y, (0.0, 1.0), legend=style.stance_legend(), size=size, tooltip=list(rows.columns))


def _shift_panel(rows: pl.DataFrame, reach: float) -> alt.LayerChart:
    topics = rows["topic"].unique(maintain_order=True).to_list()
    base = alt.Chart(rows).encode(
        y=alt.Y("topic:N", title=None, sort=topics, axis=alt.Axis(labelLimit=220)),
        yOffset=alt.YOffset("stance:N", sort=list(style.LOOKS)),
        color=style.stance_colour(style.stance_legend()),
    )
    scale, axis = alt.Scale(domain=[-reach, reach]), alt.Axis(tickCount=5)
    x = alt.X("shift:Q", title="Change of v, new − old", scale=scale, axis=axis)
    interval = base.mark_rule(strokeWidth=1.5, aria=False).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    points = base.mark_point(filled=True, size=36, opacity=1, aria=False)
    points = points.encode(x=x, shape=style.stance_shape(style.stance_legend()), tooltip=list(rows.columns))
    return alt.LayerChart(layer=[style.zero_rule(x), interval, points], width=220, height=alt.Step(9))


def _drift_panel(drift: pl.DataFrame) -> alt.LayerChart:
    x = alt.X("old:Q", title="Drift magnitude M, old judge")
    y = alt.Y("new:Q", title="Drift magnitude M, new judge")
    measured = [*drift["old"], *drift["new"]]
    base = alt.Chart(drift).encode(color=style.stance_colour(style.stance_legend()))
    across = base.mark_rule(opacity=0.35, aria=False).encode(x="old_low:Q", x2="old_high:Q", y=y)
    up = base.mark_rule(opacity=0.35, aria=False).encode(y="new_low:Q", y2="new_high:Q", x=x)
    points = base.mark_point(filled=True, size=40, opacity=0.9, aria=False)
    points = points.encode(x=x, y=y, shape=style.stance_shape(style.stance_legend()), tooltip=list(drift.columns))
    layers = [style.diagonal(x, y, (min(measured), max(measured))), across, up, points]
    return alt.LayerChart(layer=layers, width=320, height=320)
