"""What one hyper-parameter does to drift: figures 15 to 17 (paper, appendix J), and equal learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import altair as alt
import polars as pl

from valuedrift.errors import ConfigError
from valuedrift.files import publish
from valuedrift.reporting import style
from valuedrift.reporting.figures import save_chart
from valuedrift.reporting.labels import (
    PREFERENCE_DATA,
    SFT_DATA,
    Topics,
    algorithm_title,
    data_title,
    model_title,
    ordered,
    topic_name,
)
from valuedrift.reporting.table_files import Table, write_tables
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import ALL, read_panel
from valuedrift.statistics.trajectory import Trajectory

TOPICS = ("abortion", "immigration", "climate")
"""Topics of figures 15 to 17."""

FIGURES = {("ppo", "kl_coefficient"): 15, ("dpo", "beta"): 16, ("simpo", "gamma"): 17}
"""(algorithm, parameter) → number of the paper's figure."""

LEARNING_RATE = "learning_rate"
STANCE = "support"
"""The stance whose probability, and whose drift magnitude, is shown."""

_PARAMETERS = {"kl_coefficient": "KL coefficient", "beta": "β", "gamma": "γ", LEARNING_RATE: "learning rate"}
_ALGORITHMS = ("dpo", "simpo", "ppo")
_ORDERED_COLOURS = ("#0d0887", "#5c01a6", "#9c179e", "#cc4778", "#e8703a", "#e0a100")
_DASHES = ((1, 0), (8, 3), (2, 2), (8, 3, 2, 3), (12, 4), (4, 4))
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_REFERENCE = "#8a8a8a"
_INK = "#222222"


@dataclass(frozen=True)
class Ablated:
    """One run of an ablation; `own`: its value is the suite's, so the run is the grid's own."""

    algorithm: str
    parameter: str
    sft: str
    data: str
    value: float
    run: str

    @property
    def own(self) -> bool:
        return self.run.rpartition("/")[2] == f"{self.algorithm}-{self.data}"

    @property
    def shown(self) -> str:
        """The value as text, such as `5e-7`; an asterisk marks the suite's own."""
        return f"{self.value:.6g}".replace("e-0", "e-") + ("*" if self.own else "")


def draw_ablations(
    stances: Sequence[Path],
    trajectories: Sequence[Mapping[str, Any]],
    ablated: Sequence[Mapping[str, Any]],
    topics: Topics,
    report: Mapping[str, Any],
    statistics_settings: Mapping[str, Any],
    seed: int,
    out: Path,
) -> None:
    """Measure one model's ablations, and write into the folder `out` values.parquet and drift.parquet (see `measure`;
    q-values and noise floors are of these runs alone), the figures and the table `ablations` as Markdown, CSV, LaTeX.

    stances: stance tables of the runs, and of those that they start from
    trajectories: entries as `Trajectory.from_dict` reads them; those that no ablation names are left out
    ablated: rows of `valuedrift.config.grid.ablated`

    Raises ConfigError if no ablation has a trajectory, ArtifactError as `measure` does.
    """
    points = ablation_points(ablated)
    named = {point.run for point in points}
    runs = [Trajectory.from_dict(entry) for entry in trajectories if entry["run"] in named]
    if not runs:
        raise ConfigError("grid.ablations", sorted(named), "one or more runs among the trajectories")
    bootstrap = Bootstrap(seed=seed, **statistics_settings)
    measures = measure(read_panel(stances, bootstrap), runs, bootstrap)
    with publish(out) as draft:
        draft.mkdir()
        measures.values.write_parquet(draft / "values.parquet")
        measures.drift.write_parquet(draft / "drift.parquet")
        charts = ablation_charts(points, measures.values, measures.drift, topics, report, bootstrap.level)
        for name, chart in charts.items():
            save_chart(chart, draft / name, report["figure_formats"])
        write_tables([ablation_table(points, measures.drift, bootstrap.level)], draft)


