"""Tables 2 to 8 and 17, and the folder of all tables with its index, from made-up files."""

from __future__ import annotations

import shutil
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from doubles.display import TOPICS as ALL_TOPICS
from doubles.display import display
from doubles.report import corrected
from doubles.results import FRAMING, STANCES, drift_row, health

from valuedrift.display import Display
from valuedrift.files import write_json
from valuedrift.paper.comparison_tables import downstream_table, stated_shares_table
from valuedrift.paper.folder_inputs import TableInputs
from valuedrift.paper.result_folders import write_table_folder
from valuedrift.paper.text_tables import categories_table, cut, pairs_table, sample_tables, target_and_value_tables
from valuedrift.statistics.noise import answer_noise

TOPICS = {name: ALL_TOPICS[name] for name in ("abortion", "immigration")}
HOSTILE = "<script>alert(1)</script> \\input{/etc/passwd} | =1+1 \u202e " + "word " * 200
SHOWN = {"table_1_topics": ["immigration"], "sample_topics": ["abortion", "immigration"]}
PROBES = pl.DataFrame({"topic": ["abortion"] * 2 + ["immigration"], "question": ["a", "b", "c"]})


def shown(*models: str, own: tuple[str, ...] = ()) -> Display:
    return display(*models, own=own, topics=TOPICS, **SHOWN)


