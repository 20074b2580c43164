"""Charts: how stances look, what is drawn, and the files."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import polars as pl
import pytest
from doubles import results
from doubles.display import TOPICS, display
from doubles.pages import Page
from doubles.results import drift_row

from valuedrift.errors import DataError
from valuedrift.paper import style
from valuedrift.paper.chart_files import save_chart
from valuedrift.paper.drift_figures import drift_heatmap, recovery_panel, shown_drift, trajectories

RUNS = ("sft-wildchat", "sft-wildchat/dpo-synthetic-support")
DISPLAY = display("llama3_3b", "qwen3_4b", "pocket", topics={name: TOPICS[name] for name in ("climate", "work")})
COLOURS = {"support": "#2ca02c", "neutral": "#1f77b4", "oppose": "#d62728"}


def values(steps=(0, 100, 200), models=("pocket",)) -> pl.DataFrame:
    return results.values(RUNS, ("all", "climate", "work"), steps, models)


def draw(table, runs, topics, model="pocket", shown=DISPLAY):
    """Trajectories of each of these runs on each of these topics."""
    return trajectories(table, [(shown.models[model], run, topic) for run in runs for topic in topics], shown)


def drift(magnitudes: dict[str, tuple[float, float, float]]) -> pl.DataFrame:
    """Magnitudes (support, neutral, oppose) by run, the same for both topics."""
    cells = [(run, topic) for run in magnitudes for topic in ("all", "climate")]
    return pl.DataFrame(
        [drift_row(*cell, *own) for cell in cells for own in zip(COLOURS, magnitudes[cell[0]], strict=True)]
    )


CALIBRATION = pl.DataFrame(
    {"data": ["wildchat", "wildchat", "alpaca"], "stance": ["support", "oppose", "neutral"]}
    | {"planted": [0.2, 0.6, 0.5], "measured": [0.3, 0.6, 0.45], "low": [0.2, 0.5, 0.4], "high": [0.4, 0.7, 0.5]}
).with_columns(model=pl.lit("pocket"), topic=pl.lit("climate"))


def found(spec: object, key: str) -> list:
    """Every value under `key` in a nested spec."""
    if isinstance(spec, list):
        return [value for item in spec for value in found(item, key)]
    if not isinstance(spec, dict):
        return []
    own = [spec[key]] if key in spec else []
    return own + [value for item in spec.values() for value in found(item, key)]


def panels_of(spec: dict) -> list[dict]:
    return spec["vconcat"][1]["concat"]


def scale(spec: dict, channel: str) -> dict:
    scales = [encoding["scale"] for encoding in found(spec, channel) if "scale" in encoding]
    assert scales
    assert all(one == scales[0] for one in scales)
    return dict(zip(scales[0]["domain"], scales[0]["range"], strict=True))


@pytest.mark.parametrize("chart", [draw(values(), RUNS, ["all"]), recovery_panel(CALIBRATION, style.stance_legend())])
def test_stances_have_the_papers_colours_and_their_own_shapes(chart):
    spec = chart.to_dict()
    assert scale(spec, "color") == COLOURS
    assert len(set(scale(spec, "shape").values())) == 3
    if found(spec, "strokeDash")[0] != [4, 4]:  # the diagonal's own
        assert len({tuple(dash) for dash in scale(spec, "strokeDash").values()}) == 3


def test_trajectories_draw_a_panel_for_each_run_and_topic():
    spec = draw(values(), RUNS, ["all", "climate"]).to_dict()
    assert (spec["title"]["text"], spec["title"]["subtitle"]) == ("pocket", "95 % bands, pointwise")
    assert [" ".join(panel["title"]) for panel in panels_of(spec)] == [
        "(a) SFT on WildChat, All topics, from the base model",
        "(b) SFT on WildChat, Climate Change Concerns, from the base model",
        "(c) DPO on synthetic pairs, support-aligned, All topics, after SFT on WildChat",
        "(d) DPO on synthetic pairs, support-aligned, Climate Change Concerns, after SFT on WildChat",
    ]
    assert {y["title"] for panel in panels_of(spec) for y in found(panel, "y") if "title" in y} == {
        "Stance probability"
    }
    assert {x["title"] for panel in panels_of(spec) for x in found(panel, "x") if "title" in x} == {"Training step"}
    assert all(y["scale"]["domain"] == [0, 1] for y in found(panels_of(spec), "y") if "scale" in y)


def test_trajectories_draw_bands_and_every_checkpoint_but_few_point_shapes():
    steps = tuple(range(0, 5800, 100))
    spec = draw(values(steps), RUNS[:1], ["all"]).to_dict()
    band = panels_of(spec)[0]["layer"][0]
    assert (band["mark"]["type"], *(band["encoding"][end]["field"] for end in ("y", "y2"))) == ("area", "low", "high")
    rows = [row for rows in spec["datasets"].values() for row in rows if row.get("stance") == "support"]
    marked = [row["step"] for row in rows if row["marked"]]
    assert len(rows) == len(steps)
    assert 4 <= len(marked) <= 7
    assert (marked[0], marked[-1]) == (0, 5700)


def test_the_kind_of_bands_is_chosen_and_named():
    table = values().with_columns(band_low=pl.col("low") - 0.1, band_high=pl.col("high") + 0.1)
    for kind, added in (("pointwise", 0.0), ("simultaneous", 0.1)):
        spec = trajectories(table, [(DISPLAY.model("pocket"), RUNS[0], "all")], replace(DISPLAY, bands=kind)).to_dict()
        assert spec["title"]["subtitle"] == f"95 % bands, {kind}"
        rows = [row for rows in spec["datasets"].values() for row in rows if "high" in row]
        assert all(row["high"] == pytest.approx(row["value"] + 0.05 + added) for row in rows)


def test_a_last_step_close_behind_another_hides_no_point():
    spec = draw(values((0, 16, 32, 48, 64, 80, 96, 112, 128, 132)), RUNS[:1], ["all"]).to_dict()
    rows = [row for rows in spec["datasets"].values() for row in rows if row.get("stance") == "support"]
    assert [row["step"] for row in rows if row["marked"]] == [0, 32, 64, 96, 132]


def test_trajectories_of_several_models_are_told_apart():
    panels = [(DISPLAY.models[model], RUNS[0], "all") for model in ("llama3_3b", "qwen3_4b")]
    spec = trajectories(values(models=("qwen3_4b", "llama3_3b")), panels, DISPLAY).to_dict()
    assert spec["title"]["text"] == "SFT on WildChat, All topics, from the base model"
    assert [panel["title"] for panel in panels_of(spec)] == [["(a) Llama-3 3B"], ["(b) Qwen3 4B"]]


def test_trajectories_of_a_run_that_is_missing_are_refused():
    with pytest.raises(DataError, match="checkpoints of 'sft-alpaca' on 'climate'"):
        draw(values(), ["sft-alpaca"], ["climate"])


def test_the_shown_stance_is_the_rewarded_one_or_the_one_that_moved_most():
    runs = {
        "sft-wildchat": ((-0.1, 0.3, -0.2), "neutral"),
        "sft-wildchat/dpo-ultrafeedback": ((0.01, 0.02, -0.03), "oppose"),
        "sft-wildchat/ppo-synthetic-support": ((0.01, 0.05, -0.06), "support"),
        "sft-wildchat/dpo-synthetic-oppose": ((-0.4, 0.1, 0.3), "oppose"),
    }
    shown = shown_drift(drift({run: magnitudes for run, (magnitudes, _) in runs.items()}), DISPLAY)
    assert shown.height == 8
    assert dict(shown.select("run", "stance").iter_rows()) == {run: stance for run, (_, stance) in runs.items()}


def test_the_heat_map_prints_its_numbers_on_a_scale_that_is_even_about_zero():
    frame = drift({"sft-wildchat": (-0.1, 0.3, -0.2), "sft-wildchat/simpo-synthetic-oppose": (0.2, 0.0, -0.25)})
    spec = drift_heatmap(frame, DISPLAY).to_dict()
    cells = [row for rows in spec["datasets"].values() for row in rows]
    assert {(row["run"], row["topic"], row["shown"]) for row in cells} == {
        (run, topic, text)
        for topic in ("All topics", "Climate Change Concerns")
        for run, text in (
            ("SFT on WildChat: neutral", "+0.30"),
            ("SimPO on synthetic pairs, oppose-aligned, after SFT on WildChat: oppose", "−0.25"),
        )
    }
    assert [-0.3, 0.3] in found(spec, "domain")


def test_recovery_has_intervals_and_a_diagonal():
    layers = recovery_panel(CALIBRATION).to_dict()["layer"]
    assert [layer["mark"]["type"] for layer in layers] == ["line", "rule", "point"]


def test_the_same_rows_give_the_same_bytes(tmp_path):
    def written(name: str) -> list[bytes]:
        stem = tmp_path / name / "fig.all"
        chart = draw(values(), RUNS[:1], ["all"])
        return [path.read_bytes() for path in save_chart(chart, stem, ("svg", "png", "html"))]

    assert written("first") == written("second")


def test_only_the_formats_asked_for_are_written(tmp_path):
    chart = recovery_panel(CALIBRATION)
    assert save_chart(chart, tmp_path / "a" / "fig.v1", ["svg"]) == [tmp_path / "a" / "fig.v1.svg"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["fig.v1.svg"]


def test_png_has_300_dots_per_inch_and_pdf_embeds_its_fonts(tmp_path):
    chart = draw(values(), RUNS[:1], ["all"])
    svg, pdf, png = save_chart(chart, tmp_path / "fig", ["svg", "pdf", "png"])
    width, height = (int(re.search(rf'{side}="(\d+)"', svg.read_text())[1]) for side in ("width", "height"))
    size = png.read_bytes()[16:24]
    assert [int.from_bytes(size[:4]), int.from_bytes(size[4:])] == pytest.approx(
        [width * 300 / 72, height * 300 / 72], abs=1
    )
    content = pdf.read_bytes()
    assert f"/MediaBox [0 0 {width} {height}]".encode() in content
    assert b"/FontFile" in content


def test_the_caption_stands_beside_the_figure(tmp_path):
    _, caption = save_chart(recovery_panel(CALIBRATION), tmp_path / "fig", ["svg"], "What it shows.")
    assert (caption.name, caption.read_text()) == ("fig.txt", "What it shows.\n")


def test_the_key_has_each_stances_dash_and_shape():
    line, point, _ = style.stance_key().to_dict()["layer"]
    assert line["encoding"]["strokeDash"]["scale"]["range"] == [list(look.dash) for look in style.LOOKS.values()]
    assert point["encoding"]["shape"]["scale"]["range"] == [look.shape for look in style.LOOKS.values()]


def test_panels_are_lettered_if_there_are_several():
    assert style.lettered(["One"]) == ["One"]
    assert style.lettered(["One", "Two"]) == ["(a) One", "(b) Two"]
    assert style.lettered([""] * 28)[25:] == ["(z)", "(aa)", "(bb)"]


def test_html_figures_load_nothing_and_topic_names_stay_text(tmp_path):
    hostile = "</script><script>alert(1)</script><!--"
    topics = TOPICS | {"work": {"name": hostile, "target": "", "value": ""}}
    (path,) = save_chart(draw(values(), RUNS[:1], ["work"], shown=display(topics=topics)), tmp_path / "fig", ["html"])
    page = Page(path.read_text())
    assert [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe")] == ["script", "script"]
    assert not any({"src", "href", "srcset"} & set(attributes) for _, attributes in page.tags)
    policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    spec = json.loads(re.search(r'vegaEmbed\("#figure", (\{.*\}), \{actions', page.scripts[-1])[1])
    assert hostile in spec["title"]["text"]
    assert not any(found(spec, "url"))


def test_stages_with_tokens_are_drawn_over_tokens():
    table = results.values(("sft", "sft/rl"), ("all",), (0, 100, 200), ("pocket",))
    model = replace(DISPLAY.model("pocket"), tokens={"rl": 4e6})
    steps, tokens = (trajectories(table, [(model, run, "all")], DISPLAY).to_dict() for run in ("sft", "sft/rl"))
    assert '"title": "Training step"' in json.dumps(steps)
    assert '"title": "Tokens"' in json.dumps(tokens)
    shown = {row["step"] for rows in tokens["datasets"].values() for row in rows if "step" in row}
    assert shown == {0, 4e8, 8e8}