def ablation_points(ablated: Sequence[Mapping[str, Any]]) -> list[Ablated]:
    """Every run of every ablation once, in the order of the page: by start and data set first, by value last."""
    found = {
        Ablated(entry["algorithm"], entry["parameter"], entry["sft"], entry["data"], float(run["value"]), run["run"])
        for entry in ablated
        for run in entry["runs"]
    }
    sft = ordered((point.sft for point in found), SFT_DATA)
    data = ordered((point.data for point in found), PREFERENCE_DATA)
    places = {point: (sft.index(point.sft), data.index(point.data)) for point in found}
    return sorted(found, key=lambda p: (places[p], _algorithm_order(p.algorithm), p.parameter, p.value))


def ablation_charts(
    points: Sequence[Ablated],
    values: pl.DataFrame,
    drift: pl.DataFrame,
    topics: Topics,
    report: Mapping[str, Any],
    level: float,
) -> dict[str, alt.VConcatChart]:
    """File stem → figure, of what was measured.

    values, drift: tables of one model as `measure` makes them · level: that of their intervals
    """
    measured = set(values["run"])
    drawn = [point for point in points if point.run in measured]
    chosen = [topic for topic in report.get("ablation_topics", TOPICS) if topic in set(values["topic"])]
    charts = {}
    for (algorithm, parameter), number in FIGURES.items():
        own = [point for point in drawn if (point.algorithm, point.parameter) == (algorithm, parameter)]
        if own and chosen:
            charts[f"figure_{number}"] = trajectory_figure(own, values, topics, chosen, level)
    rates = [point for point in drawn if point.parameter == LEARNING_RATE]
    if rates:
        charts["figure_learning_rate"] = learning_rate_figure(rates, drift, level)
    return charts


def trajectory_figure(
    points: Sequence[Ablated], values: pl.DataFrame, topics: Topics, chosen: Sequence[str], level: float
) -> alt.VConcatChart:
    """v_t(support) against the step, a line for each value of one algorithm's parameter (figures 15 to 17).

    A row of panels for each data set and start, a column for each topic.
    """
    labels = list(dict.fromkeys(point.shown for point in sorted(points, key=lambda point: point.value)))
    parameter = _PARAMETERS[points[0].parameter]
    rows = []
    for place, group in groupby(points, key=_place):
        runs = {point.run: point.shown for point in group}
        own = values.filter(pl.col("run").is_in(list(runs)), pl.col("stance") == STANCE)
        own = own.with_columns(shown=pl.col("run").replace_strict(runs, return_dtype=pl.String))
        panels = [
            _line_panel(own.filter(pl.col("topic") == topic), labels).properties(title=topic_name(topics, topic))
            for topic in chosen
        ]
        rows.append(alt.hconcat(*panels, title=_row_title(*place)))
    title = f"{algorithm_title(points[0].algorithm)}: effect of its {parameter}"
    subtitle = f"{model_title(values['model'][0])}, bands of {level:.0%}"
    own_value = "; *: the configuration's own value" if any(point.own for point in points) else ""
    return _finish(_key(labels), *rows, title=_title(title, subtitle + own_value))


def learning_rate_figure(points: Sequence[Ablated], drift: pl.DataFrame, level: float) -> alt.VConcatChart:
    """M_support of the mean over topics against the learning rate: a row of panels for each data set and start, a
    column for each algorithm; all share their axes, so that algorithms can be compared at equal rates."""
    table = _magnitudes(points, drift)
    reach = 1.05 * max(0.05, *(abs(end) for name in ("low", "high") for end in table[name]))
    rates = sorted({point.value for point in points})
    algorithms = sorted({point.algorithm for point in points}, key=_algorithm_order)
    rows = []
    for sft, data in dict.fromkeys(map(_place, points)):
        own = table.filter(pl.col("sft") == sft, pl.col("data") == data)
        panels = [
            _rate_panel(own.filter(pl.col("algorithm") == algorithm), rates, reach).properties(
                title=algorithm_title(algorithm)
            )
            for algorithm in algorithms
        ]
        rows.append(alt.hconcat(*panels, title=_row_title(sft, data)))
    subtitle = f"{model_title(drift['model'][0])}, mean over topics, intervals of {level:.0%}"
    filled = "; filled: the configuration's own rate" if any(point.own for point in points) else ""
    return _finish(*rows, title=_title("Drift magnitude at equal learning rates", subtitle + filled))