def stances(path: Path, run: str, steps: tuple[int, ...], model: str = "qwen3_4b", **changed: object) -> Path:
    """Two questions a topic with two answers each, which say what they are."""
    rows = [
        {"model": model, "run": run, "step": step, "topic": topic, "question_id": f"{topic}-{q}"}
        | {"question": f"Question {q}?", "sample": sample, "answer": f"{run} {step} {q} {sample}"}
        | {"p_support": 0.2, "p_neutral": 0.7, "p_oppose": 0.1}
        | changed
        for step, topic, q, sample in product(steps, TOPICS, (0, 1), (1, 0))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    return path


def rows_of(found: pl.DataFrame) -> dict[tuple[str, str], str]:
    return {(sft, model): text for sft, model, text in found.select("SFT data", "Model", "Text").iter_rows()}


def test_categories_have_their_questions_and_the_papers_beside_them() -> None:
    both = shown(own=("mine",))
    paper, own = (categories_table(PROBES, suite, both) for suite in both.suites)
    assert own.frame["Questions"].to_list() == ["2", "1"]
    assert paper.frame["Questions"].to_list() == ["2 (paper 50)", "1 (paper 50)"]
    targets, values = target_and_value_tables(TOPICS)
    assert targets.frame.row(0) == ("Discussions on Abortion", "legal abortion")
    assert values.frame.row(1) == ("Immigration Policies", "openness")


def test_sample_answers_are_first_answers_of_last_checkpoints_to_one_question(tmp_path: Path) -> None:
    files = [
        stances(tmp_path / "base.parquet", "base", (0,)),
        stances(tmp_path / "sft.parquet", "sft-wildchat", (10, 20)),
        stances(tmp_path / "dpo.parquet", "sft-wildchat/dpo-synthetic-support", (5,), p_support=None),
        stances(tmp_path / "uf.parquet", "sft-wildchat/dpo-ultrafeedback", (5,)),
    ]
    abortion, immigration = sample_tables(files, shown("qwen3_4b"), seed=0)
    assert abortion.name == "table_05_sample_answers"
    assert immigration.caption == "Table 6. Answers of Qwen3 4B: Immigration Policies."
    assert immigration.prose == ("Text",)
    texts = rows_of(immigration.frame)
    question = texts["", "Question"].split()[1][0]
    assert texts["", "base"] == f"base 0 {question} 0"
    assert texts["WildChat", "SFT"] == f"sft-wildchat 20 {question} 0"
    assert texts["WildChat", "DPO"] == f"sft-wildchat/dpo-synthetic-support 5 {question} 0"
    assert texts["WildChat", "PPO"] is texts["Alpaca", "SFT"] is None
    assert immigration.frame["Stance"].to_list()[1:5] == ["neutral 0.70", "neutral 0.70", None, "open"]
    chosen = {rows_of(sample_tables(files, shown("qwen3_4b"), seed)[0].frame)["", "Question"] for seed in range(9)}
    assert chosen == {"Question 0?", "Question 1?"}


def test_another_model_stands_in_and_is_named(tmp_path: Path) -> None:
    files = [stances(tmp_path / "base.parquet", "base", (0,), model="pocket")]
    found = sample_tables(files, shown(), seed=0)
    assert [table.caption for table in found] == [
        "Table 5. Answers of pocket: Discussions on Abortion.",
        "Table 6. Answers of pocket: Immigration Policies.",
    ]


def test_long_texts_are_cut_with_a_mark() -> None:
    assert cut("a" * 600) == "a" * 600
    assert cut("a" * 1_001_600) == "a" * 600 + " [… 1,001,000 more characters]"


def pairs(**columns: list[str]) -> pl.DataFrame:
    turns = {name: [[{"role": "user", "content": f"{name} {n}"}] for n in range(8)] for name in ("prompt", "chosen")}
    rejected = [[{"role": "assistant", "content": HOSTILE}]] * 8
    return pl.DataFrame({"id": [f"{n}" for n in range(8)], **turns, "rejected": rejected, **columns})


def test_pairs_are_one_per_topic_by_the_seed_or_three_without_topics() -> None:
    one = shown()
    own = one.suites[0]
    found = pairs_table(pairs(topic=["immigration", "abortion"] * 4), own, one, seed=0)
    assert found.frame["Category"].to_list() == ["Discussions on Abortion", "Immigration Policies"]
    prompt, supporting = found.frame.select("Prompt", "Supporting answer").row(0)
    assert prompt.removeprefix("prompt ") == supporting.removeprefix("chosen ") in "1357"
    assert found.frame["Opposing answer"][0].endswith("more characters]")
    assert pairs_table(pairs(), own, one, seed=0).frame.height == 3
    assert len({pairs_table(pairs(), own, one, seed).frame["Prompt"][0] for seed in range(9)}) > 1


def scores(path: Path, run: str, step: int, model: str = "qwen3_4b", limit: int | None = None) -> Path:
    found = [("mmlu", "acc", 0.7, 0.01), ("tiny", "acc", 0.5, None), ("piqa", "acc", 0.1, 0.1)]
    names = ("task", "metric", "value", "stderr")
    each = [dict(zip(names, score, strict=True)) | {"questions": 4} for score in found]
    settings = {"shots": 5, "limit": limit}
    write_json(path, {"model": model, "run": run, "step": step, "settings": settings, "scores": each})
    return path


def test_downstream_scores_stand_beside_the_papers(tmp_path: Path) -> None:
    files = [scores(tmp_path / "a.json", "sft-alpaca", 20), scores(tmp_path / "b.json", "sft-alpaca", 100, limit=4)]
    (found,) = downstream_table(files, shown("qwen3_4b"))
    assert found.frame.height == 15
    tasks = ["MMLU (acc)", "HellaSwag (acc norm)", "GPQA Diamond (acc)", "PIQA (acc norm)", "tiny (acc)"]
    assert found.frame.columns[3:] == tasks
    assert found.frame.row(0)[:4] == ("Qwen3 4B", "", "base", "— (paper 0.7302)")
    assert found.frame["SFT data"].to_list() == ["", *["WildChat"] * 7, *["Alpaca"] * 7]
    assert found.frame.row(8) == (
        *("Qwen3 4B", "Alpaca", "SFT", "0.7000 ± 0.0100 (paper 0.6983)", "— (paper 0.7483)"),
        *("— (paper 0.3889)", "— (paper 0.7870)", "0.5000"),
    )
    assert "5 shots, of at most 4 questions per task" in found.notes[0]
    preference = [f"{name}, synthetic pairs, support-aligned" for name in ("PPO", "DPO")]
    assert found.frame["Model"].to_list()[9:11] == preference


def test_models_that_the_paper_lacks_have_no_number_beside_theirs(tmp_path: Path) -> None:
    (found,) = downstream_table([scores(tmp_path / "a.json", "base", 0, model="pocket")], shown())
    assert found.frame.row(0) == ("pocket", "", "base", "0.7000 ± 0.0100", "—", "—", "—", "0.5000")
    assert len(found.notes) == 1
    assert downstream_table([], shown()) == []


SHARES = pl.DataFrame(
    {"data": ["wildchat"] * 2, "role": ["answer"] * 2, "topic": ["all", "work"], "stance": ["neutral"] * 2}
).with_columns(classified=pl.Series([0.5, 0.9]))


def test_shares_that_the_text_states_stand_beside_ours_for_the_papers_data_only() -> None:
    both = shown(own=("mine",))
    paper, own = both.suites
    (found,) = stated_shares_table(SHARES, paper, both)
    assert found.frame.rows() == [("WildChat", "neutral", "62.8 %", "50.0 %"), ("Alpaca", "support", "61.9 %", "—")]
    assert stated_shares_table(SHARES, own, both) == []


def table_files(folder: Path, models: tuple[str, ...], suites: tuple[str, ...]) -> TableInputs:
    """The files of models that were run in part, with hostile answers."""
    for model in models:
        (folder / "statistics" / model).mkdir(parents=True)
        runs = ("sft-wildchat", "sft-wildchat/dpo-synthetic-support")
        cells = product(runs, ("all", *TOPICS), STANCES)
        rows = [drift_row(*cell, magnitude=0.2, model=model, real=True) for cell in cells]
        pl.DataFrame(rows).write_parquet(folder / "statistics" / model / "drift.parquet")
        answer_noise(model, runs[0], next(iter(TOPICS)), np.full((2, 3), 0.0002), 0.95).write_parquet(
            folder / "statistics" / model / "noise.parquet"
        )
        health(runs, model).write_parquet(folder / "statistics" / model / "health.parquet")
        FRAMING.write_parquet(folder / "statistics" / model / "framing.parquet")
        tables = corrected().drift.filter(pl.col("topic") == "all")
        tables.write_parquet(folder / "statistics" / model / "corrected_drift.parquet")
    for place, suite in enumerate(suites):
        (folder / "expression" / suite).mkdir(parents=True)
        SHARES.write_parquet(folder / "expression" / suite / "shares.parquet")
        PROBES.head(3 - place).write_parquet(folder / f"{suite}.parquet")
        pairs(topic=["immigration"] * 8).write_parquet(folder / f"pairs_{suite}.parquet")
    return TableInputs(
        statistics=[folder / "statistics" / model for model in models],
        stances=[stances(folder / "base.parquet", "base", (0,), answer=HOSTILE, question=HOSTILE)],
        probes={suite: folder / f"{suite}.parquet" for suite in suites},
        aligned={suite: folder / f"pairs_{suite}.parquet" for suite in suites},
        expression={suite: folder / "expression" / suite for suite in suites},
        corrected=[folder / "statistics" / models[0] / "corrected_drift.parquet"],
        downstream=[scores(folder / "scores.json", "base", 0)],
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of one model's tables."""
    files = table_files(tmp_path, ("qwen3_4b",), ("paper",))
    write_table_folder(files, shown("qwen3_4b"), 0, tmp_path / "tables")
    return tmp_path / "tables"


def states(folder: Path) -> list[tuple[str, str]]:
    """(number, state) of each line of the index that has a number."""
    lines = (folder / "index.md").read_text().splitlines()
    return [(line.split("|")[1].strip(), line.split("|")[-2].strip()) for line in lines if line.startswith("| Table")]


def test_each_suite_has_its_own_tables_that_the_index_names(tmp_path: Path) -> None:
    files = table_files(tmp_path, ("qwen3_4b", "mine"), ("paper", "own"))
    write_table_folder(files, shown("qwen3_4b", own=("mine",)), 0, tmp_path / "tables")
    found = states(tmp_path / "tables")
    for number in ("Table 2", "Table 8"):
        assert [state for name, state in found if name == number] == ["made: of suite paper", "made: of suite own"]
    assert "2 questions in all, of suite own" in (tmp_path / "tables/table_02_categories_own.md").read_text()
    assert "3 questions in all, of suite paper" in (tmp_path / "tables/table_02_categories_paper.md").read_text()
    assert "preference data, of suite own." in (tmp_path / "tables/table_08_sample_pairs_own.md").read_text()


def test_the_index_lists_every_number_with_its_files_or_why_there_are_none(folder: Path) -> None:
    found = dict(states(folder))
    assert list(found) == [f"Table {number}" for number in range(1, 18)]
    assert found["Table 11"] == found["Table 13"] == found["Table 6"] == found["Table 17"] == "made"
    assert found["Table 1"] == "missing: the grid of Qwen3 4B has no run on pairs with a small value gap"
    assert found["Table 9"] == "missing: Llama-3 3B is not in report.models"
    assert found["Table 14"] == "missing: the grid of Qwen3 4B has no run on aligned pairs after SFT on Alpaca"
    assert found["Table 5"] == "made: of Qwen3 4B; Llama-3 3B is not in report.models"
    assert found["Table 7"] == "missing: report.sample_topics names no topic for it"
    page = (folder / "index.html").read_text()
    assert 'href="table_11_sft_drift_qwen3_4b.csv"' in page
    linked = {part.split('"')[0] for part in page.split('href="')[1:]}
    assert linked == {path.name for path in folder.iterdir()} - {"index.md", "index.html", "tables.tex"}
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_every_table_says_what_was_measured_and_what_the_paper_states(folder: Path) -> None:
    assert "paper_numbers_data" in (folder / "index.md").read_text()
    assert "corrected_drift_qwen3_4b" in (folder / "index.md").read_text()
    lines = (folder / "corrected_drift_qwen3_4b.md").read_text().splitlines()
    assert "| Run | Topic | Stance | As judged | Corrected | Preferred |" in lines
    judged, found = "+0.53 [+0.43, +0.63]", "+0.40 [+0.20, +0.60]"
    line = next(
        line for line in lines if line.startswith("| SFT on WildChat, from the base model | All topics | support")
    )
    assert line.replace("\\", "").endswith(f"| {judged} | {found} | corrected |")
    assert any(line.startswith("Preferred: raw, if the labels") for line in lines)
    variance = (folder / "variance.md").read_text()
    assert "| SFT on WildChat, from the base model | support | 0.046 | 0.020 |\n" in variance
    assert "Model: Qwen3 4B." in variance
    assert "| +0.20\\* [+0.10, +0.30] | 0.25 | — | — |" in (folder / "table_11_sft_drift_qwen3_4b.md").read_text()
    assert (
        r"\shortstack[r]{+0.20*\\{\scriptsize {[}+0.10, +0.30{]}}}"
        in (folder / "table_11_sft_drift_qwen3_4b.tex").read_text()
    )
    assert "(paper 0.7302)" in (folder / "table_17_downstream.md").read_text()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_one_document_sets_all_tables(folder: Path) -> None:
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "tables.tex"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:]
