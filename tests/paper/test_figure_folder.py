"""The folder of the paper's figures and its index: which models and runs are shown, and what is missing."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from doubles import results
from doubles.display import TOPICS, display

from valuedrift.display import Display
from valuedrift.paper.folder_inputs import FigureInputs
from valuedrift.paper.numbered_figures import FIGURES, ablation_entries, draw_prompts, draw_trajectories
from valuedrift.paper.result_folders import write_figure_folder

FIGURE = {figure.number: figure for figure in FIGURES}
TOPIC = {f"figure_{number}": "immigration" for number in FIGURE}
BOTH = ("sft-wildchat", "sft-alpaca")


def shown(*models: str, own: tuple[str, ...] = ()) -> Display:
    return display(*models, own=own, figure_topics=TOPIC, figure_formats=["svg"])


def values(runs: dict[str, tuple[str, ...]]) -> pl.DataFrame:
    tables = [results.values(own, ("immigration",), (0, 10), (model,)) for model, own in runs.items()]
    return pl.concat(tables)


def states(out: Path) -> list[tuple[str, str]]:
    """(number, state) of each line of the index."""
    lines = (out / "index.md").read_text().splitlines()[4:]
    return [(line.split("|")[1].strip(), line.split("|")[-2].strip()) for line in lines]


def test_a_figures_runs_are_by_the_roles_of_the_suites_data() -> None:
    paper, own = shown(own=("mine",)).suites
    assert FIGURE[3].runs(paper) == ["sft-wildchat", "sft-alpaca"]
    assert FIGURE[7].runs(paper) == [
        f"sft-wildchat/{name}-synthetic-{side}" for side in ("support", "oppose") for name in ("ppo", "dpo", "simpo")
    ]
    assert len(FIGURE[11].runs(paper)) == 4
    assert FIGURE[9].runs(paper)[0] == "sft-wildchat/ppo-hh-rlhf"
    assert FIGURE[4].runs(own) == ["sft-letters/dpo-calm", "sft-letters/simpo-calm"]
    assert FIGURE[13].runs(own) == ["sft-letters/simpo-for", "sft-letters/simpo-against"]
    assert FIGURE[9].runs(own) == []


@pytest.mark.parametrize(
    ("measured", "note"),
    [
        ({"llama3_3b": BOTH, "qwen3_4b": BOTH, "qwen3_8b": BOTH}, ""),
        ({"llama3_3b": BOTH}, "Qwen3 4B not in report.models"),
        (
            {"pocket": ("sft-alpaca",)},
            "of pocket; Llama-3 3B and Qwen3 4B not in report.models; not in the grid of pocket: sft-wildchat",
        ),
    ],
)
def test_a_figure_shows_the_papers_models_or_those_that_stand_in(
    tmp_path: Path, measured: dict[str, tuple[str, ...]], note: str
) -> None:
    entry = draw_trajectories(values(measured), shown(*measured), tmp_path)[0]
    assert (entry.number, entry.title) == ("Figure 3", "SFT on WildChat and Alpaca: Immigration Policies")
    assert entry.note == note
    assert ("Qwen3 8B" in (tmp_path / "figure_03.svg").read_text()) is False


def test_models_of_other_suites_show_their_own_runs(tmp_path: Path) -> None:
    runs = {"pocket": ("sft-alpaca", "sft-wildchat"), "mine": ("sft-letters", "sft-letters/dpo-for")}
    entries = {entry.number: entry for entry in draw_trajectories(values(runs), shown(own=("mine",)), tmp_path)}
    assert entries["Figure 3"].title == "SFT on WildChat and Alpaca and Letters: Immigration Policies"
    drawn = (tmp_path / "figure_03.svg").read_text()
    places = [drawn.index(title) for title in ("SFT on WildChat", "SFT on Letters", "SFT on Alpaca")]
    assert places == sorted(places)
    assert "DPO on For" in (tmp_path / "figure_11.svg").read_text()


def test_the_index_lists_every_number_and_links_what_there_is(tmp_path: Path) -> None:
    statistics, expression = tmp_path / "statistics" / "pocket", tmp_path / "expression"
    for folder in (statistics, expression):
        folder.mkdir(parents=True)
    frame = values({"pocket": ("sft-wildchat", "sft-wildchat/dpo-synthetic-support")})
    frame.write_parquet(statistics / "values.parquet")
    pl.DataFrame({"role": ["chosen"]}).write_parquet(expression / "shares.parquet")
    pl.DataFrame(schema={"data": pl.String}).write_parquet(expression / "gaps.parquet")
    picture = tmp_path / "ablations" / "pocket" / "figure_16.svg"
    picture.parent.mkdir(parents=True)
    picture.write_text("<svg/>")
    out = tmp_path / "figures"
    prompts = {"judge": {"gpt": "{answer}"}}
    inputs = FigureInputs(
        statistics=[statistics], expression={"paper": expression}, prompts=prompts, ablations=[picture]
    )
    write_figure_folder(inputs, shown(), out)

    drawn = {f"figure_{number}.{kind}" for number in ("03", "07", "08", "11", "12", "18") for kind in ("svg", "txt")}
    assert {path.name for path in out.iterdir()} == drawn | {"index.md", "index.html"}
    found = dict(states(out))
    assert list(found) == [f"Figure {number}" for number in range(1, 21)]
    assert found["Figure 9"] == (
        "missing: the grid of pocket has none of sft-wildchat/ppo-hh-rlhf, sft-wildchat/dpo-hh-rlhf, "
        "sft-wildchat/simpo-hh-rlhf"
    )
    assert found["Figure 7"].startswith(
        "made: of pocket; Llama-3 3B not in report.models; not in the grid of pocket: "
        "sft-wildchat/ppo-synthetic-support, sft-wildchat/simpo-synthetic-support"
    )
    assert found["Figure 10"] == "missing: the suite writes no pairs"
    assert found["Figure 15"].startswith("missing: nothing in results/ablations")
    assert found["Figure 16"] == "made: of pocket"
    assert found["Figure 19"] == found["Figure 20"] == "missing: no row on the topics"
    for page in ("index.md", "index.html"):
        links = re.findall(r'(?:href="|\]\()([^")]+)', (out / page).read_text())
        assert set(links) == drawn | {"../ablations/pocket/figure_16.svg"}
        assert all((out / link).is_file() for link in links)


def test_prompts_are_drawn_as_they_are_sent_of_each_judge_and_writer(tmp_path: Path) -> None:
    template = "Stance on {target}?\n\n" + "word " * 40 + "\n<b>{answer}</b>"
    prompts = {"judge": {"gpt": template}, "writer": {"paper": "Hold {value}."}}
    entries = draw_prompts(prompts, shown(), tmp_path)
    assert {(entry.number, entry.files) for entry in entries} == {
        (f"Figure {number}", (f"figure_{number:02d}.svg", f"figure_{number:02d}.txt")) for number in (8, 10, 18)
    }
    drawn = (tmp_path / "figure_18.svg").read_text()
    assert "Stance on {target}?" in drawn
    assert "&lt;b&gt;{answer}&lt;/b&gt;" in drawn
    assert drawn.count("word") == 40

    two = draw_prompts({"judge": {"gpt": "A {answer}", "mine": "B {answer}"}}, shown(own=("mine",)), tmp_path)
    assert [(entry.files, entry.note) for entry in two[:2]] == [
        (("figure_08_gpt.svg", "figure_08_gpt.txt"), "of judge gpt"),
        (("figure_08_mine.svg", "figure_08_mine.txt"), "of judge mine"),
    ]
    assert "B {answer}" in (tmp_path / "figure_08_mine.svg").read_text()


def test_ablations_of_several_models_are_listed_apart(tmp_path: Path) -> None:
    models = ("qwen3_4b", "llama3_3b")
    pictures = [tmp_path / "ablations" / name / f"figure_15.{kind}" for name in models for kind in ("png", "svg")]
    first, second, *others = ablation_entries(pictures, shown(*models), tmp_path / "figures")
    assert (first.note, second.note) == ("of Qwen3 4B", "of Llama-3 3B")
    assert first.files == ("../ablations/qwen3_4b/figure_15.png", "../ablations/qwen3_4b/figure_15.svg")
    assert [entry.files for entry in others] == [(), ()]


def test_topics_without_a_figure_of_their_own_are_shown_by_the_first(tmp_path: Path) -> None:
    frame = values({"pocket": BOTH}).with_columns(topic=pl.lit(next(iter(TOPICS))))
    entry = draw_trajectories(frame, display(), tmp_path)[0]
    assert entry.title.endswith("Discussions on Abortion")
    assert entry.files