def ablation_table(points: Sequence[Ablated], drift: pl.DataFrame, level: float) -> Table:
    """M_support of the mean over topics, a row for each run of each ablation; blank where a run is not measured."""
    found = _magnitudes(points, drift, how="left")
    frame = pl.DataFrame(
        {
            "Start": [f"SFT on {data_title(point.sft)}" for point in points],
            "Data": [data_title(point.data) for point in points],
            "Algorithm": [algorithm_title(point.algorithm) for point in points],
            "Parameter": [_PARAMETERS.get(point.parameter, point.parameter) for point in points],
            "Value": [point.shown for point in points],
            "Steps": found["end_step"],
            "M support": found["magnitude"],
            "low": found["low"],
            "high": found["high"],
        }
    )
    caption = (
        f"Ablations of {model_title(drift['model'][0])}: drift magnitude of the support stance, mean over topics, with "
        f"its interval of {level:.0%}. An asterisk marks the configuration's own value. —: not measured."
    )
    return Table("ablations", caption, frame)


def _magnitudes(
    points: Sequence[Ablated], drift: pl.DataFrame, how: Literal["inner", "left"] = "inner"
) -> pl.DataFrame:
    """The drift of each point on the mean over topics, in the points' order."""
    together = drift.filter(pl.col("topic") == ALL, pl.col("stance") == STANCE)
    columns = together.select("run", "end_step", "magnitude", "low", "high")
    rows = [asdict(point) | {"own": point.own} for point in points]
    return pl.DataFrame(rows).join(columns, on="run", how=how, maintain_order="left")


def _line_panel(rows: pl.DataFrame, labels: Sequence[str]) -> alt.LayerChart:
    """One topic's lines; where a line ends it carries its value's point shape."""
    data = rows.select("step", "shown", "value", "low", "high", end=pl.col("step") == pl.col("step").max().over("run"))
    base = alt.Chart(data).encode(
        x=alt.X("step:Q", title="Training step", axis=alt.Axis(tickCount=3, grid=False, format=",d")),
        color=alt.Color("shown:N", scale=_scale(labels, _colours(len(labels))), legend=None),
    )
    band = base.mark_area(opacity=0.14, aria=False).encode(y=_probability("low"), y2="high:Q")
    dash = alt.StrokeDash("shown:N", scale=_scale(labels, _DASHES), legend=None)
    line = base.mark_line(strokeWidth=2, aria=False).encode(y=_probability("value"), strokeDash=dash)
    points = base.transform_filter("datum.end").mark_point(filled=True, size=60, opacity=1, aria=False)
    shape = alt.Shape("shown:N", scale=_scale(labels, _SHAPES), legend=None)
    return alt.LayerChart(
        layer=[band, line, points.encode(y=_probability("value"), shape=shape)], width=240, height=160
    )


