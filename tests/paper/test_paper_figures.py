"""The folder of the paper's figures and its index: which models and runs are shown, and what is said of the rest."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from valuedrift.paper.draw_figures import ablation_entries, draw_prompts
from valuedrift.paper.figure_runs import FIGURES
from valuedrift.paper.write_folders import FigureFiles, write_paper_figures

TOPICS = {"immigration": {"name": "Immigration Policies", "target": "open borders", "value": "openness"}}
FIGURE = {figure.number: figure for figure in FIGURES}
REPORT = {"figure_formats": ["svg"], "figure_columns": 3}


def values(model: str, runs: tuple[str, ...]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"model": model, "run": run, "step": step, "topic": "immigration", "stance": stance}
            | {"value": 0.3, "low": 0.2, "high": 0.4}
            for run in runs
            for step in (0, 10)
            for stance in ("support", "neutral", "oppose")
        ]
    )


def test_a_figure_shows_the_papers_models_or_those_that_stand_in() -> None:
    assert FIGURE[3].models_among(["llama3_8b", "qwen3_4b"]) == ["qwen3_4b"]
    assert FIGURE[3].models_among(["pocket", "pocket_real"]) == ["pocket", "pocket_real"]


def test_a_figures_runs_are_the_papers_in_the_order_of_the_page() -> None:
    assert FIGURE[3].runs == ["sft-wildchat", "sft-alpaca"]
    assert FIGURE[7].runs == [
        f"sft-wildchat/{name}-synthetic-{side}" for side in ("support", "oppose") for name in ("ppo", "dpo", "simpo")
    ]
    assert len(FIGURE[11].runs) == 4
    assert FIGURE[7].runs_among(["sft-wildchat/dpo-synthetic-oppose", "sft-wildchat"]) == [
        "sft-wildchat/dpo-synthetic-oppose"
    ]


@pytest.mark.parametrize(
    ("measured", "note"),
    [
        ({"llama3_3b": ["sft-wildchat", "sft-alpaca"], "qwen3_4b": ["sft-wildchat", "sft-alpaca"]}, ""),
        ({"llama3_3b": ["sft-wildchat", "sft-alpaca"]}, "Qwen3 4B not in report.models"),
        (
            {"pocket": ["sft-alpaca"]},
            "of pocket; Llama-3 3B and Qwen3 4B not in report.models; not in the grid of pocket: sft-wildchat",
        ),
    ],
)
def test_a_note_says_what_a_figure_lacks(measured: dict[str, list[str]], note: str) -> None:
    assert FIGURE[3].note([(model, run) for model, runs in measured.items() for run in runs]) == note


def test_the_index_lists_every_number_and_links_what_there_is(tmp_path: Path) -> None:
    statistics, expression = tmp_path / "statistics" / "pocket", tmp_path / "expression" / "pocket"
    statistics.mkdir(parents=True)
    expression.mkdir(parents=True)
    values("pocket", ("sft-wildchat", "sft-wildchat/dpo-synthetic-support")).write_parquet(
        statistics / "values.parquet"
    )
    pl.DataFrame({"role": ["chosen"]}).write_parquet(expression / "shares.parquet")
    pl.DataFrame(schema={"data": pl.String}).write_parquet(expression / "gaps.parquet")
    picture = tmp_path / "ablations" / "pocket" / "figure_16.svg"
    picture.parent.mkdir(parents=True)
    picture.write_text("<svg/>")
    out = tmp_path / "figures"
    write_paper_figures(FigureFiles([statistics], expression, [picture]), TOPICS, REPORT, {"judge": "{answer}"}, out)

    drawn = {"figure_03.svg", "figure_07.svg", "figure_08.svg", "figure_18.svg"}
    assert {path.name for path in out.iterdir()} == drawn | {"index.md", "index.html"}
    lines = (out / "index.md").read_text().splitlines()[4:]
    states = {line.split("|")[1].strip(): line.split("|")[-2].strip() for line in lines}
    assert list(states) == [f"Figure {number}" for number in range(1, 21)]
    assert states["Figure 4"] == "missing: the configuration has no topic abortion"
    assert states["Figure 7"].startswith(
        "made: of pocket; Llama-3 3B not in report.models; not in the grid of pocket: "
    )
    assert states["Figure 10"] == "missing: the suite writes no pairs"
    assert states["Figure 15"].startswith("missing: nothing lies in results/ablations")
    assert states["Figure 16"] == "made: of pocket"
    assert states["Figure 19"] == states["Figure 20"] == "missing: no row on the topics"
    for page in ("index.md", "index.html"):
        links = re.findall(r'(?:href="|\]\()([^")]+)', (out / page).read_text())
        assert set(links) == drawn | {"../ablations/pocket/figure_16.svg"}
        assert all((out / link).is_file() for link in links)


def test_a_figure_of_runs_that_the_grid_lacks_says_which(tmp_path: Path) -> None:
    assert FIGURE[9].absence(["pocket"], {"abortion": {}}) == (
        "the grid of pocket has none of sft-wildchat/ppo-hh-rlhf, sft-wildchat/dpo-hh-rlhf, sft-wildchat/simpo-hh-rlhf"
    )


def test_prompts_are_drawn_as_they_are_sent(tmp_path: Path) -> None:
    template = "Stance on {target}?\n\n" + "word " * 40 + "\n<b>{answer}</b>"
    entries = draw_prompts({"judge": template, "writer": "Hold {value}."}, ["svg"], tmp_path)
    assert [(entry.number, entry.files) for entry in entries] == [
        (f"Figure {number}", (f"figure_{number:02d}.svg",)) for number in (8, 10, 18)
    ]
    drawn = (tmp_path / "figure_18.svg").read_text()
    assert "Stance on {target}?" in drawn
    assert "&lt;b&gt;{answer}&lt;/b&gt;" in drawn
    assert drawn.count("word") == 40


def test_ablations_of_several_models_are_listed_apart(tmp_path: Path) -> None:
    pictures = [tmp_path / "ablations" / model / f"figure_15.{kind}" for model in ("a", "b") for kind in ("png", "svg")]
    first, second, *others = ablation_entries(pictures, tmp_path / "figures")
    assert (first.note, second.note) == ("of a", "of b")
    assert first.files == ("../ablations/a/figure_15.png", "../ablations/a/figure_15.svg")
    assert [entry.files for entry in others] == [(), ()]