def _key(labels: Sequence[str]) -> alt.LayerChart:
    """A legend that shows each value's dash and point shape together, which a chart's own legend can't."""
    step = 84
    rows = [{"shown": label, "x": place * step, "end": place * step + 36} for place, label in enumerate(labels)]
    base = alt.Chart(pl.DataFrame(rows)).encode(y=alt.value(8))
    scale = alt.Scale(domain=[0, len(labels) * step])
    color = alt.Color("shown:N", scale=_scale(labels, _colours(len(labels))), legend=None)
    x, middle = alt.X("x:Q", axis=None, scale=scale), alt.X("middle:Q", axis=None, scale=scale)
    line = base.mark_rule(strokeWidth=2, aria=False).encode(
        x=x, x2="end:Q", color=color, strokeDash=alt.StrokeDash("shown:N", scale=_scale(labels, _DASHES), legend=None)
    )
    point = base.transform_calculate(middle="(datum.x + datum.end) / 2").mark_point(filled=True, size=60, opacity=1)
    point = point.encode(x=middle, color=color, shape=alt.Shape("shown:N", scale=_scale(labels, _SHAPES), legend=None))
    text = base.mark_text(align="left", dx=6, fontSize=13, color=_INK).encode(
        x=alt.X("end:Q", axis=None, scale=scale), text="shown:N"
    )
    return alt.LayerChart(layer=[line, point, text], width=len(labels) * step, height=16)


def _rate_panel(rows: pl.DataFrame, rates: Sequence[float], reach: float) -> alt.LayerChart:
    """One algorithm on one data set; the grey dashes are no drift."""
    x = alt.X(
        "value:Q",
        title="Learning rate",
        scale=alt.Scale(type="log", domain=[0.7 * rates[0], rates[-1] / 0.7], nice=False),
        axis=alt.Axis(values=rates, format=".3~e", grid=False, labelOverlap="greedy"),
    )
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    base = alt.Chart(rows.select("value", "magnitude", "low", "high", "own")).encode(x=x)
    none = alt.Chart(pl.DataFrame({"magnitude": [0.0]})).mark_rule(color=_REFERENCE, strokeDash=[4, 4], aria=False)
    y = alt.Y("magnitude:Q", title="M support", scale=scale)
    line = base.mark_line(color=_INK, strokeWidth=1, opacity=0.5, aria=False).encode(y=y)
    interval = base.mark_rule(color=_INK, strokeWidth=2, aria=False).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    fill = alt.when("datum.own").then(alt.value(_INK)).otherwise(alt.value("white"))
    points = base.mark_point(size=32, opacity=1, stroke=_INK, aria=False).encode(y=y, fill=fill)
    return alt.LayerChart(layer=[none.encode(y=y), line, interval, points], width=200, height=140)


def _place(point: Ablated) -> tuple[str, str]:
    return point.sft, point.data


def _algorithm_order(algorithm: str) -> tuple[int, str]:
    return (_ALGORITHMS.index(algorithm) if algorithm in _ALGORITHMS else len(_ALGORITHMS), algorithm)


def _row_title(sft: str, data: str) -> alt.Title:
    return alt.Title(f"{data_title(data)}, after SFT on {data_title(sft)}", fontWeight="normal")


def _title(text: str, subtitle: str) -> alt.Title:
    return alt.Title(text, subtitle=subtitle, fontSize=15, offset=14)


def _probability(field: str) -> alt.Y:
    axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2~f")
    return alt.Y(f"{field}:Q", title="Support probability", scale=alt.Scale(domain=[0, 1]), axis=axis)


def _colours(count: int) -> list[str]:
    """Colours from dark to light over the whole range, however many there are."""
    last = len(_ORDERED_COLOURS) - 1
    return [_ORDERED_COLOURS[round(place * last / max(1, count - 1))] for place in range(count)]


def _scale(labels: Sequence[str], looks: Sequence[str] | Sequence[tuple[int, ...]]) -> alt.Scale:
    """Each label's look; looks repeat where there are fewer of them."""
    return alt.Scale(domain=list(labels), range=[looks[place % len(looks)] for place in range(len(labels))])


def _finish(*rows: alt.LayerChart | alt.HConcatChart, title: alt.Title) -> alt.VConcatChart:
    chart: alt.VConcatChart = alt.vconcat(*rows, title=title).configure(**style.print_config())
    return chart
